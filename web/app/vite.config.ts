import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { oneLanguage } from '../one-language.mjs';

// For `npm run dev`: a running `doorbell demo`, whose pages these then are.
const server = process.env.DOORBELL_URL ?? 'http://127.0.0.1:5544';
const proxy = Object.fromEntries(['/api', '/v1', '/demo', '/media'].map((path) => [path, { target: server, changeOrigin: true, ws: true }]));

export default defineConfig({
  plugins: [
    react(),
    oneLanguage(),
    tailwindcss(),
    {
      name: 'as-doorbell-demo',
      apply: 'serve',
      transformIndexHtml: (page) => page.replace('data-server="serve"', 'data-server="demo"'),
    },
  ],
  build: {
    target: 'es2022',
    // Nothing of what is built stands inside the page: its policy forbids that.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy },
  preview: { proxy },
});

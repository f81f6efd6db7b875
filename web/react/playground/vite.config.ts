import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// `--mode preact` builds the same on Preact, into a folder beside it: the widget is made of that.
export default defineConfig(({ mode }) => ({
  root: import.meta.dirname,
  base: './',
  ...(mode === 'preact'
    ? {
        oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
        resolve: { alias: [{ find: 'react-dom/client', replacement: 'preact/compat/client' }, { find: /^react$/, replacement: 'preact/compat' }] },
      }
    : { plugins: [react()] }),
  build: { outDir: mode === 'preact' ? 'dist/preact' : 'dist', emptyOutDir: true, chunkSizeWarningLimit: 2_000 },
}));

// Builds the panel, and then the loader, which has to know the panel's name.
import { readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const here = path.dirname(fileURLToPath(import.meta.url));
const source = (name) => path.join(here, 'src', name);
const dist = path.join(here, 'dist');
const react = path.dirname(createRequire(import.meta.url).resolve('@doorbell/react'));

const common = {
  root: here,
  configFile: false,
  logLevel: 'warn',
  define: { 'process.env.NODE_ENV': '"production"' },
  resolve: {
    alias: [
      { find: 'react/jsx-runtime', replacement: 'preact/jsx-runtime' },
      { find: 'react-dom/client', replacement: 'preact/compat/client' },
      { find: /^react(-dom)?$/, replacement: 'preact/compat' },
    ],
  },
};

/** What the React package knows of other languages stays behind: `src/languages.ts` loads the one that is needed. */
const oneLanguage = {
  name: 'one-language',
  enforce: 'pre',
  resolveId(id, importer) {
    const language = /^\.\/(ar|de|es)\.js$/.exec(id)?.[1];
    if (language && importer === path.join(react, 'texts/index.js')) return `\0no-${language}`;
  },
  load(id) {
    const language = /^\0no-(\w+)$/.exec(id)?.[1];
    if (language) return `export { en as ${language} } from ${JSON.stringify(path.join(react, 'texts/en.js'))};`;
  },
};

/** Components that a first conversation does without: each comes when it is shown, and nothing stands in its place until then. */
const LATER = { 'media/Lightbox.js': ['Lightbox'], 'inbox/Inbox.js': ['Inbox', 'NothingSelected'] };
const later = {
  name: 'later',
  enforce: 'pre',
  async resolveId(id, importer) {
    if (!importer?.startsWith(react) || !id.startsWith('.')) return;
    const file = path.relative(react, path.resolve(path.dirname(importer), id));
    if (file in LATER) return `\0later:${file}`;
  },
  load(id) {
    const file = /^\0later:(.+)$/.exec(id)?.[1];
    if (!file) return;
    const whole = JSON.stringify(path.join(react, file));
    return `import { later } from ${JSON.stringify(source('later.tsx'))};
${LATER[file].map((name) => `export const ${name} = later(() => import(${whole}).then((whole) => whole.${name}));`).join('\n')}`;
  },
};

export async function buildAll() {
  await rm(dist, { recursive: true, force: true });
  const panel = await build({
    ...common,
    plugins: [oneLanguage, later],
    build: {
      target: 'es2022', outDir: path.join(dist, 'widget'), emptyOutDir: false, modulePreload: false, assetsInlineLimit: 0,
      rolldownOptions: {
        input: source('panel.tsx'),
        // What the later parts share lies in the panel: one file to begin with.
        preserveEntrySignatures: 'allow-extension',
        output: { format: 'es', entryFileNames: 'panel-[hash].js', chunkFileNames: '[name]-[hash].js' },
      },
    },
  });
  const entry = panel.output.find((file) => file.type === 'chunk' && file.isEntry);
  await build({
    ...common,
    define: { ...common.define, PANEL: JSON.stringify(`/widget/${entry.fileName}`) },
    build: {
      target: 'es2022', outDir: dist, emptyOutDir: false, modulePreload: false,
      rolldownOptions: { input: source('loader.ts'), output: { format: 'iife', entryFileNames: 'widget.js' } },
    },
  });
}

await buildAll();

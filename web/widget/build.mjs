// Builds the panel, and then the loader, which has to know the panel's name.
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const here = path.dirname(fileURLToPath(import.meta.url));
const source = (name) => path.join(here, 'src', name);
const dist = path.join(here, 'dist');
const built = (name) => path.join(here, '..', name, 'dist');
const [client, react] = [built('client'), built('react')];

/** A kilobyte smaller than by the builder's own minifier. */
const small = { minify: 'terser', terserOptions: { ecma: 2020, module: true, compress: { passes: 3, keep_fargs: false, pure_getters: true } } };

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
    if (language && importer === path.join(react, 'texts/index.js')) return `\0language:${language}`;
  },
  load(id) {
    const language = /^\0language:(\w+)$/.exec(id)?.[1];
    if (language) return `export { en as ${language} } from ${JSON.stringify(path.join(react, 'texts/en.js'))};`;
  },
};

/** Components that a first conversation does without: each comes when it is shown, and nothing stands in its place until then. */
const COMPONENTS = { 'media/Lightbox.js': ['Lightbox'], 'media/UploadTile.js': ['UploadTile'], 'inbox/Inbox.js': ['Inbox', 'NothingSelected'], 'composer/NotifyAsk.js': ['NotifyAsk'] };
/** The same of functions that answer by a promise anyway. */
const FUNCTIONS = { 'metadata.js': 'removeMetadata', 'resumable.js': 'resume' };
const later = {
  name: 'later',
  enforce: 'pre',
  resolveId(id, importer) {
    if (!id.startsWith('./') && !id.startsWith('../')) return;
    const file = path.resolve(path.dirname(importer), id);
    if (path.relative(react, file) in COMPONENTS || path.relative(client, file) in FUNCTIONS) return `\0later:${file}`;
  },
  load(id) {
    const file = /^\0later:(.+)$/.exec(id)?.[1];
    if (!file) return;
    const [components, call] = [COMPONENTS[path.relative(react, file)], FUNCTIONS[path.relative(client, file)]];
    const load = `import(${JSON.stringify(file)})`;
    if (call) return `export const ${call} = (...given) => ${load}.then((part) => part.${call}(...given));`;
    return `import { later } from ${JSON.stringify(source('later.tsx'))};
${components.map((name) => `export const ${name} = later(() => ${load}.then((part) => part.${name}));`).join('\n')}`;
  },
};

/** Of Socket.IO, what the client has no use for: WebTransport, and events with bytes in them. */
const leanSockets = {
  name: 'lean-sockets',
  enforce: 'pre',
  resolveId(id, importer) {
    if (id === './webtransport.js' && importer.includes('engine.io-client')) return '\0no-webtransport';
    if (id === './binary.js' && importer.includes('socket.io-parser')) return '\0no-bytes';
    if (id === './is-binary.js' && importer.includes('socket.io-parser')) return '\0no-bytes';
  },
  load(id) {
    if (id === '\0no-webtransport') return 'export const WT = undefined;';
    if (id === '\0no-bytes') return 'export const isBinary = () => false; export const hasBinary = isBinary; export const deconstructPacket = isBinary; export const reconstructPacket = isBinary;';
  },
};

/** The React package tells servers that it is for browsers, which a browser need not be told. */
const onLog = (level, log, tell) => void (log.code === 'MODULE_LEVEL_DIRECTIVE' || tell(level, log));

async function buildAll() {
  await rm(dist, { recursive: true, force: true });
  const panel = await build({
    ...common,
    plugins: [oneLanguage, later, leanSockets],
    build: {
      target: 'es2022', ...small, outDir: path.join(dist, 'widget'), emptyOutDir: false, modulePreload: false, assetsInlineLimit: 0,
      rolldownOptions: {
        input: source('panel.tsx'),
        onLog,
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
      target: 'es2022', ...small, outDir: dist, emptyOutDir: false, modulePreload: false,
      rolldownOptions: { onLog, input: source('loader.ts'), output: { format: 'iife', entryFileNames: 'widget.js' } },
    },
  });
}

await buildAll();

// Builds the panel, and then the loader, which has to know the panel's name.
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { oneLanguage } from '../one-language.mjs';
import { leanSockets } from './lean/sockets.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const source = (name) => path.join(here, 'src', name);
const dist = path.join(here, 'dist');
const built = (name) => path.join(here, '..', name, 'dist');
const [client, react] = [built('client'), built('react')];

/**
 * A kilobyte smaller than by the builder's own minifier. What it calls unsafe holds here: methods are not called by `new`, and
 * nothing is compared that is no number.
 */
const small = { minify: 'terser', terserOptions: { ecma: 2022, module: true, compress: { passes: 4, keep_fargs: false, pure_getters: true, unsafe_arrows: true, unsafe_methods: true, sequences: false, unsafe_comps: true } } };

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

/** The loader has computed what goes with the accent, and the panel inherits it. */
const noAccent = {
  name: 'no-accent',
  enforce: 'pre',
  load: (id) => (id === path.join(react, 'theme/accent.js') ? 'export const parseColour = () => null; export const accentVariables = parseColour;' : undefined),
};

/**
 * Components that a first conversation does without: each part comes, with its style sheet, when one of them is shown,
 * and nothing stands in its place until then. Paths are those in the React package.
 */
const PARTS = {
  inbox: { 'inbox/Inbox.js': ['Inbox', 'NothingSelected'] },
  media: { 'media/MessageMedia.js': ['MediaGrid', 'MessageMedia'], 'media/UploadTile.js': ['UploadTile'], 'composer/Tray.js': ['Tray'] },
  lightbox: { 'media/Lightbox.js': ['Lightbox'] },
  question: { 'composer/NotifyAsk.js': ['NotifyAsk'] },
};
const SHEETS = new Set(['inbox', 'media', 'lightbox', 'question']);
/** The same of functions that answer by a promise anyway, of the client and of the React package. */
const FUNCTIONS = { 'provider/chime.js': ['chime'], 'metadata.js': ['removeMetadata'], 'polling.js': ['makePoller'], 'sending-file.js': ['forgetFile', 'sendFile'], 'unread.js': ['findUnread'] };

const functionsIn = (file) => FUNCTIONS[path.relative(client, file)] ?? FUNCTIONS[path.relative(react, file)];
const fromReact = (file) => JSON.stringify(path.join(react, file));
const partOf = (file) => Object.keys(PARTS).find((part) => path.relative(react, file) in PARTS[part]);
const later = {
  name: 'later',
  enforce: 'pre',
  resolveId(id, importer) {
    if (id.startsWith('part:') || id.startsWith('loading:')) return `\0${id}`;
    if (!id.startsWith('./') && !id.startsWith('../')) return;
    const file = path.resolve(path.dirname(importer), id);
    // What is itself in a part finds the other parts there when it needs them.
    if (functionsIn(file) || (partOf(file) && !partOf(importer))) return `\0later:${file}`;
  },
  load(id) {
    const [, kind, name] = /^\0(later|loading|part):(.+)$/.exec(id) ?? [];
    if (kind === 'later' && partOf(name)) {
      const components = PARTS[partOf(name)][path.relative(react, name)];
      return `import { part } from 'loading:${partOf(name)}'; import { later } from ${JSON.stringify(source('later.tsx'))};
${components.map((component) => `export const ${component} = later(part, '${component}');`).join('\n')}`;
    }
    if (kind === 'later') {
      const calls = functionsIn(name);
      return `import { patiently } from ${JSON.stringify(source('later.tsx'))};
const load = () => patiently(() => import(${JSON.stringify(name)}));
${calls.map((call) => `export const ${call} = (...given) => load().then((part) => part.${call}(...given));`).join('\n')}`;
    }
    if (kind === 'loading') return `import { Part } from ${JSON.stringify(source('later.tsx'))}; export const part = new Part(() => import('part:${name}'));`;
    if (kind === 'part') {
      const sheet = SHEETS.has(name) ? `import sheet from '@doorbell/react/styles/${name}.css?inline'; import { wear } from ${JSON.stringify(source('sheets.ts'))}; wear(sheet);` : '';
      return `${sheet}\n${Object.keys(PARTS[name]).map((file) => `export * from ${fromReact(file)};`).join('\n')}`;
    }
  },
};

/** The builder's own waits for style sheets and preloads, of which there are none. */
const plainImports = {
  name: 'plain-imports',
  enforce: 'pre',
  load: (id) => (id.endsWith('vite/preload-helper.js') ? 'export const __vitePreload = (load) => load();' : undefined),
};

/** The React package tells servers that it is for browsers, which a browser need not be told. */
const onLog = (level, log, tell) => void (log.code === 'MODULE_LEVEL_DIRECTIVE' || tell(level, log));

/** Of other languages than English `src/languages.ts` loads the one that is needed. */
const panelPlugins = [oneLanguage(), noAccent, later, leanSockets, plainImports];

async function buildAll() {
  await rm(dist, { recursive: true, force: true });
  const panel = await build({
    ...common,
    plugins: panelPlugins,
    build: {
      target: 'es2022', ...small, outDir: path.join(dist, 'widget'), emptyOutDir: false, modulePreload: false, assetsInlineLimit: 0,
      rolldownOptions: {
        input: source('panel.tsx'),
        onLog,
        // What the later parts share lies in the panel: one file to begin with.
        preserveEntrySignatures: 'allow-extension',
        output: { format: 'es', entryFileNames: 'panel-[hash].js', chunkFileNames: ({ name }) => `${name.replace('_part_', '')}-[hash].js` },
      },
    },
  });
  const entry = panel.output.find((file) => file.type === 'chunk' && file.isEntry);
  await writeFile(path.join(dist, 'widget/panel.js'), `export * from './${entry.fileName}';\n`);
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

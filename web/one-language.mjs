// For the builds of pages that load the texts of the language they need, `@doorbell/react/texts/es` say, and not all of them.
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const texts = path.join(path.dirname(fileURLToPath(import.meta.url)), 'react/dist/texts');

/** A plugin of Vite that leaves out what the React package itself knows of other languages than English. */
export const oneLanguage = () => ({
  name: 'one-language',
  enforce: 'pre',
  resolveId(id, importer) {
    const language = /^\.\/(ar|de|es)\.js$/.exec(id)?.[1];
    if (language && importer === path.join(texts, 'index.js')) return `\0language:${language}`;
  },
  load(id) {
    const language = /^\0language:(\w+)$/.exec(id)?.[1];
    if (language) return `export { en as ${language} } from ${JSON.stringify(path.join(texts, 'en.js'))};`;
  },
});

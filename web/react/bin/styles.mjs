// One plain style sheet out of one for each feature: it needs no bundler of whoever uses it.
import { readFile, writeFile } from 'node:fs/promises';

const folder = new URL('../src/styles/', import.meta.url);
const index = await readFile(new URL('index.css', folder), 'utf8');
const parts = [...index.matchAll(/@import '\.\/(.+?)';/g)].map(([, name]) => readFile(new URL(name, folder), 'utf8'));
if (parts.length === 0) throw new Error('src/styles/index.css imports nothing.');
await writeFile(new URL('../dist/styles.css', import.meta.url), (await Promise.all(parts)).join('\n'));

// One plain style sheet out of one for each feature, and each by itself: they need no bundler of whoever uses them.
import { mkdir, readFile, writeFile } from 'node:fs/promises';

const folder = new URL('../src/styles/', import.meta.url);
const dist = new URL('../dist/', import.meta.url);
const index = await readFile(new URL('index.css', folder), 'utf8');
const names = [...index.matchAll(/@import '\.\/(.+?)';/g)].map(([, name]) => name);
if (names.length === 0) throw new Error('src/styles/index.css imports nothing.');
const parts = await Promise.all(names.map((name) => readFile(new URL(name, folder), 'utf8')));
await mkdir(new URL('styles/', dist), { recursive: true });
await Promise.all(names.map((name, at) => writeFile(new URL(`styles/${name}`, dist), parts[at])));
await writeFile(new URL('styles.css', dist), parts.join('\n'));

// Writes `name.gz` and `name.br` beside each built file that gets smaller by it: node compress.mjs dist [more folders]
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

// Pictures and fonts are compressed already.
const TEXTS = new Set(['.css', '.html', '.js', '.json', '.svg', '.txt', '.webmanifest']);
/** Less than this fits into the first packet anyway. */
const SMALLEST_BYTES = 1000;

for (const folder of process.argv.slice(2)) {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    if (!entry.isFile() || !TEXTS.has(path.extname(file))) continue;
    const plain = readFileSync(file);
    if (plain.length < SMALLEST_BYTES) continue;
    const made = [
      ['.gz', gzipSync(plain, { level: 9 })],
      ['.br', brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } })],
    ];
    for (const [ending, content] of made) if (content.length < plain.length) writeFileSync(file + ending, content);
  }
}

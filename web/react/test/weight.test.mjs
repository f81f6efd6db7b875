// The widget has 60 KB for everything; this is the part of these components.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

const MOST_BYTES = 29 * 1024;

test('all components, hooks and languages together are at most 29 KB of script, compressed', async (t) => {
  const { output } = (await build({
    configFile: false,
    logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"production"' },
    build: { write: false, lib: { entry: fileURLToPath(new URL('../dist/index.js', import.meta.url)), formats: ['es'] }, rolldownOptions: { external: [/^react/, /^@doorbell\/client/], output: { minify: true } } },
  }))[0];
  const size = output.filter(({ type }) => type === 'chunk').reduce((sum, { code }) => sum + gzipSync(code).length, 0);
  t.diagnostic(`${(size / 1024).toFixed(1)} KB`);
  assert.ok(size > 5_000, 'something was built');
  assert.ok(size <= MOST_BYTES, `${size} bytes`);
});

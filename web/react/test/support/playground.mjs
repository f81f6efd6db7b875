// The built playground, served from here, in a Chromium. An error on the console or a request elsewhere fails the test.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { chromium } from 'playwright-core';

const ARGUMENTS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const built = new URL('../../playground/dist/', import.meta.url);

let browser;
let server;
let origin;

async function serve(request, response) {
  const { pathname } = new URL(request.url, 'http://playground');
  const photo = /\/photo\/(\d+)x(\d+)-(\d+)/.exec(pathname);
  if (photo) {
    const [width, height, number] = photo.slice(1).map(Number);
    // Photos come late, and each at another time.
    await new Promise((resolve) => setTimeout(resolve, 40 + ((number * 37) % 160)));
    response.writeHead(200, { 'Content-Type': TYPES['.svg'], 'Cache-Control': 'no-store' });
    return response.end(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="hsl(${number * 40} 40% 60%)"/></svg>`);
  }
  try {
    const path = pathname === '/' ? 'index.html' : pathname.slice(1);
    const body = await readFile(new URL(path, built));
    response.writeHead(200, { 'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream', 'Cache-Control': path.startsWith('assets/') ? 'max-age=600' : 'no-store' }).end(body);
  } catch {
    response.writeHead(404).end();
  }
}

export async function start() {
  server = createServer((request, response) => void serve(request, response));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGUMENTS });
}

export async function stop() {
  await browser?.close();
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve()));
}

/** A page of its own that shows a state of the playground. */
export async function open(t, state, { width = 1100, height = 760, query = {}, motion = 'reduce', path = '', ...options } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, reducedMotion: motion, locale: 'en-GB', timezoneId: 'Europe/Lisbon', ...options });
  const page = await context.newPage();
  const faults = [];
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) faults.push(message.text()); });
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('request', (request) => { if (!/^(data|blob|about):/.test(request.url()) && !request.url().startsWith(origin)) faults.push(`a request to ${request.url()}`); });
  t?.after(async () => {
    await context.close();
    assert.deepEqual(faults, [], 'faults of the page');
  });
  await show(page, state, query, path);
  return page;
}

/** Shows another state in a page that there is: quicker than a new one, where nothing of the state before can matter. */
export async function show(page, state, query = {}, path = '') {
  await page.goto(`${origin}/${path}?${new URLSearchParams({ state, ...query })}`, { waitUntil: 'domcontentloaded' });
  await page.locator('#app > *').first().waitFor();
}

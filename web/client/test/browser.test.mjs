// In Chromium: what Node does not have. IndexedDB, Web Locks and BroadcastChannel, XMLHttpRequest.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after } from 'node:test';
import { chromium } from 'playwright-core';
import { rolldown } from 'rolldown';
import { Doorbell, eventually, mint, Proxy, range, test } from './support.mjs';

const server = await Doorbell.forFile();

const bundle = await rolldown({ input: new URL('../dist/index.js', import.meta.url).pathname, platform: 'browser' });
const { output } = await bundle.generate({ format: 'es' });
// A site of its own, on loopback: another origin than the server's.
const site = createServer((request, response) => {
  const isScript = request.url === '/client.js';
  response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
  response.end(isScript ? output[0].code : '<!doctype html><title>site</title><link rel="icon" href="data:,">');
}).listen(0, '127.0.0.1');
await new Promise((resolve) => site.on('listening', resolve));
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--headless', '--no-sandbox', '--disable-gpu'] });
after(async () => {
  await browser.close();
  site.close();
});

/** Opens a tab with a client of this person and a conversation. */
async function tab(context, person, id, url = server.url) {
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  await page.evaluate(
    async ({ url, token, id }) => {
      const { createClient } = await import('/client.js');
      window.client = createClient({ url, token });
      window.timeline = window.client.conversation(id);
      window.timeline.open();
      window.say = (text) => void window.timeline.send({ text });
      window.texts = () => window.timeline.state.get().messages.map(({ content }) => content);
      window.statuses = () => window.timeline.state.get().messages.map(({ status }) => status);
    },
    { url, token: person.token, id },
  );
  return page;
}

const status = (page, wanted) => page.waitForFunction((wanted) => window.client.state.get().status === wanted, wanted, { timeout: 15_000 });
const shows = (page, texts) => page.waitForFunction((texts) => JSON.stringify(window.texts()) === texts, JSON.stringify(texts), { timeout: 15_000 });

/** Waits until so many messages are in the browser's storage: what a reload finds. */
const kept = (page, count) =>
  page.waitForFunction(
    async (count) => {
      const database = await new Promise((resolve) => (indexedDB.open('doorbell').onsuccess = ({ target }) => resolve(target.result)));
      const keys = await new Promise((resolve) => (database.transaction('values').objectStore('values').getAllKeys().onsuccess = ({ target }) => resolve(target.result)));
      database.close();
      return keys.filter((key) => key.includes('|outbox|')).length === count;
    },
    count,
    { timeout: 15_000 },
  );

async function pair() {
  const [ana, ben] = await server.people('ana', 'ben');
  return { ana: { ...ana, token: mint(ana.id) }, ben, id: (await server.direct(ana, ben)).id, context: await browser.newContext() };
}

const open = async () => {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return [...text.matchAll(/^doorbell_connections_open(?:\{[^}]*\})? (\d+)/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
};

test('a reload in mid-send loses nothing and doubles nothing', async () => {
  const { ana, ben, id, context } = await pair();
  const proxy = await Proxy.start(server.port);
  const page = await tab(context, ana, id, proxy.url);
  await status(page, 'online');
  // The first gets through and its answer does not; the second does not get through.
  proxy.toClient = () => null;
  await page.evaluate(() => window.say('one'));
  await eventually('stored', async () => (await server.history(ben, id)).length === 1);
  proxy.refuses = true;
  proxy.cut();
  await page.evaluate(() => window.say('two'));
  await kept(page, 2);
  await page.close({ runBeforeUnload: false });
  const again = await tab(context, ana, id, proxy.url);
  await shows(again, ['one', 'two']);
  proxy.toClient = (chunk) => chunk;
  proxy.refuses = false;
  await again.evaluate(() => window.client.connect());
  await again.waitForFunction(() => window.statuses().every((one) => one === 'sent'), undefined, { timeout: 15_000 });
  assert.deepEqual((await server.history(ben, id)).map(({ content }) => content), ['one', 'two']);
  await context.close();
  await proxy.stop();
});

test('five tabs have one connection; when its tab crashes another takes over, and nothing is doubled', async () => {
  const { ana, ben, id, context } = await pair();
  const before = await open();
  const pages = [];
  for (const _ of range(5)) pages.push(await tab(context, ana, id));
  for (const page of pages) await status(page, 'online');
  assert.equal(await open(), before + 1);
  await Promise.all(pages.map((page, n) => page.evaluate((n) => window.say(`${n}`), n)));
  for (const page of pages) await page.waitForFunction(() => window.texts().length === 5 && window.statuses().every((one) => one === 'sent'), undefined, { timeout: 15_000 });
  assert.equal((await server.history(ben, id)).length, 5);

  // The first tab got the lock first.
  const [first, ...rest] = pages;
  const crash = await context.newCDPSession(first);
  const crashed = new Promise((resolve) => first.once('crash', resolve));
  void crash.send('Page.crash').catch(() => {}); // nobody is left to answer
  await crashed;
  await Promise.all(rest.map((page, n) => page.evaluate((n) => window.say(`after ${n}`), n)));
  for (const page of rest) await page.waitForFunction(() => window.texts().length === 9 && window.statuses().every((one) => one === 'sent'), undefined, { timeout: 30_000 });
  await server.say(ben, id, 'hello');
  for (const page of rest) await page.waitForFunction(() => window.texts().at(-1) === 'hello', undefined, { timeout: 15_000 });
  assert.equal((await server.history(ben, id)).length, 10);
  await context.close();
});

test('an upload shows its progress, is cancelled, and a photo survives a reload on its way', async () => {
  const { ana, ben, id, context } = await pair();
  const proxy = await Proxy.start(server.port);
  const page = await tab(context, ana, id, proxy.url);
  await status(page, 'online');
  const progress = await page.evaluate(async () => {
    const upload = window.client.upload(new File(['all work and no play\n'.repeat(450_000)], 'long.txt', { type: 'text/plain' }));
    const seen = [];
    upload.progress.subscribe(() => seen.push(upload.progress.get().loaded));
    await upload.done;
    const other = window.client.upload(new File(['a'.repeat(1000)], 'short.txt'));
    other.cancel();
    return { seen, cancelled: await other.done.catch(({ code }) => code), status: other.progress.get().status };
  });
  assert.ok(new Set(progress.seen).size > 4, `${progress.seen}`);
  assert.deepEqual([progress.cancelled, progress.status], ['ABORTED', 'cancelled']);

  proxy.refuses = true;
  proxy.cut();
  await page.evaluate(async () => {
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 64;
    canvas.getContext('2d').fillRect(8, 8, 32, 32);
    const photo = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg'));
    window.timeline.send({ text: 'the beach', files: [new File([photo], 'beach.jpg', { type: 'image/jpeg' })] });
  });
  await kept(page, 1);
  await page.close();
  const again = await tab(context, ana, id, proxy.url);
  await shows(again, ['the beach']);
  proxy.refuses = false;
  await again.evaluate(() => window.client.connect());
  await eventually('sent', async () => (await server.history(ben, id)).length === 1, 20_000);
  const [message] = await server.history(ben, id);
  assert.deepEqual([message.attachments[0].fileName, message.type, message.attachments[0].width], ['beach.jpg', 'image', 64]);
  await context.close();
  await proxy.stop();
});

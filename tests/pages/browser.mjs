// Chromium on the machine, and a server to look at. Every page is watched: an error on the console, a refusal of its
// content security policy, or a request to another host fails the test.
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { chromium } from 'playwright-core';
import { Doorbell } from '../clients/support/doorbell.mjs';

const ARGUMENTS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
// ws: and Chromium's own pages do not count; a page that calls a CDN does.
const LOCAL = /^(http|ws):\/\/127\.0\.0\.1[:/]|^data:|^about:/;

let browser;
after(() => browser?.close());

export async function demo() {
  const server = await Doorbell.start({ command: 'demo', env: { DOORBELL_DATA_DIR: undefined, DOORBELL_JWT_SECRET: undefined, DOORBELL_API_KEY: undefined, DOORBELL_RATE_LIMITS: undefined } });
  after(() => server.stop());
  return server;
}

/** A page of its own, without cookies of others. `faults` collects what must not happen. */
export async function open(t, url, { width = 1280, height = 800, allowed = [], ...options } = {}) {
  browser ??= await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGUMENTS });
  const context = await browser.newContext({ viewport: { width, height }, reducedMotion: 'reduce', locale: 'en-GB', ...options });
  const page = await context.newPage();
  const faults = [];
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) faults.push(message.text()); });
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('request', (request) => { if (!LOCAL.test(request.url())) faults.push(`a request to ${request.url()}`); });
  t?.after(async () => {
    await context.close();
    assert.deepEqual(faults.filter((fault) => !allowed.some((pattern) => pattern.test(fault))), [], 'faults of the page');
  });
  await page.goto(url);
  return page;
}

export const pane = (page, side) => page.locator(`.pane[data-side="${side}"]`);

/** Both sides are live and show a conversation. */
export async function bothOpen(page) {
  for (const side of ['left', 'right']) {
    await pane(page, side).locator('.state[data-state="live"]').waitFor({ state: 'attached' });
    await pane(page, side).locator('.messages .bubble').first().waitFor({ state: 'attached' });
  }
}

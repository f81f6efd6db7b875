// Chromium on the machine. Every page is watched: an error on the console, a refusal of its content security policy, or a
// request to another host fails the test.
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { chromium } from 'playwright-core';

const ARGUMENTS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required'];
/** What a page may ask for. */
const OWN = /^(http|ws):\/\/127\.0\.0\.1[:/]|^(data|blob|about):/;
/** What Chromium says while a server is away. */
export const AWAY = [/WebSocket connection/, /ERR_CONNECTION|ERR_SOCKET|ERR_INCOMPLETE|ERR_EMPTY_RESPONSE/, /Failed to load resource: net::/];

let browser;
after(() => browser?.close());

async function chrome() {
  browser ??= await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGUMENTS });
  return browser;
}

/** A browser of one person: pages in it share cookies and storage. `allowed`: faults that this test brings about. */
export async function newBrowser(t, { width = 1280, height = 800, allowed = [], ...options } = {}) {
  const context = await (await chrome()).newContext({ viewport: { width, height }, reducedMotion: 'reduce', locale: 'en-GB', ...options });
  context.setDefaultTimeout(12_000);
  const faults = [];
  context.on('page', (page) => {
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) faults.push(`${message.text()} (${page.url()})`);
    });
    page.on('pageerror', (error) => faults.push(error.stack ?? String(error)));
    page.on('request', (request) => {
      if (!OWN.test(request.url())) faults.push(`a request to ${request.url()}`);
    });
  });
  t?.after(async () => {
    await context.close();
    assert.deepEqual(faults.filter((fault) => !allowed.some((pattern) => pattern.test(fault))), [], 'faults of the pages');
  });
  return context;
}

/** As policies do that forbid WebSockets. */
export const blockWebSockets = (browser) => browser.addInitScript(() => {
  window.WebSocket = class {
    constructor() { throw new DOMException('blocked', 'SecurityError'); }
  };
});

/** A page in a browser of its own. */
export async function open(t, url, options) {
  const page = await (await newBrowser(t, options)).newPage();
  await page.goto(url);
  return page;
}

/** How many pixels the page is wider than its window. */
export const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

// A server to look at, and what people do on its pages, in the words of those pages.
import { after } from 'node:test';
import { Doorbell } from '../../../tests/clients/support/doorbell.mjs';

export { eventually, sleep, test } from '../../../tests/clients/support/test.mjs';

/** `doorbell demo`, as at home: with its own rates, folder and secret. */
export async function demo(env = {}) {
  const server = await Doorbell.start({
    command: 'demo',
    env: { DOORBELL_DATA_DIR: undefined, DOORBELL_JWT_SECRET: undefined, DOORBELL_API_KEY: undefined, DOORBELL_RATE_LIMITS: undefined, ...env },
  });
  after(() => server.stop());
  return server;
}

/** REST as one of the sample people, for what a test needs to find there. */
export async function as(server, userId) {
  const signIn = await fetch(`${server.url}/api/demo/sign-in`, { method: 'POST', body: JSON.stringify({ userId, cookie: false }) });
  const { token } = await signIn.json();
  const call = async (method, path, body) => {
    const answer = await fetch(server.url + path, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && !(body instanceof FormData) && { 'content-type': 'application/json' }) },
      body: body instanceof FormData ? body : body && JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : null;
  };
  return { token, get: (path) => call('GET', path), post: (path, body) => call('POST', path, body) };
}

// The chat, wherever it is on a page

export const chatOf = (page) => page.locator('.db-chat');
export const field = (page) => page.getByRole('textbox', { name: /^Message to / });
export const bubble = (page, text) => page.locator('.db-message').filter({ hasText: text });
export const row = (page, name) => page.locator('.db-row').filter({ hasText: name });

/** Writes a message and sends it with Enter. */
export async function say(page, text) {
  await field(page).fill(text);
  await field(page).press('Enter');
}

/** Picks files, as by the button of the field. */
export async function choose(page, ...files) {
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.getByRole('button', { name: 'Add photos, videos or files' }).click()]);
  await chooser.setFiles(files);
}

/** A slow line up, in bytes a second; 0: as fast as it goes. */
export async function slowUploads(page, bytesPerSecond) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: bytesPerSecond || -1 });
}

/** Of one's own message: `Sending`, `Sent`, `Read`, ... */
export const statusOf = (page, text, status) =>
  // Whole: 'Sent' is a part of 'Waiting to be sent'.
  bubble(page, text).locator('.db-receipt').filter({ hasText: typeof status === 'string' ? new RegExp(`^\\s*${status}\\s*$`) : status });

/** The id of this person's conversation about a listing. */
export async function conversationOf(server, userId, listingId) {
  const { conversations } = await (await as(server, userId)).get('/api/conversations');
  return conversations.find(({ listing }) => listing?.id === listingId).id;
}

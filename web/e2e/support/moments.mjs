// What needs somebody to do something first, for the pictures.
import { API_KEY } from '../../../tests/clients/support/doorbell.mjs';
import { noise, png } from '../../../tests/clients/support/media.mjs';
import { blockWebSockets } from './browser.mjs';
import { bubble, chatOf, choose, field, row, slowUploads } from './stage.mjs';

/** By the button: on a phone Enter breaks the line. */
async function send(page, text) {
  await field(page).fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
}

/** What is asked for and never comes. */
const hang = (browser, pattern) => browser.route(pattern, () => {});
const withoutSockets = async (browser) => {
  await browser.route('**/api/socketio/**', (route) => route.abort());
  await blockWebSockets(browser);
};

/** They come last: they change what is there, and the last one ends the server. */
export const moments = ({ server, loft, bakery }) => [
  { name: 'chat with photos', path: `/messages/${bakery}?as=sam`, reach: async (page) => {
    await bubble(page, 'cinnamon').waitFor();
    await page.waitForTimeout(400);
  } },
  { name: 'photo enlarged', path: `/messages/${bakery}?as=sam`, reach: async (page) => {
    await page.getByRole('button', { name: /^Open photo from/ }).last().click();
    await page.getByRole('dialog').waitFor();
    await page.waitForTimeout(400);
  } },
  { name: 'files to send', path: `/messages/${loft}?as=mira`, reach: async (page) => {
    await choose(page, { name: 'paw.png', mimeType: 'image/png', buffer: png(300, 220, 4) }, { name: 'lease.txt', mimeType: 'text/plain', buffer: Buffer.from('A lease.') });
    await field(page).fill('Her paw, and the lease.');
    await page.waitForTimeout(600);
  } },
  { name: 'a file is dropped', path: `/messages/${loft}?as=mira`, reach: async (page) => {
    await field(page).waitFor();
    const dragged = await page.evaluateHandle(() => {
      const made = new DataTransfer();
      made.items.add(new File(['x'], 'paw.png', { type: 'image/png' }));
      return made;
    });
    for (const type of ['dragenter', 'dragover']) await chatOf(page).dispatchEvent(type, { dataTransfer: dragged });
  } },
  { name: 'a file goes up', path: `/messages/${loft}?as=mira`, reach: async (page) => {
    await field(page).waitFor();
    await slowUploads(page, 60_000);
    await choose(page, { name: 'kitchen.png', mimeType: 'image/png', buffer: noise(500, 400) });
    await page.getByRole('progressbar', { name: /kitchen/ }).waitFor();
    await page.waitForTimeout(4000);
  } },
  { name: 'a group', path: '/messages?as=bea', reach: async (page) => {
    await row(page, 'Market Square summer party').click();
    await bubble(page, 'small fracture').waitFor();
  } },
  { name: 'a new chat', path: '/listing/canal-loft?as=yuki', reach: async (page) => {
    await page.getByRole('button', { name: 'Contact owner' }).click();
    await field(page).waitFor();
    await page.waitForTimeout(400);
  } },
  { name: 'not sent', path: `/messages/${loft}?as=mira`, reach: async (page) => {
    await field(page).waitFor();
    const close = (isActive) => fetch(`${server.url}/v1/conversations/${loft}`, { method: 'PATCH', headers: { 'x-api-key': API_KEY, 'content-type': 'application/json' }, body: JSON.stringify({ isActive }) });
    await close(false);
    await send(page, 'Shall I bring the signed lease?');
    await bubble(page, 'signed lease').getByText('Not sent.').waitFor();
    await close(true);
  } },
  { name: 'loading', path: '/messages?as=sam', prepare: (browser) => hang(browser, '**/api/conversations*'), reach: (page) => page.waitForTimeout(2500) },
  { name: 'a chat is loading', path: `/messages/${loft}?as=mira`, prepare: (browser) => hang(browser, '**/api/messages*'), reach: (page) => page.waitForTimeout(2500) },
  { name: 'polling', path: `/messages/${loft}?as=mira`, prepare: withoutSockets, reach: (page) => page.getByText(/Looking for news every few seconds/).waitFor({ timeout: 40_000 }) },
  { name: 'in Arabic', path: `/messages/${loft}?as=mira`, prepare: (browser) => browser.addInitScript(() => location.protocol === 'http:' && localStorage.setItem('latchkey:locale', 'ar')), reach: (page) => bubble(page, 'decorative').first().waitFor() },
  { name: 'nobody has written', path: '/messages?as=mira', reach: async (page) => {
    await page.route('**/api/conversations*', (route) => route.fulfill({ json: { conversations: [], hasMore: false, nextCursor: null } }));
    await page.evaluate(() => indexedDB.databases().then((all) => all.forEach(({ name }) => indexedDB.deleteDatabase(name))));
    await page.reload();
    await page.getByText('No conversations yet').first().waitFor();
  } },
  { name: 'the server is away', path: `/messages/${loft}?as=mira`, reach: async (page) => {
    await page.locator('.db-message[data-mine]').first().waitFor({ state: 'attached' });
    await page.waitForLoadState('networkidle');
    await server.terminate();
    await send(page, 'Does it still hold this?');
    await page.getByText(/your messages are kept/i).first().waitFor();
  } },
];

// What the panel does without until it is needed, what becomes of it after an update, and ways to the server other than sockets.
import assert from 'node:assert/strict';
import { mint, unique } from '../../tests/clients/support/doorbell.mjs';
import { png } from '../../tests/clients/support/media.mjs';
import { newBrowser } from './support/browser.mjs';
import { bubble, eventually, field, say, statusOf, test } from './support/stage.mjs';
import { askedListing, dialog, launcher, listing, server, site, visit, withoutWebSockets } from './support/widget.mjs';

test('a part that does not come at once comes a moment later, and no style of it is missing', async (t) => {
  const url = await askedListing();
  const browser = await newBrowser(t, { allowed: [/status of 400/, /ERR_FAILED/, /Failed to load resource/] });
  const page = await browser.newPage();
  const asked = [];
  await page.route('**/widget/inbox-*.js', (route) => (asked.push(route.request().url()) === 1 ? route.abort() : route.continue()));
  await page.goto(url);
  await launcher(page).click();
  await dialog(page).getByText('May I see it?').waitFor();
  assert.ok(asked.length > 1, 'it was asked for again');
  const row = await page.locator('.db-row').first().evaluate((element) => getComputedStyle(element).borderRadius);
  assert.equal(row, '14px', 'the list came with its styles');
});

/** From here on the server has another build: it answers 404 for whatever of this one is not loaded. */
const deploy = (page) => page.route('**/widget/*-*.js', (route) => route.continue({ url: `${server.url}/widget/gone-1.js` }));
const OLDER = /This page is older than the chat\./;
const GONE = [/status of 404/, /a part of the chat did not load/];

test('a page that is older than the server says so once, and what was written is there after the reload', async (t) => {
  const page = await visit(t, listing(unique('ann')).url, { allowed: GONE });
  await launcher(page).click();
  await say(page, 'Before the new version');
  await statusOf(page, 'Before the new version', 'Sent').waitFor({ state: 'attached' });
  await deploy(page);
  await page.locator('input[type=file]').first().setInputFiles({ name: 'view.png', mimeType: 'image/png', buffer: png(320, 240, 1) });
  await dialog(page).getByText(OLDER).waitFor();
  assert.equal(await dialog(page).getByRole('alert').count(), 1);
  const [popup, writing] = [await dialog(page).boundingBox(), await field(page).boundingBox()];
  assert.ok(writing.y + writing.height <= popup.y + popup.height, 'the field is not pushed out of the chat');
  await page.unroute('**/widget/*-*.js');
  page.asked.length = 0;
  await field(page).fill('Half a sentence');
  await Promise.all([page.waitForEvent('load'), dialog(page).getByRole('button', { name: 'Reload' }).click()]);
  assert.ok(page.asked.filter((path) => path === '/widget.js').length > 1, 'the loader was fetched past the cache as well');
  await bubble(page, 'Before the new version').waitFor();
  await eventually('the draft is back', async () => (await field(page).inputValue()) === 'Half a sentence');
  assert.equal(await dialog(page).getByText(OLDER).count(), 0);
});

test('where the list of an older page is gone, it says so in its place', async (t) => {
  const url = site.put(`/${unique('page')}`, { server: server.url, tag: { 'token-url': `/token?as=${unique('ann')}`, launcher: '' } });
  const page = await visit(t, url, { allowed: GONE });
  await page.locator('.launcher').hover();
  await eventually('the panel is there', () => page.asked.some((path) => path.startsWith('/widget/panel-')));
  await page.waitForLoadState('networkidle');
  await deploy(page);
  await page.locator('.launcher').click();
  await dialog(page).getByText(OLDER).waitFor();
  await dialog(page).getByRole('button', { name: 'Reload' }).waitFor();
  await dialog(page).getByRole('button', { name: 'Close chat' }).click();
  await dialog(page).waitFor({ state: 'detached' });
});

test('a part that the network does not bring is no reason to call the page old', async (t) => {
  const page = await visit(t, listing(unique('ann')).url, { allowed: [/ERR_FAILED/] });
  await launcher(page).click();
  await field(page).waitFor();
  let attempts = 0;
  await page.route('**/widget/media-*.js', (route) => ((attempts += 1) < 3 ? route.abort() : route.fallback()));
  await page.locator('input[type=file]').first().setInputFiles({ name: 'view.png', mimeType: 'image/png', buffer: png(320, 240, 1) });
  await page.locator('.db-tray .db-tile').waitFor();
  assert.equal(await dialog(page).getByText(OLDER).count(), 0);
});

test('a loader from before a new version starts the panel of that version', async (t) => {
  const prepare = (browser) => browser.route('**/widget.js', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, body: (await answer.text()).replace(/panel-[\w-]+\.js/, 'panel-older.js') });
  });
  const page = await visit(t, listing(unique('ann')).url, { prepare, allowed: GONE });
  await launcher(page).click();
  await say(page, 'By the new panel');
  await statusOf(page, 'By the new panel', 'Sent').waitFor({ state: 'attached' });
  assert.ok(page.asked.includes('/widget/panel-older.js') && page.asked.includes('/widget/panel.js'), page.asked.join());
});

test('a photo comes with the code that shows it', async (t) => {
  const page = await visit(t, listing(unique('ann')).url);
  await launcher(page).click();
  await field(page).waitFor();
  const later = () => page.asked.filter((path) => /\/widget\/(media|sending-file|metadata)-/.test(path));
  assert.deepEqual(later(), [], 'not before it is needed');
  await page.locator('input[type=file]').first().setInputFiles({ name: 'view.png', mimeType: 'image/png', buffer: png(320, 240, 1) });
  await page.locator('.db-tray .db-tile').waitFor();
  await say(page, 'The view');
  await statusOf(page, 'The view', /^Sent$/).waitFor({ state: 'attached' });
  await bubble(page, 'The view').locator('.db-tile-picture').waitFor();
  assert.ok(later().length >= 2, page.asked.join());
  await bubble(page, 'The view').locator('.db-tile').click();
  await page.locator('.db-lightbox').waitFor();
});

test('polling comes by itself where sockets are blocked', async (t) => {
  const prepare = async (browser) => {
    await withoutWebSockets(browser);
    await browser.route('**/api/socketio/**', (route) => route.abort());
  };
  const page = await visit(t, listing(unique('ann')).url, { prepare, allowed: [/ERR_FAILED/] });
  await launcher(page).click();
  await say(page, 'Without a socket');
  await statusOf(page, 'Without a socket', /^Sent$/).waitFor({ state: 'attached', timeout: 40_000 });
  assert.ok(page.asked.some((path) => path.startsWith('/widget/polling-')), page.asked.join());
  assert.ok(page.asked.includes('/healthz'), 'it was looked for the reason');
});

test('long polling alone carries the chat', async (t) => {
  const ann = unique('ann');
  const { url, owner, listing: id } = listing(ann);
  const page = await visit(t, url, { prepare: withoutWebSockets });
  await launcher(page).click();
  await say(page, 'By long polling');
  await statusOf(page, 'By long polling', /^Sent$/).waitFor({ state: 'attached' });
  const { body } = await server.api(mint(owner)).get('/api/conversations');
  await server.say({ token: mint(owner) }, body.conversations.find((one) => one.listing?.id === id).id, 'It arrives.');
  await bubble(page, 'It arrives.').waitFor();
  assert.ok(!page.asked.some((path) => path.startsWith('/widget/polling-')), 'it is a live connection');
  assert.ok(page.asked.some((path) => path.startsWith('/widget/long-polling-')), page.asked.join());
});

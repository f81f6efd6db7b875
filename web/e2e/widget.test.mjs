// The widget on somebody else's site: another origin, a strict policy, and no patience for scripts that cost something.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { mint, unique } from '../../tests/clients/support/doorbell.mjs';
import * as texts from '../react/dist/texts/index.js';
import { newBrowser, overflow } from './support/browser.mjs';
import { Site } from './support/site.mjs';
import { bubble, eventually, field, say, statusOf, test } from './support/stage.mjs';
import { askedListing, dialog, launcher, listing, server, site, visit } from './support/widget.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const BUILT = fileURLToPath(new URL('../widget/dist/', import.meta.url));
/** Chromium tells the console of every answer that is an error. */
const REFUSED = [/status of 401/];

const focused = (page) => page.evaluate(() => {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element?.getAttribute('aria-label') ?? element?.textContent;
});
async function violations(page) {
  await page.evaluate(AXE);
  const { violations: found } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  return found.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html.slice(0, 140)} (${node.failureSummary?.split('\n')[1]?.trim()})`).join(' | ')}`);
}

test('what is written on the page arrives at the other side, and the answer comes back', async (t) => {
  const ann = unique('ann');
  const { url, owner, listing: id } = listing(ann);
  const page = await visit(t, url);
  await launcher(page).click();
  await field(page).waitFor();
  const scripts = page.asked.filter((path) => path.endsWith('.js'));
  assert.equal(scripts.length, 2, `the loader and the panel are all that it took: ${scripts}`);
  assert.match(await dialog(page).textContent(), /Two rooms above the chandlery/, 'the page says what the server does not know');
  await say(page, 'Is it still free?');
  await statusOf(page, 'Is it still free?', 'Sent').waitFor({ state: 'attached' });
  const { body } = await server.api(mint(owner)).get('/api/conversations');
  const conversation = body.conversations.find((one) => one.listing?.id === id);
  assert.equal(conversation.lastMessage, 'Is it still free?');
  await server.say({ token: mint(owner) }, conversation.id, 'From March on.');
  await bubble(page, 'From March on.').waitFor();
});

test('the chat works under a policy without unsafe-inline and unsafe-eval, and with trusted types', async (t) => {
  const { url } = listing(unique('ann'));
  // A refusal of the policy is an error on the console, which fails the test.
  const page = await visit(t, url);
  await launcher(page).click();
  await say(page, 'With a strict policy');
  await statusOf(page, 'With a strict policy', 'Sent').waitFor({ state: 'attached' });
  const colour = await bubble(page, 'With a strict policy').locator('.db-bubble').evaluate((element) => getComputedStyle(element).backgroundColor);
  assert.equal(colour, 'rgb(24, 92, 78)', 'the styles are there');
});

test('until somebody is about to use it, the script asks for nothing, stores nothing and moves nothing', async (t) => {
  const { url } = listing(unique('ann'), { buttons: [{ 'listing-id': 'room', 'owner-id': 'somebody' }] });
  site.asked.length = 0;
  const page = await visit(t, url);
  await launcher(page).waitFor();
  await page.waitForLoadState('networkidle');
  assert.deepEqual(page.asked, ['/widget.js']);
  assert.ok(!site.asked.includes('POST /token'), 'nobody was asked who is signed in');
  assert.deepEqual(await page.context().cookies(), []);
  assert.deepEqual(await page.evaluate(async () => [localStorage.length, sessionStorage.length, (await indexedDB.databases()).length]), [0, 0, 0]);
  assert.equal(await page.evaluate(() => window.shifts), 0, 'nothing of the page was moved');
  // The pointer comes near: the code is fetched, and nothing is done with it.
  await page.getByRole('button', { name: 'Ask about room 1' }).hover();
  await eventually('the panel is fetched', () => page.asked.some((path) => path.startsWith('/widget/panel-')));
  await page.waitForLoadState('networkidle');
  assert.ok(!site.asked.includes('POST /token'));
  assert.ok(page.asked.every((path) => path.startsWith('/widget')), page.asked.join());
});

test('two buttons and a launcher each open their own conversation, also a button that came later', async (t) => {
  const owner = unique('owner');
  const { url } = listing(unique('ann'), { buttons: [{ 'listing-id': unique('room'), 'owner-id': owner, title: 'The small room' }, { 'listing-id': unique('room'), 'owner-id': owner, title: 'The large room' }] });
  const page = await visit(t, url, { height: 1100 });
  for (const [at, title] of ['The small room', 'The large room'].entries()) {
    await page.getByRole('button', { name: `Ask about room ${at + 1}` }).click();
    await dialog(page).getByText(title).first().waitFor();
    await say(page, `About ${title}`);
    await statusOf(page, `About ${title}`, 'Sent').waitFor({ state: 'attached' });
  }
  assert.equal(await bubble(page, 'About The small room').count(), 0, 'one conversation is not the other');
  await page.evaluate(([id, ownerId]) => {
    const button = document.createElement('button');
    Object.assign(button.dataset, { doorbellContact: '', listingId: id, ownerId, title: 'The attic' });
    button.textContent = 'Ask about the attic';
    document.querySelector('main').append(button);
  }, [unique('room'), owner]);
  await page.getByRole('button', { name: 'Ask about the attic' }).click();
  await dialog(page).getByText('The attic').first().waitFor();
  assert.equal(await dialog(page).count(), 1);
});

test('two script tags make one widget with two launchers, and the same tag twice makes one', async (t) => {
  const owner = unique('owner');
  const first = { 'listing-id': unique('flat'), 'owner-id': owner, title: 'The flat', label: 'Ask about the flat', 'token-url': `/token?as=${unique('ann')}` };
  const second = { 'listing-id': unique('garage'), 'owner-id': owner, title: 'The garage', label: 'Ask about the garage' };
  const url = site.put('/two', { server: server.url, tag: first, more: [second, first] });
  const page = await visit(t, url);
  await launcher(page, 'Ask about the garage').waitFor();
  assert.equal(await page.locator('doorbell-widget').count(), 1);
  await eventually('two launchers', async () => (await page.locator('.launcher').count()) === 2);
  await launcher(page, 'Ask about the garage').click();
  await dialog(page).getByText('The garage').first().waitFor();
});

test('Escape closes the chat and gives the focus back to the button; all of it works by keyboard', async (t) => {
  const { url } = listing(unique('ann'), { buttons: [{ 'listing-id': unique('room'), 'owner-id': unique('owner') }] });
  // The second takes the whole screen.
  for (const size of [undefined, { width: 380, height: 700 }]) {
    const page = await visit(t, url, size);
    await launcher(page).waitFor();
    for (const name of ['Ask about room 1', 'Contact owner']) {
      await page.getByRole('button', { name }).focus();
      await page.keyboard.press('Enter');
      await eventually('the field has the focus', async () => /^Message to /.test((await focused(page)) ?? ''));
      await page.keyboard.press('Escape');
      await dialog(page).waitFor({ state: 'detached' });
      assert.match(await focused(page), new RegExp(`^${name}`));
    }
  }
});

test('the chat is open or closed as it was left, after another page and after a reload', async (t) => {
  const ann = unique('ann');
  const { url, path } = listing(ann);
  const page = await visit(t, url);
  await launcher(page).click();
  await say(page, 'Keep this open');
  await statusOf(page, 'Keep this open', 'Sent').waitFor({ state: 'attached' });
  await page.reload();
  await bubble(page, 'Keep this open').waitFor();
  await page.goto(site.put(`${path}-next`, { server: server.url, tag: { 'token-url': `/token?as=${ann}`, launcher: '' } }));
  await bubble(page, 'Keep this open').waitFor();
  // A route that changes without a load, as in an application of one page that replaces its body.
  await page.evaluate(() => {
    history.pushState(null, '', '/elsewhere');
    document.body.replaceWith(document.createElement('body'));
  });
  assert.equal(await bubble(page, 'Keep this open').count(), 1);
  await page.getByRole('button', { name: 'Close chat' }).click();
  await page.goto(url);
  await launcher(page).waitFor();
  await eventually('it has connected, since somebody may have answered', () => page.asked.includes('/api/conversations'));
  assert.equal(await dialog(page).count(), 0);
});

test('who is not signed in is told so, and comes back to what they asked for', async (t) => {
  const { url, path } = listing(null, { tag: { 'sign-in-url': '/sign-in?next={url}' } });
  site.put('/sign-in', { server: server.url, title: 'Sign in' });
  const page = await visit(t, url, { allowed: REFUSED });
  await launcher(page).click();
  await dialog(page).getByText('Sign in to go on.').waitFor();
  assert.deepEqual(await page.context().cookies(), []);
  await dialog(page).getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(`${site.origin}/sign-in?next=${encodeURIComponent(url)}`);
  const { tag } = site.pages[path];
  site.put(path, { server: server.url, tag: { ...tag, 'token-url': `/token?as=${unique('ann')}` } });
  await page.goto(url);
  await field(page).waitFor();
  assert.match(await dialog(page).textContent(), /Two rooms above the chandlery/);
});

test('a page may give tokens and sign people in by functions, listen, open, close and end the widget', async (t) => {
  const token = mint(unique('ann'), { name: 'Ann' });
  const { url, listing: listingId, owner: ownerId } = listing(null, {
    tag: { 'token-url': '' },
    early: `window.doorbell = { getToken: async () => ${JSON.stringify(token)} }; window.told = []; addEventListener('doorbell:ready', () => { for (const name of ['open', 'close', 'message', 'unread']) doorbell.on(name, (value) => told.push([name, value])); });`,
  });
  const page = await visit(t, url);
  await launcher(page).waitFor();
  await page.evaluate((target) => window.doorbell.open(target), { listingId, ownerId });
  await say(page, 'By function');
  await statusOf(page, 'By function', 'Sent').waitFor({ state: 'attached' });
  await page.evaluate(() => window.doorbell.close());
  await dialog(page).waitFor({ state: 'detached' });
  const { body } = await server.api(mint(ownerId)).get('/api/conversations');
  await server.say({ token: mint(ownerId) }, body.conversations[0].id, 'An answer');
  await launcher(page, '1').waitFor();
  const told = await page.evaluate(() => window.told);
  assert.ok(told.some(([name, value]) => name === 'message' && value.content === 'By function'), JSON.stringify(told));
  assert.deepEqual(told.find(([name]) => name === 'unread'), ['unread', 1]);
  assert.ok(told.some(([name]) => name === 'close'));
  await page.evaluate(() => window.doorbell.destroy());
  assert.equal(await page.locator('doorbell-widget').count(), 0);
  assert.equal(await page.evaluate(() => typeof window.doorbell), 'undefined');
});

test('a site that the server does not know reads on its console, and in the chat, what to set', async (t) => {
  const stranger = await Site.start();
  const url = stranger.put('/', { server: server.url, tag: { 'token-url': '/token?as=ann', 'listing-id': 'x', 'owner-id': 'y' } });
  const page = await visit(t, url, { allowed: [/CORS policy/, /ERR_FAILED/, /WebSocket|status of 403/, /ORIGIN_REFUSED/] });
  const said = [];
  page.on('console', (message) => said.push(message.text()));
  await launcher(page).click();
  await dialog(page).getByText(`does not let in pages of ${stranger.origin}`).waitFor();
  assert.ok(said.some((text) => text.includes('FRONTEND_URL') && text.includes('errors.md#origin_refused')), said.join('\n'));
});

test('a token address that answers something else is told to the developer', async (t) => {
  const { url } = listing(null, { tag: { 'token-url': '/nowhere' } });
  const page = await visit(t, url, { allowed: [/status of 404/, /TOKEN_URL/] });
  const said = [];
  page.on('console', (message) => said.push(message.text()));
  await launcher(page).click();
  await dialog(page).getByText('/nowhere answered 404').waitFor();
  assert.ok(said.some((text) => text.includes('errors.md#token_url')), said.join('\n'));
});

test('a button or a tag without an owner, or with one that is no id, is told to the developer, and the rest works', async (t) => {
  const owner = unique('owner');
  const buttons = [{ 'listing-id': 'room-1' }, { 'listing-id': 'room-2', 'owner-id': 'undefined' }, { 'listing-id': unique('room'), 'owner-id': owner }];
  const url = site.put(`/${unique('page')}`, { server: server.url, tag: { 'token-url': `/token?as=${unique('ann')}`, 'listing-id': 'flat', 'owner-id': '{{ owner.id }}' }, buttons });
  const page = await (await newBrowser(t, { allowed: [/opens no conversation/] })).newPage();
  const said = [];
  page.on('console', (message) => said.push(message.text()));
  await page.goto(url);
  await eventually('each is told', () => said.length === 3);
  for (const [start, end] of [['flat', '"{{ owner.id }}"'], ['room-1', 'missing'], ['room-2', '"undefined"']]) {
    assert.ok(said.some((text) => text.includes(`data-listing-id is "${start}", data-owner-id is ${end}. Both must be ids`)), said.join('\n'));
  }
  assert.equal(await page.locator('.launcher').count(), 0, 'a tag that names no conversation brings no button');
  await page.getByRole('button', { name: 'Ask about room 2' }).click();
  await dialog(page).getByText('No conversations yet').waitFor();
  await page.getByRole('button', { name: 'Ask about room 3' }).click();
  await say(page, 'The third works');
  await statusOf(page, 'The third works', 'Sent').waitFor({ state: 'attached' });
});

test('a policy that forbids the chat is named, with the directive that is to be changed', async (t) => {
  const { url } = listing(unique('ann'), { connect: '' });
  const page = await visit(t, url, { allowed: [/Content Security Policy/, /Content-Security-Policy/, /POLICY/, /violates the following/, /Refused to connect/] });
  const said = [];
  page.on('console', (message) => said.push(message.text()));
  await launcher(page).click();
  await dialog(page).getByText('Its connect-src must name').waitFor();
  assert.ok(said.some((text) => text.includes('errors.md#policy')), said.join('\n'));
});

test('the owner of a listing finds those who have asked about it', async (t) => {
  const url = await askedListing();
  const page = await visit(t, url, { allowed: [/status of 400/] });
  await launcher(page).click();
  await dialog(page).getByText('May I see it?').waitFor();
});

test('on a phone the chat has the whole screen, and the page waits', async (t) => {
  const { url } = listing(unique('ann'));
  const page = await visit(t, url, { width: 360, height: 740, hasTouch: true, isMobile: true });
  assert.ok((await overflow(page)) <= 0);
  await launcher(page).tap();
  await field(page).waitFor();
  const box = await dialog(page).boundingBox();
  assert.deepEqual([box.x, box.y, box.width, box.height].map(Math.round), [0, 0, 360, 740]);
  assert.ok(await dialog(page).evaluate((element) => element.matches(':modal')));
  await page.getByRole('button', { name: 'Close chat' }).tap();
  await dialog(page).waitFor({ state: 'detached' });
});

test('what asks a full screen to close, as Back does on Android, closes the chat, and it can be opened again', async (t) => {
  const page = await visit(t, listing(unique('ann')).url, { width: 360, height: 740, hasTouch: true, isMobile: true });
  const before = await page.evaluate(() => history.length);
  // The second way is that of browsers which do not ask a page that nobody has touched since.
  for (const way of ['requestClose', 'close']) {
    await launcher(page).tap();
    await field(page).waitFor();
    await page.locator('dialog.db-popup').evaluate((element, name) => element[name](), way);
    await dialog(page).waitFor({ state: 'detached' });
    await eventually('the page can be scrolled', () => page.evaluate(() => document.documentElement.style.overflow === ''));
  }
  await launcher(page).tap();
  await field(page).waitFor();
  assert.equal(await page.evaluate(() => history.length), before, 'the history is the page\'s alone');
});

test('it looks the same on a page with a small root font, an accent of its own, a place and a layer', async (t) => {
  const { url } = listing(unique('ann'), { tag: { accent: '#ffd84d', theme: 'dark', panel: 'left', launcher: 'right', 'z-index': '77', locale: 'de' } });
  const page = await visit(t, url);
  await launcher(page, 'Anbieter kontaktieren').click();
  await page.getByRole('textbox', { name: /Nachricht/ }).waitFor();
  const popup = page.locator('dialog.db-popup');
  const looks = await popup.evaluate((element) => {
    const style = getComputedStyle(element);
    return { size: style.fontSize, layer: style.zIndex, left: Math.round(element.getBoundingClientRect().left), scheme: style.colorScheme, accent: style.getPropertyValue('--db-accent-ink') };
  });
  assert.deepEqual(looks, { size: '16px', layer: '77', left: 20, scheme: 'dark', accent: 'rgb(255 216 77)' });
  const button = await page.locator('.launcher').evaluate((element) => {
    const style = getComputedStyle(element);
    return { colour: style.color, background: style.backgroundColor, right: Math.round(innerWidth - element.getBoundingClientRect().right) };
  });
  assert.deepEqual(button, { colour: 'rgb(23, 19, 16)', background: 'rgb(255, 216, 77)', right: 20 });
});

test('an accent that is no colour leaves the widget in its own', async (t) => {
  const { url } = listing(unique('ann'), { tag: { accent: 'brand' } });
  const page = await visit(t, url);
  await launcher(page).click();
  await say(page, 'Green');
  for (const element of [page.locator('.launcher'), bubble(page, 'Green').locator('.db-bubble')]) {
    assert.equal(await element.evaluate((one) => getComputedStyle(one).backgroundColor), 'rgb(24, 92, 78)');
  }
});

for (const [name, options, language] of [['light', {}, 'en'], ['dark', { colorScheme: 'dark' }, 'en'], ['right to left', {}, 'ar'], ['on a phone', { width: 390, height: 844, hasTouch: true }, 'en']]) {
  test(`axe finds nothing in the widget, ${name}`, async (t) => {
    const { url, owner, listing: id } = listing(unique('ann'), { language });
    const page = await visit(t, url, { ...options, allowed: REFUSED });
    const found = {};
    const look = async (state) => {
      const faults = await violations(page);
      if (faults.length) found[state] = faults;
    };
    await page.locator('.launcher').waitFor();
    await look('closed');
    await page.locator('.launcher').click();
    await page.locator('.db-suggestion').first().waitFor();
    await look('a new conversation');
    await page.locator('.db-field').fill('Hello');
    await page.locator('.db-field').press('Control+Enter');
    await page.locator('.db-message').first().waitFor();
    await look('a conversation');
    await page.locator('.db-header .db-icon-button').first().click();
    await page.locator('.db-row').first().waitFor();
    await look('the list');
    await page.goto(listing(null, { language, tag: { 'sign-in-url': '/sign-in', 'listing-id': id, 'owner-id': owner } }).url);
    // It opens by itself: it was open before.
    await page.locator('.dbw-state .db-button').waitFor();
    await look('signed out');
    assert.deepEqual(found, {});
  });
}

test('the loader has the words of the panel, in each language', async (t) => {
  const browser = await newBrowser(t, { allowed: REFUSED });
  for (const language of ['ar', 'de', 'en', 'es']) {
    const { contactOwner, messages } = texts[language];
    const page = await browser.newPage();
    // A launcher about a listing, and one that opens all conversations.
    const { listing: id, owner } = listing(null);
    for (const [tag, name] of [[{ 'listing-id': id, 'owner-id': owner }, contactOwner], [{ launcher: '' }, messages]]) {
      await page.goto(site.put('/words', { server: server.url, language, tag: { 'token-url': '/token', ...tag } }));
      const said = await page.locator('.launcher').innerText();
      assert.equal(said.trim(), name, language);
    }
    await page.close();
  }
});

test('the loader has at most 5 KB, and all that a first conversation needs at most 60 KB, by gzip', (t) => {
  const read = (file) => readFileSync(BUILT + file);
  const gzip = (file) => gzipSync(read(file), { level: 9 }).length;
  const parts = readdirSync(`${BUILT}widget`).filter((file) => file.endsWith('.js')).map((file) => `widget/${file}`);
  const panel = parts.find((file) => file.startsWith('widget/panel-'));
  const later = parts.filter((file) => file !== panel).reduce((sum, file) => sum + gzip(file), 0);
  t.diagnostic(`loader ${gzip('widget.js')}, panel ${gzip(panel)}, what comes when it is needed ${later} bytes`);
  assert.ok(gzip('widget.js') <= 5 * 1024, `${gzip('widget.js')} bytes of loader`);
  assert.doesNotMatch(read(panel).toString(), /(?:\bfrom|\bimport)\s*["']\.\//, 'the panel is one file to begin with');
  assert.ok(gzip('widget.js') + gzip(panel) <= 60 * 1024, `${gzip('widget.js') + gzip(panel)} bytes`);
});

// How the pages are served, found again, and fit on screens.
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { gzipSync } from 'node:zlib';
import { API_KEY, Doorbell, JWT_SECRET } from '../../tests/clients/support/doorbell.mjs';
import { newBrowser, open, overflow } from './support/browser.mjs';
import { as, bubble, conversationOf, demo, field, row, say, test } from './support/stage.mjs';

const FIRST_LOAD_BYTES = 150_000;
const server = await demo();
const loft = await conversationOf(server, 'mira', 'canal-loft');

test('a page is asked for again with its tag, and runs nothing that stands inside it', async () => {
  for (const path of ['/', '/listing/canal-loft', '/messages', `/messages/${loft}`, '/dashboard']) {
    const answer = await fetch(server.url + path);
    assert.equal(answer.status, 200, path);
    assert.equal(answer.headers.get('cache-control'), 'no-cache');
    const policy = answer.headers.get('content-security-policy');
    assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self';/);
    assert.doesNotMatch(policy, /unsafe/);
    const again = await fetch(server.url + path, { headers: { 'if-none-match': answer.headers.get('etag') } });
    assert.equal(again.status, 304);
  }
});

test('what a page is made of is compressed, and kept for ever', async () => {
  const page = await (await fetch(server.url)).text();
  const [script] = /\/assets\/index-[\w-]+\.js/.exec(page);
  const sizes = {};
  for (const encoding of ['identity', 'gzip', 'br']) {
    const answer = await fetch(server.url + script, { headers: { 'accept-encoding': encoding } });
    assert.equal(answer.headers.get('content-encoding'), encoding === 'identity' ? null : encoding);
    assert.equal(answer.headers.get('cache-control'), 'public, max-age=31536000, immutable');
    assert.equal(answer.headers.get('content-type'), 'text/javascript; charset=utf-8');
    assert.match(answer.headers.get('vary'), /accept-encoding/i);
    sizes[encoding] = Number(answer.headers.get('content-length'));
    assert.match(await answer.text(), /createElement/, 'it is the script, whatever it was packed in');
  }
  assert.ok(sizes.br < sizes.gzip && sizes.gzip < sizes.identity / 2, JSON.stringify(sizes));
});

test('the first load has at most 150 KB of script, whichever page it is, and in whichever language', async (t) => {
  const weights = {};
  const pages = ['/', '/listing/canal-loft?as=mira', `/messages/${loft}?as=mira`, '/dashboard?tab=messages&as=mira'];
  for (const [path, language] of pages.flatMap((each) => [[each, 'en-GB'], [each, 'ar']])) {
    const browser = await newBrowser(t);
    await browser.addInitScript((tag) => location.protocol === 'http:' && localStorage.setItem('latchkey:locale', tag), language);
    const page = await browser.newPage();
    const scripts = [];
    page.on('response', (response) => response.request().resourceType() === 'script' && scripts.push(response));
    await page.goto(server.url + path);
    await page.waitForLoadState('networkidle');
    const bodies = await Promise.all(scripts.map((script) => script.body()));
    weights[`${path} ${language}`] = bodies.reduce((sum, body) => sum + gzipSync(body, { level: 9 }).length, 0);
  }
  t.diagnostic(JSON.stringify(weights));
  for (const [path, weight] of Object.entries(weights)) assert.ok(weight > 50_000 && weight <= FIRST_LOAD_BYTES, `${path} loads ${weight} bytes`);
});

test('an address that leads nowhere says so to people, and in JSON to programs', async (t) => {
  const page = await open(t, `${server.url}/nowhere`, { allowed: [/status of 404/] });
  await page.getByText('There is no door here').waitFor();
  await page.getByRole('link', { name: 'Look at homes' }).click();
  await page.getByRole('link', { name: /^Canal loft/ }).waitFor();
  const answer = await fetch(`${server.url}/api/nowhere`, { headers: { accept: 'text/html' } });
  assert.equal(answer.status, 404);
  assert.equal((await answer.json()).code, 'NOT_FOUND');
});

test('a link leads into a chat, and Back leads where one came from', async (t) => {
  const page = await open(t, `${server.url}/messages/${loft}?as=mira`);
  await bubble(page, 'decorative').first().waitFor();
  await row(page, 'Yuki Tanaka').click();
  await page.getByRole('heading', { name: 'Yuki Tanaka' }).first().waitFor();
  await page.goBack();
  await bubble(page, 'decorative').first().waitFor();
  await page.getByRole('link', { name: /^Canal loft/ }).first().click();
  await page.waitForURL(/\/listing\/canal-loft$/);
  await page.goBack();
  await bubble(page, 'decorative').first().waitFor();
  await page.goto(`${server.url}/?kind=sale`);
  await page.getByRole('link', { name: /^House with an unruly garden/ }).click();
  await page.goBack();
  assert.equal(await page.getByRole('radio', { name: 'For sale' }).isChecked(), true, 'the filter is still set');
});

for (const [name, width, height] of [['narrow phone', 320, 568], ['phone', 390, 844], ['tablet', 820, 1100], ['desktop', 1440, 900]]) {
  test(`on a ${name} nothing is wider than the screen, and list and chat can be reached`, async (t) => {
    const browser = await newBrowser(t, { width, height, hasTouch: width < 800 });
    const page = await browser.newPage();
    for (const [path, ready] of [
      ['/?as=mira', (p) => p.getByRole('link', { name: /^Canal loft/ })],
      ['/listing/garden-house', (p) => p.getByRole('heading', { level: 1 })],
      ['/dashboard?tab=messages', (p) => p.getByRole('link', { name: /^Open Chat/ }).first()],
      ['/messages', (p) => p.locator('.db-row').first()],
    ]) {
      await page.goto(server.url + path);
      await ready(page).waitFor();
      assert.ok((await overflow(page)) <= 0, path);
    }
    await row(page, 'Tomas Lindqvist').click();
    await bubble(page, 'green door').first().waitFor();
    assert.ok((await overflow(page)) <= 0, 'with a chat open');
    const fieldBox = await field(page).boundingBox();
    assert.ok(fieldBox.y + fieldBox.height <= height, 'one can write without scrolling');
    const isNarrow = width < 768;
    assert.equal(await page.locator('.db-row').first().isVisible(), !isNarrow);
    if (isNarrow) {
      await page.getByRole('button', { name: 'Back to all conversations' }).click();
      await page.locator('.db-row').first().waitFor();
      await page.goForward();
      await bubble(page, 'green door').first().waitFor();
    } else {
      await page.getByRole('region', { name: 'About this conversation' }).waitFor({ state: width >= 1280 ? 'visible' : 'hidden' });
    }
  });
}

test('a third column stands beside a chat, and not beside nothing', async (t) => {
  const page = await open(t, `${server.url}/messages?as=mira`, { width: 1440, height: 900, allowed: [/status of 404/] });
  const about = page.getByRole('region', { name: 'About this conversation' });
  const edge = async (name) => {
    const { x, width } = await page.getByRole('region', { name }).boundingBox();
    return Math.round(x + width);
  };
  await row(page, 'Tomas Lindqvist').first().waitFor();
  assert.equal(await about.count(), 0);
  assert.equal(await edge('Chat'), 1440, 'the room is the middle’s');
  await row(page, 'Tomas Lindqvist').first().click();
  await about.waitFor();
  assert.equal(await edge('Chat'), 1120);
  await page.goto(`${server.url}/messages/nobodys`);
  await page.locator('.db-problem').first().waitFor();
  await about.waitFor({ state: 'detached' });
  assert.equal(await edge('Chat'), 1440);
});

test('beside a chat stands what somebody is in it, and not what they are elsewhere', async (t) => {
  // Tomas offers the loft; Mira, who offers homes of her own or none, asks about it.
  for (const [who, part] of [['mira', 'Offers this listing'], ['tomas', 'Asks about this listing']]) {
    const page = await open(t, `${server.url}/messages/${loft}?as=${who}`, { width: 1440, height: 900 });
    await page.getByRole('region', { name: 'The other person' }).getByText(part).waitFor();
  }
});

test('a second start of the demo doubles nothing', async () => {
  const read = async () => {
    const bea = await as(server, 'bea');
    const { conversations } = await bea.get('/api/conversations');
    const { comments } = await bea.get('/api/comments?postId=bakery-flat');
    return { conversations: conversations.map(({ id, unreadCount, messages }) => ({ id, unreadCount, seq: messages[0].seq })), comments };
  };
  const before = await read();
  await server.terminate();
  await server.restart();
  assert.deepEqual(await read(), before);
  assert.equal(before.comments.length, 2);
});

// Of the file, so that it outlives the pages, which would miss it.
const inbox = await Doorbell.start({ command: 'serve', env: { DOORBELL_JWT_SECRET: JWT_SECRET } });
after(() => inbox.stop());

test('under `doorbell serve` the pages are the inbox of whoever is signed in, or say how to sign in', async (t) => {
  const host = (method, path, body) => fetch(inbox.url + path, { method, headers: { 'x-api-key': API_KEY, 'content-type': 'application/json' }, body: JSON.stringify(body) }).then((answer) => answer.json());
  for (const [id, name] of [['ann', 'Ann'], ['ben', 'Ben <b>Bold</b>']]) await host('PUT', `/v1/users/${id}`, { name });
  const signedOut = await open(t, inbox.url, { allowed: [/status of 401/] });
  await signedOut.getByRole('heading', { name: 'Nobody is signed in here' }).waitFor();
  assert.match(signedOut.url(), /\/messages$/);
  await signedOut.getByText('NEXTAUTH_SECRET').waitFor();

  const browser = await newBrowser(t);
  const { token } = await host('POST', '/api/auth/socket-token', { userId: 'ann' });
  await browser.addCookies([{ name: 'doorbell_session', value: token, url: inbox.url, httpOnly: true, sameSite: 'Lax' }]);
  const { token: bens } = await host('POST', '/api/auth/socket-token', { userId: 'ben' });
  const asBen = (path, body) => fetch(inbox.url + path, { method: 'POST', headers: { authorization: `Bearer ${bens}`, 'content-type': 'application/json' }, body: JSON.stringify(body) }).then((answer) => answer.json());
  const { conversation } = await asBen('/api/conversations', { otherUserId: 'ann' });
  await asBen('/api/messages', { conversationId: conversation.id, content: 'Hello Ann' });
  const page = await browser.newPage();
  await page.goto(inbox.url);
  await row(page, 'Ben <b>Bold</b>').click();
  await bubble(page, 'Hello Ann').waitFor();
  await say(page, 'Hello Ben');
  await page.goto(`${inbox.url}/messages/${conversation.id}`);
  await bubble(page, 'Hello Ben').waitFor();
  assert.equal(await page.getByRole('link', { name: 'Homes' }).count(), 0, 'there is no marketplace');

  // Beside the chat: the listing that it is about, as far as the site has told of it, with a link that leads there.
  await page.setViewportSize({ width: 1440, height: 900 });
  const { conversation: asked } = await asBen('/api/conversations', { listingId: 'flat-7', ownerId: 'ann' });
  await page.goto(`${inbox.url}/messages/${asked.id}`);
  const about = page.getByRole('region', { name: 'About this conversation' });
  await about.getByText('Ben <b>Bold</b>').waitFor();
  assert.equal(await about.getByRole('article').count(), 0, 'nothing is known of it');
  await host('PUT', '/v1/listings/flat-7', { title: 'Two rooms', url: `${server.url}/listing/canal-loft` });
  await page.reload();
  await about.getByRole('link', { name: 'View listing' }).click();
  await page.waitForURL(`${server.url}/listing/canal-loft`);
});

test('whoever comes signed out to an inbox at an address of its own reads nothing for those who run it, and finds the way back', async (t) => {
  const browser = await newBrowser(t, { allowed: [/status of 401/, /inbox\.localhost/] });
  const page = await browser.newPage();
  await page.goto(`${inbox.url.replace('127.0.0.1', 'inbox.localhost')}/messages`, { referer: `${server.url}/` });
  await page.getByRole('heading', { name: 'Nobody is signed in here' }).waitFor();
  const text = await page.locator('main').innerText();
  assert.doesNotMatch(text, /SECRET|doorbell|NextAuth/i);
  await page.getByRole('link', { name: `Back to ${new URL(server.url).host}` }).click();
  await page.getByRole('link', { name: /^Canal loft/ }).first().waitFor();
});

test('where nobody can be signed in at all, the page says what is missing, at whatever address', async (t) => {
  const bare = await Doorbell.start({ command: 'serve', env: { DOORBELL_JWT_SECRET: undefined, DOORBELL_API_KEY: undefined } });
  t.after(() => bare.stop());
  const page = await open(t, bare.url.replace('127.0.0.1', 'inbox.localhost'), { allowed: [/status of 401/, /inbox\.localhost/] });
  await page.getByText('NEXTAUTH_SECRET').waitFor();
});

test('a person without a name has the same name everywhere', async (t) => {
  const host = (path, body) => fetch(inbox.url + path, { method: 'POST', headers: { 'x-api-key': API_KEY, 'content-type': 'application/json' }, body: JSON.stringify(body) }).then((answer) => answer.json());
  const { token } = await host('/api/auth/socket-token', { userId: 'vera' });
  const { token: olgas } = await host('/api/auth/socket-token', { userId: 'olga' });
  const asOlga = (path, body) => fetch(inbox.url + path, { method: 'POST', headers: { authorization: `Bearer ${olgas}`, 'content-type': 'application/json' }, body: JSON.stringify(body) }).then((answer) => answer.json());
  const { conversation } = await asOlga('/api/conversations', { otherUserId: 'vera' });
  await asOlga('/api/messages', { conversationId: conversation.id, content: 'Hello' });
  const browser = await newBrowser(t, { width: 1440, height: 900 });
  await browser.addCookies([{ name: 'doorbell_session', value: token, url: inbox.url, httpOnly: true, sameSite: 'Lax' }]);
  const page = await browser.newPage();
  await page.goto(`${inbox.url}/messages/${conversation.id}`);
  await row(page, 'Someone').waitFor();
  await page.getByRole('heading', { name: 'Someone' }).waitFor();
  const other = page.getByRole('region', { name: 'The other person' });
  await other.waitFor();
  assert.match(await other.innerText(), /^S\s+Someone/);
});

// The page of `doorbell demo`, as a newcomer uses it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bothOpen, demo, open, pane } from './browser.mjs';

const server = await demo();
const bubble = (page, side, text) => pane(page, side).locator('.bubble', { hasText: text });
const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

test('a newcomer sees both sides of a conversation, and a message go from left to right and be read', async (t) => {
  const page = await open(t, server.url);
  await bothOpen(page);
  const [left, right] = [pane(page, 'left'), pane(page, 'right')];
  assert.equal(await left.locator('.title').textContent(), 'Tomas Lindqvist');
  assert.equal(await right.locator('.title').textContent(), 'Mira Okafor');
  const begun = Date.now();
  await left.getByLabel('Message', { exact: true }).fill('Is the heron in? <b>Really?</b>');
  await left.getByLabel('Message', { exact: true }).press('Enter');
  await bubble(page, 'right', 'Is the heron in? <b>Really?</b>').waitFor();
  assert.ok(Date.now() - begun < 2000, `it took ${Date.now() - begun} ms`);
  assert.equal(await page.locator('.bubble b').count(), 0, 'what people write is text');
  const own = left.locator('.is-mine', { hasText: 'Is the heron in?' });
  await own.getByText('Read', { exact: true }).waitFor();
  assert.equal(await own.count(), 1, 'a message stands there once');
  assert.equal(await left.getByLabel('Message', { exact: true }).inputValue(), '');
  await page.locator('#announcer', { hasText: 'Mira: Is the heron in?' }).waitFor({ state: 'attached' });
});

test('typing shows on the other side and goes away', async (t) => {
  const page = await open(t, server.url);
  await bothOpen(page);
  await pane(page, 'right').getByLabel('Message', { exact: true }).pressSequentially('He is');
  const line = pane(page, 'left').locator('.typing');
  await page.waitForFunction((node) => node.textContent === 'Tomas is typing…', await line.elementHandle());
  await pane(page, 'right').getByLabel('Message', { exact: true }).fill('');
  await page.waitForFunction((node) => node.textContent === '', await line.elementHandle());
});

test('Enter sends, Shift+Enter breaks the line, and nothing is sent without words', async (t) => {
  const page = await open(t, server.url);
  await bothOpen(page);
  const input = pane(page, 'left').getByLabel('Message', { exact: true });
  await input.pressSequentially('one');
  await input.press('Shift+Enter');
  await input.pressSequentially('two');
  await input.press('Enter');
  await input.press('Enter');
  await bubble(page, 'right', 'one').last().waitFor();
  assert.equal(await bubble(page, 'right', 'one').last().textContent(), 'one\ntwo');
});

test('a reload keeps who is there, what is open and what was said; going back works', async (t) => {
  const page = await open(t, `${server.url}/?left=sam&right=omar`);
  const left = pane(page, 'left');
  await left.getByRole('button', { name: /Omar Haddad/ }).click();
  await left.getByLabel('Message', { exact: true }).fill('The boiler says thank you.');
  await left.getByRole('button', { name: 'Send' }).click();
  await left.locator('.is-mine', { hasText: 'The boiler says thank you.' }).locator('[data-status="sent"], [data-status="read"]').waitFor();
  await page.reload();
  await bubble(page, 'left', 'The boiler says thank you.').waitFor();
  assert.equal(await left.getByLabel('Signed in as').inputValue(), 'sam');
  await left.getByRole('button', { name: /Market Square summer party/ }).click();
  await left.locator('.title', { hasText: 'Market Square' }).waitFor();
  await page.goBack();
  await left.locator('.title', { hasText: 'Omar Haddad' }).waitFor();
});

test('unread messages are counted until they are seen, and the other side can be opened as the partner', async (t) => {
  const page = await open(t, `${server.url}/?left=bea&right=greta`);
  const left = pane(page, 'left');
  const row = left.getByRole('button', { name: /Yuki Tanaka/ });
  await row.waitFor();
  assert.match(await row.getAttribute('aria-label'), /1 unread/);
  await row.click();
  await page.waitForFunction((node) => !node.getAttribute('aria-label').includes('unread'), await row.elementHandle());
  assert.equal(await row.getAttribute('aria-current'), 'true');
  await left.locator('.new-line').waitFor();
  await left.getByRole('button', { name: 'Open right as Yuki' }).click();
  await pane(page, 'right').locator('.title', { hasText: 'Beatriz Almeida' }).waitFor();
  assert.equal(await pane(page, 'right').getByLabel('Signed in as').inputValue(), 'yuki');
  await left.locator('.subtitle', { hasText: 'Online' }).waitFor();
});

test('everything can be done by keyboard', async (t) => {
  const page = await open(t, `${server.url}/?left=mira&right=greta`);
  const left = pane(page, 'left');
  await left.locator('.row').first().waitFor();
  await left.locator('.row').first().focus();
  await page.keyboard.press('ArrowDown');
  assert.equal(await page.evaluate(() => [...document.querySelectorAll('.pane[data-side="left"] .row')].indexOf(document.activeElement)), 1);
  await page.keyboard.press('Enter');
  await left.locator('.messages .bubble').first().waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'left-message', 'after opening, one can write');
  await page.keyboard.press('Escape');
  assert.equal(await page.evaluate(() => document.activeElement.className), 'row', 'Escape goes back to the row');
});

test('nothing is lost while the server is away: it is sent once when the server is back', async (t) => {
  const page = await open(t, server.url, { allowed: [/WebSocket connection|ERR_CONNECTION|Failed to load resource/] });
  await bothOpen(page);
  const left = pane(page, 'left');
  await server.terminate();
  await left.locator('.state[data-state="connecting"]').waitFor();
  await left.getByLabel('Message', { exact: true }).fill('Are you still there?');
  await left.getByLabel('Message', { exact: true }).press('Enter');
  await left.locator('.is-mine', { hasText: 'Are you still there?' }).getByText('Sending').waitFor();
  await left.locator('.lost').waitFor();
  await server.restart();
  await bubble(page, 'right', 'Are you still there?').waitFor();
  assert.equal(await bubble(page, 'right', 'Are you still there?').count(), 1);
  await left.locator('.lost').waitFor({ state: 'hidden' });
});

test('a second start of the demo doubles nothing', async () => {
  const read = async () => {
    const signIn = await fetch(`${server.url}/api/demo/sign-in`, { method: 'POST', body: '{"userId":"bea"}' });
    const cookie = signIn.headers.get('set-cookie').split(';')[0];
    const { conversations } = await (await fetch(`${server.url}/api/conversations`, { headers: { cookie } })).json();
    const { comments } = await (await fetch(`${server.url}/api/comments?postId=bakery-flat`, { headers: { cookie } })).json();
    return { conversations: conversations.map(({ id, unreadCount, messages }) => ({ id, unreadCount, seq: messages[0].seq })), comments };
  };
  const before = await read();
  await server.terminate();
  await server.restart();
  assert.deepEqual(await read(), before);
  assert.equal(before.comments.length, 2);
});

for (const [name, options] of [['narrow phone', { width: 320, height: 568 }], ['phone', { width: 390, height: 844 }], ['tablet', { width: 820, height: 1100 }], ['desktop', {}]]) {
  test(`on a ${name} nothing is wider than the screen, and both sides can be reached`, async (t) => {
    const page = await open(t, server.url, options);
    await bothOpen(page);
    assert.ok((await overflow(page)) <= 0, 'no horizontal scroll with a chat open');
    if (options.width < 750) {
      assert.equal(await pane(page, 'right').isVisible(), false);
      await page.getByRole('button', { name: /^Tomas/ }).click();
      await bubble(page, 'right', 'green door').waitFor();
      assert.ok((await overflow(page)) <= 0);
      await pane(page, 'right').getByRole('button', { name: 'Back to the conversations' }).click();
      await pane(page, 'right').locator('.row').first().waitFor();
      assert.ok((await overflow(page)) <= 0, 'no horizontal scroll with the list open');
      await page.goBack();
      await bubble(page, 'right', 'green door').waitFor();
    }
  });
}

test('text is dark or light enough on its ground, in both themes', async (t) => {
  for (const colorScheme of ['light', 'dark']) {
    const page = await open(t, server.url, { colorScheme });
    await bothOpen(page);
    const poor = await page.evaluate(() => {
      const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
      const luminance = ([r, g, b]) => [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4)).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
      const ground = (node) => { for (; node; node = node.parentElement) { const c = channels(getComputedStyle(node).backgroundColor); if (c[3] !== 0) return c; } return [255, 255, 255]; };
      const found = [];
      for (const node of document.querySelectorAll('body *')) {
        if (node.offsetParent === null || ![...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim())) continue;
        const [a, b] = [luminance(channels(getComputedStyle(node).color)), luminance(ground(node))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) found.push(`${node.className || node.tagName} ${contrast.toFixed(2)}`);
      }
      return [...new Set(found)];
    });
    assert.deepEqual(poor, [], colorScheme);
  }
});

// What becomes of a message when the network, the server, or the page itself goes away.
import assert from 'node:assert/strict';
import { AWAY, blockWebSockets, newBrowser, open } from './support/browser.mjs';
import { as, bubble, conversationOf, demo, eventually, field, say, statusOf, test } from './support/stage.mjs';

const API_KEY = 'an-api-key-for-these-tests-0123456789';
const server = await demo({ DOORBELL_API_KEY: API_KEY });
const loft = await conversationOf(server, 'mira', 'canal-loft');
const chat = (who) => `${server.url}/messages/${loft}?as=${who}`;
const onServer = async (text) => {
  const { messages } = await (await as(server, 'mira')).get(`/api/messages?conversationId=${loft}&markRead=false`);
  return messages.filter((message) => message.content === text).length;
};

test('what is written while the server is away waits, says so, and is sent once when it is back', async (t) => {
  const browser = await newBrowser(t, { allowed: AWAY });
  const [mira, tomas] = [await browser.newPage(), await browser.newPage()];
  await mira.goto(chat('mira'));
  await tomas.goto(chat('tomas'));
  await bubble(tomas, 'green door').first().waitFor();
  await field(mira).waitFor();
  await server.terminate();
  await say(mira, 'Are you still there?');
  await statusOf(mira, 'Are you still there?', /Waiting to be sent|Sending/).waitFor({ state: 'attached' });
  const bar = mira.getByText(/your messages are kept/i).first();
  await bar.waitFor();
  await field(mira).fill('One can go on writing.');
  await server.restart();
  await bubble(tomas, 'Are you still there?').waitFor({ timeout: 30_000 });
  await statusOf(mira, 'Are you still there?', /Sent|Read/).waitFor({ state: 'attached' });
  await bar.waitFor({ state: 'detached' });
  assert.equal(await field(mira).inputValue(), 'One can go on writing.');
  for (const page of [mira, tomas]) assert.equal(await bubble(page, 'Are you still there?').count(), 1);
  assert.equal(await onServer('Are you still there?'), 1);
});

test('Enter sends, Shift+Enter breaks the line, and nothing is sent without words, nor twice by a second Enter', async (t) => {
  const page = await open(t, chat('mira'));
  await bubble(page, 'green door').first().waitFor();
  await field(page).pressSequentially('The first line');
  await field(page).press('Shift+Enter');
  await field(page).pressSequentially('and the second');
  const before = await page.locator('.db-message').count();
  await field(page).press('Enter');
  await field(page).press('Enter');
  await field(page).fill('   ');
  await field(page).press('Enter');
  await statusOf(page, 'The first line', /Sent|Read/).waitFor({ state: 'attached' });
  assert.equal(await bubble(page, 'The first line').locator('.db-text').textContent(), 'The first line\nand the second');
  assert.equal(await page.locator('.db-message').count(), before + 1);
  assert.equal(await onServer('The first line\nand the second'), 1);
});

test('a message that the server refuses says so, and is sent by Retry: once, however often it is pressed', async (t) => {
  const page = await open(t, chat('mira'));
  await field(page).waitFor();
  const close = (isActive) => fetch(`${server.url}/v1/conversations/${loft}`, { method: 'PATCH', headers: { 'x-api-key': API_KEY, 'content-type': 'application/json' }, body: JSON.stringify({ isActive }) });
  assert.equal((await close(false)).status, 200);
  await say(page, 'Too late?');
  const failed = bubble(page, 'Too late?');
  await failed.getByText('Not sent.').waitFor();
  assert.equal((await close(true)).status, 200);
  const retry = failed.getByRole('button', { name: 'Retry' });
  await retry.evaluate((button) => { for (let times = 0; times < 10; times += 1) button.click(); });
  await statusOf(page, 'Too late?', /Sent|Read/).waitFor({ state: 'attached' });
  assert.equal(await failed.count(), 1);
  assert.equal(await onServer('Too late?'), 1);
});

test('a reload in the middle of sending loses nothing, and sends nothing twice', async (t) => {
  const page = await open(t, chat('mira'), { allowed: AWAY });
  await field(page).waitFor();
  // As slow as an old phone: what the page does not do at once is left undone.
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Emulation.setCPUThrottlingRate', { rate: 6 });
  let times = 0;
  for (const frames of [0, 2, 0, 2, 0, 0]) {
    const text = `Reloaded ${times += 1}, ${frames} frames later`;
    await field(page).fill(text);
    // A fast server has stored the message before the page is gone: what is seen is to be seen by the new one.
    const reloaded = page.waitForEvent('load');
    await page.evaluate((frames) => {
      document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
      // Two frames later the message is on the screen, and mostly not yet on the server.
      const reload = (left) => (left ? requestAnimationFrame(() => reload(left - 1)) : location.reload());
      reload(frames);
    }, frames);
    await reloaded;
    await bubble(page, text).waitFor();
    await statusOf(page, text, /Sent|Read/).waitFor({ state: 'attached' });
    assert.equal(await bubble(page, text).count(), 1, text);
    assert.equal(await onServer(text), 1, text);
  }
});

test('what was written and not sent is still there after a reload with the server away, and is sent in order', async (t) => {
  const page = await open(t, chat('mira'), { allowed: AWAY });
  await field(page).waitFor();
  await page.context().setOffline(true);
  for (const text of ['First of three', 'Second of three', 'Third of three']) await say(page, text);
  await bubble(page, 'Third of three').waitFor();
  await page.waitForTimeout(300);
  await page.context().setOffline(false);
  await page.reload();
  await eventually('all three are on the server', async () => (await onServer('Third of three')) === 1, 15_000);
  await statusOf(page, 'Third of three', /Sent|Read/).waitFor({ state: 'attached' });
  const shown = await page.locator('.db-message .db-text').allTextContents();
  assert.deepEqual(shown.filter((text) => text.endsWith('of three')), ['First of three', 'Second of three', 'Third of three']);
});

test('five tabs show each message once, and share one connection', async (t) => {
  const browser = await newBrowser(t);
  const first = await browser.newPage();
  await first.goto(chat('mira'));
  const tabs = [first];
  for (let number = 1; number < 5; number += 1) {
    const tab = await browser.newPage();
    await tab.goto(chat('mira'));
    tabs.push(tab);
  }
  for (const [number, tab] of tabs.entries()) {
    await field(tab).waitFor();
    await say(tab, `From tab ${number}`);
  }
  for (const tab of tabs) {
    for (let number = 0; number < 5; number += 1) await bubble(tab, `From tab ${number}`).waitFor();
    const texts = (await tab.locator('.db-message .db-text').allTextContents()).filter((text) => text.startsWith('From tab'));
    assert.deepEqual(texts.toSorted(), ['From tab 0', 'From tab 1', 'From tab 2', 'From tab 3', 'From tab 4']);
  }
  const sockets = await eventually('the sockets are counted', async () => {
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    const lines = metrics.split('\n').filter((line) => /^doorbell_sockets(_open)?(\{|\s)/.test(line));
    return lines.length > 0 && lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  });
  assert.ok(sockets <= 2, `${sockets} sockets`);
  // The tab with the connection goes away; another takes over.
  await first.close();
  await say(tabs[2], 'Who has the line now?');
  for (const tab of tabs.slice(1)) await bubble(tab, 'Who has the line now?').waitFor({ timeout: 20_000 });
});

test('typing shows on the other side and goes away, and reading is seen', async (t) => {
  const browser = await newBrowser(t);
  const [mira, tomas] = [await browser.newPage(), await browser.newPage()];
  await mira.goto(chat('mira'));
  await tomas.goto(chat('tomas'));
  await field(mira).waitFor();
  await field(tomas).pressSequentially('The heron');
  await mira.getByText('Tomas Lindqvist is typing…').first().waitFor();
  await field(tomas).fill('');
  await mira.locator('.db-typing', { hasText: 'typing' }).waitFor({ state: 'detached' });
  // Read only when it is looked at: Tomas looks at something else.
  await tomas.goto(`${server.url}/?as=tomas`);
  await say(mira, 'Seen?');
  await statusOf(mira, 'Seen?', 'Sent').waitFor({ state: 'attached' });
  await tomas.getByRole('link', { name: /^Messages \(\d+ unread\)/ }).first().waitFor();
  await tomas.waitForFunction(() => /^\(\d+\)/.test(document.title));
  assert.equal(await statusOf(mira, 'Seen?', 'Read').count(), 0);
  await tomas.goto(chat('tomas'));
  await statusOf(mira, 'Seen?', 'Read').waitFor({ state: 'attached' });
});

test('where WebSockets are blocked, messages go by long polling', async (t) => {
  const browser = await newBrowser(t, { allowed: AWAY });
  await blockWebSockets(browser);
  const [mira, tomas] = [await browser.newPage(), await browser.newPage()];
  const asked = [];
  mira.on('request', (request) => asked.push(request.url()));
  await mira.goto(chat('mira'));
  await tomas.goto(chat('tomas'));
  await field(mira).waitFor();
  await say(mira, 'By the slow train');
  await bubble(tomas, 'By the slow train').waitFor({ timeout: 20_000 });
  await say(tomas, 'It arrives as well');
  await bubble(mira, 'It arrives as well').waitFor({ timeout: 20_000 });
  assert.ok(asked.some((url) => url.includes('transport=polling')), 'by Engine.IO’s polling');
});

test('where Socket.IO is blocked altogether, the pages ask every few seconds, and say so quietly', async (t) => {
  const browser = await newBrowser(t, { allowed: [...AWAY, /ERR_FAILED/] });
  await browser.route('**/api/socketio/**', (route) => route.abort());
  await blockWebSockets(browser);
  const mira = await browser.newPage();
  await mira.goto(chat('mira'));
  await field(mira).waitFor();
  await mira.getByText(/Looking for news every few seconds/).waitFor({ timeout: 40_000 });
  await (await as(server, 'tomas')).post('/api/messages', { conversationId: loft, content: 'By pigeon' });
  await bubble(mira, 'By pigeon').waitFor({ timeout: 15_000 });
  await say(mira, 'The pigeon goes back');
  await eventually('it is on the server', async () => (await onServer('The pigeon goes back')) === 1, 15_000);
});

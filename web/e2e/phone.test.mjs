// What a phone has and a desk has not: one screen for list and chat, a Back button, and little room.
import assert from 'node:assert/strict';
import { newBrowser, open } from './support/browser.mjs';
import { bubble, conversationOf, demo, eventually, field, row, say, statusOf, test } from './support/stage.mjs';

const server = await demo();
const loft = await conversationOf(server, 'mira', 'canal-loft');
const PHONE = { width: 390, height: 844, hasTouch: true };
const popup = (page) => page.locator('.db-popup');
const focused = (page) => page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent ?? document.activeElement?.tagName ?? '');

/** Opens the chat of a listing's page. */
async function contact(page) {
  await page.getByRole('button', { name: 'Contact owner' }).click();
  await field(page).waitFor();
}

test('a chat left open at the corner does not stand on the Send button of the messages', async (t) => {
  const page = await open(t, `${server.url}/listing/canal-loft?as=mira`);
  await contact(page);
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: /^Messages/ }).click();
  await row(page, 'Tomas Lindqvist').first().click();
  await bubble(page, 'decorative').first().waitFor();
  await popup(page).waitFor({ state: 'detached' });
  await field(page).fill('Nothing stands on this button.');
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await statusOf(page, 'Nothing stands on this button.', /Sent|Read/).waitFor({ state: 'attached' });
  await page.reload();
  await bubble(page, 'Nothing stands').waitFor();
  assert.equal(await popup(page).count(), 0, 'nor after a reload');
});

test('nor on that of a chat in the dashboard', async (t) => {
  const page = await open(t, `${server.url}/listing/canal-loft?as=mira`);
  await contact(page);
  await page.getByRole('link', { name: 'Dashboard' }).first().click();
  await page.getByRole('tab', { name: /Messages/ }).click();
  await page.getByRole('link', { name: 'Open Chat with Tomas Lindqvist' }).first().click();
  await page.waitForURL(/chat=/);
  await popup(page).waitFor({ state: 'detached' });
  await say(page, 'Nor on this one.');
  await bubble(page, 'Nor on this one.').waitFor();
});

test('Back closes a chat that takes the whole screen, and the page behind it stays', async (t) => {
  const page = await open(t, `${server.url}/?as=mira`, PHONE);
  await page.getByRole('link', { name: /^Canal loft/ }).first().click();
  await contact(page);
  await page.goBack();
  await popup(page).waitFor({ state: 'detached' });
  assert.match(page.url(), /\/listing\/canal-loft$/);
  assert.match(await focused(page), /Contact owner/);
  await page.goForward();
  await bubble(page, 'decorative').first().waitFor();
  await page.reload();
  await bubble(page, 'decorative').first().waitFor();
  await page.goBack();
  await popup(page).waitFor({ state: 'detached' });
  assert.match(page.url(), /\/listing\/canal-loft$/);
  // Closed by its cross, it leaves nothing behind that Back would have to go through.
  await contact(page);
  await page.getByRole('button', { name: 'Close chat' }).click();
  await popup(page).waitFor({ state: 'detached' });
  await eventually('its entry is gone', () => page.evaluate(() => history.state === null || !('popup' in history.state)));
  await page.goBack();
  await page.getByLabel('To rent').waitFor();
});

test('a link in a chat that takes the whole screen shows its page, and Back shows the chat again', async (t) => {
  const page = await open(t, `${server.url}/listing/canal-loft?as=mira`, PHONE);
  await contact(page);
  await popup(page).getByRole('button', { name: 'Back to all conversations' }).click();
  await row(popup(page), 'Yuki Tanaka').click();
  await popup(page).getByRole('heading', { name: 'Yuki Tanaka' }).waitFor();
  await popup(page).locator('.db-header a').click();
  await popup(page).waitFor({ state: 'detached' });
  assert.doesNotMatch(page.url(), /canal-loft$/);
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.goBack();
  await popup(page).getByRole('heading', { name: 'Yuki Tanaka' }).waitFor();
  await page.goBack();
  await popup(page).waitFor({ state: 'detached' });
  assert.match(page.url(), /\/listing\/canal-loft$/);
});

test('list and chat take turns, and Back never leads round in a circle', async (t) => {
  const page = await open(t, `${server.url}/dashboard?as=mira`, PHONE);
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: /^Messages/ }).click();
  for (let times = 0; times < 2; times += 1) {
    await row(page, 'Tomas Lindqvist').first().click();
    await field(page).waitFor();
    await page.getByRole('button', { name: 'Back to all conversations' }).click();
    await row(page, 'Tomas Lindqvist').first().waitFor();
  }
  await page.goBack();
  await page.waitForURL(/\/dashboard$/);

  // From a link there was no list before: it takes the place of the chat.
  await page.goto(`${server.url}/messages/${loft}`);
  await bubble(page, 'decorative').first().waitFor();
  const entries = await page.evaluate(() => history.length);
  await page.getByRole('button', { name: 'Back to all conversations' }).click();
  await page.waitForURL(/\/messages$/);
  assert.equal(await page.evaluate(() => history.length), entries);
  await page.goBack();
  await page.waitForURL(/\/dashboard$/);
});

test('with a keyboard on a narrow screen the focus goes to the field, and back to the row', async (t) => {
  const page = await open(t, `${server.url}/messages?as=mira`, { width: 600, height: 800 });
  const tomas = row(page, 'Tomas Lindqvist').first();
  await tomas.waitFor();
  await page.keyboard.press('Tab');
  await tomas.focus();
  await page.keyboard.press('Enter');
  await eventually('the field has the focus', async () => /^Message to Tomas/.test(await focused(page)));
  await page.getByRole('button', { name: 'Back to all conversations' }).focus();
  await page.keyboard.press('Enter');
  await eventually('the row has the focus', async () => /Tomas Lindqvist/.test(await focused(page)) && (await page.evaluate(() => document.activeElement.tagName)) === 'A');
});

test('a tap on a row brings up no keyboard, and leaves whoever hears the page in the chat', async (t) => {
  const page = await open(t, `${server.url}/messages?as=mira`, PHONE);
  await row(page, 'Tomas Lindqvist').first().tap();
  await field(page).waitFor();
  await eventually('the chat has the focus', async () => (await focused(page)) === 'Chat');
});

for (const [name, size] of [['a phone', PHONE], ['a phone that lies on its side', { width: 740, height: 360, hasTouch: true }]]) {
  test(`on ${name} one can write in the dashboard without scrolling, and Back leads to its list`, async (t) => {
    const page = await open(t, `${server.url}/dashboard?tab=messages&as=mira`, size);
    const link = page.getByRole('link', { name: 'Open Chat with Tomas Lindqvist' }).first();
    for (let times = 0; times < 2; times += 1) {
      await link.tap();
      await bubble(page, 'decorative').first().waitFor();
      const box = await field(page).boundingBox();
      assert.ok(box.y >= 0 && box.y + box.height <= size.height, JSON.stringify(box));
      assert.equal(await page.evaluate(() => document.documentElement.scrollHeight - innerHeight), 0, 'the page does not scroll beside the messages');
      await page.getByRole('button', { name: 'Back to all conversations' }).click();
      await link.waitFor();
      await eventually('the way in has the focus', async () => /^Open Chat with Tomas/.test(await focused(page)));
    }
    assert.equal(await page.evaluate(() => history.length), 3, 'about:blank, the list, and the chat that Forward leads to');
  });
}

test('Back closes a picture that takes the whole screen, and the chat stays', async (t) => {
  const page = await open(t, `${server.url}/messages?as=mira`, PHONE);
  await row(page, 'Tomas Lindqvist').first().click();
  await bubble(page, 'decorative').first().waitFor();
  const photo = page.getByRole('button', { name: /^Open photo from/ }).first();
  const lightbox = page.locator('dialog.db-lightbox');
  const isThere = () => page.evaluate(() => Boolean(history.state?.lightbox));
  await photo.click();
  await lightbox.waitFor();
  await eventually('it has its entry', isThere);
  await page.goBack();
  await lightbox.waitFor({ state: 'detached' });
  assert.match(page.url(), /\/messages\/.+/);
  await field(page).waitFor();
  // Closed by its cross, it leaves nothing behind that Back would have to go through.
  await photo.click();
  await lightbox.waitFor();
  await eventually('it has its entry', isThere);
  await lightbox.locator('[data-close]').click();
  await lightbox.waitFor({ state: 'detached' });
  await eventually('its entry is gone', async () => !(await isThere()));
  await page.getByRole('button', { name: 'Back to all conversations' }).click();
  await page.waitForURL(/\/messages$/);
  await row(page, 'Tomas Lindqvist').first().waitFor();
});

test('in German the kinds of homes stand in one line, and what to beware of takes two', async (t) => {
  const browser = await newBrowser(t, PHONE);
  await browser.addInitScript(() => location.protocol === 'http:' && localStorage.setItem('latchkey:locale', 'de'));
  const page = await browser.newPage();
  await page.goto(`${server.url}/?as=mira`);
  const kinds = page.locator('fieldset label');
  await kinds.last().waitFor();
  const tops = await kinds.evaluateAll((labels) => labels.map((label) => [label.getBoundingClientRect().top, label.getBoundingClientRect().height]));
  assert.equal(new Set(tops.map(String)).size, 1, JSON.stringify(tops));
  await page.goto(`${server.url}/messages/${loft}`);
  const lines = await page.getByRole('complementary', { name: 'Sicherheit' }).locator('p').evaluate((paragraph) => {
    const { lineHeight, paddingTop, paddingBottom } = getComputedStyle(paragraph);
    return Math.round((paragraph.clientHeight - parseFloat(paddingTop) - parseFloat(paddingBottom)) / parseFloat(lineHeight));
  });
  assert.ok(lines <= 2, `${lines} lines`);
});

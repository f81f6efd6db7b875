// The same components on Preact, of which the widget is made: what depends on how a library renders.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { open, start, stop } from './support/playground.mjs';

before(start);
after(stop);

const ON_PREACT = { path: 'preact/index.html' };
const sends = (page) => page.evaluate(() => window.client.timeline('c-ana').sends);

test('it is Preact', async (t) => {
  const page = await open(t, 'chat', ON_PREACT);
  assert.equal(await page.evaluate(() => Object.keys(document.querySelector('#app')).some((key) => key.startsWith('__reactContainer'))), false);
});

test('from the button to a sent message, by keyboard, and back', async (t) => {
  const page = await open(t, 'page', ON_PREACT);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement.tagName === 'TEXTAREA');
  await page.keyboard.type('Hello!');
  await page.keyboard.press('Enter');
  await page.locator('[data-mine]', { hasText: 'Hello!' }).waitFor();
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.activeElement.textContent === 'Contact owner');
});

test('Enter and clicks that come before the next rendering send once', async (t) => {
  const page = await open(t, 'chat', ON_PREACT);
  await page.getByRole('textbox').fill('once');
  await page.evaluate(() => { for (let click = 0; click < 3; click += 1) document.querySelector('.db-send').click(); });
  assert.equal(await sends(page), 1);
});

test('arrows that come faster than rendering move row by row', async (t) => {
  const page = await open(t, 'both', ON_PREACT);
  await page.locator('.db-row').first().focus();
  await page.evaluate(() => { for (let press = 0; press < 3; press += 1) document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowDown', bubbles: true, cancelable: true })); });
  assert.match(await page.evaluate(() => document.activeElement.querySelector('.db-row-name').textContent), /^Chloé Martin/);
});

test('the message that is read stays put while older ones are put before it', async (t) => {
  const page = await open(t, 'chat-photos', ON_PREACT);
  await page.locator('[data-key]').first().waitFor();
  for (let page_ = 0; page_ < 4; page_ += 1) {
    const before = await page.evaluate(() => {
      const history = document.querySelector('.db-history');
      history.scrollTop = 700;
      const row = [...document.querySelectorAll('[data-key]')].find((one) => one.getBoundingClientRect().top > history.getBoundingClientRect().top + 200);
      window.row = row;
      return { top: row.getBoundingClientRect().top, first: document.querySelector('[data-key]').dataset.key };
    });
    await page.waitForFunction((first) => document.querySelector('[data-key]').dataset.key !== first, before.first);
    const top = await page.evaluate(() => (window.row.isConnected ? window.row.getBoundingClientRect().top : null));
    assert.ok(top !== null && Math.abs(top - before.top) <= 1, `moved by ${top - before.top} px`);
  }
});

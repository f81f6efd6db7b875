// For whoever sees, hears, or points differently: nothing that axe finds, and everything by keyboard.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { newBrowser, open } from './support/browser.mjs';
import { conversationOf, demo, field, statusOf, test } from './support/stage.mjs';
import { states } from './support/states.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const server = await demo();
const STATES = states(await conversationOf(server, 'mira', 'canal-loft'));

async function violations(page) {
  await page.evaluate(AXE);
  const { violations: found } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  return found.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} (${node.failureSummary?.split('\n')[1]?.trim()})`).join(' | ')}`);
}

for (const [name, options] of [
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['right to left', { colorScheme: 'light', language: 'ar' }],
  ['on a phone', { colorScheme: 'light', width: 390, height: 844, hasTouch: true }],
]) {
  test(`axe finds nothing on any page, ${name}`, { timeout: 120_000 }, async (t) => {
    const { language, ...rest } = options;
    // A missing page is a 404, of which Chromium tells the console.
    const allowed = [/status of 404/];
    const found = {};
    for (const { name: state, path, reach } of STATES) {
      const browser = await newBrowser(t, { ...rest, allowed });
      if (language) await browser.addInitScript((tag) => location.protocol === 'http:' && localStorage.setItem('latchkey:locale', tag), language);
      const page = await browser.newPage();
      await page.goto(server.url + path);
      await reach(page);
      const faults = await violations(page);
      if (faults.length > 0) found[state] = faults;
      await page.close();
    }
    assert.deepEqual(found, {});
  });
}

test('a renter signs in, finds a home, writes to its owner and closes the chat by keyboard alone', async (t) => {
  const page = await open(t, server.url);
  await page.getByRole('link', { name: /^Canal loft/ }).waitFor();
  const focused = () => page.evaluate(() => {
    const element = document.activeElement;
    return element?.getAttribute('aria-label') ?? element?.labels?.[0]?.textContent ?? element?.textContent ?? '';
  });
  const tabTo = async (pattern) => {
    for (let times = 0; times < 80; times += 1) {
      await page.keyboard.press('Tab');
      if (pattern.test((await focused()).trim())) {
        const ring = await page.evaluate(() => {
          const style = getComputedStyle(document.activeElement);
          return document.activeElement.matches(':focus-visible') && (style.outlineStyle !== 'none' || style.boxShadow !== 'none' || document.activeElement.type === 'radio' || document.activeElement.tagName === 'TEXTAREA');
        });
        assert.ok(ring, `one sees that ${pattern} has the focus`);
        return;
      }
    }
    assert.fail(`Tab does not lead to ${pattern}`);
  };
  await page.keyboard.press('Tab');
  assert.equal(await focused(), 'Skip to the page');
  await tabTo(/^Sign in$/);
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').getByRole('button', { name: /^Priya Raman/ }).waitFor();
  await tabTo(/^Priya Raman/);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Account of Priya Raman' }).waitFor();
  await tabTo(/^Flat above the bakery/);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: /Flat above the bakery/ }).waitFor();
  await page.getByRole('button', { name: 'Contact owner' }).waitFor();
  await tabTo(/^Contact owner/);
  await page.keyboard.press('Enter');
  await field(page).waitFor();
  await page.waitForFunction(() => document.activeElement?.tagName === 'TEXTAREA');
  await page.keyboard.type('Is the floor warm?');
  await page.keyboard.press('Enter');
  await statusOf(page, 'Is the floor warm?', /Sent|Read/).waitFor({ state: 'attached' });
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.match(await focused(), /Contact owner/, 'the focus is back where it was');
});

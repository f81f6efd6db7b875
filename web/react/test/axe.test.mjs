// Every state, in both themes and right to left: axe finds nothing.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { open, show, start, stop } from './support/playground.mjs';

before(start);
after(stop);

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
// Brand colours change nothing but colours: the states that show most of them are enough.
const BRANDED = ['both', 'chat-unread', 'chat-new', 'chat-group', 'chat-failed', 'inbox-empty', 'page'];
// Another look of one state differs in its colours alone; what has another language differs in all else.
const COLOURS = { runOnly: { type: 'rule', values: ['color-contrast', 'link-in-text-block'] } };
const ALL = { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] };
/** Pages at a time: the machines that test have two cores. */
const AT_ONCE = 3;
const LOOKS = {
  light: { theme: 'light' },
  dark: { theme: 'dark' },
  'right to left': { theme: 'light', locale: 'ar' },
  'a yellow brand': { theme: 'light', accent: '#ffe34d' },
  'a dark brand in the dark': { theme: 'dark', accent: '#0a1a66' },
};

async function violations(page, rules = ALL) {
  await page.evaluate(axe);
  const { violations: found } = await page.evaluate((options) => window.axe.run(document, options), rules);
  return found.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary, html }) => `${id}: ${target.join(' ')}\n  ${html.slice(0, 160)}\n  ${failureSummary.split('\n').slice(1, 3).join(' ')}`));
}

/** What fades in has come: half of a colour has half of its contrast. */
const shown = (page) => page.waitForFunction(() => {
  const isComing = ({ playState, effect }) => playState === 'running' && effect.getComputedTiming().iterations !== Infinity;
  // Some states are those of what has not come yet, and stay.
  return !document.getAnimations().some(isComing) && (!document.querySelector('.db-skeletons') || performance.now() > 700);
});

test('every state in every look', { timeout: 600_000 }, async (t) => {
  const probe = await open(null, 'chat');
  const states = await probe.evaluate(() => window.states);
  await probe.context().close();
  assert.ok(states.length > 25);
  for (const [look, query] of Object.entries(LOOKS)) {
    await t.test(look, async () => {
      const all = [];
      const left = [...(query.accent ? BRANDED : states)];
      const look = async () => {
        const page = await open(null, left[0], { query });
        for (let state = left.shift(); state; state = left.shift()) {
          await show(page, state, query);
          await shown(page);
          const found = await violations(page, query.theme === 'dark' || query.accent ? COLOURS : ALL);
          all.push(...found.map((violation) => `${state}: ${violation}`));
        }
        await page.context().close();
      };
      await Promise.all(Array.from({ length: AT_ONCE }, look));
      assert.equal(all.join('\n'), '');
    });
  }
});

test('what opens over the page: popup, lightbox, chosen and refused files, readers, a question about notifications', { timeout: 120_000 }, async (t) => {
  for (const query of [LOOKS.light, LOOKS.dark]) {
    const popup = await open(t, 'page', { query });
    await popup.getByRole('button', { name: 'Contact owner' }).click();
    await popup.getByRole('dialog').waitFor();
    await shown(popup);
    assert.deepEqual(await violations(popup), []);
    const phone = await open(t, 'page', { query, width: 390, height: 780, hasTouch: true, isMobile: true });
    await phone.getByRole('button', { name: 'Contact owner' }).click();
    await phone.getByRole('dialog').waitFor();
    await shown(phone);
    assert.deepEqual(await violations(phone), []);

    const chat = await open(t, 'chat', { query });
    await chat.locator('input[type=file]').first().setInputFiles([
      { name: 'plan.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.4 %%EOF') }, { name: 'shot.heic', mimeType: 'image/heic', buffer: Buffer.from('x') },
    ]);
    await chat.getByText(/shot\.heic is of the type/).first().waitFor();
    await shown(chat);
    assert.deepEqual(await violations(chat), []);
    await chat.getByRole('textbox').fill('With the plan');
    await chat.keyboard.press('Enter');
    await shown(chat);
    assert.deepEqual(await violations(chat), []);
    await chat.getByRole('button', { name: /^Open photo/ }).last().click();
    await chat.getByRole('dialog').waitFor();
    await shown(chat);
    assert.deepEqual(await violations(chat), []);

    const group = await open(t, 'chat-group', { query });
    await group.getByRole('button', { name: /^Read by/ }).last().click();
    await shown(group);
    assert.deepEqual(await violations(group), []);
  }
});

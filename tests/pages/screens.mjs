// Takes the pictures of docs/screens: `npm run screens`. A folder as argument takes them there, and some more.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { bothOpen, demo, open, pane } from './browser.mjs';

const own = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../docs/screens');
const folder = process.env.SCREENS ? path.resolve(process.env.SCREENS) : own;
const takesAll = folder !== own;
mkdirSync(folder, { recursive: true });

const server = await demo();
const shoot = (page, name) => page.screenshot({ path: path.join(folder, `${name}.png`) });

test('pictures', async (t) => {
  for (const colorScheme of ['light', 'dark']) {
    const page = await open(t, server.url, { colorScheme });
    await bothOpen(page);
    if (colorScheme === 'light') {
      for (const [side, text] of [['left', 'Perfect, I will knock. Biscuit sends a paw print.'], ['right', 'Then I put the kettle on. See you tomorrow!']]) {
        await pane(page, side).getByLabel('Message', { exact: true }).fill(text);
        await pane(page, side).getByLabel('Message', { exact: true }).press('Enter');
        await pane(page, side === 'left' ? 'right' : 'left').locator('.bubble', { hasText: text }).waitFor();
      }
    }
    await pane(page, 'right').getByLabel('Message', { exact: true }).pressSequentially('Or rather, the heron does');
    await pane(page, 'left').locator('.typing', { hasText: 'Tomas is typing' }).waitFor();
    await page.waitForLoadState('networkidle');
    await shoot(page, `demo-${colorScheme}`);
    if (takesAll) {
      await page.setViewportSize({ width: 390, height: 844 });
      await shoot(page, `phone-chat-${colorScheme}`);
      await pane(page, 'left').getByRole('button', { name: 'Back' }).click();
      await shoot(page, `phone-list-${colorScheme}`);
      await page.setViewportSize({ width: 320, height: 568 });
      await shoot(page, `narrow-list-${colorScheme}`);
      await page.setViewportSize({ width: 1280, height: 800 });
      await pane(page, 'left').locator('.hint').waitFor();
      await shoot(page, `empty-${colorScheme}`);
      await page.setViewportSize({ width: 820, height: 1100 });
      await shoot(page, `tablet-${colorScheme}`);
    }
  }
});

test('the server stopped', { skip: !takesAll }, async (t) => {
  const page = await open(t, `${server.url}/?left=yuki&right=bea`, { allowed: [/./] });
  await pane(page, 'left').getByRole('button', { name: /^Beatriz/ }).click();
  await pane(page, 'left').locator('.bubble').first().waitFor();
  await pane(page, 'right').getByRole('button', { name: /Market Square/ }).click();
  await server.terminate();
  await pane(page, 'left').getByLabel('Message', { exact: true }).fill('Does it still hold this?');
  await pane(page, 'left').getByLabel('Message', { exact: true }).press('Enter');
  await pane(page, 'left').locator('.lost').waitFor();
  await shoot(page, 'stopped');
  await server.restart();
});

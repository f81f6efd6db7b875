// Who is signed in, in all tabs of a browser at once.
import assert from 'node:assert/strict';
import { newBrowser, open } from './support/browser.mjs';
import { bubble, conversationOf, demo, field, row, test } from './support/stage.mjs';

const server = await demo();
const loft = await conversationOf(server, 'mira', 'canal-loft');
const account = (page, name) => page.getByRole('button', { name: `Account of ${name}` });
const signInButton = (page) => page.getByRole('banner').getByRole('button', { name: 'Sign in', exact: true });

async function signIn(page, name) {
  await signInButton(page).click();
  await page.getByRole('dialog').getByRole('button', { name: new RegExp(`^${name}`) }).click();
  await account(page, name).waitFor();
}

async function signOut(page, name) {
  await account(page, name).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await signInButton(page).waitFor();
}

test('who signs out, or in as somebody else, does so in all tabs of the browser', async (t) => {
  const browser = await newBrowser(t);
  const [here, chat, dashboard] = [await browser.newPage(), await browser.newPage(), await browser.newPage()];
  await here.goto(server.url);
  await signIn(here, 'Mira Okafor');
  await chat.goto(`${server.url}/messages/${loft}`);
  await bubble(chat, 'decorative').first().waitFor();
  await dashboard.goto(`${server.url}/dashboard?tab=messages&chat=${loft}`);
  await bubble(dashboard, 'decorative').first().waitFor();

  await signOut(here, 'Mira Okafor');
  for (const tab of [chat, dashboard]) {
    await signInButton(tab).waitFor();
    await tab.getByRole('heading', { name: 'Sign in first' }).waitFor();
    assert.equal(await tab.getByRole('banner').getByRole('link', { name: /^(Messages|Dashboard)/ }).count(), 0, 'no links of hers');
  }

  await signIn(here, 'Mira Okafor');
  for (const tab of [chat, dashboard]) {
    await account(tab, 'Mira Okafor').waitFor();
    await bubble(tab, 'decorative').first().waitFor();
  }

  await account(here, 'Mira Okafor').click();
  await here.getByRole('button', { name: 'Omar Haddad', exact: true }).click();
  await account(here, 'Omar Haddad').waitFor();
  await account(chat, 'Omar Haddad').waitFor();
  await chat.waitForURL(/\/messages$/);
  await row(chat, 'Greta Novak').first().waitFor();
  await account(dashboard, 'Omar Haddad').waitFor();
  await dashboard.waitForURL(/\/dashboard\?tab=messages$/);
  for (const tab of [chat, dashboard]) {
    assert.equal(await bubble(tab, 'decorative').count(), 0);
    await tab.waitForLoadState('networkidle');
  }
});

test('a window of its own stays who it is when its person signs out elsewhere', async (t) => {
  const browser = await newBrowser(t);
  const [here, own] = [await browser.newPage(), await browser.newPage()];
  await here.goto(server.url);
  await signIn(here, 'Mira Okafor');
  await own.goto(`${server.url}/messages/${loft}?as=mira`);
  await bubble(own, 'decorative').first().waitFor();
  await signOut(here, 'Mira Okafor');
  await own.waitForLoadState('networkidle');
  await account(own, 'Mira Okafor').waitFor();
  await field(own).fill('Still here.');
  await field(own).press('Enter');
  await bubble(own, 'Still here.').locator('.db-receipt').filter({ hasText: /Sent|Read/ }).waitFor({ state: 'attached' });
});

for (const [place, size] of [['the corner', {}], ['the whole screen', { width: 390, height: 844, hasTouch: true }]]) {
  test(`a chat left open over ${place} by one person is not asked for by the next`, async (t) => {
    const page = await open(t, `${server.url}/listing/canal-loft?as=mira`, size);
    await page.getByRole('button', { name: 'Contact owner' }).click();
    await field(page).waitFor();
    await page.goto(`${server.url}/listing/canal-loft?as=omar`);
    await account(page, 'Omar Haddad').waitFor();
    await page.getByRole('button', { name: 'Contact owner' }).waitFor();
    await page.waitForLoadState('networkidle');
    assert.equal(await page.locator('.db-popup').count(), 0);
    await page.goBack();
    await account(page, 'Omar Haddad').waitFor();
    await page.getByRole('button', { name: 'Contact owner' }).waitFor();
    await page.waitForLoadState('networkidle');
    assert.equal(await page.locator('.db-popup').count(), 0, 'nor in the history');
  });
}

import { bubble } from './stage.mjs';

/** What stands in place of what cannot be shown. */
const notice = (page) => page.getByTestId('notice').waitFor();

/** Every page and state, and how one gets there, whatever language it is in. `loft`: the id of Mira's conversation about the canal loft. */
export const states = (loft) => [
  { name: 'homes', path: '/', reach: (page) => page.getByRole('link', { name: /^Canal loft/ }).waitFor() },
  { name: 'nothing found', path: '/?kind=stay&budget=70&city=Larkhaven', reach: notice },
  { name: 'signing in', path: '/', reach: async (page) => {
    await page.locator('header .button-brand').click();
    await page.getByRole('button', { name: /^Mira Okafor/ }).waitFor();
  } },
  { name: 'signed out', path: '/messages', reach: notice },
  { name: 'a home', path: '/listing/canal-loft', reach: (page) => page.getByRole('heading', { level: 1, name: /Canal loft/ }).waitFor() },
  { name: 'a home with its chat', path: '/listing/canal-loft?as=mira', reach: async (page) => {
    await page.locator('.db-contact button').click();
    await bubble(page, 'decorative').first().waitFor();
  } },
  { name: 'a home of mine', path: '/listing/canal-loft?as=tomas', reach: (page) => page.locator('section[aria-labelledby="yours"]').getByRole('link', { name: /Mira/ }).waitFor() },
  { name: 'a home that is gone', path: '/listing/castle', reach: notice },
  { name: 'the account menu', path: '/?as=bea', reach: async (page) => {
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.locator('header button[popovertarget]').click();
    await page.getByRole('button', { name: 'Yuki Tanaka', exact: true }).waitFor();
  } },
  { name: 'messages', path: '/messages?as=bea', reach: (page) => page.locator('.db-row').first().waitFor() },
  { name: 'a chat', path: `/messages/${loft}?as=mira`, reach: (page) => bubble(page, 'decorative').first().waitFor() },
  { name: 'a chat that is not mine', path: '/messages/nobodys?as=mira', reach: (page) => page.locator('.db-problem').first().waitFor() },
  { name: 'a new group', path: '/messages?as=bea', reach: async (page) => {
    await page.locator('.db-inbox header button').click();
    await page.locator('dialog button[type=submit]').click();
    await page.locator('dialog [role=alert]').waitFor();
  } },
  { name: 'the dashboard', path: '/dashboard?as=omar', reach: (page) => page.locator('main dl dd').first().waitFor() },
  { name: 'my homes', path: '/dashboard?tab=homes&as=omar', reach: (page) => page.getByRole('link', { name: /bakery/ }).first().waitFor() },
  { name: 'my messages', path: '/dashboard?tab=messages&as=omar', reach: (page) => page.locator('main article a').first().waitFor() },
  { name: 'a chat in the dashboard', path: `/dashboard?tab=messages&chat=${loft}&as=mira`, reach: (page) => bubble(page, 'decorative').first().waitFor() },
  { name: 'nowhere', path: '/nowhere', reach: notice },
];

import { bubble } from './stage.mjs';

/** Every page and state, and how one gets there. `loft`: the id of Mira's conversation about the canal loft. */
export const states = (loft) => [
  { name: 'homes', path: '/', reach: (page) => page.getByRole('link', { name: /^Canal loft/ }).waitFor() },
  { name: 'nothing found', path: '/?kind=stay&budget=70&city=Larkhaven', reach: (page) => page.getByText('Nobody offers that').waitFor() },
  { name: 'signing in', path: '/', reach: async (page) => {
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('button', { name: /^Mira Okafor/ }).waitFor();
  } },
  { name: 'signed out', path: '/messages', reach: (page) => page.getByRole('heading', { name: 'Sign in first' }).waitFor() },
  { name: 'a home', path: '/listing/canal-loft', reach: (page) => page.getByRole('heading', { level: 1, name: /Canal loft/ }).waitFor() },
  { name: 'a home with its chat', path: '/listing/canal-loft?as=mira', reach: async (page) => {
    await page.getByRole('button', { name: 'Contact owner' }).click();
    await bubble(page, 'decorative').first().waitFor();
  } },
  { name: 'a home of mine', path: '/listing/canal-loft?as=tomas', reach: (page) => page.getByRole('region', { name: 'Your listing' }).getByRole('link', { name: /Mira/ }).waitFor() },
  { name: 'a home that is gone', path: '/listing/castle', reach: (page) => page.getByText('This home is not on offer').waitFor() },
  { name: 'the account menu', path: '/?as=bea', reach: async (page) => {
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.getByRole('button', { name: 'Account of Beatriz Almeida' }).click();
    await page.getByRole('button', { name: 'Yuki Tanaka', exact: true }).waitFor();
  } },
  { name: 'messages', path: '/messages?as=bea', reach: (page) => page.locator('.db-row').first().waitFor() },
  { name: 'a chat', path: `/messages/${loft}?as=mira`, reach: (page) => bubble(page, 'decorative').first().waitFor() },
  { name: 'a chat that is not mine', path: '/messages/nobodys?as=mira', reach: (page) => page.locator('.db-problem').first().waitFor() },
  { name: 'a new group', path: '/messages?as=bea', reach: async (page) => {
    await page.getByRole('button', { name: 'New group' }).click();
    await page.getByRole('button', { name: 'Make the group' }).click();
    await page.getByRole('alert').filter({ hasText: 'Give the group a name.' }).waitFor();
  } },
  { name: 'the dashboard', path: '/dashboard?as=omar', reach: (page) => page.getByText('Homes on offer').waitFor() },
  { name: 'my homes', path: '/dashboard?tab=homes&as=omar', reach: (page) => page.getByRole('link', { name: /bakery/ }).first().waitFor() },
  { name: 'my messages', path: '/dashboard?tab=messages&as=omar', reach: (page) => page.getByRole('link', { name: /^Open Chat with/ }).first().waitFor() },
  { name: 'nowhere', path: '/nowhere', reach: (page) => page.getByText('There is no door here').waitFor() },
];

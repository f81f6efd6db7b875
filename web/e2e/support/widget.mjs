// A site with the widget, the server behind it, and what people do with its button.
import { Doorbell, unique } from '../../../tests/clients/support/doorbell.mjs';
import { newBrowser } from './browser.mjs';
import { Site } from './site.mjs';

export const site = await Site.start();
export const server = await Doorbell.forFile({ env: { FRONTEND_URL: site.origin } });

/** A page of the site for somebody who asks about a listing. `who`: `null` is nobody. */
export function listing(who, { tag = {}, ...page } = {}) {
  const names = { listing: unique('listing'), owner: unique('owner'), path: `/${unique('page')}` };
  const data = { 'token-url': `/token${who ? `?as=${who}` : ''}`, 'listing-id': names.listing, 'owner-id': names.owner, title: 'Two rooms above the chandlery', price: '€ 1,450', ...tag };
  return { ...names, url: site.put(names.path, { server: server.url, tag: data, ...page }) };
}

/** The same page for the owner, whom Ann has asked: "May I see it?". */
export async function askedListing() {
  const { url, owner, listing: id, path } = listing(unique('ann'));
  await server.host.put(`/v1/listings/${id}`, { title: 'Two rooms', ownerId: owner });
  const ann = await server.person('ann', { name: 'Ann Renter', image: null });
  const opened = await server.api(ann).post('/api/conversations', { listingId: id, ownerId: owner });
  await server.say(ann, opened.body.conversation.id, 'May I see it?');
  site.put(path, { server: server.url, tag: { ...site.pages[path].tag, 'token-url': `/token?as=${owner}` } });
  return url;
}

/** A page that counts what it asks of the chat's server. `prepare`: what is done to the browser before. */
export async function visit(t, url, { prepare, ...options } = {}) {
  const browser = await newBrowser(t, options);
  await prepare?.(browser);
  const page = await browser.newPage();
  page.asked = [];
  page.on('request', (request) => request.url().startsWith(server.url) && page.asked.push(new URL(request.url()).pathname));
  await page.goto(url);
  return page;
}

/** As networks do that know no WebSockets. */
export const withoutWebSockets = (browser) => browser.addInitScript(() => {
  window.WebSocket = class {
    constructor() { setTimeout(() => this.onerror?.(new Event('error'))); }
    close() {}
  };
});
export const launcher = (page, name = 'Contact owner') => page.getByRole('button', { name, exact: false });
export const dialog = (page) => page.getByRole('dialog', { name: 'Messages' });

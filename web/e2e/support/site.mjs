// Somebody else's site, on another origin, with as strict a policy as sites have, and the widget's script tag.
import { createServer } from 'node:http';
import { randomBytes } from 'node:crypto';
import { after } from 'node:test';
import { mint } from '../../../tests/clients/support/doorbell.mjs';

const STYLES = `
  *, *::before { box-sizing: border-box; }
  html { font-size: 62.5%; }
  body { margin: 0; background: #f6f4f0; color: #26231f; font: 1.6rem/1.55 Georgia, serif; }
  header { display: flex; gap: 2.4rem; align-items: baseline; padding: 2.2rem max(2rem, calc(50vw - 56rem)); background: #fff; border-bottom: 1px solid #e3ddd3; }
  header strong { font-size: 2.2rem; letter-spacing: -0.02em; }
  main { max-width: 112rem; margin: 3.2rem auto; padding: 0 2rem; }
  h1 { margin: 2.4rem 0 0.4rem; font-size: 3.4rem; line-height: 1.15; letter-spacing: -0.02em; }
  .picture { height: 32rem; border-radius: 1.2rem; background: linear-gradient(160deg, #b9d3cf, #e9dcc2 55%, #caa27d); }
  .price { font-size: 2rem; color: #5f574c; }
  .grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(24rem, 1fr)); gap: 2rem; margin-top: 3rem; }
  .grid article { padding: 1.6rem; border-radius: 1.2rem; background: #fff; }
  button { padding: 1rem 1.8rem; border: 1px solid #26231f; border-radius: 0.8rem; background: #26231f; color: #fff; font: inherit; cursor: pointer; }
  div { outline: 0; } p, button, textarea { text-transform: none; }
  @media (prefers-color-scheme: dark) { body { background: #1b1917; color: #eee7dc; } header, .grid article { background: #262320; border-color: #3a3531; } .price { color: #bfb5a7; } button { background: #eee7dc; color: #26231f; } }`;

const attributes = (data) => Object.entries(data).map(([name, value]) => ` data-${name}="${String(value).replaceAll('&', '&amp;').replaceAll('"', '&quot;')}"`).join('');

/** What stands on the page: `tag` and `more` are the `data-` attributes of its script tags, `buttons` those of its buttons. */
const page = ({ server, nonce, title = 'Harbour Street', tag = {}, more = [], buttons = [], language = 'en', early = '' }) => `<!doctype html>
<html lang="${language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title>
<link rel="icon" href="data:,"><style nonce="${nonce}">${STYLES}</style></head>
<body><header><strong>Harbour Street</strong><span>Flats by the water</span></header>
<main><div class="picture"></div><h1>Two rooms above the chandlery</h1><p class="price">€ 1,450 a month</p>
<p>Third floor, no lift, and a view of every boat that comes in. From March, for a year or longer.</p>
<div class="grid">${buttons.map((data, at) => `<article><p>Room ${at + 1}</p><button type="button" data-doorbell-contact${attributes(data)}>Ask about room ${at + 1}</button></article>`).join('')}</div></main>
<script nonce="${nonce}">${early}
window.shifts = 0; new PerformanceObserver((list) => { for (const entry of list.getEntries()) window.shifts += entry.value; }).observe({ type: 'layout-shift', buffered: true });
window.longest = 0; new PerformanceObserver((list) => { for (const entry of list.getEntries()) window.longest = Math.max(window.longest, entry.duration); }).observe({ type: 'longtask', buffered: true });</script>
${[tag, ...more].map((data) => `<script src="${server}/widget.js" async${attributes(data)}></script>`).join('\n')}
</body></html>`;

export class Site {
  /** What its pages show, by path. */
  pages = {};
  asked = [];

  static async start() {
    const site = new Site();
    site.http = createServer((request, response) => site.answer(request, response));
    await new Promise((resolve) => site.http.listen(0, '127.0.0.1', resolve));
    site.origin = `http://127.0.0.1:${site.http.address().port}`;
    after(() => {
      site.http.closeAllConnections();
      site.http.close();
    });
    return site;
  }

  /** A page at a path of its own. `policy`: what its policy forbids beside everything else. */
  put(path, options) {
    this.pages[path] = options;
    return this.origin + path;
  }

  answer(request, response) {
    const url = new URL(request.url, this.origin);
    this.asked.push(`${request.method} ${url.pathname}`);
    if (url.pathname === '/token') {
      const who = url.searchParams.get('as');
      response.writeHead(who ? 200 : 401, { 'content-type': 'application/json' }).end(JSON.stringify(who ? { token: mint(who, { name: url.searchParams.get('name') ?? who }) } : { error: 'Nobody is signed in.' }));
      return;
    }
    const options = this.pages[url.pathname];
    if (!options) {
      response.writeHead(404).end('There is no such page.');
      return;
    }
    const nonce = randomBytes(12).toString('base64');
    const { server, connect = `${server} ${server.replace('http', 'ws')}` } = options;
    response.writeHead(200, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': `default-src 'none'; script-src ${server} 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self' ${connect}; img-src 'self' data: blob: ${server}; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'`,
    }).end(page({ ...options, nonce }));
  }
}

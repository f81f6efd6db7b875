// Takes the pictures of docs/screens: `npm run screens`. A folder as argument takes them there.
// The short film of a conversation needs img2webp (Debian's package `webp`).
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { API_KEY, Doorbell, mint } from '../../tests/clients/support/doorbell.mjs';
import { newBrowser } from './support/browser.mjs';
import { moments } from './support/moments.mjs';
import { Site } from './support/site.mjs';
import { as, bubble, choose, conversationOf, demo, field, row } from './support/stage.mjs';
import { states } from './support/states.mjs';

const folder = path.resolve(process.env.SCREENS ?? path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../docs/screens'));
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const ANY = [/./];

const SHAPES = [
  { name: 'desktop', width: 1440, height: 900, quality: 0.8 },
  { name: 'phone', width: 390, height: 844, hasTouch: true, quality: 0.8 },
];

let darkroom;
/** A screenshot as WebP, a fifth of its PNG. Chromium itself can make it. */
async function keep(page, name, quality) {
  // Nothing is pointed at.
  await page.mouse.move(0, 0);
  const shot = await page.screenshot();
  darkroom ??= await (await newBrowser(null, { allowed: ANY })).newPage();
  const developed = await darkroom.evaluate(async ([base64, share]) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const canvas = new OffscreenCanvas(image.width, image.height);
    canvas.getContext('2d').drawImage(image, 0, 0);
    const blob = await canvas.convertToBlob({ type: 'image/webp', quality: share });
    let text = '';
    for (const byte of new Uint8Array(await blob.arrayBuffer())) text += String.fromCharCode(byte);
    return btoa(text);
  }, [shot.toString('base64'), quality]);
  writeFileSync(path.join(folder, `${name}.webp`), Buffer.from(developed, 'base64'));
}

/** Every shape of a window in both colours, as names and options of a browser. */
const views = SHAPES.flatMap(({ name, quality, ...size }) => ['light', 'dark'].map((colorScheme) => ({ view: `${name}-${colorScheme}`, quality, options: { ...size, colorScheme, allowed: ANY } })));

/** Opens the page, goes to where the picture is to be taken, and takes it. */
async function picture({ name, url, reach, prepare }, { view, quality, options }) {
  const browser = await newBrowser(null, options);
  await prepare?.(browser);
  const page = await browser.newPage();
  await page.goto(url);
  await reach(page);
  await page.waitForLoadState('networkidle', { timeout: 2000 }).catch(() => {});
  await keep(page, `${name.replaceAll(' ', '-').toLowerCase()}-${view}`, quality);
  await browser.close();
}

test('a picture of every page and state', { timeout: 1_500_000 }, async () => {
  for (const view of views) {
    // A marketplace of its own, in which nothing was said yet that another picture needed.
    const server = await demo({ DOORBELL_API_KEY: API_KEY });
    const loft = await conversationOf(server, 'mira', 'canal-loft');
    const { conversations } = await (await as(server, 'sam')).get('/api/conversations');
    const bakery = conversations.find(({ messages }) => messages[0].content.includes('cinnamon')).id;
    for (const state of [...states(loft), ...moments({ server, loft, bakery })]) await picture({ ...state, url: server.url + state.path }, view);
    await server.stop();
  }
});

test('a picture of the widget on another site, and of the inbox under doorbell serve', { timeout: 300_000 }, async () => {
  const site = await Site.start();
  const server = await Doorbell.forFile({ env: { FRONTEND_URL: site.origin } });
  for (const [id, name] of [['noor', 'Noor Haddad'], ['piet', 'Piet de Boer']]) await server.host.put(`/v1/users/${id}`, { name });
  const listing = { 'listing-id': 'chandlery', 'owner-id': 'piet', title: 'Two rooms above the chandlery', price: '€ 1,450' };
  const url = site.put('/', { server: server.url, tag: { 'token-url': '/token?as=noor&name=Noor+Haddad', ...listing } });
  const launcher = (page) => page.getByRole('button', { name: 'Contact owner' });
  const { body } = await server.api({ token: mint('noor') }).post('/api/conversations', { listingId: 'chandlery', ownerId: 'piet' });
  for (const [who, content] of [['noor', 'Good evening! Is the view of the harbour from both rooms?'], ['piet', 'From the kitchen, too, if you lean. Come and see on Thursday?'], ['noor', 'Thursday at six?']]) {
    await server.say({ token: mint(who) }, body.conversation.id, content);
  }
  for (const view of views) {
    await picture({ name: 'widget closed', url, reach: (page) => launcher(page).waitFor() }, view);
    await picture({ name: 'widget', url, reach: async (page) => {
      await launcher(page).click();
      await bubble(page, 'Thursday at six').waitFor();
    } }, view);
    const signedOut = site.put('/nobody', { server: server.url, tag: { 'token-url': '/token', ...listing } });
    await picture({ name: 'widget signed out', url: signedOut, reach: async (page) => {
      await launcher(page).click();
      await page.getByRole('dialog').waitFor();
      await page.waitForTimeout(500);
    } }, view);
    const withCookie = (browser) => browser.addCookies([{ name: 'doorbell_session', value: mint('piet'), url: server.url, httpOnly: true, sameSite: 'Lax' }]);
    await picture({ name: 'hosted inbox', url: server.url, prepare: withCookie, reach: async (page) => {
      await row(page, 'Noor Haddad').click();
      await bubble(page, 'Thursday at six').waitFor();
    } }, view);
    await picture({ name: 'hosted inbox signed out', url: server.url, reach: (page) => page.getByRole('heading', { name: 'Nobody is signed in here' }).waitFor() }, view);
  }
});

test('a short film of a conversation', { timeout: 300_000 }, async () => {
  const server = await demo();
  const loft = await conversationOf(server, 'mira', 'canal-loft');
  const browser = await newBrowser(null, { width: 420, height: 640, allowed: ANY });
  const [mira, tomas] = [await browser.newPage(), await browser.newPage()];
  for (const [page, who] of [[mira, 'mira'], [tomas, 'tomas']]) {
    await page.goto(`${server.url}/messages/${loft}?as=${who}`);
    await bubble(page, 'green door').first().waitFor();
    await page.locator('header').first().evaluate((header) => header.remove());
  }
  const table = await (await newBrowser(null, { width: 864, height: 672, allowed: ANY })).newPage();
  const frames = mkdtempSync(path.join(tmpdir(), 'doorbell-film-'));
  after(() => rmSync(frames, { recursive: true }));
  const film = [];
  /** Both windows side by side, for so many milliseconds. */
  const frame = async (milliseconds) => {
    const [left, right] = (await Promise.all([mira.screenshot(), tomas.screenshot()])).map((shot) => `data:image/png;base64,${shot.toString('base64')}`);
    await table.setContent(`<body style="margin:0;display:flex;gap:16px;padding:16px;background:#c9d8d2"><img src="${left}" style="border-radius:14px"><img src="${right}" style="border-radius:14px"></body>`);
    await table.waitForFunction(() => [...document.images].every((image) => image.complete));
    const file = path.join(frames, `${String(film.length).padStart(4, '0')}.png`);
    await table.screenshot({ path: file });
    film.push('-d', String(milliseconds), file);
  };
  const type = async (page, text) => {
    await field(page).focus();
    for (let at = 0; at < text.length; at += 5) {
      await page.keyboard.insertText(text.slice(at, at + 5));
      await frame(110);
    }
    await frame(250);
    await page.keyboard.press('Enter');
    await bubble(page, text).waitFor();
    await frame(200);
  };
  await frame(1200);
  await type(mira, 'One more thing: does the heron mind visitors?');
  await bubble(tomas, 'does the heron mind').waitFor();
  await frame(700);
  await type(tomas, 'He minds everybody. That is his charm.');
  await bubble(mira, 'his charm').waitFor();
  await frame(900);
  await choose(mira, fileURLToPath(new URL('../../src/demo/photos/rolls.jpg', import.meta.url)));
  await mira.waitForTimeout(500);
  await frame(700);
  await type(mira, 'Would these help?');
  await tomas.getByRole('button', { name: /^Open photo from/ }).last().waitFor();
  await tomas.waitForTimeout(500);
  await frame(1200);
  await type(tomas, 'They always do.');
  await bubble(mira, 'They always do.').waitFor();
  await frame(2600);
  try {
    execFileSync('img2webp', ['-loop', '0', '-lossy', '-q', '55', '-m', '4', ...film, '-o', path.join(folder, 'conversation.webp')], { stdio: ['ignore', 'ignore', 'inherit'] });
  } catch (fault) {
    throw new Error('The film needs img2webp; install it (Debian: apt-get install webp), then try again.', { cause: fault });
  }
});

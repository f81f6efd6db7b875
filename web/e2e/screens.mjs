// Takes the pictures of docs/screens: `npm run screens`. A folder as argument takes them there.
// The short film of a conversation needs img2webp (Debian's package `webp`).
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { png } from '../../tests/clients/support/media.mjs';
import { newBrowser } from './support/browser.mjs';
import { as, bubble, chatOf, conversationOf, demo, field, say } from './support/stage.mjs';
import { states } from './support/states.mjs';

const folder = path.resolve(process.env.SCREENS ?? path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../docs/screens'));
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const ANY = [/./];

const SHAPES = [
  { name: 'desktop', width: 1440, height: 900, quality: 0.8 },
  { name: 'phone', width: 390, height: 844, hasTouch: true, quality: 0.8 },
];

/** What needs somebody to do something first. They come last: they change what is there, and the last one ends the server. */
const moments = (server, loft, bakery) => [
  { name: 'chat with photos', path: `/messages/${bakery}?as=sam`, reach: async (page) => {
    await bubble(page, 'cinnamon').waitFor();
    await page.waitForTimeout(400);
  } },
  { name: 'photo enlarged', path: `/messages/${bakery}?as=sam`, reach: async (page) => {
    await page.getByRole('button', { name: /^Open photo from/ }).last().click();
    await page.getByRole('dialog').waitFor();
    await page.waitForTimeout(400);
  } },
  { name: 'files to send', path: `/messages/${loft}?as=mira`, reach: async (page) => {
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.getByRole('button', { name: 'Add photos, videos or files' }).click()]);
    await chooser.setFiles([{ name: 'paw.png', mimeType: 'image/png', buffer: png(300, 220, 4) }, { name: 'lease.txt', mimeType: 'text/plain', buffer: Buffer.from('A lease.') }]);
    await field(page).fill('Her paw, and the lease.');
    await page.waitForTimeout(600);
  } },
  { name: 'a file is dropped', path: `/messages/${loft}?as=mira`, reach: async (page) => {
    await field(page).waitFor();
    const dragged = await page.evaluateHandle(() => {
      const made = new DataTransfer();
      made.items.add(new File(['x'], 'paw.png', { type: 'image/png' }));
      return made;
    });
    for (const type of ['dragenter', 'dragover']) await chatOf(page).dispatchEvent(type, { dataTransfer: dragged });
  } },
  { name: 'in Arabic', path: `/messages/${loft}?as=mira`, locale: 'ar', reach: (page) => bubble(page, 'decorative').first().waitFor() },
  { name: 'nobody has written', path: '/messages?as=mira', reach: async (page) => {
    await page.route('**/api/conversations*', (route) => route.fulfill({ json: { conversations: [], hasMore: false, nextCursor: null } }));
    await page.evaluate(() => indexedDB.databases().then((all) => all.forEach(({ name }) => indexedDB.deleteDatabase(name))));
    await page.reload();
    await page.getByText('No conversations yet').first().waitFor();
  } },
  { name: 'the server is away', path: `/messages/${loft}?as=mira`, reach: async (page) => {
    await page.locator('.db-message[data-mine]').first().waitFor({ state: 'attached' });
    await page.waitForLoadState('networkidle');
    await server.terminate();
    await say(page, 'Does it still hold this?');
    await page.getByText(/your messages are kept/i).first().waitFor();
  } },
];

let darkroom;
/** A screenshot as WebP, a fifth of its PNG. Chromium itself can make it. */
async function keep(page, name, quality) {
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

test('a picture of every page and state', { timeout: 900_000 }, async () => {
  for (const { name: shape, quality, ...size } of SHAPES) {
    for (const colorScheme of ['light', 'dark']) {
      // A marketplace of its own, in which nothing was said yet that another picture needed.
      const server = await demo();
      const loft = await conversationOf(server, 'mira', 'canal-loft');
      const { conversations } = await (await as(server, 'sam')).get('/api/conversations');
      const bakery = conversations.find(({ messages }) => messages[0].content.includes('cinnamon')).id;
      for (const { name, path: where, reach, locale } of [...states(loft), ...moments(server, loft, bakery)]) {
        const browser = await newBrowser(null, { ...size, colorScheme, allowed: ANY });
        if (locale) await browser.addInitScript((tag) => location.protocol === 'http:' && localStorage.setItem('latchkey:locale', tag), locale);
        const page = await browser.newPage();
        await page.goto(server.url + where);
        await reach(page);
        await page.waitForLoadState('networkidle', { timeout: 2000 }).catch(() => {});
        await keep(page, `${name.replaceAll(' ', '-').toLowerCase()}-${shape}-${colorScheme}`, quality);
        await browser.close();
      }
      await server.restart();
    }
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
  const [chooser] = await Promise.all([mira.waitForEvent('filechooser'), mira.getByRole('button', { name: 'Add photos, videos or files' }).click()]);
  await chooser.setFiles(fileURLToPath(new URL('../../src/demo/photos/rolls.jpg', import.meta.url)));
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

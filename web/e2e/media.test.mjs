// Photos, videos and files in the chat.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { noise, png } from '../../tests/clients/support/media.mjs';
import { newBrowser, open } from './support/browser.mjs';
import { as, bubble, chatOf, choose, conversationOf, demo, eventually, field, say, slowUploads, statusOf, test } from './support/stage.mjs';
import { webm } from './support/webm.mjs';

const MB = 1_000_000;
const server = await demo({ DOORBELL_RATE_LIMITS: 'off' });
const loft = await conversationOf(server, 'mira', 'canal-loft');
const chat = (who) => `${server.url}/messages/${loft}?as=${who}`;
const picture = (name, width = 320, height = 240, seed = 1) => ({ name, mimeType: 'image/png', buffer: png(width, height, seed) });
const tray = (page) => page.getByRole('list', { name: 'Files to send' });
const photos = (page) => page.getByRole('button', { name: /^Open photo from/ });

test('an upload shows how far it is, can be cancelled, and goes with the message when it is done', async (t) => {
  const browser = await newBrowser(t);
  const [mira, tomas] = [await browser.newPage(), await browser.newPage()];
  await mira.goto(chat('mira'));
  await tomas.goto(chat('tomas'));
  await field(mira).waitFor();
  await bubble(tomas, 'decorative').first().waitFor();
  const before = await photos(tomas).count();

  await slowUploads(mira, 200_000);
  await choose(mira, { name: 'large.png', mimeType: 'image/png', buffer: noise(700, 700) });
  const bar = tray(mira).getByRole('progressbar', { name: /large\.png/ });
  const seen = new Set();
  await eventually('the bar moves', async () => {
    seen.add(await bar.getAttribute('aria-valuenow', { timeout: 1000 }).catch(() => null));
    return [...seen].filter((value) => value !== null && Number(value) > 0 && Number(value) < 100).length >= 3;
  }, 15_000);
  await mira.getByRole('button', { name: 'Remove large.png' }).click();
  await tray(mira).waitFor({ state: 'detached' });

  await slowUploads(mira, 0);
  await choose(mira, picture('one.png'), picture('two.png', 240, 320, 2));
  await field(mira).fill('Two pictures');
  await field(mira).press('Enter');
  await bubble(tomas, 'Two pictures').waitFor();
  await statusOf(mira, 'Two pictures', /Sent|Read/).waitFor({ state: 'attached' });
  await eventually('both pictures are there', async () => (await photos(tomas).count()) === before + 2);
  await eventually('they are loaded', () => tomas.evaluate(() => [...document.querySelectorAll('.db-message img.db-tile-picture')].slice(-2).every((image) => image.complete && image.naturalWidth > 0)));
  await photos(tomas).last().click();
  await tomas.getByRole('dialog').getByText(/^\d+ \/ \d+$/).waitFor();
  await tomas.keyboard.press('Escape');
  await tomas.getByRole('dialog').waitFor({ state: 'detached' });
});

test('pictures are dropped on the chat, and pasted into the field', async (t) => {
  const page = await open(t, chat('mira'));
  await field(page).waitFor();
  const transfer = (name) => page.evaluateHandle(([base64, fileName]) => {
    const made = new DataTransfer();
    made.items.add(new File([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], fileName, { type: 'image/png' }));
    return made;
  }, [png(60, 40, 3).toString('base64'), name]);
  const dragged = await transfer('dropped.png');
  for (const type of ['dragenter', 'dragover']) await chatOf(page).dispatchEvent(type, { dataTransfer: dragged });
  await page.getByText('Drop photos, videos or files here').waitFor();
  await chatOf(page).dispatchEvent('drop', { dataTransfer: dragged });
  await page.getByRole('button', { name: 'Remove dropped.png' }).waitFor();
  const pasted = await transfer('pasted.png');
  await field(page).evaluate((element, clipboardData) => element.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true })), pasted);
  await page.getByRole('button', { name: 'Remove pasted.png' }).waitFor();
  const before = await photos(page).count();
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await eventually('both are sent', async () => (await photos(page).count()) === before + 2);
});

test('a file that cannot be sent is refused with a reason, and the others go', async (t) => {
  const page = await open(t, chat('mira'));
  await field(page).waitFor();
  await choose(page, { name: 'page.html', mimeType: 'text/html', buffer: Buffer.from('<script>alert(1)</script>') }, picture('good.png'));
  await page.getByText(/page\.html is of the type .*, which cannot be sent/).first().waitFor();
  await page.getByRole('button', { name: 'Remove good.png' }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Remove page.html' }).count(), 0);
});

test('twenty pages of words and pictures: scrolling back, the message that is read stays where it is', async (t) => {
  const omar = await as(server, 'omar');
  const { conversation } = await omar.post('/api/conversations', { otherUserId: 'greta' });
  const shapes = [[400, 300], [300, 400], [800, 200], [200, 800], [64, 64], [1200, 900]];
  const uploads = [];
  for (const [number, [width, height]] of shapes.entries()) {
    const form = new FormData();
    form.append('file', new Blob([png(width, height, number)], { type: 'image/png' }), `shape-${number}.png`);
    uploads.push((await omar.post('/api/upload', form)).id);
  }
  const words = 'Of towers, stairs, lamps and the wind that goes with them. ';
  for (let number = 0; number < 1000; number += 1) {
    const attachmentIds = number % 4 === 0 ? uploads.slice(number % 6, (number % 6) + 1 + (number % 3)) : [];
    const content = number % 8 === 0 && attachmentIds.length > 0 ? '' : `${number}: ${words.repeat(number % 5)}`;
    await omar.post('/api/messages', { conversationId: conversation.id, content, ...(attachmentIds.length > 0 && { attachmentIds }) });
  }
  const page = await open(t, `${server.url}/messages/${conversation.id}?as=omar`);
  await bubble(page, '999:').waitFor();
  const box = await chatOf(page).boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  // The message in the middle, and where it is, as soon as the wheel rests.
  const middle = () => page.evaluate(() => new Promise((resolve) => {
    const frame = document.querySelector('.db-timeline').getBoundingClientRect();
    const look = () => [...document.querySelectorAll('.db-message')].map((row) => ({ key: row.dataset.key, seq: Number(row.dataset.seq), top: row.getBoundingClientRect().top, bottom: row.getBoundingClientRect().bottom }))
      .find((row) => row.bottom > frame.top + frame.height / 2);
    let last = look();
    let rests = 0;
    const wait = () => {
      const now = look();
      rests = now && last && now.key === last.key && Math.abs(now.top - last.top) < 0.01 ? rests + 1 : 0;
      last = now;
      if (rests >= 2) resolve(now);
      else requestAnimationFrame(wait);
    };
    requestAnimationFrame(wait);
  }));
  const topOf = (key) => page.evaluate((wanted) => document.querySelector(`[data-key="${CSS.escape(wanted)}"]`)?.getBoundingClientRect().top ?? null, key);
  let worst = 0;
  let most = 0;
  let turns = 0;
  for (let read = await middle(); read.seq > 8 && turns < 400; turns += 1) {
    await page.mouse.wheel(0, -1400);
    read = await middle();
    // Older pages and pictures arrive now.
    await page.waitForLoadState('networkidle', { timeout: 3000 }).catch(() => {});
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    const top = await topOf(read.key);
    assert.notEqual(top, null, `message ${read.seq} is still there`);
    worst = Math.max(worst, Math.abs(top - read.top));
    assert.ok(Math.abs(top - read.top) <= 1, `message ${read.seq} moved by ${(top - read.top).toFixed(2)} px`);
    most = Math.max(most, await page.locator('.db-message').count());
  }
  assert.ok((await middle()).seq <= 8, `the beginning was reached in ${turns} turns of the wheel`);
  assert.ok(most < 400, `${most} messages in the document at once`);
  t.diagnostic(`worst movement ${worst.toFixed(2)} px, ${turns} turns, at most ${most} messages in the document`);
});

test('a link that is opened by itself shows its picture, and plays its video and its sound', async (t) => {
  // What looks at the pages brings scripts along, which are blocked.
  const browser = await newBrowser(t, { allowed: [/Blocked script execution/] });
  const mira = await as(server, 'mira');
  const fixture = (name) => readFileSync(new URL(`../../tests/fixtures/media/${name}`, import.meta.url));
  const linkTo = async (name, type) => {
    const form = new FormData();
    form.append('file', new Blob([fixture(name)], { type }), name);
    return mira.post('/api/upload', form);
  };
  // What a page inside of the answer could do: nothing, in any of them.
  const harmless = async (page) => {
    assert.equal(await page.evaluate(() => document.scripts.length), 0);
    await page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'window.ran = true';
      document.body.append(script);
      const frame = document.createElement('iframe');
      frame.srcdoc = '<script>parent.ran = true</script>';
      document.body.append(frame);
    });
    assert.equal(await page.evaluate(() => window.ran), undefined, 'no script runs');
    assert.equal(await page.evaluate(() => fetch('/api/demo/users').then(() => 'loaded', () => 'refused')), 'refused');
  };
  for (const [name, type] of [['recorder-vp8-opus.webm', 'video/webm'], ['recorder-h264.mp4', 'video/mp4'], ['recorder-opus.webm', 'audio/webm'], ['recorder-opus.mp4', 'audio/mp4']]) {
    const { fileUrl, fileType } = await linkTo(name, type);
    assert.equal(fileType, type, name);
    const page = await browser.newPage();
    await page.goto(fileUrl);
    // By looking again and again: a page without scripts has no timers to wait by.
    await eventually(`${name} is loaded`, () => page.evaluate(() => document.querySelector('video')?.readyState >= 2));
    // Nothing begins by itself in a sandbox: whoever has opened it presses the key that plays.
    await page.locator('video').focus();
    await page.keyboard.press('Space');
    await eventually(`${name} plays`, () => page.evaluate(() => document.querySelector('video').currentTime > 0));
    assert.equal(await page.evaluate(() => document.querySelector('video').error), null, name);
    assert.equal(await page.evaluate(() => document.querySelector('video').videoWidth), type.startsWith('video') ? 96 : 0, name);
    await page.close();
  }
  const { fileUrl } = await linkTo('canvas.png', 'image/png');
  const page = await browser.newPage();
  await page.goto(fileUrl);
  assert.deepEqual(await page.evaluate(() => [document.images[0].naturalWidth, getComputedStyle(document.body).margin, window.origin]), [96, '0px', 'null']);
  await page.close();

  const watched = await newBrowser(t, { allowed: [/Content Security Policy|sandboxed|Blocked script/] });
  for (const name of ['recorder-vp8.webm', 'canvas.png']) {
    const page = await watched.newPage();
    await page.goto((await linkTo(name, 'image/png')).fileUrl);
    await harmless(page);
    await page.close();
  }
});

test('a video of 100 MB goes up, plays and seeks, while the server takes no more memory', { timeout: 240_000 }, async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'doorbell-video-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const browser = await newBrowser(t);
  const [mira, tomas] = [await browser.newPage(), await browser.newPage()];
  await mira.goto(chat('mira'));
  await field(mira).waitFor();
  const file = path.join(folder, 'walk-through.webm');
  // What the first upload of all, and the first player, make the server allocate is not counted.
  writeFileSync(file, await webm(mira, 20 * MB));
  await choose(mira, file);
  await say(mira, 'The same, but short');
  await tomas.goto(chat('tomas'));
  const short = bubble(tomas, 'The same, but short');
  await short.getByRole('button', { name: /^Play video from/ }).click({ timeout: 60_000 });
  await tomas.waitForFunction((element) => element.currentTime > 0, await short.locator('video[controls]').elementHandle());
  writeFileSync(file, await webm(mira, 100 * MB));
  const [node] = server.nodes;
  const before = node.residentBytes;
  let most = 0;
  const watch = setInterval(() => (most = Math.max(most, node.residentBytes - before)), 50);
  try {
    await choose(mira, file);
    await say(mira, 'Once through the flat');
    await statusOf(mira, 'Once through the flat', /Sent|Read/).waitFor({ state: 'attached', timeout: 120_000 });
    const message = bubble(tomas, 'Once through the flat');
    const ranges = [];
    tomas.on('response', (response) => response.url().includes('/media/') && response.status() === 206 && ranges.push(response.headers()['content-range']));
    await message.getByRole('button', { name: /^Play video from/ }).click();
    const video = message.locator('video[controls]');
    await tomas.waitForFunction((element) => element.currentTime > 0 && element.readyState >= 2, await video.elementHandle());
    assert.equal(await video.evaluate((element) => Math.round(element.duration)), 60);
    const seen = await video.evaluate(async (element) => {
      element.pause();
      const colours = [];
      for (const second of [50, 10, 30]) {
        element.currentTime = second + 0.2;
        await new Promise((resolve) => element.addEventListener('seeked', resolve, { once: true }));
        const canvas = new OffscreenCanvas(1, 1);
        const paint = canvas.getContext('2d');
        paint.drawImage(element, 0, 0, 1, 1);
        const [red, green, blue] = paint.getImageData(0, 0, 1, 1).data;
        const [high, low] = [Math.max(red, green, blue), Math.min(red, green, blue)];
        const hue = high === red ? ((green - blue) / (high - low) + 6) % 6 : high === green ? (blue - red) / (high - low) + 2 : (red - green) / (high - low) + 4;
        colours.push(Math.round(hue * 60));
      }
      return colours;
    });
    for (const [place, hue] of [300, 60, 180].entries()) assert.ok(Math.abs(seen[place] - hue) < 20, `after seeking the pictures are ${seen}`);
    assert.ok(ranges.length > 1, 'the player asks for the parts that it needs');
  } finally {
    clearInterval(watch);
  }
  assert.ok(most < 10 * 1024 * 1024, `the server took ${(most / MB).toFixed(1)} MB more`);
  t.diagnostic(`the server took ${(most / MB).toFixed(1)} MB more`);
});

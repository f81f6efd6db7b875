// Writing and sending.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { open, start, stop } from './support/playground.mjs';

before(start);
after(stop);

const field = (page) => page.getByRole('textbox', { name: /^Message to/ });
const sends = (page) => page.evaluate(() => window.client.timeline('c-ana').sends);
const jpeg = async (page) => Buffer.from(await page.evaluate(async () => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 40, height: 30 });
  canvas.getContext('2d').fillRect(0, 0, 20, 30);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg'));
  return [...new Uint8Array(await blob.arrayBuffer())];
}));

test('Enter sends, Shift and Enter breaks the line', async (t) => {
  const page = await open(t, 'chat');
  await field(page).fill('one');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('two');
  assert.equal(await field(page).inputValue(), 'one\ntwo');
  await page.keyboard.press('Enter');
  await page.locator('[data-mine]', { hasText: /one\s*two/ }).waitFor();
  assert.equal(await field(page).inputValue(), '');
  assert.equal(await sends(page), 1);
});

test('Enter held down, and a double click on the button, send once', async (t) => {
  const page = await open(t, 'chat');
  await field(page).fill('held');
  await page.keyboard.down('Enter');
  await field(page).fill('more of it');
  for (let repeat = 0; repeat < 5; repeat += 1) await page.keyboard.down('Enter');
  await page.keyboard.up('Enter');
  assert.equal(await sends(page), 1);
  assert.equal(await field(page).inputValue(), 'more of it', 'what was written while the key was down is neither sent nor broken');
  await page.getByRole('button', { name: 'Send' }).dblclick();
  assert.equal(await sends(page), 2);
  await page.evaluate(() => { for (let click = 0; click < 3; click += 1) document.querySelector('.db-send').click(); });
  assert.equal(await sends(page), 2);
});

test('Enter that ends a composition (Japanese, say) does not send', async (t) => {
  const page = await open(t, 'chat');
  await field(page).focus();
  const session = await page.context().newCDPSession(page);
  await session.send('Input.imeSetComposition', { text: 'こんにちは', selectionStart: 5, selectionEnd: 5 });
  await page.evaluate(() => {
    for (const extra of [{ isComposing: true }, { keyCode: 229 }]) {
      document.querySelector('textarea').dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true, ...extra }));
    }
  });
  assert.equal(await sends(page), 0);
  await session.send('Input.insertText', { text: 'こんにちは' });
  assert.equal(await field(page).inputValue(), 'こんにちは');
  await page.keyboard.press('Enter');
  assert.equal(await sends(page), 1);
});

test('on a phone Enter breaks the line, and the button sends', async (t) => {
  const page = await open(t, 'chat', { width: 390, height: 780, hasTouch: true, isMobile: true });
  await field(page).fill('one');
  await page.keyboard.press('Enter');
  assert.equal(await sends(page), 0);
  assert.equal(await field(page).inputValue(), 'one\n');
  assert.ok(await page.getByRole('button', { name: 'Take a photo' }).isVisible());
  await page.getByRole('button', { name: 'Send' }).tap();
  assert.equal(await sends(page), 1);
});

test('the limit is told from 90 percent on, and what is over it is not sent', async (t) => {
  const page = await open(t, 'chat');
  await field(page).fill('a'.repeat(7_199));
  assert.equal(await page.locator('.db-count').count(), 0);
  await field(page).fill('🏠'.repeat(7_500));
  assert.equal(await page.locator('.db-count').textContent(), '500 characters left');
  await field(page).fill('a'.repeat(8_001));
  assert.equal(await page.locator('.db-count').textContent(), '1 character too many');
  await page.keyboard.press('Enter');
  assert.equal(await sends(page), 0);
  assert.equal(await page.getByRole('button', { name: 'Send' }).getAttribute('aria-disabled'), 'true');
});

test('each conversation keeps its own draft', async (t) => {
  const page = await open(t, 'both');
  await field(page).fill('for Ana');
  await page.getByRole('button', { name: /^Ben Okafor/ }).click();
  assert.equal(await field(page).inputValue(), '');
  await field(page).fill('for Ben');
  await page.getByRole('button', { name: /^Ana Sousa/ }).click();
  assert.equal(await field(page).inputValue(), 'for Ana');
});

test('a message that was not sent says so, and can be sent again or deleted by keyboard', async (t) => {
  const page = await open(t, 'chat-failed');
  const failed = page.locator('li[data-status="failed"]');
  await failed.waitFor();
  assert.match(await failed.textContent(), /Not sent\. The server cannot store messages now\./);
  await failed.getByRole('button', { name: 'Retry' }).focus();
  await page.keyboard.press('Enter');
  await page.locator('li[data-status="sending"]').waitFor();
  await failed.waitFor();
  assert.equal(await page.locator('[data-mine]', { hasText: 'Shall I bring' }).count(), 1);
  await failed.getByRole('button', { name: 'Delete' }).focus();
  await page.keyboard.press('Enter');
  await failed.waitFor({ state: 'detached' });
});

test('files come by button, drop and paste; each is seen before it is sent, and can be taken out', async (t) => {
  const page = await open(t, 'chat');
  const picture = await jpeg(page);
  await page.locator('input[type=file]').first().setInputFiles([{ name: 'one.jpg', mimeType: 'image/jpeg', buffer: picture }, { name: 'two.jpg', mimeType: 'image/jpeg', buffer: picture }]);
  const tray = page.getByRole('list', { name: 'Files to send' });
  assert.equal(await tray.getByRole('listitem').count(), 2);
  assert.ok(await page.getByText('Where a photo was taken is removed from it.').isVisible());

  const give = (type, target) => page.evaluate(({ bytes, kind, selector }) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], `${kind}.jpg`, { type: 'image/jpeg' }));
    const at = document.querySelector(selector);
    if (kind === 'paste') return at.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
    at.dispatchEvent(new DragEvent('dragenter', { dataTransfer: data, bubbles: true, cancelable: true }));
    window.dropData = data;
  }, { bytes: [...picture], kind: type, selector: target });
  await give('paste', 'textarea');
  await tray.getByRole('button', { name: 'Remove paste.jpg' }).waitFor();
  await give('drop', '.db-history');
  await page.getByText('Drop photos, videos or files here').waitFor();
  await page.evaluate(() => document.querySelector('.db-history').dispatchEvent(new DragEvent('drop', { dataTransfer: window.dropData, bubbles: true, cancelable: true })));
  await page.getByText('Drop photos, videos or files here').waitFor({ state: 'detached' });
  assert.equal(await tray.getByRole('listitem').count(), 4);

  await tray.getByRole('button', { name: 'Remove two.jpg' }).click();
  assert.equal(await tray.getByRole('listitem').count(), 3);
  await field(page).fill('Three of them');
  await page.keyboard.press('Enter');
  const bubble = page.locator('[data-mine]', { hasText: 'Three of them' });
  await bubble.getByRole('button', { name: /^Open photo/ }).nth(2).waitFor();
  assert.equal(await tray.count(), 0);
});

test('a file under way shows how far it is, can be stopped, and tried again by itself', async (t) => {
  const page = await open(t, 'chat-uploading');
  await page.getByRole('progressbar').nth(1).waitFor();
  await page.waitForFunction(() => [...document.querySelectorAll('[role=progressbar]')].every((bar) => Number(bar.getAttribute('aria-valuenow')) >= 50));
  await page.getByRole('button', { name: 'Cancel the upload of two.jpg' }).click();
  assert.equal(await page.getByRole('progressbar').count(), 1);
  assert.ok(await page.getByRole('button', { name: 'Upload two.jpg again' }).isVisible());
  const broken = await open(t, 'chat-upload-failed');
  await broken.getByText('The connection was lost.').waitFor();
  await broken.getByRole('button', { name: 'Upload one.jpg again' }).click();
  await broken.getByRole('button', { name: /^Open photo/ }).last().waitFor();
});

test('a file that the server refuses is named with the reason, leaves by itself, and the rest can be sent', async (t) => {
  const page = await open(t, 'chat-refused-file');
  const picture = await jpeg(page);
  await page.locator('input[type=file]').first().setInputFiles([{ name: 'good.jpg', mimeType: 'image/jpeg', buffer: picture }, { name: 'refused.jpg', mimeType: 'image/jpeg', buffer: picture }]);
  await page.locator('.db-refused').getByText('refused.jpg cannot be sent: It is a program, whatever its name says.').waitFor();
  const tray = page.getByRole('list', { name: 'Files to send' });
  assert.equal(await tray.getByRole('listitem').count(), 1);
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  assert.equal(await sends(page), 2);
  assert.equal(await tray.count(), 0);

  // One that was sent before it was refused.
  const failed = page.locator('li[data-status="failed"]', { hasText: 'My papers' });
  await failed.getByText('refused.jpg: It is a program').first().waitFor();
  assert.equal(await failed.getByRole('button', { name: 'Upload refused.jpg again' }).count(), 0);
  assert.ok(await failed.getByRole('button', { name: 'Remove refused.jpg' }).isVisible());
  assert.ok(await failed.getByRole('button', { name: 'Send without it' }).isVisible());
});

test('with a refused file alone there is nothing to send', async (t) => {
  const page = await open(t, 'chat-refused-file');
  await page.locator('input[type=file]').first().setInputFiles([{ name: 'refused.jpg', mimeType: 'image/jpeg', buffer: Buffer.from('x') }]);
  await page.locator('.db-refused').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Send', exact: true }).getAttribute('aria-disabled'), 'true');
});

test('a refused file says type, or size and limit, and is read out', async (t) => {
  const page = await open(t, 'chat');
  await page.locator('input[type=file]').first().setInputFiles([
    { name: 'shot.heic', mimeType: 'image/heic', buffer: Buffer.from('x') }, { name: 'big.png', mimeType: 'image/png', buffer: Buffer.alloc(11 * 1024 * 1024) },
  ]);
  const refused = page.locator('.db-refused');
  await refused.waitFor();
  assert.match(await refused.textContent(), /shot\.heic is of the type HEIC.*big\.png has 11 MB\. At most 10 MB/s);
  assert.match(await page.getByRole('alert').textContent(), /HEIC/);
  assert.equal(await page.getByRole('list', { name: 'Files to send' }).count(), 0);
});

test('whatever the server takes can be chosen, a voice memo, a CSV and Markdown too, and what it refuses cannot', async (t) => {
  const rules = await readFile(new URL('../../../src/model/attachment.rs', import.meta.url), 'utf8');
  const taken = [...rules.matchAll(/MediaType::\w+ => "([a-z]+\/[a-z0-9]+)"/g)].map(([, type]) => type);
  assert.ok(taken.length > 10 && taken.includes('audio/mp4'), 'the list was found');
  const files = [...taken.map((type) => ['file', type]), ['memo.m4a', 'audio/x-m4a'], ['memo.weba', 'audio/webm;codecs=opus'], ['prices.csv', 'text/csv'], ['notes.md', 'text/markdown'], ['unknown.log', '']];
  // As many as go into one message.
  for (let at = 0; at < files.length; at += 10) {
    const page = await open(t, 'chat');
    const picker = page.locator('input[type=file]').first();
    const some = files.slice(at, at + 10);
    const accepted = (await picker.getAttribute('accept')).split(',');
    for (const [, type] of some) assert.ok(type === '' || accepted.includes(type.split(';')[0]), `${type} is offered`);
    await picker.setInputFiles(some.map(([name, mimeType], i) => ({ name: `${i}-${name}`, mimeType, buffer: Buffer.from('x') })));
    const tray = page.getByRole('list', { name: 'Files to send' });
    await tray.waitFor();
    assert.equal(await page.locator('.db-refused').count(), 0, await page.locator('.db-refused').allTextContents().then(String));
    assert.equal(await tray.getByRole('listitem').count(), some.length);
  }
  const page = await open(t, 'chat');
  await page.locator('input[type=file]').first().setInputFiles([
    { name: 'song.mp3', mimeType: 'audio/mpeg', buffer: Buffer.from('x') }, { name: 'page.html', mimeType: 'text/html', buffer: Buffer.from('x') },
    { name: 'drawing.svg', mimeType: 'image/svg+xml', buffer: Buffer.from('x') }, { name: 'memo.m4a', mimeType: 'audio/mp4', buffer: Buffer.alloc(11 * 1024 * 1024) },
  ]);
  await page.locator('.db-refused').waitFor();
  assert.match(await page.locator('.db-refused').textContent(), /song\.mp3 is of the type MP3.*page\.html is of the type HTML.*drawing\.svg is of the type SVG.*memo\.m4a has 11 MB\. At most 10 MB/s);
  assert.equal(await page.getByRole('list', { name: 'Files to send' }).count(), 0);
});

test('notifications are asked for after the first message, by a button of ours', async (t) => {
  const page = await open(t, 'chat');
  await page.evaluate(() => {
    window.asked = 0;
    Notification.requestPermission = () => { window.asked += 1; return Promise.resolve('default'); };
    Object.defineProperty(Notification, 'permission', { get: () => 'default' });
  });
  await page.waitForTimeout(100);
  assert.equal(await page.getByRole('group', { name: /Get told/ }).count(), 0);
  await field(page).fill('Hello');
  await page.keyboard.press('Enter');
  const question = page.getByRole('group', { name: 'Get told when Ana Sousa answers?' });
  await question.waitFor();
  assert.equal(await page.evaluate(() => window.asked), 0);
  await question.getByRole('button', { name: 'Turn on notifications' }).click();
  assert.equal(await page.evaluate(() => window.asked), 1);
  await question.waitFor({ state: 'detached' });
});

test('who has signed out in another tab sees nothing of the conversation, and keeps what a refused sending would lose', async (t) => {
  const page = await open(t, 'chat');
  await page.locator('.db-message').first().waitFor();
  await page.locator('input[type=file]').first().setInputFiles({ name: 'plan.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.4 a plan') });
  await page.evaluate(() => {
    const error = { code: 'SIGNED_OUT', message: 'You have signed out. Sign in again.' };
    const timeline = window.client.timeline('c-ana');
    timeline.send = () => { throw Object.assign(new Error(error.message), error); };
    window.client.me.set(null);
    window.client.setInbox({ items: [] });
    timeline.set({ conversation: null, messages: [], error });
    window.client.setConnection({ status: 'signed-out', since: Date.now() });
  });
  await page.locator('.db-problem').getByText('You are signed out. Sign in to go on.').waitFor();
  assert.equal(await page.locator('.db-message, .db-header-name').count(), 0);
  assert.equal(await page.getByRole('button', { name: 'Try again' }).count(), 0, 'trying again would not help');
  const field = page.getByRole('textbox');
  await field.fill('Is it still free?');
  await field.press('Enter');
  await page.locator('[role=alert]').getByText('You have signed out. Sign in again.').waitFor({ state: 'attached' });
  assert.equal(await field.inputValue(), 'Is it still free?');
  await page.locator('.db-tray').getByText('plan.pdf').first().waitFor({ state: 'attached' });
});

test('a file on its way that is no picture shows its name, chosen or sent', async (t) => {
  for (const options of [{}, { width: 360, height: 700, hasTouch: true, isMobile: true }]) {
    const page = await open(t, 'chat-uploading-files', options);
    await page.locator('.db-composer input[type=file]').first().setInputFiles({ name: 'minutes.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.4') });
    for (const name of ['rental-agreement.pdf', 'plan.csv', 'a rather long name', 'minutes.pdf']) {
      const tile = page.locator('.db-upload', { has: page.getByRole('progressbar', { name: new RegExp(name.replace('.', '\\.')) }) });
      const shown = tile.getByText(name).filter({ visible: true }).first();
      await shown.waitFor({ timeout: 5_000 });
      const [box, around] = [await shown.boundingBox(), await tile.boundingBox()];
      assert.ok(await shown.evaluate((element) => Math.abs((element.clientHeight / parseFloat(getComputedStyle(element).lineHeight) + 0.5) % 1 - 0.5) < 0.1), `${name}: whole lines`);
      for (const other of [tile.locator('.db-ring'), ...(await tile.getByRole('button').all())]) {
        const { x, y, width, height } = await other.boundingBox();
        assert.ok(x + width <= box.x + 1 || box.x + box.width <= x + 1 || y + height <= box.y + 1 || box.y + box.height <= y + 1, `${name}: something stands on it`);
        assert.ok(y >= around.y - 1 && y + height <= around.y + around.height + 1, `${name}: something is pushed out of the tile`);
      }
      assert.ok(box.y >= around.y && box.y + box.height <= around.y + around.height + 1, `${name}: within the tile`);
    }
  }
});

test('a message of which some files are uploaded shows these beside those on their way', async (t) => {
  const page = await open(t, 'chat-uploading');
  await page.getByRole('progressbar').nth(1).waitFor();
  await page.evaluate(() => {
    const timeline = window.client.timeline('c-ana');
    const { messages } = timeline.state.get();
    const [{ attachments }] = messages.filter((message) => message.attachments?.[0]?.type === 'image');
    timeline.set({ messages: messages.map((message) => (message.uploads ? { ...message, attachments: attachments.slice(0, 1) } : message)) });
  });
  const row = page.locator('.db-message').last();
  await row.getByRole('button', { name: /^Open photo/ }).waitFor({ timeout: 5_000 });
  assert.equal(await row.getByRole('progressbar').count(), 2);
});

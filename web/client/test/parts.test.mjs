// The parts that need no server.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { Emitter } from '../dist/emitter.js';
import { createClient } from '../dist/index.js';
import { asError, DoorbellError, refusal } from '../dist/errors.js';
import { stripJpeg, stripPng, stripWebp } from '../dist/metadata.js';
import { OwnReading } from '../dist/reading.js';
import { memoryStorage, Shelf } from '../dist/storage.js';
import { patch, Value } from '../dist/store.js';
import { backoff } from '../dist/timing.js';
import { OwnTyping, Typists } from '../dist/typing.js';
import { MessageWindow } from '../dist/window.js';

const message = (seq, more = {}) => ({ id: `m${seq}`, seq, updatedAt: 'then', readAt: null, fileUrl: null, ...more });
const page = (from, to) => Array.from({ length: to - from + 1 }, (_, n) => message(from + n));
const seqs = (window) => window.messages.map(({ seq }) => seq);
const bytes = (...parts) => Uint8Array.from(parts.flatMap((part) => (typeof part === 'string' ? [...part].map((letter) => letter.charCodeAt(0)) : part)));
const joined = (parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));

test('a window takes each message once, in whatever order they come', () => {
  const window = new MessageWindow();
  window.reset(page(1, 3), false, false);
  assert.equal(window.put(message(4)), 'added');
  assert.equal(window.put(message(4)), 'known');
  assert.equal(window.put(message(2)), 'known');
  assert.equal(window.put(message(6)), 'gap');
  assert.deepEqual(seqs(window), [1, 2, 3, 4], 'what would leave a hole is not added');
  assert.equal(window.put(message(4, { readAt: 'now' })), 'replaced');
  assert.equal(window.get(4).readAt, 'now');
  window.addNewer([message(6), message(7)], false);
  assert.deepEqual(seqs(window), [1, 2, 3, 4, 6, 7], 'a page says that there is nothing between');
});

test('the first message that somebody sees needs nothing before it, once the server was asked', () => {
  const window = new MessageWindow();
  window.reset([], false, false);
  // Whoever was added to a group sees what comes after.
  assert.equal(window.put(message(5)), 'gap');
  window.addNewer([message(5)], false);
  assert.deepEqual(window.messages.map(({ seq }) => seq), [5]);
});

test('a window drops the pages that are far from the reader', () => {
  const window = new MessageWindow();
  window.reset(page(1001, 3000), true, false);
  window.put(message(3001));
  assert.equal(window.first, 1002);
  assert.equal(window.messages.length, 2000);
  window.addOlder(page(952, 1001), true);
  assert.deepEqual([window.first, window.last, window.hasNewer], [952, 2951, true]);
  assert.equal(window.put(message(3002)), 'beyond', 'and does not put after a hole what comes then');
});

test('of a JPEG the pixels, the colours and which way up remain, and nothing else', () => {
  const segment = (marker, body) => bytes([0xff, marker, (body.length + 2) >> 8, (body.length + 2) & 255], [...body]);
  const exif = bytes('Exif', [0, 0], 'II*', [0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0], 'GPS-SECRET');
  const scan = bytes([0xff, 0xda, 0, 2, 1, 2, 0xff, 0, 3, 0xff, 0xd0, 4]);
  const picture = [segment(0xe0, bytes('JFIF', [0])), segment(0xe2, bytes('ICC_PROFILE', [0])), segment(0xdb, [1, 2, 3]), scan, bytes([0xff, 0xd9])];
  const secret = [segment(0xe1, exif), segment(0xed, bytes('Photoshop city')), segment(0xfe, bytes('a comment')), segment(0xe2, bytes('MPF', [0]))];
  const all = joined([bytes([0xff, 0xd8]), picture[0], ...secret, ...picture.slice(1), bytes('a second picture behind the end: GPS-SECRET')]);
  const kept = joined(stripJpeg(all));
  for (const part of picture) assert.ok(kept.includes(Buffer.from(part)));
  for (const word of ['SECRET', 'Photoshop', 'comment', 'MPF']) assert.ok(!kept.includes(word), word);
  assert.ok(kept.includes(Buffer.from([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 8])), 'which way up');
  assert.deepEqual(joined(stripJpeg(kept)), kept, 'nothing more to take');
  for (let cut = 3; cut < all.length; cut += 1) stripJpeg(all.subarray(0, cut)); // whatever is missing, it does not throw
});

test('of a PNG and a WebP the texts go, and the rest is whole', () => {
  const chunk = (name, body) => bytes([0, 0, 0, body.length], name, [...body], [9, 9, 9, 9]);
  const png = joined([bytes([0x89], 'PNG\r\n', [26, 10]), chunk('IHDR', [1]), chunk('eXIf', bytes('SECRET')), chunk('iTXt', bytes('SECRET')), chunk('IDAT', [2, 3]), chunk('IEND', []), bytes('SECRET')]);
  const kept = joined(stripPng(png));
  assert.ok(!kept.includes('SECRET') && kept.includes('IDAT') && kept.includes('IEND'));
  assert.equal(stripPng(png.subarray(0, 30)), null);

  const riff = (name, body) => bytes(name, [body.length, 0, 0, 0], [...body], body.length % 2 ? [0] : []);
  const chunks = [riff('VP8X', [0x0c | 0x10, 0, 0, 0, 1, 0, 0, 1, 0, 0]), riff('VP8 ', [1, 2, 3]), riff('EXIF', bytes('SECRET')), riff('XMP ', bytes('SECRET'))];
  const body = joined(chunks);
  const webp = joined([bytes('RIFF', [body.length + 4, 0, 0, 0], 'WEBP'), body]);
  const rest = joined(stripWebp(webp));
  assert.ok(!rest.includes('SECRET') && rest.includes('VP8 '));
  assert.equal(rest.readUInt32LE(4), rest.length - 8);
  assert.equal(rest[20], 0x10, 'the flags no longer announce them');
});

test('typing is told seldom, and stops by itself', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
  const told = [];
  const typing = new OwnTyping((isTyping) => told.push(isTyping));
  for (let key = 0; key < 50; key += 1) {
    typing.set(true);
    t.mock.timers.tick(100);
  }
  assert.deepEqual(told, [true, true], 'in five seconds');
  t.mock.timers.tick(6_000);
  assert.deepEqual(told, [true, true, false]);
  typing.set(false);
  assert.equal(told.length, 3);

  const typists = new Typists(() => {});
  typists.note({ conversationId: 'c', userId: 'u', user: null, isTyping: true });
  assert.equal(typists.people.length, 1);
  t.mock.timers.tick(7_000);
  assert.equal(typists.people.length, 0, 'what says that it stopped may be lost');
});

test('a store tells of changes alone, and a listener that is added twice is two', () => {
  const value = new Value({ a: 1, b: 2 });
  let calls = 0;
  const listener = () => (calls += 1);
  const stop = value.subscribe(listener);
  value.subscribe(listener);
  patch(value, { a: 1 });
  assert.equal(calls, 0);
  patch(value, { a: 2 });
  assert.equal(calls, 2);
  stop();
  stop();
  patch(value, { a: 3 });
  assert.equal(calls, 3);
});

test('a second message that comes before the first does not hide it', () => {
  const window = new MessageWindow();
  window.reset([], false, false);
  const [first, second] = page(1, 2);
  assert.equal(window.put(second), 'gap');
  window.addNewer([first], false);
  assert.equal(window.put(second), 'added');
  assert.deepEqual(window.messages.map(({ seq }) => seq), [1, 2]);
});

test('what was read since is told, also when the server confirms an older mark meanwhile', async () => {
  const window = new MessageWindow();
  window.reset(page(1, 3), false, false);
  const asked = [];
  const hub = { isUp: true, request: async (_, { messageId }) => asked.push(messageId) };
  const inbox = { isCurrent: true, get: () => ({ unreadCount: 3 }), setUnread: () => {} };
  const reading = new OwnReading('c', hub, inbox, { window }, () => 'me');
  await reading.place();
  assert.equal(reading.firstUnreadSeq, 1);
  reading.mark(1);
  await reading.tell();
  reading.mark(3);
  reading.markedElsewhere(1);
  await reading.tell();
  reading.stop();
  assert.deepEqual(asked, ['m1', 'm3']);
});

test('a listener that throws does not keep others from hearing', (t) => {
  const reported = [];
  globalThis.reportError = (error) => reported.push(error.message);
  t.after(() => delete globalThis.reportError);
  const heard = [];
  const emitter = new Emitter();
  emitter.on('message', () => {
    throw new Error('a bug of the page');
  });
  emitter.on('message', (text) => heard.push(text));
  emitter.emit('message', 'hello');
  const value = new Value(0);
  value.subscribe(() => {
    throw new Error('another');
  });
  value.subscribe(() => heard.push(value.get()));
  value.set(1);
  assert.deepEqual(heard, ['hello', 1]);
  assert.deepEqual(reported, ['a bug of the page', 'another']);
});

test('an address that is none is said so at once', () => {
  for (const url of [undefined, '', 'chat.example.com', 'ftp://chat.example.com']) assert.throws(() => createClient({ url }), { name: 'DoorbellError', code: 'INVALID', message: /https/ });
});

test('what is refused for good is told from what may pass', () => {
  for (const code of ['INVALID', 'FORBIDDEN', 'NOT_FOUND', 'CONFLICT', 'TOO_LARGE', 'UNSUPPORTED_MEDIA']) assert.ok(new DoorbellError(code, '').isFinal, code);
  for (const code of ['UNAVAILABLE', 'LOCKED', 'RATE_LIMITED', 'NETWORK', 'TIMEOUT', 'UNAUTHENTICATED']) assert.ok(!new DoorbellError(code, '').isFinal, code);
  assert.equal(refusal(502, '<html>Bad gateway</html>', '3').code, 'UNAVAILABLE');
  assert.equal(refusal(423, '', null).code, 'LOCKED');
  assert.equal(refusal(502, '<html>Bad gateway</html>', '3').retryAfterMs, 3000);
  assert.equal(refusal(429, '{"error":"Too fast.","code":"RATE_LIMITED","retryAfterMs":120}', '1').retryAfterMs, 120);
  assert.equal(asError(new TypeError('fetch failed')).code, 'NETWORK');
});

test('attempts are spread, and never far apart', () => {
  for (let failures = 1; failures < 2000; failures *= 2) for (let n = 0; n < 50; n += 1) assert.ok(backoff(failures) >= 250 && backoff(failures) <= 15_000);
  assert.ok(new Set(Array.from({ length: 20 }, () => backoff(5))).size > 10);
});

test('what one sign-in stores another does not see, and nothing is stored after it was forgotten', async () => {
  const storage = memoryStorage();
  const [ana, ben] = [new Shelf(storage, assert.fail), new Shelf(storage, assert.fail)];
  const early = ana.set('draft|1', 'before it is known who that is');
  ana.open('ana');
  ben.open('ben');
  await early;
  assert.equal(await ben.get('draft|1'), undefined);
  assert.deepEqual(await ana.values('draft|'), ['before it is known who that is']);
  await ana.clear();
  await ana.set('draft|1', 'late');
  assert.deepEqual(await storage.entries(''), []);
});

test('the package is light: at most 18.5 KiB without socket.io-client, and no file is too long to read', async () => {
  const { rolldown } = await import('rolldown');
  const { gzipSync } = await import('node:zlib');
  const bundle = await rolldown({ input: new URL('../dist/index.js', import.meta.url).pathname, external: ['socket.io-client'] });
  const { output } = await bundle.generate({ format: 'es', minify: true });
  const size = gzipSync(output[0].code, { level: 9 }).length;
  console.log(`# ${size} bytes of gzip`);
  assert.ok(size <= 18.5 * 1024, `${size} bytes`);
  const source = new URL('../src/', import.meta.url);
  for (const name of readdirSync(source)) assert.ok(readFileSync(new URL(name, source), 'utf8').split("\n").length <= 300, name);
});

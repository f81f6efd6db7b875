// Files on their way: progress, cancelling, going on after a break, and what is said when one is refused.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { filesBelow } from '../../../tests/clients/support/media.mjs';
import { clientOf, Doorbell, eventually, memoryStorage, online, Proxy, range, test, until } from './support.mjs';

const server = await Doorbell.forFile();
const MIB = 1024 * 1024;

/** Plain text of this size, which the server takes. */
const textFile = (bytes, name = 'notes.txt') => new File(['all work and no play\n'.repeat(Math.ceil(bytes / 21))], name, { type: 'text/plain' });

async function talk(options = {}) {
  const [ana, ben] = await server.people('ana', 'ben');
  const { id } = await server.direct(ana, ben);
  const client = clientOf(server, ana, options);
  const timeline = client.conversation(id);
  timeline.open();
  await online(client);
  return { ana, ben, id, client, timeline };
}

test('files are sent with a message, in their order, and shown at once', async () => {
  const { ben, id, client, timeline } = await talk();
  const begun = client.upload(textFile(100, 'first.txt'));
  const { done } = timeline.send({ text: 'two plans', uploads: [begun], files: [textFile(100, 'second.txt')] });
  const [pending] = timeline.state.get().messages;
  assert.equal(pending.uploads.length, 2);
  assert.deepEqual(pending.uploads.map(({ fileName }) => fileName), ['first.txt', 'second.txt']);
  const message = await done;
  assert.deepEqual(message.attachments.map(({ fileName }) => fileName), ['first.txt', 'second.txt']);
  assert.equal((await server.history(ben, id))[0].content, 'two plans');
  assert.equal(begun.progress.get().fraction, 1);
  assert.equal((await begun.done).id, message.attachments[0].id);
});

test('a large file shows its progress, and goes on where it stopped when the line is cut', async () => {
  const proxy = await Proxy.start(server.port);
  let uploaded = 0;
  proxy.toServer = (chunk) => {
    uploaded += chunk.length;
    return chunk;
  };
  const { client, timeline } = await talk({ url: proxy.url });
  const size = 9 * MIB + 5;
  const upload = client.upload(textFile(size, 'long.txt'));
  const seen = [];
  upload.progress.subscribe(() => seen.push(upload.progress.get()));
  const { done } = timeline.send({ uploads: [upload] });
  await until(upload.progress, ({ loaded }) => loaded > 8 * MIB, 'most of it');
  proxy.refuses = true;
  proxy.cut();
  await until(upload.progress, ({ status }) => status === 'waiting', 'waiting');
  assert.equal(upload.progress.get().error.code, 'NETWORK');
  proxy.refuses = false;
  const message = await done;
  assert.equal(message.attachments[0].fileName, 'long.txt');
  assert.equal(message.attachments[0].fileSize, upload.file.size);
  assert.ok(uploaded < size + 2 * MIB, `the whole was not sent again: ${uploaded} of ${size}`);
  assert.ok(seen.some(({ fraction }) => fraction > 0.1 && fraction < 0.9));
  await proxy.stop();
});

test('a cancelled upload leaves nothing, and takes its message along if that is all there was', async () => {
  const proxy = await Proxy.start(server.port);
  const { ben, id, client, timeline } = await talk({ url: proxy.url });
  proxy.delay = 300;
  const upload = client.upload(textFile(9 * MIB));
  const { done } = timeline.send({ uploads: [upload] });
  await until(upload.progress, ({ loaded }) => loaded > 0, 'begun', 15_000);
  upload.cancel();
  await assert.rejects(upload.done, { code: 'ABORTED' });
  await assert.rejects(done, { code: 'DISCARDED' });
  assert.deepEqual(timeline.state.get().messages, []);
  assert.equal(upload.progress.get().status, 'cancelled');
  proxy.delay = 0;
  await eventually('nothing lies on the server', () => filesBelow(join(server.folder, 'data', 'uploads')).every((name) => !name.endsWith('.bytes')), 10_000);

  const kept = client.upload(textFile(9 * MIB));
  const rest = timeline.send({ text: 'without it', uploads: [kept] });
  kept.cancel();
  const message = await rest.done;
  assert.equal(message.attachments, undefined);
  assert.deepEqual((await server.history(ben, id)).map(({ content }) => content), ['without it']);
  await proxy.stop();
});

test('a file that is refused says why, does not hold up others, and can be tried again', async () => {
  const { ben, id, timeline } = await talk();
  const script = new File(['#!/bin/sh\necho hello\n'], 'harmless.txt', { type: 'text/plain' });
  const refused = timeline.send({ files: [script] });
  await timeline.send({ text: 'later' }).done;
  const { messages } = await until(timeline.state, (state) => state.messages.some(({ status }) => status === 'failed'), 'failed');
  const failed = messages.find(({ status }) => status === 'failed');
  assert.equal(failed.error.code, 'UNSUPPORTED_MEDIA');
  assert.match(failed.error.message, /^harmless\.txt: /, 'it says which file');
  assert.equal(failed.uploads[0].progress.get().error.code, 'UNSUPPORTED_MEDIA');
  assert.equal(failed.uploads[0].progress.get().isRefused, true);
  timeline.retry(refused.clientMessageId);
  await until(timeline.state, (state) => state.messages.some(({ error }) => error), 'refused again');
  timeline.discard(refused.clientMessageId);
  assert.deepEqual((await server.history(ben, id)).map(({ content }) => content), ['later']);
});

test('a refused file does not take its message with it: sent again, or taken out, the rest goes', async () => {
  const { ben, id, timeline } = await talk();
  const files = () => [textFile(100, 'plan.txt'), new File(['#!/bin/sh\necho hello\n'], 'harmless.txt', { type: 'text/plain' })];
  const failed = (text) => until(timeline.state, ({ messages }) => messages.some(({ content, status }) => content === text && status === 'failed'), 'failed');
  const again = timeline.send({ text: 'again', files: files() });
  await failed('again');
  timeline.retry(again.clientMessageId);
  await again.done;
  const without = timeline.send({ text: '', files: files() });
  const { messages } = await failed('');
  messages.find(({ status }) => status === 'failed').uploads.find(({ fileName }) => fileName === 'harmless.txt').cancel();
  await without.done;
  assert.deepEqual((await server.history(ben, id)).map(({ attachments }) => attachments.map(({ fileName }) => fileName)), [['plan.txt'], ['plan.txt']]);
});

test('a file over the limit is refused before it has been sent', async () => {
  const proxy = await Proxy.start(server.port);
  let uploaded = 0;
  proxy.toServer = (chunk) => {
    uploaded += chunk.length;
    return chunk;
  };
  const { client } = await talk({ url: proxy.url });
  const upload = client.upload(textFile(30 * MIB));
  await assert.rejects(upload.done, { code: 'TOO_LARGE' });
  assert.ok(uploaded < MIB, `${uploaded} bytes were sent`);
  assert.match(upload.progress.get().error.message, /10|MiB|large/i);
  await proxy.stop();
});

test('ten files go up a few at a time, and all arrive', async () => {
  const { timeline } = await talk();
  const { done } = timeline.send({ files: range(10).map((n) => textFile(50_000, `${n}.txt`)) });
  const uploads = timeline.state.get().messages[0].uploads;
  let most = 0;
  const count = () => (most = Math.max(most, uploads.filter(({ progress }) => progress.get().status === 'uploading').length));
  for (const { progress } of uploads) progress.subscribe(count);
  const message = await done;
  assert.ok(most > 1 && most <= 3, `${most} at once`);
  assert.deepEqual(message.attachments.map(({ fileName }) => fileName), range(10).map((n) => `${n}.txt`));
});

test('the place where a photo was taken does not leave the device', async () => {
  const { client } = await talk();
  const photo = execFileSync('python3', ['-c', PHOTO], { maxBuffer: MIB });
  assert.ok(photo.includes('GPS-SECRET'));
  const proxy = await Proxy.start(server.port);
  let secret = false;
  proxy.toServer = (chunk) => {
    secret ||= chunk.includes('GPS-SECRET');
    return chunk;
  };
  const upload = client.upload(new File([photo], 'beach.jpg', { type: 'image/jpeg' }));
  const { type, fileSize } = await upload.done;
  assert.equal(type, 'image');
  assert.ok(fileSize > 0);
  assert.equal(upload.progress.get().metadataRemoved, true);
  assert.ok(upload.progress.get().total < photo.length);
  const kept = client.upload(textFile(10));
  await kept.done;
  assert.equal(kept.progress.get().metadataRemoved, false);
  await proxy.stop();
});

// A grey JPEG of 8 by 8 pixels, with an APP1 segment as cameras write it.
const PHOTO = `
import sys, struct
tables = bytes.fromhex('ffdb004300' + '01' * 64)
frame = bytes.fromhex('ffc0000b080008000801011100')
dc = bytes.fromhex('ffc4001f0000010501010101010100000000000000000102030405060708090a0b')
ac = bytes.fromhex('ffc40014' + '10' + '01' + '00' * 15 + '00')
scan = bytes.fromhex('ffda0008010100003f00') + bytes.fromhex('3f')
exif = b'Exif\\0\\0' + b'MM\\0*' + struct.pack('>IH', 8, 1) + struct.pack('>HHIHH', 0x0112, 3, 1, 6, 0) + struct.pack('>I', 0) + b'GPS-SECRET'
app1 = b'\\xff\\xe1' + struct.pack('>H', len(exif) + 2) + exif
sys.stdout.buffer.write(b'\\xff\\xd8' + app1 + tables + frame + dc + ac + scan + b'\\xff\\xd9')
`;

test('after a reload in mid-upload a message shows all its files on their way at once, and each can be cancelled', async () => {
  const proxy = await Proxy.start(server.port);
  const storage = memoryStorage();
  const { ana, ben, id, client, timeline } = await talk({ url: proxy.url, storage });
  proxy.refuses = true;
  proxy.cut();
  const names = range(5).map((n) => `${n}.txt`);
  timeline.send({ text: 'the papers', files: names.map((name) => textFile(100, name)) });
  await eventually('kept', async () => (await storage.entries('')).some(([key]) => key.includes('|outbox|')));
  await client.close();

  const again = clientOf({ url: proxy.url }, ana, { storage }).conversation(id);
  again.open();
  const [{ uploads }] = (await until(again.state, ({ messages }) => messages[0]?.uploads?.length === 5, 'all five', 4_000)).messages;
  assert.deepEqual(uploads.map(({ fileName }) => fileName), names);
  uploads[1].cancel();
  await until(again.state, ({ messages }) => messages[0]?.uploads?.length === 4, 'one less');
  proxy.refuses = false;
  for (const upload of uploads) if (upload.progress.get().status === 'waiting') upload.retry();
  await eventually('sent', async () => (await server.history(ben, id)).length === 1, 20_000);
  const [{ attachments }] = await server.history(ben, id);
  assert.deepEqual(attachments.map(({ fileName }) => fileName), names.filter((name) => name !== '1.txt'));
  await proxy.stop();
});

test('files that were uploaded before a reload are shown beside those that are still on their way', async () => {
  const proxy = await Proxy.start(server.port);
  const storage = memoryStorage();
  const { ana, id, client, timeline } = await talk({ url: proxy.url, storage });
  const early = client.upload(textFile(100, 'early.txt'));
  const { id: attachmentId } = await early.done;
  proxy.refuses = true;
  proxy.cut();
  const late = client.upload(textFile(100, 'late.txt'));
  timeline.send({ text: 'the papers', uploads: [early, late] });
  const here = timeline.state.get().messages[0];
  assert.deepEqual([here.uploads.length, here.attachments], [2, undefined], 'each once');
  await eventually('kept', async () => (await storage.entries('')).some(([key]) => key.includes('|outbox|')));
  await client.close();

  const again = clientOf({ url: proxy.url }, ana, { storage }).conversation(id);
  const [{ uploads, attachments }] = (await until(again.state, ({ messages }) => messages[0]?.uploads, 'on its way', 4_000)).messages;
  assert.deepEqual(uploads.map(({ fileName }) => fileName), ['late.txt']);
  assert.deepEqual(attachments.map((one) => one.id), [attachmentId]);
  await proxy.stop();
});

// P21: a message names only a complete, flushed file, wherever the server is killed; and what a killed upload left is gone
// after the next start, or found by the sweep.
import assert from 'node:assert/strict';
import path from 'node:path';
import { Doorbell, eventually, good, range, test } from '../support/doorbell.mjs';
import { filesBelow, form, formAround, png, readPng, video } from '../support/media.mjs';
import { tcp } from '../support/raw.mjs';

const server = await Doorbell.forFile({ nodes: 1 });
const here = (url) => server.next() + new URL(url).pathname + new URL(url).search;
const spool = () => filesBelow(path.join(server.env.DOORBELL_DATA_DIR, 'uploads'));
const media = () => filesBelow(server.env.DOORBELL_MEDIA_URL ? new URL(server.env.DOORBELL_MEDIA_URL).pathname : path.join(server.env.DOORBELL_DATA_DIR, 'media'));

/** Every file that a message of this conversation names is there, whole. */
async function allWhole(user, id) {
  const messages = await server.history(user, id);
  for (const message of messages.filter(({ fileUrl }) => fileUrl)) {
    const answer = await fetch(here(message.fileUrl));
    assert.equal(answer.status, 200, `${message.fileName}: ${answer.status}`);
    const bytes = Buffer.from(await answer.arrayBuffer());
    assert.equal(bytes.length, message.fileSize);
    readPng(bytes);
  }
  return messages.length;
}

test('killed at every 64 kB of an upload, nothing is left of it and nothing else is lost', { timeout: 180_000 }, async () => {
  const [ada, ben] = await server.people('ada', 'ben');
  const { id } = await server.direct(ada, ben);
  const clip = video(512 * 1024);
  const { type, head } = formAround('clip.mp4');
  const kept = good(await server.api(ada).post('/api/messages', form({ conversationId: id, type: 'image' }, ['kept.png', png(300, 200)])), 201).message;
  const before = media();
  for (const at of [0, 1, ...range(8).map((i) => (i + 1) * 65_536 - 1), clip.length]) {
    const link = tcp(server.port);
    await link.open;
    link.write(`POST /api/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ada.token}\r\nContent-Type: ${type}\r\nContent-Length: 900000\r\n\r\n`);
    link.write(head);
    link.write(clip.subarray(0, at));
    if (at > 0) await eventually('the upload is under way', () => spool().length === 1);
    await server.kill();
    link.destroy();
    await server.restart();
    assert.deepEqual(spool(), [], `killed after ${at} bytes`);
    assert.deepEqual(media(), before, `killed after ${at} bytes`);
  }
  assert.equal(await allWhole(ben, id), 1);
  assert.equal(kept.fileName, 'kept.png');
});

test('killed while many files are sent, what is acknowledged is there, and every message that is there is whole', { timeout: 180_000 }, async () => {
  const [ada, ben] = await server.people('ada', 'ben');
  const { id } = await server.direct(ada, ben);
  const acked = [];
  for (const round of range(6)) {
    const sends = range(12).map(async (i) => {
      const name = `${round}-${i}.png`;
      try {
        const answer = await server.api(ada).post('/api/messages', form({ conversationId: id, type: 'image' }, [name, png(200 + i, 150, name)]));
        if (answer.status === 201) acked.push(name);
      } catch {
        // The server is gone: whether it was stored is not known.
      }
    });
    await eventually('some are stored', () => acked.length > round, 10_000).catch(() => {});
    await new Promise((go) => setTimeout(go, round * 15));
    await server.kill();
    await Promise.all(sends);
    await server.restart();
    assert.deepEqual(spool(), []);
  }
  await allWhole(ben, id);
  const names = (await server.history(ben, id)).map(({ fileName }) => fileName);
  for (const name of acked) assert.equal(names.filter((other) => other === name).length, 1, `${name} was acknowledged`);
  assert.ok(acked.length >= 6, 'some were');
});

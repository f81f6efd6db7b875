// P12: on a full disk sends are refused as UNAVAILABLE and reads go on, nothing breaks, and with room again it heals
// without a restart. (Uploads have a disk of their own to fill.)
import assert from 'node:assert/strict';
import { Doorbell, eventually, good, onlyOn, range, SETUP, test } from '../support/doorbell.mjs';
import { Postgres } from '../support/postgres.mjs';
import { SmallDisk } from '../support/small-disk.mjs';
import * as shape from '../support/shapes.mjs';

/** A deployment whose database lies on a small disk: SQLite's folder, or PostgreSQL's tablespace (its log lies elsewhere). */
async function onSmallDisk(t) {
  if (SETUP === 'sqlite') {
    const disk = SmallDisk.mount('3m');
    const server = await Doorbell.start({ env: { DOORBELL_DATA_DIR: disk.folder } });
    t.after(async () => {
      await server.stop();
      disk.remove();
    });
    return { server, disk };
  }
  const postgres = await Postgres.start();
  const disk = SmallDisk.mount('40m', `${postgres.folder}/data`);
  await postgres.sql('postgres', `CREATE TABLESPACE small OWNER doorbell LOCATION '${disk.folder}'`);
  postgres.tablespace = 'small';
  const server = await Doorbell.start({ postgres });
  t.after(async () => {
    await server.stop();
    await postgres.remove();
    disk.remove();
  });
  return { server, disk };
}

test('a full disk: sends are refused, reads go on, sockets stay, and it heals by itself', { timeout: 90_000 }, async (t) => {
  const { server, disk } = await onSmallDisk(t);
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  const socket = await server.socket(ann, { contract: 'conversations' });
  const watcher = await server.socket(bob, { contract: 'conversations' });
  await watcher.ok('conversation:join', id);
  const acked = [];
  const send = async (content) => {
    const answer = await socket.ack('message:send', { conversationId: id, content });
    if (answer.ok) acked.push(answer.message.seq);
    return answer;
  };
  await send('while there is room');
  disk.fill();
  let refused = 0;
  for (let tries = 0; refused < 60; tries += 1) {
    assert.ok(tries < 3000, 'the disk never was full');
    for (const answer of await Promise.all(range(20).map(() => send('m'.repeat(4000))))) {
      if (answer.ok) continue;
      assert.equal(answer.error.code, 'UNAVAILABLE', JSON.stringify(answer));
      refused += 1;
    }
  }
  const overRest = await server.api(ann).post('/api/messages', { conversationId: id, content: 'm'.repeat(4000) });
  if (overRest.status === 201) acked.push(overRest.body.message.seq);
  else assert.equal(overRest.status, 503);
  assert.equal((await server.api().get('/healthz')).status, 200);
  // Reads, also live ones, as before.
  const seen = await server.history(bob, id);
  assert.deepEqual(seen.map((m) => m.seq), [...acked].sort((a, b) => a - b));
  await socket.ok('conversation:join', { conversationId: id });
  good(await server.api(bob).get('/api/conversations'));
  assert.ok(server.nodes.every((node) => node.isUp), 'no node has ended');

  disk.grow('400m');
  await eventually('sends are stored again', async () => (await send('healed')).ok, 10_000);
  for (const number of range(50)) assert.ok((await send(`after ${number} ${'m'.repeat(3000)}`)).ok);
  assert.equal((await server.api().get('/readyz')).status, 200);
  const after = await server.history(bob, id);
  shape.gapless(after, 1);
  assert.deepEqual(after.map((m) => m.seq), [...acked].sort((a, b) => a - b), 'every acknowledged message, and no other');
  await watcher.once('message:received', (m) => m.seq === after.length, 8000);
  assert.deepEqual(watcher.all('message:received').map((m) => m.seq), range(after.length).map((i) => i + 1));
  for (const client of [socket, watcher]) assert.deepEqual(client.all('(disconnect)'), []);
});

onlyOn('sqlite', 'a node with PostgreSQL keeps nothing on its own disk')('no room at the first start is said in a sentence, not in a crash loop', async (t) => {
  const disk = SmallDisk.mount('64k');
  t.after(() => disk.remove());
  disk.fill();
  await assert.rejects(Doorbell.start({ env: { DOORBELL_DATA_DIR: disk.folder } }), (error) => {
    assert.match(error.message, /disk is full|No space left/);
    assert.doesNotMatch(error.message, /panicked/);
    return true;
  });
});

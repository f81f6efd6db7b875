// P13: a connection that does not read is closed alone; the memory stays flat, and what it missed is repaired by P5.
import assert from 'node:assert/strict';
import { Doorbell, eventually, range, SETUP, test } from '../support/doorbell.mjs';
import { websocket } from '../support/raw.mjs';

const MIB = 1024 * 1024;
// 32 kB each, twice in an event: more than the kernel holds for both sides (up to 37 MB).
const TEXT = '😀'.repeat(8000);
const BEFORE = 400;
const MESSAGES = 1200;

test('one socket of a room does not read 77 MB: it alone is closed, and the memory stays flat', { timeout: 300_000 }, async (t) => {
  const server = await Doorbell.start();
  t.after(() => server.stop());
  const [talker, listener, stuckUser] = await server.people('talker', 'listener', 'stuck');
  const group = await server.group(talker, [listener, stuckUser]);
  const ears = await server.socket(listener, { contract: 'conversations' });
  const mouth = await server.socket(talker, { contract: 'conversations' });
  await ears.ok('conversation:join', group.id);
  const [node] = server.nodes;
  const stuck = await websocket(node.port);
  t.after(() => stuck.destroy());
  stuck.send(`40${JSON.stringify({ token: stuckUser.token, contract: 'conversations' })}`);
  await stuck.until(/40\{"sid"/);
  stuck.send(`421["conversation:join","${group.id}"]`);
  await stuck.until(/431\[/);

  const say = async (count) => {
    for (let sent = 0; sent < count; sent += 20) await Promise.all(range(20).map(() => mouth.ok('message:send', { conversationId: group.id, content: TEXT })));
  };
  // Buffers and caches have their size afterwards.
  await say(BEFORE);
  const before = node.residentBytes;
  stuck.socket.pause();
  let most = 0;
  const watching = setInterval(() => (most = Math.max(most, node.residentBytes)), 50);
  t.after(() => clearInterval(watching));
  await say(MESSAGES);
  // A busy machine takes its time for 77 MB. One message after the other comes all the same, to one who is not closed.
  for (;;) {
    const got = ears.all('message:received').length;
    if (got >= MESSAGES + BEFORE) break;
    const next = ears.next('message:received', () => true, 20_000);
    assert.deepEqual(ears.all('(disconnect)'), [], `who reads was closed after ${got} messages`);
    await next.catch(() => assert.fail(`${got} of ${MESSAGES + BEFORE} messages came, and no other within 20 s`));
  }
  const grown = (most - before) / MIB;
  t.diagnostic(`${(before / MIB).toFixed(0)} MiB before, at most ${grown.toFixed(1)} more meanwhile`);
  // SQLite keeps up to 64 MiB of its pages, so what is written stays there for a while; once is enough.
  const cached = SETUP === 'sqlite' ? (MESSAGES * Buffer.byteLength(TEXT)) / MIB : 0;
  assert.ok(grown < cached + 16, `its memory grew by ${grown.toFixed(1)} MiB`);

  stuck.socket.resume();
  await eventually('the one who did not read is closed', () => stuck.socket.destroyed || stuck.socket.readableEnded, 15_000);
  assert.deepEqual(ears.all('message:received').map((m) => m.seq), range(MESSAGES + BEFORE).map((i) => i + 1), 'the others got all of it, in order');
  for (const socket of [ears, mouth]) assert.deepEqual(socket.all('(disconnect)'), []);
  const metrics = (await server.at(0).api().get('/metrics')).text;
  const closed = [...metrics.matchAll(/^(\S*slow\S*) (\d+)$/gm)].map(([, , count]) => Number(count));
  assert.ok(closed.some((count) => count >= 1), 'and an operator can see it');

  const back = await server.socket(stuckUser, { contract: 'conversations' });
  const { messages } = await back.ok('conversation:join', { conversationId: group.id, afterSeq: MESSAGES + BEFORE - 3 });
  assert.deepEqual(messages.map((m) => m.seq), range(3).map((i) => MESSAGES + BEFORE - 2 + i));
});

// Sends that wait together share a flush: on a disk that takes 2 ms longer for each, 256 in flight need at most a tenth of the
// flushes that as many one after the other need. Counted by the server itself, so it holds on a busy machine, too; how much
// faster that is (ten times and more, where the processor is free) is in the diagnostics.
import assert from 'node:assert/strict';
import { range, test, unique } from '../support/doorbell.mjs';
import { onSlowDisk } from '../support/slow-disk.mjs';

const SLOWER = 2000;
const SOCKETS = 4;

/** Sends a second, with so many in flight over all sockets, each to a conversation of its own. */
async function rate(lanes, inFlight, milliseconds) {
  const until = performance.now() + milliseconds;
  let sent = 0;
  const begun = performance.now();
  await Promise.all(range(inFlight).map(async (place) => {
    const { socket, ids } = lanes[place % lanes.length];
    const conversationId = ids[Math.floor(place / lanes.length) % ids.length];
    while (performance.now() < until) {
      const answer = await socket.ack('message:send', { conversationId, content: `hello ${unique('text')}` });
      assert.equal(answer.ok, true, JSON.stringify(answer));
      sent += 1;
    }
  }));
  return (sent * 1000) / (performance.now() - begun);
}

/** Transactions so far, and the writes in them, over all nodes. */
async function committed(server) {
  const pages = await Promise.all(server.nodes.map(async (_, node) => (await server.at(node).api().get('/metrics')).text));
  const total = (name) => pages.reduce((sum, page) => sum + Number(page.match(new RegExp(`^doorbell_writer_batch_size_${name} (\\d+)`, 'm'))[1]), 0);
  return { transactions: total('count'), writes: total('sum') };
}

/** Writes that shared a flush while `work` went on, and what it answers. */
async function sharing(server, work) {
  const before = await committed(server);
  const answer = await work();
  const after = await committed(server);
  return [(after.writes - before.writes) / (after.transactions - before.transactions), answer];
}

test('with 2 ms added to every flush, 256 in flight share each flush by ten and more, and 1 in flight has its own', { timeout: 60_000 }, async (t) => {
  const server = await onSlowDisk(t, SLOWER);
  const lanes = [];
  for (const _ of range(SOCKETS)) {
    const [ann, ...others] = await server.people('ann', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i');
    const ids = [];
    for (const other of others) ids.push((await server.direct(ann, other)).id);
    lanes.push({ socket: await server.socket(ann, { contract: 'conversations' }), ids });
  }
  await rate(lanes, 64, 500);
  const [aloneShare, alone] = await sharing(server, () => rate(lanes.slice(0, 1), 1, 2000));
  const [togetherShare, together] = await sharing(server, () => rate(lanes, 256, 3000));
  const figures = `${alone.toFixed(0)} sends a second alone, ${aloneShare.toFixed(1)} to a flush; ${together.toFixed(0)} with 256 in flight, ${togetherShare.toFixed(1)} to a flush`;
  t.diagnostic(figures);
  assert.ok(alone < 1_000_000 / SLOWER, `each send has a flush of its own to wait for: ${figures}`);
  assert.ok(aloneShare < 2, figures);
  assert.ok(togetherShare >= 10, figures);
});

// Sends that wait together share a flush: on a disk that takes 2 ms longer for each, 256 in flight give at least ten times
// the messages that one after the other gives. A ratio of two measurements of one run, so it holds on a busy machine, too.
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

test('with 2 ms added to every flush, 256 in flight give at least 10 times the sends of 1 in flight', { timeout: 60_000 }, async (t) => {
  const server = await onSlowDisk(t, SLOWER);
  const lanes = [];
  for (const _ of range(SOCKETS)) {
    const [ann, ...others] = await server.people('ann', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i');
    const ids = [];
    for (const other of others) ids.push((await server.direct(ann, other)).id);
    lanes.push({ socket: await server.socket(ann, { contract: 'conversations' }), ids });
  }
  await rate(lanes, 64, 500);
  // In turn, and the middle one of three: what else the machine does hits both alike.
  const rates = { alone: [], together: [] };
  for (const _ of range(3)) {
    rates.alone.push(await rate(lanes.slice(0, 1), 1, 1200));
    rates.together.push(await rate(lanes, 256, 1500));
  }
  const [alone, together] = [rates.alone, rates.together].map((found) => found.sort((a, b) => a - b)[1]);
  const figures = `${alone.toFixed(0)} sends a second alone, ${together.toFixed(0)} with 256 in flight: ${(together / alone).toFixed(1)} times`;
  t.diagnostic(figures);
  assert.ok(alone < 1_000_000 / SLOWER, `each send has a flush of its own to wait for: ${figures}`);
  assert.ok(together >= 10 * alone, figures);
});

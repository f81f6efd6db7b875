// Setups: cluster.
// P6: news that the bus has lost are noticed at the next, or by a sweep within 5 seconds, and come from the database.
import assert from 'node:assert/strict';
import { Doorbell, onlyOn, range, sleep } from '../support/doorbell.mjs';
import { news, Proxy, some } from '../support/proxy.mjs';
import { Redis } from '../support/redis.mjs';

const cluster = onlyOn('cluster', 'there is a bus to lose news');

/** A cluster whose bus loses what `isLost(n)` says of the `n`th message that is published. */
async function lossy(t, isLost) {
  const redis = await Redis.shared();
  const filter = news((number) => (isLost(number) ? 0 : 1));
  const proxy = await Proxy.start(redis.port, { toClient: filter });
  t.after(() => proxy.stop());
  const server = await Doorbell.start({ redis, redisUrl: redis.url(proxy.port) });
  t.after(() => server.stop());
  return { server, counts: filter.counts };
}

cluster('with 3 of 10 news lost, everybody at every node gets every message once, in order, the last within 5 seconds', { timeout: 60_000 }, async (t) => {
  const unlucky = some(0.3);
  const { server, counts } = await lossy(t, unlucky);
  const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
  const { id } = await server.group(ann, [bob, cem]);
  const watchers = await Promise.all([0, 1, 0, 1].map((node, i) => server.at(node).socket([bob, cem][i % 2], { contract: 'conversations' })));
  for (const watcher of watchers) await watcher.ok('conversation:join', id);
  const writers = await Promise.all([0, 1].map((node) => server.at(node).socket(ann, { contract: 'conversations' })));
  let sent = 0;
  for (const burst of range(8)) {
    await Promise.all(range(25).map((i) => writers[(burst + i) % 2].ok('message:send', { conversationId: id, content: `number ${(sent += 1)}` })));
    const last = Date.now();
    for (const watcher of watchers) {
      await watcher.count('message:received', sent, () => true, 5000);
      assert.ok(Date.now() - last < 5500, `burst ${burst}: all of it after ${Date.now() - last} ms`);
      assert.deepEqual(watcher.all('message:received').map((m) => m.seq), range(sent).map((i) => i + 1));
    }
    await sleep(Math.random() * 300);
  }
  assert.ok(counts.lost >= 10, `the bus lost ${counts.lost} of ${counts.seen}`);
});

cluster('a bus that loses everything delays what the other node sends by 5 seconds at most', { timeout: 60_000 }, async (t) => {
  let deaf = false;
  const { server, counts } = await lossy(t, () => deaf);
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  const near = await server.at(0).socket(bob, { contract: 'conversations' });
  const far = await server.at(1).socket(bob, { contract: 'conversations' });
  for (const socket of [near, far]) await socket.ok('conversation:join', id);
  await server.at(0).say(ann, id, 'heard');
  await far.once('message:received', (m) => m.content === 'heard');
  deaf = true;
  for (const number of range(3)) {
    const begun = Date.now();
    await server.at(0).say(ann, id, `unheard ${number}`);
    await near.once('message:received', (m) => m.content === `unheard ${number}`, 1000);
    await far.once('message:received', (m) => m.content === `unheard ${number}`, 5500);
    assert.ok(Date.now() - begun < 5500);
  }
  assert.ok(counts.lost >= 3, `the bus lost ${counts.lost}`);
  assert.deepEqual(far.all('message:received').map((m) => m.seq), [1, 2, 3, 4]);
});

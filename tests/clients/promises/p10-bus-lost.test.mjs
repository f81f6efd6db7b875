// Setups: cluster.
// P10: without Redis what is local goes on as before, what comes from other nodes is there within 5 seconds, and when it is
// back nothing was lost and nothing comes twice.
import assert from 'node:assert/strict';
import { Doorbell, eventually, onlyOn, range, sleep } from '../support/doorbell.mjs';
import { PASSWORD, Redis } from '../support/redis.mjs';

const cluster = onlyOn('cluster', 'there is a bus to lose');
const LOCAL = 1500;
const ACROSS = 5700;

/** A cluster with a Redis of its own; ann and bob have a socket at each node. */
async function deployment(t) {
  const redis = await Redis.start();
  t.after(() => redis.remove());
  const server = await Doorbell.start({ redis });
  t.after(() => server.stop());
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  const at = async (user, node) => {
    const socket = await server.at(node).socket(user, { contract: 'conversations' });
    await socket.ok('conversation:join', id);
    return socket;
  };
  const writers = [await at(ann, 0), await at(ann, 1)];
  const watchers = [await at(bob, 0), await at(bob, 1)];
  let sent = 0;
  /** One message from each node, and how long the watcher of the same and of the other node waited for it. */
  async function exchange({ across = ACROSS } = {}) {
    for (const node of [0, 1]) {
      const content = `number ${(sent += 1)}`;
      const begun = Date.now();
      await writers[node].ok('message:send', { conversationId: id, content });
      await watchers[node].once('message:received', (m) => m.content === content, LOCAL);
      await watchers[1 - node].once('message:received', (m) => m.content === content, across);
      assert.ok(Date.now() - begun < LOCAL + across);
    }
  }
  function check() {
    for (const socket of [...watchers, ...writers]) {
      assert.deepEqual(socket.all('message:received').map((m) => m.seq), range(sent).map((i) => i + 1), 'each once, in order');
      assert.deepEqual(socket.all('(disconnect)'), [], 'sockets stay up');
    }
  }
  await exchange();
  return { redis, server, ann, bob, id, exchange, check };
}

cluster('Redis killed: local delivery as before, the other node within 5 seconds; back, and nothing comes twice', { timeout: 90_000 }, async (t) => {
  const { redis, server, exchange, check } = await deployment(t);
  await redis.end('SIGKILL');
  for (const _ of range(2)) await exchange();
  assert.equal((await server.api().get('/healthz')).status, 200);
  await redis.launch();
  await sleep(3000);
  await exchange();
  check();
});

cluster('Redis frozen: nobody waits for it', { timeout: 90_000 }, async (t) => {
  const { redis, exchange, check } = await deployment(t);
  redis.freeze();
  try {
    for (const _ of range(2)) await exchange();
  } finally {
    redis.thaw();
  }
  await sleep(2000);
  await exchange();
  check();
});

cluster('everything in Redis flushed in the middle of it: nothing is lost, nobody goes offline', { timeout: 60_000 }, async (t) => {
  const { redis, server, bob, exchange, check } = await deployment(t);
  const watch = await server.at(0).socket(bob, { contract: 'conversations' });
  const from = watch.events.length;
  for (const _ of range(3)) {
    await redis.command(['FLUSHALL']);
    await exchange();
  }
  await watch.staysQuiet('presence:update', (e) => e.status === 'offline', 6000, from);
  check();
});

cluster('the password changed under it: as without Redis, and well again when it is back', { timeout: 90_000 }, async (t) => {
  const { redis, exchange, check } = await deployment(t);
  const other = 'another-password-for-tests';
  await redis.command(['CONFIG', 'SET', 'requirepass', other]);
  await redis.command(['CLIENT', 'KILL', 'TYPE', 'pubsub'], other);
  await redis.command(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'], other);
  for (const _ of range(2)) await exchange();
  await redis.command(['CONFIG', 'SET', 'requirepass', PASSWORD], other);
  await sleep(3000);
  await exchange();
  check();
});

cluster('rates hold for a user over both nodes, and with Redis gone for each node', { timeout: 60_000 }, async (t) => {
  const redis = await Redis.start();
  t.after(() => redis.remove());
  const server = await Doorbell.start({ redis, env: { DOORBELL_RATE_LIMITS: 'sends=1/h:6' } });
  t.after(() => server.stop());
  const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
  const { id } = await server.direct(ann, bob);
  const tries = async (user, conversationId, count) => {
    const statuses = [];
    for (const number of range(count)) {
      statuses.push((await server.api(user).post('/api/messages', { conversationId, content: `number ${number}` })).status);
      // The other node hears of it within some tens of milliseconds.
      await sleep(60);
    }
    return statuses.filter((status) => status === 201).length;
  };
  assert.equal(await tries(ann, id, 16), 6, 'one allowance for both nodes');
  const other = await server.direct(cem, bob);
  await redis.end('SIGKILL');
  assert.equal(await tries(cem, other.id, 30), 12, 'an allowance for each node');
});

cluster('Redis away at the start: every node starts, says so, and the bus comes when Redis does', { timeout: 90_000 }, async (t) => {
  const redis = await Redis.start();
  t.after(() => redis.remove());
  await redis.end();
  const server = await Doorbell.start({ redis });
  t.after(() => server.stop());
  for (const node of server.nodes.keys()) {
    const ready = await server.at(node).api().get('/readyz');
    assert.deepEqual([ready.status, ready.body.bus], [200, 'away']);
  }
  assert.equal(server.logs.match(/the bus cannot be used yet/g).length, server.nodes.length, 'one warning a node');
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  const watcher = await server.at(1).socket(bob, { contract: 'conversations' });
  await watcher.ok('conversation:join', id);
  await server.at(0).say(ann, id, 'without a bus');
  await watcher.once('message:received', (m) => m.content === 'without a bus', ACROSS);
  await redis.launch();
  for (const node of server.nodes.keys()) {
    await eventually('the bus is there', async () => (await server.at(node).api().get('/readyz')).body.bus === 'up', 10_000);
  }
});

cluster('a second node at the address of one that lives: the newer one says so, once', { timeout: 60_000 }, async (t) => {
  const taken = 'http://127.0.0.1:9';
  const server = await Doorbell.start({ nodeEnv: [{ DOORBELL_NODE_URL: taken }, { DOORBELL_NODE_URL: taken }] });
  t.after(() => server.stop());
  await eventually('the twin is seen', () => /another node lives at the address of this one/.test(server.logs), 15_000);
});

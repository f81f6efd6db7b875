// Setups: cluster.
// P11: when a node dies the others go on; the presence of its users clears within 30 seconds; its clients come back
// elsewhere; and long-polling needs no balancer with a memory.
import assert from 'node:assert/strict';
import { Balancer } from '../support/balancer.mjs';
import { Doorbell, eventually, onlyOn, range, sleep } from '../support/doorbell.mjs';

const cluster = onlyOn('cluster', 'one of several nodes is lost');

cluster('one node killed: the other one serves on, and those of the dead one are offline within 30 seconds', { timeout: 90_000 }, async (t) => {
  const server = await Doorbell.start();
  t.after(() => server.stop());
  const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
  const { id } = await server.group(ann, [bob, cem]);
  const stays = await server.at(0).socket(ann, { contract: 'conversations' });
  const also = await server.at(0).socket(cem, { contract: 'conversations' });
  for (const socket of [stays, also]) await socket.ok('conversation:join', id);
  await server.at(1).socket(bob, { contract: 'conversations' });
  await stays.once('presence:update', (e) => e.userId === bob.id && e.status === 'online');
  const from = stays.events.length;
  const died = Date.now();
  await server.nodes[1].kill();
  for (const number of range(20)) {
    await stays.ok('message:send', { conversationId: id, content: `number ${number}` });
    await also.once('message:received', (m) => m.content === `number ${number}`, 1500);
  }
  await stays.once('presence:update', (e) => e.userId === bob.id && e.status === 'offline', 30_500, from);
  const took = Date.now() - died;
  assert.ok(took < 31_000, `offline after ${took} ms`);
  for (const socket of [stays, also]) assert.deepEqual(socket.all('(disconnect)'), []);
  assert.equal(stays.all('presence:update', (e) => e.userId === cem.id && e.status === 'offline').length, 0, 'and nobody else');
});

cluster('a stock client of a killed node is put back at the other one, and has missed nothing', { timeout: 60_000 }, async (t) => {
  const server = await Doorbell.start();
  t.after(() => server.stop());
  const balancer = await Balancer.start(server.nodes);
  t.after(() => balancer.stop());
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  balancer.turn = 1;
  const socket = await server.socket(bob, { contract: 'conversations', url: balancer.url, reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 200 });
  await socket.ok('conversation:join', id);
  const writer = await server.at(0).socket(ann, { contract: 'conversations' });
  let sent = 0;
  const say = () => writer.ok('message:send', { conversationId: id, content: `number ${(sent += 1)}` });
  for (const _ of range(10)) await say();
  await socket.count('message:received', 10);
  await server.nodes[1].kill();
  for (const _ of range(20)) await say();
  await eventually('it is connected again', () => socket.all('(connect)').length === 2, 10_000);
  assert.equal(socket.socket.recovered, true);
  for (const _ of range(10)) await say();
  await socket.count('message:received', sent);
  assert.deepEqual(socket.all('message:received').map((m) => m.seq), range(sent).map((i) => i + 1));
});

for (const version of ['4.8', '4.0']) {
  for (const [name, options] of [['polling alone', { transports: ['polling'] }], ['polling that upgrades', { transports: ['polling', 'websocket'] }]]) {
    cluster(`${name}, each request at another node (socket.io-client ${version})`, { timeout: 60_000 }, async (t) => {
      const server = await Doorbell.start();
      t.after(() => server.stop());
      const balancer = await Balancer.start(server.nodes);
      t.after(() => balancer.stop());
      const [ann, bob] = await server.people('ann', 'bob');
      const { id } = await server.direct(ann, bob);
      const a = await server.socket(ann, { contract: 'conversations', url: balancer.url, version, ...options });
      const b = await server.socket(bob, { contract: 'conversations', url: balancer.url, version, ...options });
      for (const socket of [a, b]) await socket.ok('conversation:join', id);
      for (const number of range(30)) await (number % 2 ? a : b).ok('message:send', { conversationId: id, content: `number ${number}` });
      for (const socket of [a, b]) {
        const got = await socket.count('message:received', 30);
        assert.deepEqual(got.map((m) => m.seq), range(30).map((i) => i + 1));
        assert.deepEqual([...socket.all('(disconnect)'), ...socket.all('(connect_error)')], []);
      }
      const polls = balancer.requests.filter(({ path }) => path.includes('transport=polling'));
      for (const node of [0, 1]) assert.ok(polls.some(({ number }) => number === node), `node ${node} had a part of it`);
    });
  }
}

cluster('the session of a dead node is over at once at the other one, and its client begins a new one', { timeout: 60_000 }, async (t) => {
  const server = await Doorbell.start();
  t.after(() => server.stop());
  const balancer = await Balancer.start(server.nodes);
  t.after(() => balancer.stop());
  const ann = await server.person('ann', {});
  balancer.turn = 1;
  const socket = await server.socket(ann, { contract: 'conversations', url: balancer.url, transports: ['polling'], reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 200 });
  await sleep(100);
  for (const node of [1, 0]) {
    const connects = socket.all('(connect)').length;
    await server.nodes[node].kill();
    if (node === 1) {
      // It was at either of the two; from here on it is at the one that lives.
      await sleep(3000);
      await eventually('it is connected', () => socket.socket.connected);
    } else {
      const { path } = balancer.requests.findLast((request) => request.path.includes('sid='));
      const begun = Date.now();
      const answer = await fetch(`http://127.0.0.1:${server.nodes[1].port}${path}`);
      assert.deepEqual([answer.status, (await answer.json()).code], [400, 1], 'unknown at the other one');
      assert.ok(Date.now() - begun < 3000, `known to be over after ${Date.now() - begun} ms`);
      // Not when the dead one is back, and not when a poll ends by itself.
      await eventually('it has a new session while the node of the old one is dead', () => socket.all('(connect)').length > connects && socket.socket.connected, 6000);
    }
    await server.nodes[node].restart();
  }
  await eventually('it is connected', () => socket.socket.connected, 10_000);
});

// P20: typing and presence are promised to nobody. They are said at most once, never kept for later, and end by themselves
// within 10 seconds.
import assert from 'node:assert/strict';
import { Doorbell, eventually, onlyOn, range, sleep, test } from '../support/doorbell.mjs';
import { Proxy } from '../support/proxy.mjs';

const server = await Doorbell.forFile();
const SOON = 10_000;

async function pair() {
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  return { ann, bob, id };
}

async function watcherOf(user, id, way = server) {
  const watcher = await way.socket(user, { contract: 'conversations' });
  await watcher.ok('conversation:join', id);
  return watcher;
}

test('who goes dumb while typing stops typing for the others within 10 seconds, at every node', { timeout: 30_000 }, async (t) => {
  const { ann, bob, id } = await pair();
  const proxy = await Proxy.start(server.nodes[0].port);
  t.after(() => proxy.stop());
  const watchers = await Promise.all(server.nodes.map((_, node) => watcherOf(ann, id, server.at(node))));
  const writer = await server.socket(bob, { contract: 'conversations', url: proxy.url });
  await writer.ok('typing:start', { conversationId: id });
  await Promise.all(watchers.map((watcher) => watcher.once('typing:update', (e) => e.isTyping)));
  const begun = Date.now();
  // Half-open: no end, no word.
  proxy.stall();
  await Promise.all(watchers.map((watcher) => watcher.once('typing:update', (e) => !e.isTyping, SOON)));
  assert.ok(Date.now() - begun < SOON);
  for (const watcher of watchers) assert.deepEqual(watcher.all('typing:update').map((e) => e.isTyping), [true, false], 'each said once');
});

test('who was away hears nothing of what was typed meanwhile', { timeout: 30_000 }, async () => {
  const { ann, bob, id } = await pair();
  const before = await watcherOf(ann, id);
  const writer = await server.socket(bob, { contract: 'conversations' });
  before.close();
  for (const i of range(40)) {
    await writer.ok(i % 2 ? 'typing:stop' : 'typing:start', { conversationId: id });
    await sleep(20);
  }
  await writer.ok('typing:stop', { conversationId: id });
  await sleep(1200);
  const after = await watcherOf(ann, id);
  await after.staysQuiet('typing:update', () => true, 1500);
});

test('who comes back into a session hears that it is over, and nothing of what was typed meanwhile', { timeout: 30_000 }, async () => {
  const { ann, bob, id } = await pair();
  const away = await server.socket(ann, { contract: 'conversations', reconnection: true, reconnectionDelay: 4000, randomizationFactor: 0 });
  await away.ok('conversation:join', id);
  const writer = await server.socket(bob, { contract: 'conversations' });
  await writer.ok('typing:start', { conversationId: id });
  await away.once('typing:update', (e) => e.isTyping);
  const from = away.events.length;
  away.socket.io.engine.close();
  for (const i of range(40)) {
    await writer.ok(i % 2 ? 'typing:stop' : 'typing:start', { conversationId: id });
    await sleep(20);
  }
  await away.once('(connect)', () => true, 10_000, from);
  assert.equal(away.socket.recovered, true);
  await away.once('typing:update', (e) => !e.isTyping, SOON, from);
  await away.staysQuiet('typing:update', (e) => e.isTyping, 1500, from);
  assert.equal(away.all('typing:update', () => true, from).length, 1);
});

test('a flood of typing past a reader who stands still for 5 seconds is a few events, not a queue', { timeout: 30_000 }, async (t) => {
  const { ann, bob, id } = await pair();
  const proxy = await Proxy.start(server.nodes[0].port);
  t.after(() => proxy.stop());
  const watcher = await server.socket(ann, { contract: 'conversations', url: proxy.url });
  await watcher.ok('conversation:join', id);
  const writer = await server.socket(bob, { contract: 'conversations' });
  proxy.stall();
  const begun = Date.now();
  for (let i = 0; Date.now() - begun < 5000; i += 1) {
    await writer.ok(i % 2 ? 'typing:stop' : 'typing:start', { conversationId: id });
    await sleep(10);
  }
  await writer.ok('typing:start', { conversationId: id });
  proxy.resume();
  await eventually('the last state arrives', () => watcher.all('typing:update').at(-1)?.isTyping === true, 3000);
  const seconds = (Date.now() - begun) / 1000;
  assert.ok(watcher.all('typing:update').length <= seconds + 2, `${watcher.all('typing:update').length} events in ${seconds} s`);
});

test('who connects is told how presence is now, not how it was', { timeout: 30_000 }, async () => {
  const { ann, bob } = await pair();
  const is = (status) => (e) => e.userId === bob.id && e.status === status;
  const early = await server.socket(ann, { contract: 'conversations' });
  for (const _ of range(3)) {
    const visit = await server.socket(bob);
    visit.close();
    // Less than the 5 seconds after which somebody is offline.
    await sleep(1500);
  }
  const mark = early.events.length;
  await early.once('presence:update', is('offline'), SOON + 5000, mark);
  const late = await server.socket(ann, { contract: 'conversations' });
  await late.staysQuiet('presence:update', is('online'), 1000);
  assert.equal(early.all('presence:update', is('online')).length, 1, 'three short visits are one');
});

onlyOn('cluster', 'the node of who types is lost')('the node of who types dies: it stops typing for the others within 10 seconds', { timeout: 60_000 }, async (t) => {
  const own = await Doorbell.start();
  t.after(() => own.stop());
  const [ann, bob] = await own.people('ann', 'bob');
  const { id } = await own.direct(ann, bob);
  const watcher = await watcherOf(ann, id, own.at(0));
  const writer = await own.at(1).socket(bob, { contract: 'conversations' });
  await writer.ok('typing:start', { conversationId: id });
  await watcher.once('typing:update', (e) => e.isTyping);
  await own.nodes[1].kill();
  await watcher.once('typing:update', (e) => !e.isTyping, SOON);
});

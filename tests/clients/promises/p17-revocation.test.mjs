// P17: who loses a membership, or whose token ends, is cut off on every live socket of every node within 5 seconds, and
// no event with a seq above the removal reaches them.
import assert from 'node:assert/strict';
import { Doorbell, eventually, mint, now, onlyOn, range, refusal, sleep, test } from '../support/doorbell.mjs';

const server = await Doorbell.forFile();
const CONTRACTS = { conversations: 'message:received', 'property-chat': 'new-message', 'media-chat': 'new_message', 'tenant-chat': 'receive_message' };
const seqOf = (payload) => (payload.message ?? payload).seq;

for (const round of range(3)) {
  test(`removed in the middle of a stream: nothing above the removal on any socket (round ${round + 1})`, { timeout: 30_000 }, async (t) => {
    const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
    const { id } = await server.group(ann, [bob, cem]);
    const sockets = [];
    for (const node of server.nodes.keys()) {
      for (const [contract, event] of Object.entries(CONTRACTS)) {
        const socket = await server.at(node).socket(bob, { contract });
        for (const join of ['conversation:join', 'join-conversation', 'join_conversation']) await socket.ok(join, id);
        await socket.ok('join_user_room', bob.id);
        sockets.push({ socket, event });
      }
    }
    const stays = await server.socket(cem, { contract: 'conversations' });
    await stays.ok('conversation:join', id);
    let isRunning = true;
    t.after(() => (isRunning = false));
    const writers = await Promise.all(server.nodes.map((_, node) => server.at(node).socket(ann, { contract: 'conversations' })));
    const acked = [];
    const stream = Promise.all(writers.map(async (writer) => {
      while (isRunning) {
        acked.push((await writer.ok('message:send', { conversationId: id, content: `number ${acked.length}` })).message.seq);
        await sleep(4);
      }
    }));
    await eventually('the stream runs', () => sockets.every(({ socket, event }) => socket.all(event).length > 10));
    assert.equal((await server.api(ann).delete(`/v1/conversations/${id}/participants/${bob.id}`)).status, 204);
    const afterwards = acked.length;
    await eventually('the stream goes on', () => acked.length > afterwards + 100, 10_000);
    isRunning = false;
    await stream;
    await stays.once('message:received', (m) => m.seq === Math.max(...acked));
    // What is left to bob is the history up to the removal: it says where that was.
    const history = await server.history(bob, id);
    const removal = history.at(-1)?.seq ?? 0;
    assert.ok(removal < Math.max(...acked) - 50, `bob reads up to ${removal} of ${Math.max(...acked)}`);
    for (const { socket, event } of sockets) {
      const seen = socket.all(event).map(seqOf);
      assert.ok(seen.length > 10);
      assert.ok(Math.max(...seen) <= removal, `removed at ${removal}, but ${event} brought ${Math.max(...seen)}`);
    }
    for (const { socket } of sockets) await socket.refused('FORBIDDEN', 'message:send', { conversationId: id, content: 'still here' });
    refusal(await server.api(bob).post('/api/messages', { conversationId: id, content: 'still here' }), 403, 'FORBIDDEN');
  });
}

test('removed and silent: typing and reads of the others do not reach who was removed, after 5 seconds at most', async () => {
  const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
  const { id } = await server.group(ann, [bob, cem]);
  const sockets = await Promise.all(server.nodes.map((_, node) => server.at(node).socket(bob, { contract: 'conversations' })));
  for (const socket of sockets) await socket.ok('conversation:join', id);
  assert.equal((await server.at(0).api(ann).delete(`/v1/conversations/${id}/participants/${bob.id}`)).status, 204);
  if (server.nodes.length > 1) await sleep(5000);
  const marks = sockets.map((socket) => socket.events.length);
  const writer = await server.at(0).socket(cem, { contract: 'conversations' });
  await writer.ok('typing:start', id);
  await writer.ok('message:send', { conversationId: id, content: 'among us' });
  await Promise.all(sockets.map((socket, i) => Promise.all(['typing:update', 'message:received', 'message:read_update'].map((event) => socket.staysQuiet(event, () => true, 1200, marks[i])))));
});

test('a token that ends closes its sockets at every node within 5 seconds, by WebSocket and by polling', { timeout: 30_000 }, async () => {
  const user = await server.person('brief');
  const token = mint(user.id, { exp: now() + 4 });
  const sockets = await Promise.all(server.nodes.flatMap((_, node) => [['websocket'], ['polling']].map((transports) => server.at(node).socket(token, { transports }))));
  const long = await server.socket(mint(user.id));
  await Promise.all(sockets.map((socket) => socket.once('(disconnect)', () => true, 10_000)));
  assert.deepEqual(long.all('(disconnect)'), [], 'another token of the same user lives on');
  await server.turnedAway(token);
});

/** Ends all sessions of a user who has sockets at every node, and gives the milliseconds until the last of them is closed. */
async function untilShutOut(deployment) {
  const user = await deployment.person('mallory', {});
  const sockets = await Promise.all(deployment.nodes.flatMap((_, node) => [['websocket'], ['polling']].map((transports) => deployment.at(node).socket(user, { transports }))));
  const begun = Date.now();
  assert.equal((await deployment.at(0).host.delete(`/v1/users/${user.id}/sessions`)).status, 204);
  await Promise.all(sockets.map((socket) => socket.once('(disconnect)', (reason) => reason === 'io server disconnect', 6000)));
  const took = Math.max(...sockets.map((socket) => socket.events.find(({ name }) => name === '(disconnect)').at)) - begun;
  for (const node of deployment.nodes.keys()) refusal(await deployment.at(node).api(user).get('/api/conversations'), 401, 'UNAUTHENTICATED');
  return took;
}

test('whoever is shut out is cut off at every node within a second, and refused at every node', { timeout: 30_000 }, async () => {
  const times = [];
  for (const _ of range(5)) times.push(await untilShutOut(server));
  assert.ok(Math.max(...times) <= 1000, `${times} ms`);
});

onlyOn('cluster', 'nodes that have no bus')('without a bus whoever is shut out is cut off at every node within 5 seconds', { timeout: 60_000 }, async (t) => {
  const alone = await Doorbell.start({ env: { DOORBELL_REDIS_URL: undefined, DOORBELL_REDIS_PREFIX: undefined } });
  t.after(() => alone.stop());
  const times = [];
  for (const _ of range(3)) times.push(await untilShutOut(alone));
  assert.ok(Math.max(...times) <= 5000, `${times} ms`);
});

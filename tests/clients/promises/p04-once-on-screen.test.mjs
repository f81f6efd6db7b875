// P4: one connection sees each message exactly once, in rising order, in however many places it stands.
import assert from 'node:assert/strict';
import { Doorbell, onlyOn, range, test } from '../support/doorbell.mjs';
import { news, Proxy, some } from '../support/proxy.mjs';
import { Redis } from '../support/redis.mjs';

const MESSAGES = 60;

/** Each contract's ways to be in several places at once, and what a message comes as. */
const PLACES = {
  'property-chat': { event: 'new-message', enter: [['join-conversation', 'id'], ['join-conversation', 'id']], seq: (e) => e.message.seq },
  conversations: { event: 'message:received', enter: [['conversation:join', 'id'], ['conversation:join', 'object']], seq: (m) => m.seq },
  'media-chat': { event: 'new_message', enter: [['join_user_room', 'user'], ['join_conversation', 'id'], ['join_conversation', 'id'], ['join_user_room', 'user']], seq: (m) => m.seq },
  'tenant-chat': { event: 'receive_message', enter: [['join_user_room', 'user'], ['conversation:join', 'id'], ['join_conversation', 'id']], seq: (m) => m.seq },
};

async function everyPlace(server) {
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  const watchers = [];
  for (const [contract, place] of Object.entries(PLACES)) {
    for (let node = 0; node < server.nodes.length; node += 1) {
      const socket = await server.at(node).socket(bob, { contract });
      for (const [event, what] of place.enter) await socket.ok(event, { id, user: bob.id, object: { conversationId: id } }[what]);
      watchers.push({ socket, contract, place });
    }
  }
  return { ann, id, watchers };
}

async function eachOnce(server, { ann, id, watchers }) {
  const writers = await Promise.all(range(2).map(() => server.socket(ann, { contract: 'conversations' })));
  await Promise.all(range(MESSAGES).map((number) => writers[number % 2].ok('message:send', { conversationId: id, content: `number ${number}` })));
  const last = await server.say(ann, id, 'fence');
  for (const { socket, contract, place } of watchers) {
    await socket.once(place.event, (payload) => place.seq(payload) === last.seq, 10_000);
    assert.deepEqual(socket.all(place.event).map(place.seq), range(MESSAGES + 1).map((i) => i + 1), `${contract}: each once, rising`);
    const others = Object.values(PLACES).filter((other) => other.event !== place.event).flatMap((other) => socket.all(other.event));
    assert.equal(others.length, 0, `${contract}: and in no other contract's event`);
  }
}

test('a socket in its user room, in the conversation, and joined twice sees each message once, in order', async (t) => {
  const server = await Doorbell.start();
  t.after(() => server.stop());
  await eachOnce(server, await everyPlace(server));
});

onlyOn('cluster', 'there is a bus to double')('a bus that says a third of its news twice or three times shows nobody a message twice', async (t) => {
  const redis = await Redis.shared();
  const again = some(0.33);
  const filter = news(() => (again() ? 3 : 1));
  const proxy = await Proxy.start(redis.port, { toClient: filter });
  t.after(() => proxy.stop());
  const server = await Doorbell.start({ redis, redisUrl: redis.url(proxy.port) });
  t.after(() => server.stop());
  await eachOnce(server, await everyPlace(server));
  assert.ok(filter.counts.doubled > 5, `the proxy doubled ${filter.counts.doubled} of ${filter.counts.seen}`);
});

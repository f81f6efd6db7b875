// Which contract a socket speaks: named, by path, or by its first event. And never two events for one message.
import assert from 'node:assert/strict';
import { Doorbell, good, has, range, test } from './support/doorbell.mjs';
import * as shape from './support/shapes.mjs';

const server = await Doorbell.forFile();
const PUSHES = ['new-message', 'message:received', 'new_message', 'receive_message', 'message_sent'];
const messageOf = (payload) => payload?.message ?? payload;

async function scene() {
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  return { ann, bob, id };
}

/** Puts a socket in every room there is, so that only its contract decides what it gets. */
async function joinAll(socket, user, id) {
  await socket.ok('conversation:join', id);
  await socket.ok('join-conversation', id);
  await socket.ok('join_conversation', id);
  await socket.ok('join_user_room', user.id);
}

/** Which push this socket gets for a message: exactly one. */
async function pushFor(socket, from, id) {
  const mark = socket.events.length;
  const { id: messageId } = await server.say(from, id, 'which event?');
  const { id: fence } = await server.say(from, id, 'fence');
  const is = (wanted) => (e) => e.index >= mark && PUSHES.includes(e.name) && [messageOf(e.payload).id, messageOf(e.payload)._id].includes(wanted);
  const { name } = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no push of any contract')), 5000);
    const look = () => {
      const found = socket.events.find(is(fence));
      if (found) {
        clearTimeout(timer);
        socket.waiting.delete(look);
        resolve(found);
      }
    };
    socket.waiting.add(look);
    look();
  });
  const names = socket.events.filter(is(messageId)).map((e) => e.name);
  assert.deepEqual(names, [name], 'one event for one message');
  return name;
}

const NAMED = { 'property-chat': 'new-message', conversations: 'message:received', 'media-chat': 'new_message', 'tenant-chat': 'receive_message' };

for (const [contract, push] of Object.entries(NAMED)) {
  test(`auth.contract and ?contract= choose ${contract}, on both paths`, async () => {
    const { ann, bob, id } = await scene();
    for (const options of [
      { contract },
      { query: { contract } },
      { contract, path: '/api/socketio' },
      { contract, path: '/api/socketio/' },
      { query: { contract }, path: '/socket.io/', transports: ['polling'] },
    ]) {
      const socket = await server.socket(bob, options);
      const hello = await socket.once('connection:success', () => true, 1500).catch(() => null);
      if (hello) assert.equal(hello.contract, contract);
      await joinAll(socket, bob, id);
      assert.equal(await pushFor(socket, ann, id), push, JSON.stringify(options));
      socket.close();
    }
  });
}

test('an unknown contract is a connect_error INVALID', async () => {
  const { ann } = await scene();
  for (const options of [{ contract: 'smoke-signals' }, { query: { contract: 'smoke-signals' } }, { contract: 'Conversations' }, { auth: { contract: 7 } }]) {
    const error = await server.turnedAway(ann, options);
    assert.equal(error.data?.code, 'INVALID');
    assert.ok(error.message);
  }
});

test('the path /api/socketio means conversations, with and without the final slash', async () => {
  const { ann, bob, id } = await scene();
  for (const options of [{ path: '/api/socketio' }, { path: '/api/socketio/' }, { path: '/api/socketio', addTrailingSlash: false }, { path: '/api/socketio', transports: ['polling'] }, { path: '/api/socketio', addTrailingSlash: false, transports: ['polling'] }]) {
    const socket = await server.socket(bob, options);
    const hello = shape.shaped(shape.greeting, await socket.once('connection:success'), 'connection:success');
    has(hello, { userId: bob.id, contract: 'conversations' });
    await joinAll(socket, bob, id);
    assert.equal(await pushFor(socket, ann, id), 'message:received');
    socket.close();
  }
});

test('the default path is there with and without the final slash', async () => {
  const { bob } = await scene();
  for (const addTrailingSlash of [true, false]) {
    for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']]) {
      const socket = await server.socket(bob, { path: '/socket.io', addTrailingSlash, transports });
      await socket.once('connected');
      socket.close();
    }
  }
});

test('a socket that has said nothing is greeted for all, and gets tenant-chat pushes', async () => {
  const { ann, bob, id } = await scene();
  const socket = await server.socket(bob);
  has(shape.shaped(shape.connectedEvent, await socket.once('connected'), 'connected'), { userId: bob.id, socketId: socket.id });
  has(shape.shaped(shape.greeting, await socket.once('connection:success'), 'connection:success'), { userId: bob.id });
  assert.equal(await pushFor(socket, ann, id), 'receive_message');
});

/** The first event, and the push that it leads to. */
const FIRST = [
  ['conversation:join', ({ id }) => id, 'message:received'],
  ['conversation:join', ({ id }) => ({ conversationId: id }), 'message:received'],
  ['typing:start', ({ id }) => ({ conversationId: id }), 'message:received'],
  ['message:read', ({ id }) => ({ conversationId: id }), 'message:received'],
  ['message:send', ({ id }) => ({ conversationId: id, content: 'x' }), 'message:received'],
  ['join-conversation', ({ id }) => id, 'new-message'],
  ['send_message', ({ ann }) => ({ recipientId: ann.id, content: 'x', type: 'text' }), 'receive_message'],
  ['send_message', ({ ann, id }) => ({ recipientId: ann.id, conversationId: id, content: 'x', type: 'text' }), 'receive_message'],
  ['typing', ({ ann }) => ({ recipientId: ann.id, isTyping: true }), 'receive_message'],
  ['mark_read', ({ messageId }) => ({ messageId }), 'receive_message'],
  ['mark_read', ({ ann }) => ({ recipientId: ann.id }), 'receive_message'],
  ['join_user_room', ({ bob }) => bob.id, 'new_message'],
  ['join_conversation', ({ id }) => id, 'new_message'],
  ['send_message', ({ id }) => ({ conversationId: id, content: 'x', type: 'text' }), 'new_message'],
  ['send_message', ({ ann }) => ({ receiverId: ann.id, content: 'x', type: 'text' }), 'new_message'],
  ['typing', ({ id }) => ({ conversationId: id, isTyping: true }), 'new_message'],
  ['mark_read', ({ id }) => ({ conversationId: id }), 'new_message'],
];

for (const [event, payload, push] of FIRST) {
  test(`a first ${event} ${JSON.stringify(payload({ id: 'C', messageId: 'M', ann: { id: 'ann' }, bob: { id: 'bob' } }))} leads to ${push}`, async () => {
    const s = await scene();
    s.messageId = (await server.say(s.ann, s.id, 'earlier')).id;
    const socket = await server.socket(s.bob);
    await socket.ok(event, payload(s));
    // Every contract's events are accepted; what is pushed stays as the first one said.
    await joinAll(socket, s.bob, s.id);
    assert.equal(await pushFor(socket, s.ann, s.id), push);
  });
}

test('a known name tells the contract even when it is refused; an unknown one tells nothing', async () => {
  const { ann, bob, id } = await scene();
  const refused = await server.socket(bob);
  await refused.refused('NOT_FOUND', 'join-conversation', 'never-given-out');
  await joinAll(refused, bob, id);
  assert.equal(await pushFor(refused, ann, id), 'new-message');
  const unknown = await server.socket(bob);
  await unknown.refused('INVALID', 'make_coffee', id);
  await unknown.ok('join_user_room', bob.id);
  assert.equal(await pushFor(unknown, ann, id), 'new_message');
});

test('a sender gets no more than one event for a message of their own, whatever they mix', async () => {
  const { ann, bob, id } = await scene();
  for (const contract of Object.keys(NAMED)) {
    const socket = await server.socket(ann, { contract });
    const watcher = await server.socket(ann, { contract });
    await joinAll(socket, ann, id);
    await joinAll(watcher, ann, id);
    const sent = [
      (await socket.ok('message:send', { conversationId: id, content: 'native' })).message.id,
      (await socket.ok('send_message', { conversationId: id, content: 'media', type: 'text' })).message.id,
      (await socket.ok('send_message', { recipientId: bob.id, content: 'tenant', type: 'text' })).message._id,
      good(await server.api(ann).post(`/chat/${id}/messages`, { content: 'property' }), 201).id,
    ];
    await server.say(bob, id, 'fence');
    for (const client of [socket, watcher]) await client.once(NAMED[contract], (p) => messageOf(p).content === 'fence');
    for (const messageId of sent) {
      const of = (client) => client.events.filter((e) => PUSHES.includes(e.name) && [messageOf(e.payload).id, messageOf(e.payload)._id].includes(messageId)).map((e) => e.name);
      assert.ok(of(socket).length <= 1, `${contract}: ${of(socket)}`);
      assert.deepEqual(of(watcher), [NAMED[contract]], "the sender's other socket gets it in its own contract");
    }
  }
});

test('after a REST send, X-Socket-Id names the socket to leave out', async () => {
  const { ann, bob, id } = await scene();
  const [own, second, other] = await Promise.all([server.socket(ann, { contract: 'media-chat' }), server.socket(ann, { contract: 'media-chat' }), server.socket(bob, { contract: 'media-chat' })]);
  for (const client of [own, second, other]) await client.ok('join_conversation', id);
  const { message } = good(await server.api(ann).post('/api/messages', { conversationId: id, content: 'by rest', type: 'text' }, { 'x-socket-id': own.id }), 201);
  for (const client of [second, other]) await client.once('new_message', (m) => m.id === message.id);
  await server.say(bob, id, 'fence');
  await own.once('new_message', (m) => m.content === 'fence');
  assert.equal(own.all('new_message', (m) => m.id === message.id).length, 0);
  // It is no way to keep a message from somebody else.
  const { message: hidden } = good(await server.api(ann).post('/api/messages', { conversationId: id, content: 'for bob', type: 'text' }, { 'x-socket-id': other.id }), 201);
  await other.once('new_message', (m) => m.id === hidden.id);
});

test('who loses the membership is cut off within 5 seconds, on every socket and contract', async () => {
  const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
  const group = await server.group(ann, [bob, cem]);
  const sockets = await Promise.all(Object.keys(NAMED).map((contract) => server.socket(bob, { contract })));
  for (const socket of sockets) await joinAll(socket, bob, group.id);
  const stays = await server.socket(cem, { contract: 'conversations' });
  await stays.ok('conversation:join', group.id);
  await server.say(ann, group.id, 'before');
  for (const [i, socket] of sockets.entries()) await socket.once(Object.values(NAMED)[i]);
  assert.equal((await server.api(ann).delete(`/v1/conversations/${group.id}/participants/${bob.id}`)).status, 204);
  for (const i of range(3)) await server.say(ann, group.id, `after ${i}`);
  await stays.count('message:received', 4);
  await stays.ok('typing:start', group.id);
  for (const socket of sockets) {
    await socket.staysQuiet('user_typing', () => true, 200);
    const seen = socket.events.filter((e) => PUSHES.includes(e.name) && messageOf(e.payload).content !== 'before');
    assert.deepEqual(seen.map((e) => e.name), [], 'no message with a seq above the removal');
  }
});

test('a socket whose token ends is closed within 5 seconds', async () => {
  const { mint, now } = await import('./support/doorbell.mjs');
  const user = await server.person('brief');
  const socket = await server.socket(mint(user.id, { exp: now() + 3 }));
  await socket.once('(disconnect)', () => true, 10_000);
});

test('a deployment may fix one contract for all', async (t) => {
  const fixed = await Doorbell.start({ env: { DOORBELL_CONTRACT: 'media-chat' } });
  t.after(() => fixed.stop());
  const [ann, bob] = await fixed.people('ann', 'bob');
  const { id } = await fixed.direct(ann, bob);
  const socket = await fixed.socket(bob);
  await socket.ok('conversation:join', id);
  await fixed.say(ann, id, 'hello');
  await socket.once('new_message');
  assert.equal(socket.all('receive_message').length + socket.all('message:received').length, 0);
});

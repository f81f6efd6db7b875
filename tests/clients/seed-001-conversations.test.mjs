// Seed 001: the estate platform's front end, at its own socket path and with its own events.
import assert from 'node:assert/strict';
import { API_KEY, Client, decode, Doorbell, good, has, refusal, stock, test, unique } from './support/doorbell.mjs';
import * as shape from './support/shapes.mjs';

const server = await Doorbell.forFile();

/** As the host's own route does it: the session is known there, and the API key asks for the socket's token. */
async function socketToken(user) {
  const response = await fetch(`${server.next()}/api/auth/socket-token`, {
    method: 'POST',
    headers: { 'X-API-Key': API_KEY, 'Content-Type': 'application/json' },
    body: JSON.stringify({ userId: user.id }),
  });
  assert.equal(response.status, 200);
  return response.json();
}

for (const variant of stock) {
  test(`two people chat in real time (socket.io-client ${variant.name})`, async (t) => {
    const [ann, bob] = await server.people('ann', 'bob');
    const connect = async (user) => {
      const { token } = await socketToken(user);
      const socket = variant.io(server.next(), { ...variant.options, forceNew: true, path: '/api/socketio', auth: { token } });
      const client = new Client(socket);
      t.after(() => client.close());
      await client.connected();
      return client;
    };
    const [a, b] = await Promise.all([connect(ann), connect(bob)]);
    const hello = shape.shaped(shape.greeting, await a.once('connection:success'), 'connection:success');
    has(hello, { userId: ann.id, contract: 'conversations' });
    has(hello.user, { id: ann.id, name: ann.name, email: ann.email });

    const opened = await server.api(ann).post('/api/conversations', { otherUserId: bob.id });
    assert.equal(opened.status, 201);
    const { conversation } = opened.body;
    shape.shaped(shape.conversation, conversation, 'Conversation');
    assert.equal(good(await server.api(bob).post('/api/conversations', { otherUserId: ann.id }), 200).conversation.id, conversation.id);
    for (const client of [a, b]) {
      const { conversation: told } = await client.once('conversation:updated', (e) => e.conversation.id === conversation.id);
      shape.shaped(shape.conversation, told, 'conversation:updated');
    }

    a.emit('conversation:join', { conversationId: conversation.id });
    b.emit('conversation:join', conversation.id);
    for (const client of [a, b]) {
      const history = await client.once('conversation:messages');
      assert.deepEqual(history, { conversationId: conversation.id, messages: [], hasMore: false });
    }

    a.emit('message:send', { conversationId: conversation.id, content: 'Hello Bob' });
    const received = await b.once('message:received');
    shape.shaped(shape.message, received, 'message:received');
    has(received, { conversationId: conversation.id, conversation: conversation.id, senderId: ann.id, receiverId: bob.id, content: 'Hello Bob', text: 'Hello Bob', type: 'text', read: false, readAt: null, seq: 1, fileUrl: null });
    assert.equal(received.id, received._id);
    has(received.sender, { id: ann.id, name: ann.name, email: null });
    assert.equal((await a.once('message:received')).id, received.id, "the sender's own socket gets it, too");

    b.emit('typing:start', { conversationId: conversation.id });
    const typing = await a.once('typing:update', (e) => e.isTyping);
    shape.shaped(shape.typingUpdate, typing, 'typing:update');
    has(typing, { conversationId: conversation.id, userId: bob.id });
    assert.equal(typing.user.id, bob.id);
    b.emit('typing:stop', conversation.id);
    await a.once('typing:update', (e) => !e.isTyping);
    assert.equal(b.all('typing:update').length, 0, 'nobody is told of their own typing');

    b.emit('message:read', { conversationId: conversation.id, messageId: received.id });
    for (const client of [a, b]) {
      const read = shape.shaped(shape.readUpdate, await client.once('message:read_update'), 'message:read_update');
      has(read, { conversationId: conversation.id, userId: bob.id, messageId: received.id, seq: 1 });
    }

    const over = await server.api(bob).post('/api/messages', { conversationId: conversation.id, content: 'Hello Ann' });
    assert.equal(over.status, 201);
    assert.deepEqual(Object.keys(over.body), ['message']);
    shape.shaped(shape.message, over.body.message, 'message');
    for (const client of [a, b]) {
      const both = await client.count('message:received', 2);
      assert.deepEqual(both.map((m) => m.content), ['Hello Bob', 'Hello Ann']);
    }
    b.emit('conversation:leave', { conversationId: conversation.id });
    await b.ok('conversation:leave', conversation.id);
    await a.ok('message:send', { conversationId: conversation.id, content: 'Bye' });
    await a.count('message:received', 3);
    assert.equal(b.all('message:received').length, 2);
  });
}

test('a joined conversation shows its newest 50 messages, ascending, and says that there are more', async () => {
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  const a = await server.socket(ann, { path: '/api/socketio' });
  for (let i = 1; i <= 60; i += 1) a.emit('message:send', { conversationId: id, content: `number ${i}` });
  const answer = await a.ok('conversation:join', { conversationId: id });
  shape.shaped(shape.joined(shape.message), answer, 'ack of a join');
  const event = await a.once('conversation:messages');
  for (const page of [answer, event]) {
    assert.equal(page.conversationId, id);
    assert.equal(page.hasMore, true);
    assert.equal(page.messages.length, 50);
    shape.gapless(page.messages, 11);
  }
  const after = await a.ok('conversation:join', { conversationId: id, afterSeq: 3 });
  shape.gapless(after.messages, 4);
  assert.equal(after.messages.length, 57);
  assert.equal(after.hasMore, false);
});

test('a group has a title, an admin, and everyone in it hears everyone', async () => {
  const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
  const group = await server.group(ann, [bob, cem], 'House hunt');
  shape.shaped(shape.conversation, group, 'Conversation');
  has(group, { title: 'House hunt', isGroup: true, listing: null, renter: null, owner: null, messages: [], lastMessage: null, unreadCount: 0 });
  assert.deepEqual(Object.fromEntries(group.participants.map((p) => [p.userId, p.role])), { [ann.id]: 'admin', [bob.id]: 'member', [cem.id]: 'member' });
  for (const p of group.participants) has(p, { conversationId: group.id, leftAt: null });
  const clients = await Promise.all([ann, bob, cem].map((user) => server.socket(user, { path: '/api/socketio' })));
  for (const client of clients) await client.ok('conversation:join', { conversationId: group.id });
  for (const client of clients) await client.ok('message:send', { conversationId: group.id, content: `from ${client.user.id}` });
  for (const client of clients) {
    const got = await client.count('message:received', 3);
    assert.deepEqual(got.map((m) => m.seq), [1, 2, 3]);
    assert.ok(got.every((m) => m.receiverId === null), 'a message to a group has no one receiver');
  }
});

test('the list of conversations is one page with newest activity first', async () => {
  const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
  const one = await server.direct(ann, bob);
  const two = await server.direct(ann, cem);
  await server.say(ann, two.id, 'earlier');
  await server.say(bob, one.id, 'later');
  const page = good(await server.api(ann).get('/api/conversations'));
  assert.deepEqual(Object.keys(page).sort(), ['conversations', 'hasMore', 'nextCursor']);
  shape.list(shape.conversation)(page.conversations, 'conversations');
  has(page, { hasMore: false, nextCursor: null });
  assert.deepEqual(page.conversations.map((c) => c.id), [one.id, two.id]);
  has(page.conversations[0], { unreadCount: 1, lastMessage: 'later' });
  assert.equal(page.conversations[0].messages.length, 1);
  assert.equal(page.conversations[0].messages[0].content, 'later');
  assert.equal(page.conversations[1].unreadCount, 0);
  assert.equal(page.conversations[0].participants.find((p) => p.userId === bob.id).user.name, bob.name);
});

test('errors come as an `error` event with code, message and the event that caused them', async () => {
  const [ann] = await server.people('ann');
  const a = await server.socket(ann, { path: '/api/socketio' });
  a.emit('message:send', { conversationId: unique('none'), content: 'x', clientMessageId: 'draft-1' });
  const error = shape.shaped(shape.socketError, await a.once('error'), 'error');
  has(error, { code: 'NOT_FOUND', event: 'message:send', clientMessageId: 'draft-1' });
  a.emit('conversation:join', {});
  has(await a.once('error', (e) => e.event === 'conversation:join'), { code: 'INVALID' });
});

test('the socket token lives 24 hours and names its user', async () => {
  const user = await server.person('ann');
  const before = Date.now();
  const { token, expiresAt } = await socketToken(user);
  shape.time(expiresAt, 'expiresAt');
  const claims = decode(token);
  assert.equal(claims.sub, user.id);
  assert.ok(Math.abs(claims.exp * 1000 - before - 24 * 3600_000) < 10_000, 'exp is 24 hours from now');
  assert.ok(Math.abs(Date.parse(expiresAt) - claims.exp * 1000) < 1000);
  good(await server.api(token).get('/api/conversations'));
  refusal(await server.host.post('/api/auth/socket-token', {}), 400, 'INVALID');
});

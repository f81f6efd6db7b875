// Seed 000: the property site's front end, with its own calls and events.
import assert from 'node:assert/strict';
import { Client, Doorbell, good, has, refusal, stock, test, unique } from './support/doorbell.mjs';
import * as shape from './support/shapes.mjs';

const server = await Doorbell.forFile();

/** The front end's own code: a chat is opened and read by REST, and `new-message` is listened to in its room. */
function frontEnd(user, { io, options }) {
  const url = server.next();
  const call = async (method, path, body) => {
    const response = await fetch(url + path, {
      method,
      headers: { Authorization: `Bearer ${user.token}`, 'Content-Type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
  };
  const socket = io(url, { ...options, forceNew: true, auth: { token: user.token } });
  const client = new Client(socket);
  return {
    client,
    open: (propertyId, agentId) => call('POST', '/chat', { propertyId, agentId }),
    chats: () => call('GET', '/chat'),
    history: (id) => call('GET', `/chat/${id}/messages`),
    send: (id, content) => call('POST', `/chat/${id}/messages`, { content }),
    join: (id) => socket.emit('join-conversation', id),
    leave: (id) => socket.emit('leave-conversation', id),
    close: () => socket.disconnect(),
  };
}

for (const variant of stock) {
  test(`a renter and an agent talk about a property (socket.io-client ${variant.name})`, async (t) => {
    const [renter, agent] = await server.people('renter', 'agent');
    const listing = await server.listing({ ownerId: agent.id });
    const mine = frontEnd(renter, variant);
    const theirs = frontEnd(agent, variant);
    t.after(() => [mine, theirs].forEach((end) => end.close()));

    const created = await mine.open(listing.id, agent.id);
    assert.equal(created.status, 201);
    const chat = shape.shaped(shape.chat, created.body, 'Chat');
    has(chat, { userId: renter.id, agentId: agent.id, propertyId: listing.id, isActive: true });
    has(chat.user, { id: renter.id, name: renter.name, email: renter.email, image: renter.image, role: 'user' });
    has(chat.agent, { id: agent.id, name: agent.name, email: null, image: agent.image });
    assert.deepEqual(chat.property, { id: listing.id, title: listing.title, image: listing.image, url: listing.url });

    const found = await mine.open(listing.id, agent.id);
    assert.equal(found.status, 200);
    assert.equal(found.body.id, chat.id);

    await Promise.all([mine.client.connected(), theirs.client.connected()]);
    mine.join(chat.id);
    theirs.join(chat.id);
    // Events of one socket are handled in order, so an acknowledged second join means that the first is done.
    await Promise.all([mine.client.ok('join-conversation', chat.id), theirs.client.ok('join-conversation', chat.id)]);

    const sent = await mine.send(chat.id, 'Is it still free?');
    assert.equal(sent.status, 201);
    const message = shape.shaped(shape.propertyMessage, sent.body, 'Message');
    has(message, { chatId: chat.id, senderId: renter.id, content: 'Is it still free?', messageType: 'TEXT', isRead: false, seq: 1 });
    assert.equal(message.sender.id, renter.id);
    const reply = (await theirs.send(chat.id, 'It is.')).body;
    assert.equal(reply.seq, 2);

    for (const end of [mine, theirs]) {
      const pushes = await end.client.count('new-message', 2);
      assert.deepEqual(pushes.map((p) => p.message.id), [message.id, reply.id]);
      for (const push of pushes) {
        assert.deepEqual(Object.keys(push).sort(), ['conversationId', 'message']);
        assert.equal(push.conversationId, chat.id);
        shape.shaped(shape.propertyMessage, push.message, 'new-message');
      }
      assert.equal(end.client.all('receive_message').length, 0, 'its contract is told: no pushes of another one');
    }

    const before = (await theirs.chats()).body.find((c) => c.id === chat.id);
    shape.shaped(shape.listedChat, before, 'listed Chat');
    has(before, { unreadCount: 1, isGroup: false, title: before.title });
    has(before.otherParticipant, { id: renter.id, name: renter.name, email: null });
    assert.equal(before.messages.length, 1);
    assert.equal(before.messages[0].id, reply.id);
    assert.equal(before.lastMessage.id, reply.id);
    assert.ok(before.updatedAt >= chat.updatedAt, 'a message bumps updatedAt');

    const history = await theirs.history(chat.id);
    assert.equal(history.status, 200);
    shape.list(shape.propertyMessage)(history.body, 'history');
    assert.deepEqual(history.body.map((m) => m.content), ['Is it still free?', 'It is.']);
    assert.equal(history.body[0].isRead, true, 'reading the history marks it, and then it is answered');
    assert.equal((await theirs.chats()).body.find((c) => c.id === chat.id).unreadCount, 0);
    assert.equal((await mine.chats()).body.find((c) => c.id === chat.id).unreadCount, 1);

    mine.leave(chat.id);
    await mine.client.ok('leave-conversation', chat.id);
    await theirs.send(chat.id, 'Gone?');
    await theirs.client.count('new-message', 3);
    assert.equal(mine.client.all('new-message').length, 2, 'who left the room gets nothing more from it');
  });
}

test('a chat with an agent and no property is one chat, whether propertyId is left out or null', async () => {
  const [renter, agent] = await server.people('renter', 'agent');
  const api = server.api(renter);
  const first = good(await api.post('/chat', { agentId: agent.id }), 201);
  shape.shaped(shape.chat, first, 'Chat');
  has(first, { propertyId: null, property: null, userId: renter.id, agentId: agent.id });
  assert.equal(good(await api.post('/chat', { agentId: agent.id, propertyId: null }), 200).id, first.id);
  // The agent asks back: the pair has one such chat, and who was asked first stays its agent.
  has(good(await server.api(agent).post('/chat', { agentId: renter.id }), 200), { id: first.id, agentId: agent.id, userId: renter.id });
});

test('chats are listed newest activity first, for the user and the agent', async () => {
  const [renter, one, two] = await server.people('renter', 'one', 'two');
  const api = server.api(renter);
  const a = good(await api.post('/chat', { agentId: one.id }), 201);
  const b = good(await api.post('/chat', { agentId: two.id }), 201);
  good(await api.post(`/chat/${a.id}/messages`, { content: 'first' }), 201);
  good(await api.post(`/chat/${b.id}/messages`, { content: 'second' }), 201);
  assert.deepEqual(good(await api.get('/chat')).map((c) => c.id), [b.id, a.id]);
  good(await server.api(one).post(`/chat/${a.id}/messages`, { content: 'third' }), 201);
  assert.deepEqual(good(await api.get('/chat')).map((c) => c.id), [a.id, b.id]);
  assert.deepEqual(good(await server.api(one).get('/chat')).map((c) => c.id), [a.id]);
});

test('a chat without messages is listed with nothing in it', async () => {
  const [renter, agent] = await server.people('renter', 'agent');
  const chat = good(await server.api(renter).post('/chat', { agentId: agent.id }), 201);
  const [listed] = good(await server.api(renter).get('/chat'));
  shape.shaped(shape.listedChat, listed, 'listed Chat');
  has(listed, { id: chat.id, messages: [], lastMessage: null, unreadCount: 0 });
});

test('a stranger cannot join the room, and is told by an `error` event', async () => {
  const [renter, agent, stranger] = await server.people('renter', 'agent', 'stranger');
  const chat = good(await server.api(renter).post('/chat', { agentId: agent.id }), 201);
  const socket = await server.socket(stranger);
  socket.emit('join-conversation', chat.id);
  const error = shape.shaped(shape.socketError, await socket.once('error'), 'error');
  has(error, { code: 'NOT_FOUND', event: 'join-conversation' });
  const member = await server.socket(agent);
  await member.ok('join-conversation', chat.id);
  good(await server.api(renter).post(`/chat/${chat.id}/messages`, { content: 'between us' }), 201);
  await member.once('new-message');
  assert.equal(socket.all('new-message').length, 0);
});

test('what a front end gets wrong is answered with a sentence and a code', async () => {
  const [renter, agent] = await server.people('renter', 'agent');
  const api = server.api(renter);
  const chat = good(await api.post('/chat', { agentId: agent.id }), 201);
  refusal(await server.api(null).get('/chat'), 401, 'UNAUTHENTICATED');
  refusal(await server.api(null).post('/chat', { agentId: agent.id }), 401, 'UNAUTHENTICATED');
  refusal(await api.post('/chat', {}), 400, 'INVALID');
  refusal(await api.post('/chat', { agentId: renter.id }), 400, 'INVALID');
  refusal(await api.post('/chat', { agentId: 'no spaces allowed' }), 400, 'INVALID');
  refusal(await api.post('/chat', '{"agentId":'), 400, 'INVALID');
  refusal(await api.post(`/chat/${chat.id}/messages`, {}), 400, 'INVALID');
  refusal(await api.post(`/chat/${chat.id}/messages`, { content: '  ' }), 400, 'INVALID');
  refusal(await api.get(`/chat/${unique('none')}/messages`), 404, 'NOT_FOUND');
});

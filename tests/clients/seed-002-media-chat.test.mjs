// Seed 002: the messaging page with user rooms, FormData sends and ids in every payload.
import assert from 'node:assert/strict';
import { Client, Doorbell, good, has, refusal, stock, test, unique } from './support/doorbell.mjs';
import * as shape from './support/shapes.mjs';

const server = await Doorbell.forFile();

/** The front end's own code, as its guide gives it. */
function frontEnd(user, { io, options }) {
  const url = server.next();
  const headers = { Authorization: `Bearer ${user.token}` };
  const call = async (path, init = {}) => {
    const response = await fetch(url + path, { ...init, headers: { ...headers, ...init.headers } });
    return { status: response.status, body: await response.json() };
  };
  const socket = io(url, { ...options, forceNew: true, auth: { token: user.token } });
  const client = new Client(socket);
  return {
    client,
    socket,
    fetchMessages: (id) => call(`/api/messages?conversationId=${id}`),
    fetchConversations: () => call(`/api/messages/conversations?userId=${user.id}`),
    markRead: (id) => call('/api/messages', { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ conversationId: id, userId: user.id }) }),
    postForm: (fields) => {
      const form = new FormData();
      for (const [key, value] of Object.entries(fields)) form.append(key, value);
      return call('/api/messages', { method: 'POST', body: form });
    },
  };
}

for (const variant of stock) {
  test(`two people chat through the message page (socket.io-client ${variant.name})`, async (t) => {
    const [ada, ben] = await server.people('ada', 'ben');
    const conversation = await server.direct(ada, ben);
    const conversationId = conversation.id;
    const a = frontEnd(ada, variant);
    const b = frontEnd(ben, variant);
    t.after(() => [a, b].forEach((end) => end.client.close()));
    for (const [end, user] of [[a, ada], [b, ben]]) {
      await end.client.connected();
      const connected = shape.shaped(shape.connectedEvent, await end.client.once('connected'), 'connected');
      assert.deepEqual(connected, { userId: user.id, socketId: end.socket.id });
      end.socket.emit('join_user_room', user.id);
      end.socket.emit('join_conversation', conversationId);
      await end.client.ok('join_conversation', conversationId);
    }

    a.socket.emit('send_message', { conversationId, senderId: ada.id, receiverId: ben.id, content: 'Hi Ben', type: 'text', fileUrl: undefined });
    const message = shape.shaped(shape.mediaMessage, await b.client.once('new_message'), 'new_message');
    has(message, { conversationId, senderId: ada.id, receiverId: ben.id, content: 'Hi Ben', type: 'text', read: false, readAt: null, fileUrl: null, fileName: null, fileSize: null, fileType: null, seq: 1 });
    const confirmation = shape.shaped(shape.mediaMessage, await a.client.once('message_sent'), 'message_sent');
    assert.equal(confirmation.id, message.id);

    b.socket.emit('typing', { conversationId, userId: ben.id, isTyping: true });
    const typing = shape.shaped(shape.userTyping, await a.client.once('user_typing'), 'user_typing');
    assert.deepEqual(typing, { conversationId, userId: ben.id, isTyping: true });
    b.socket.emit('typing', { conversationId, userId: ben.id, isTyping: false });
    await a.client.once('user_typing', (e) => !e.isTyping);

    b.socket.emit('mark_read', { conversationId, userId: ben.id });
    const read = shape.shaped(shape.messagesRead, await a.client.once('messages_read'), 'messages_read');
    has(read, { conversationId, userId: ben.id, upToSeq: 1 });

    const posted = await b.postForm({ conversationId, senderId: ben.id, receiverId: ada.id, content: 'Hi Ada', type: 'text' });
    assert.equal(posted.status, 201);
    assert.deepEqual(Object.keys(posted.body), ['message']);
    shape.shaped(shape.message, posted.body.message, 'message');
    has(posted.body.message, { content: 'Hi Ada', senderId: ben.id, receiverId: ada.id, seq: 2 });
    assert.equal((await a.client.once('new_message')).id, posted.body.message.id);

    const listed = (await a.fetchConversations()).body;
    shape.list(shape.mediaConversation)(listed.conversations, 'conversations');
    const [row] = listed.conversations;
    const [low, high] = [ada.id, ben.id].sort();
    has(row, { id: conversationId, user1Id: low, user2Id: high, unreadCount: 1 });
    has(row.otherUser, { id: ben.id, name: ben.name });
    assert.equal(row.lastMessage.content, 'Hi Ada');
    assert.equal(row.lastMessageAt, row.lastMessage.createdAt);

    const history = await a.fetchMessages(conversationId);
    assert.equal(history.status, 200);
    shape.shaped(shape.messagesPage(shape.message), history.body, 'history');
    assert.deepEqual(history.body.messages.map((m) => m.content), ['Hi Ben', 'Hi Ada']);
    has(history.body, { hasMore: false, nextCursor: null });
    assert.equal(history.body.messages[0].read, true);
    assert.equal(history.body.messages[0].readAt, read.readAt);
    assert.equal(history.body.messages[1].read, false, 'a history of no listing marks nothing by itself');

    assert.deepEqual((await a.markRead(conversationId)).body, { updated: 1 });
    assert.deepEqual((await a.markRead(conversationId)).body, { updated: 0 });
    await b.client.once('messages_read', (e) => e.userId === ada.id && e.upToSeq === 2);
    assert.equal(b.client.all('messages_read', (e) => e.userId === ada.id).length, 1);
    for (const end of [a, b]) {
      const ids = [...end.client.all('new_message'), ...end.client.all('message_sent')].map((m) => m.id);
      assert.equal(new Set(ids).size, ids.length, 'one event a message');
      for (const foreign of ['receive_message', 'message:received', 'new-message']) assert.equal(end.client.all(foreign).length, 0);
    }
  });
}

test('a message reaches a receiver who has joined nothing but their user room, and the sender elsewhere', async () => {
  const [ada, ben] = await server.people('ada', 'ben');
  const laptop = await server.socket(ada);
  const phone = await server.socket(ada);
  const other = await server.socket(ben);
  await phone.ok('join_user_room', ada.id);
  await other.ok('join_user_room', ben.id);
  const answer = await laptop.ok('send_message', { receiverId: ben.id, content: 'first contact', type: 'text' });
  shape.shaped(shape.mediaMessage, answer.message, 'ack of a send');
  for (const client of [phone, other]) assert.equal((await client.once('new_message')).id, answer.message.id);
  assert.equal((await laptop.once('message_sent')).id, answer.message.id);
  assert.equal(laptop.all('new_message').length, 0);
  await laptop.ok('typing', { conversationId: answer.message.conversationId, isTyping: true });
  has(await other.once('user_typing'), { userId: ada.id, isTyping: true });
  await other.ok('mark_read', { conversationId: answer.message.conversationId });
  await phone.once('messages_read', (e) => e.userId === ben.id);
});

test('a socket in the room and in the user room gets one event a message', async () => {
  const [ada, ben] = await server.people('ada', 'ben');
  const { id } = await server.direct(ada, ben);
  const other = await server.socket(ben);
  await other.ok('join_user_room', ben.id);
  await other.ok('join_conversation', id);
  await other.ok('join_conversation', id);
  for (let i = 1; i <= 5; i += 1) await server.say(ada, id, `number ${i}`);
  const got = await other.count('new_message', 5);
  shape.gapless(got, 1);
  assert.equal(got.length, 5);
});

test('a failed send is a `message_error`', async () => {
  const [ada, ben] = await server.people('ada', 'ben');
  const { id } = await server.direct(ada, ben);
  const socket = await server.socket(ada);
  socket.emit('send_message', { conversationId: id, receiverId: ben.id, content: '   ', type: 'text' });
  const error = shape.shaped(shape.socketError, await socket.once('message_error'), 'message_error');
  has(error, { code: 'INVALID', event: 'send_message' });
  socket.emit('send_message', { conversationId: unique('none'), content: 'x', type: 'text' });
  has(await socket.once('message_error', (e) => e.code === 'NOT_FOUND'), { event: 'send_message' });
  socket.emit('join_user_room', ben.id);
  has(await socket.once('message_error', (e) => e.code === 'FORBIDDEN'), { event: 'join_user_room' });
});

test('a multipart send may name the receiver alone, and is told what it got wrong', async () => {
  const [ada, ben] = await server.people('ada', 'ben');
  const form = (fields) => {
    const data = new FormData();
    for (const [key, value] of Object.entries(fields)) data.append(key, value);
    return data;
  };
  const api = server.api(ada);
  const { message } = good(await api.post('/api/messages', form({ receiverId: ben.id, senderId: ada.id, content: 'by form', type: 'text' })), 201);
  has(message, { content: 'by form', receiverId: ben.id });
  assert.equal((await server.direct(ada, ben)).id, message.conversationId, "it is the pair's direct conversation");
  refusal(await api.post('/api/messages', form({ receiverId: ben.id, content: '', type: 'text' })), 400, 'INVALID');
  refusal(await api.post('/api/messages', form({ content: 'to nobody', type: 'text' })), 400, 'INVALID');
  refusal(await api.post('/api/messages', form({ receiverId: ben.id, content: 'x', type: 'poem' })), 400, 'INVALID');
  refusal(await api.post('/api/messages', form({ receiverId: ben.id, senderId: ben.id, content: 'x', type: 'text' })), 403, 'FORBIDDEN');
  refusal(await api.post('/api/messages', form({ conversationId: unique('none'), content: 'x', type: 'text' })), 404, 'NOT_FOUND');
  refusal(await api.post('/api/messages', 'not a form', { 'content-type': 'multipart/form-data; boundary=x' }), 400, 'INVALID');
  refusal(await api.post('/api/messages', form({ receiverId: ben.id, content: 'x', type: 'text', fileUrl: 'https://elsewhere.example/a.png' })), 400, 'INVALID');
});

test("somebody else's list is not to be had", async () => {
  const [ada, ben] = await server.people('ada', 'ben');
  refusal(await server.api(ada).get(`/api/messages/conversations?userId=${ben.id}`), 403, 'FORBIDDEN');
  good(await server.api(ada).get('/api/messages/conversations'));
  refusal(await server.api(null).get(`/api/messages/conversations?userId=${ben.id}`), 401, 'UNAUTHENTICATED');
});

test('in a conversation about a listing the history marks what it shows, unless told not to', async () => {
  const [renter, owner] = await server.people('renter', 'owner');
  const listing = await server.listing({ ownerId: owner.id });
  const { conversation } = good(await server.api(renter).post('/api/conversations', { listingId: listing.id, ownerId: owner.id }), 201);
  await server.say(renter, conversation.id, 'hello');
  const path = `/api/messages?conversationId=${conversation.id}`;
  const unread = async () => good(await server.api(owner).get('/api/messages/conversations')).conversations[0].unreadCount;
  assert.equal(good(await server.api(owner).get(`${path}&markRead=false`)).messages[0].read, false);
  assert.equal(await unread(), 1);
  assert.equal(good(await server.api(owner).get(path)).messages[0].read, true);
  assert.equal(await unread(), 0);
});

// Seed 003: tenants and owners. Its sockets listen without asking for anything first.
import assert from 'node:assert/strict';
import { Client, Doorbell, good, has, refusal, stock, test, unique } from './support/doorbell.mjs';
import * as shape from './support/shapes.mjs';

const server = await Doorbell.forFile();

/** The document's own snippets. */
function frontEnd(user, { io, options }) {
  const url = server.next();
  const socket = io(url, { ...options, forceNew: true, auth: { token: user.token } });
  const seen = { messages: [], statuses: [], errors: [] };
  socket.on('receive_message', (message) => seen.messages.push(message));
  socket.on('user_status', ({ userId, status }) => seen.statuses.push(`User ${userId} is ${status}`));
  socket.on('message_error', (error) => seen.errors.push(error));
  const client = new Client(socket);
  const call = async (method, path, body) => {
    const response = await fetch(url + path, {
      method, headers: { Authorization: `Bearer ${user.token}`, 'Content-Type': 'application/json' }, body: body && JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
  };
  return { socket, client, seen, call };
}

for (const variant of stock) {
  test(`a tenant and an owner chat (socket.io-client ${variant.name})`, async (t) => {
    const [tenant, owner] = await server.people('tenant', 'owner');
    const mine = frontEnd(tenant, variant);
    const theirs = frontEnd(owner, variant);
    t.after(() => [mine, theirs].forEach((end) => end.client.close()));
    await Promise.all([mine.client.connected(), theirs.client.connected()]);

    mine.socket.emit('send_message', { recipientId: owner.id, content: 'Hello!', type: 'text' });
    const message = shape.shaped(shape.tenantMessage, await theirs.client.once('receive_message'), 'receive_message');
    has(message, { sender: tenant.id, recipient: owner.id, content: 'Hello!', type: 'text', read: false, seq: 1 });
    assert.equal(message.createdAt, message.updatedAt);
    assert.deepEqual(theirs.seen.messages.map((m) => m._id), [message._id]);

    // From the first message on, the two share a conversation, and see whether the other is there.
    const later = frontEnd(owner, variant);
    t.after(() => later.client.close());
    const status = shape.shaped(shape.presence, await later.client.once('user_status', (e) => e.userId === tenant.id), 'user_status');
    assert.equal(status.status, 'online');

    const list = await theirs.call('GET', '/api/chat/conversations');
    assert.equal(list.status, 200);
    shape.list(shape.tenantConversation)(list.body, 'conversations');
    const [row] = list.body;
    has(row, { _id: message.conversationId, unreadCount: 1, isGroup: false });
    assert.equal(row.lastMessage._id, message._id);
    assert.deepEqual(row.participants.map((p) => p._id).sort(), [owner.id, tenant.id].sort());
    has(row.participants.find((p) => p._id === tenant.id), { name: tenant.name, avatar: tenant.image, online: true, email: null });

    const history = await theirs.call('GET', `/api/chat/messages/${message.conversationId}`);
    assert.equal(history.status, 200);
    shape.list(shape.tenantMessage)(history.body, 'history');
    assert.deepEqual(history.body, [message], 'reading the history changes nothing here');

    theirs.socket.emit('typing', { recipientId: tenant.id, isTyping: true });
    const typing = shape.shaped(shape.userTyping, await mine.client.once('user_typing'), 'user_typing');
    assert.deepEqual(typing, { userId: owner.id, conversationId: message.conversationId, isTyping: true });

    theirs.socket.emit('mark_read', { messageId: message._id });
    const read = shape.shaped(shape.messageRead, await mine.client.once('message_read'), 'message_read');
    has(read, { messageId: message._id, conversationId: message.conversationId, readBy: owner.id });

    const posted = await theirs.call('POST', '/api/chat/messages', { recipientId: tenant.id, content: 'Welcome', type: 'text' });
    assert.equal(posted.status, 201);
    shape.shaped(shape.tenantMessage, posted.body, 'Message');
    has(posted.body, { sender: owner.id, recipient: tenant.id, conversationId: message.conversationId, seq: 2 });
    await mine.client.once('receive_message', (m) => m._id === posted.body._id);

    const marked = await mine.call('PUT', `/api/chat/messages/${posted.body._id}/read`);
    assert.equal(marked.status, 200);
    shape.shaped(shape.tenantMessage, marked.body, 'Message');
    has(marked.body, { _id: posted.body._id, read: true });
    await theirs.client.once('message_read', (e) => e.messageId === posted.body._id && e.readBy === tenant.id);
    const own = await theirs.call('PUT', `/api/chat/messages/${posted.body._id}/read`);
    assert.equal(own.status, 403);
    assert.equal(own.body.code, 'FORBIDDEN');

    assert.equal(mine.seen.messages.length, 1, 'each message once');
    assert.deepEqual(mine.seen.errors, []);
  });
}

test("a send reaches the sender's other sockets, and not the one that sent it", async () => {
  const [tenant, owner] = await server.people('tenant', 'owner');
  const [phone, laptop, other] = await Promise.all([server.socket(tenant), server.socket(tenant), server.socket(owner)]);
  const answer = await phone.ok('send_message', { recipientId: owner.id, content: 'one', type: 'text' });
  shape.shaped(shape.tenantMessage, answer.message, 'ack of a send');
  await laptop.once('receive_message', (m) => m._id === answer.message._id);
  await other.once('receive_message', (m) => m._id === answer.message._id);
  const back = await other.ok('send_message', { recipientId: tenant.id, content: 'two', type: 'text' });
  for (const socket of [phone, laptop]) await socket.once('receive_message', (m) => m._id === back.message._id);
  assert.deepEqual(phone.all('receive_message').map((m) => m.content), ['two']);
  assert.deepEqual(laptop.all('receive_message').map((m) => m.content), ['one', 'two']);
});

test('errors come as `message_error`', async () => {
  const [tenant, owner] = await server.people('tenant', 'owner');
  const socket = await server.socket(tenant);
  socket.emit('send_message', { recipientId: owner.id, content: '', type: 'text' });
  has(shape.shaped(shape.socketError, await socket.once('message_error'), 'message_error'), { code: 'INVALID', event: 'send_message' });
  socket.emit('send_message', { recipientId: tenant.id, content: 'to myself', type: 'text' });
  socket.emit('mark_read', { messageId: unique('none') });
  has(await socket.once('message_error', (e) => e.event === 'mark_read'), { code: 'NOT_FOUND' });
  assert.equal(socket.all('message_error', (e) => e.event === 'send_message').length, 2);
  socket.emit('send_message', { recipientId: owner.id, content: 'x', type: 'video' });
  await socket.count('message_error', 4);
});

test('`mark_read` by recipient marks all that the other wrote, in every one-to-one conversation of the two', async () => {
  const [tenant, owner] = await server.people('tenant', 'owner');
  const listing = await server.listing({ ownerId: owner.id });
  const direct = await server.direct(tenant, owner);
  const about = good(await server.api(tenant).post('/chat', { propertyId: listing.id, agentId: owner.id }), 201);
  for (const id of [direct.id, about.id]) for (const text of ['a', 'b']) await server.say(tenant, id, text);
  const writer = await server.socket(tenant, { contract: 'tenant-chat' });
  const reader = await server.socket(owner);
  const answer = await reader.ok('mark_read', { recipientId: tenant.id });
  assert.equal(answer.updated, 4);
  const reads = await writer.count('message_read', 2);
  assert.deepEqual(reads.map((r) => r.conversationId).sort(), [direct.id, about.id].sort());
  for (const row of good(await server.api(owner).get('/api/chat/conversations'))) assert.equal(row.unreadCount, 0);
  assert.equal((await reader.ok('mark_read', { recipientId: tenant.id })).updated, 0);
});

test('what the front end gets wrong over REST is answered with a sentence and a code', async () => {
  const [tenant, owner] = await server.people('tenant', 'owner');
  const api = server.api(tenant);
  refusal(await server.api(null).get('/api/chat/conversations'), 401, 'UNAUTHENTICATED');
  assert.deepEqual(good(await api.get('/api/chat/conversations')), []);
  refusal(await api.post('/api/chat/messages', { content: 'x', type: 'text' }), 400, 'INVALID');
  refusal(await api.post('/api/chat/messages', { recipientId: owner.id, type: 'text' }), 400, 'INVALID');
  refusal(await api.post('/api/chat/messages', { recipientId: owner.id, content: 'x', type: 7 }), 400, 'INVALID');
  refusal(await api.post('/api/chat/messages', { recipientId: tenant.id, content: 'x', type: 'text' }), 400, 'INVALID');
  refusal(await api.get(`/api/chat/messages/${unique('none')}`), 404, 'NOT_FOUND');
  refusal(await api.put(`/api/chat/messages/${unique('none')}/read`), 404, 'NOT_FOUND');
});

// Histories, their pages, and what counts as read.
import assert from 'node:assert/strict';
import { Doorbell, eventually, good, has, nextLink, range, refusal, test } from './support/doorbell.mjs';
import * as shape from './support/shapes.mjs';

const server = await Doorbell.forFile();

async function pair(messages = 0) {
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  const socket = await server.socket(ann, { contract: 'conversations' });
  await Promise.all(range(messages).map((i) => socket.ok('message:send', { conversationId: id, content: `number ${i + 1}` })));
  return { ann, bob, id, socket, path: `/api/messages?conversationId=${id}` };
}
const seqs = (messages) => messages.map((m) => m.seq);
const unread = async (user, id) => good(await server.api(user).get('/api/conversations')).conversations.find((c) => c.id === id).unreadCount;

// --- pages ------------------------------------------------------------------

test('a history is ascending and without a cursor holds the newest', async () => {
  const { bob, path, id } = await pair(12);
  const api = server.api(bob);
  const get = async (query) => good(await api.get(path + query));
  assert.deepEqual(seqs((await get('')).messages), range(12).map((i) => i + 1));
  has(await get(''), { hasMore: false, nextCursor: null });
  const newest = await get('&limit=5');
  assert.deepEqual(seqs(newest.messages), [8, 9, 10, 11, 12]);
  assert.equal(newest.hasMore, true);
  const older = await get(`&limit=5&cursor=${encodeURIComponent(newest.nextCursor)}`);
  assert.deepEqual(seqs(older.messages), [3, 4, 5, 6, 7]);
  const oldest = await get(`&limit=5&cursor=${encodeURIComponent(older.nextCursor)}`);
  assert.deepEqual(seqs(oldest.messages), [1, 2]);
  has(oldest, { hasMore: false });
  assert.deepEqual(seqs((await get('&limit=3&before=6')).messages), [3, 4, 5]);
  const after = await get('&limit=3&after=6');
  assert.deepEqual(seqs(after.messages), [7, 8, 9]);
  assert.equal(after.hasMore, true);
  const newer = await get(`&limit=10&cursor=${encodeURIComponent(after.nextCursor)}`);
  assert.deepEqual(seqs(newer.messages), [10, 11, 12]);
  assert.equal(newer.hasMore, false);
  assert.deepEqual(seqs((await get('&after=12')).messages), []);
  assert.deepEqual(seqs((await get('&before=1')).messages), []);
  assert.deepEqual(seqs((await get('&limit=5000')).messages).length, 12);
  // Bare arrays say the same in a Link header.
  for (const bare of [`/chat/${id}/messages`, `/api/chat/messages/${id}`]) {
    const pages = [];
    let next = `${bare}?limit=5`;
    while (next) {
      const page = await api.get(next);
      pages.unshift(...good(page).map((m) => m.seq));
      next = nextLink(page);
      assert.ok(pages.length <= 12);
    }
    assert.deepEqual(pages, range(12).map((i) => i + 1));
    const forward = await api.get(`${bare}?limit=8&after=2`);
    assert.deepEqual(good(forward).map((m) => m.seq), range(8).map((i) => i + 3));
    assert.deepEqual(good(await api.get(nextLink(forward))).map((m) => m.seq), [11, 12]);
  }
});

test('without a limit a history holds the newest 1,000', async () => {
  const { bob, path, id } = await pair(1010);
  const page = good(await server.api(bob).get(path));
  assert.equal(page.messages.length, 1000);
  shape.gapless(page.messages, 11);
  assert.equal(page.hasMore, true);
  assert.equal(good(await server.api(bob).get(`${path}&limit=2000`)).messages.length, 1000);
  assert.equal(good(await server.api(bob).get(`/chat/${id}/messages`)).length, 1000);
  const socket = await server.socket(bob, { contract: 'conversations' });
  const join = await socket.ok('conversation:join', { conversationId: id, afterSeq: 0 });
  assert.equal(join.messages.length, 200);
  shape.gapless(join.messages, 1);
  assert.equal(join.hasMore, true);
});

test('a history over a socket is at most 256 KiB', async () => {
  const { ann, bob, id } = await pair();
  for (const i of range(40)) await server.say(ann, id, `${i} ${'x'.repeat(7990)}`);
  const socket = await server.socket(bob, { contract: 'conversations' });
  const join = await socket.ok('conversation:join', id);
  const size = JSON.stringify(join.messages).length;
  assert.ok(size <= 256 * 1024, `${size} bytes`);
  assert.equal(join.hasMore, true);
  assert.equal(join.messages.at(-1).seq, 40);
  shape.gapless(join.messages);
});

test('what cannot be a page is INVALID', async () => {
  const { ann, bob, id, path } = await pair(3);
  const api = server.api(bob);
  const bad = ['limit=0', 'limit=-1', 'limit=1.5', 'limit=many', 'limit=', 'cursor=rubbish', 'before=x', 'after=-1', 'after=1.5', 'before=1&after=1', 'wait=5', 'after=1&wait=x', 'after=1&wait=-1'];
  const { nextCursor } = good(await api.get(`${path}&limit=1`));
  bad.push(`before=3&cursor=${encodeURIComponent(nextCursor)}`, `after=1&cursor=${encodeURIComponent(nextCursor)}`);
  for (const query of bad) {
    for (const where of [`${path}&`, `/chat/${id}/messages?`, `/api/chat/messages/${id}?`]) {
      const answer = await api.get(where + query);
      assert.equal(answer.status, 400, `${where}${query} got ${answer.status}`);
      refusal(answer, 400, 'INVALID');
    }
  }
  for (const query of ['limit=0', 'cursor=rubbish', 'limit=x']) refusal(await server.api(ann).get(`/api/conversations?${query}`), 400, 'INVALID');
  refusal(await api.get('/api/messages'), 400, 'INVALID');
});

test('lists of conversations come in pages, newest activity first', async () => {
  const ann = await server.person('ann');
  const others = await server.people(...range(7).map((i) => `friend${i}`));
  const ids = [];
  for (const other of others) {
    const { id } = await server.direct(ann, other);
    await server.say(other, id, 'hello');
    ids.unshift(id);
  }
  const api = server.api(ann);
  for (const [path, key] of [['/api/conversations', 'id'], ['/api/messages/conversations', 'id']]) {
    const seen = [];
    let cursor = '';
    do {
      const page = good(await api.get(`${path}?limit=3${cursor && `&cursor=${encodeURIComponent(cursor)}`}`));
      assert.ok(page.conversations.length <= 3);
      seen.push(...page.conversations.map((c) => c[key]));
      assert.equal(page.hasMore, page.nextCursor !== null);
      cursor = page.nextCursor;
    } while (cursor);
    assert.deepEqual(seen, ids);
  }
  for (const [path, key] of [['/chat', 'id'], ['/api/chat/conversations', '_id']]) {
    const seen = [];
    let next = `${path}?limit=3`;
    while (next && seen.length < 20) {
      const page = await api.get(next);
      seen.push(...good(page).map((c) => c[key]));
      next = nextLink(page);
    }
    assert.deepEqual(seen, ids);
  }
});

test('an unchanged history or list is a 304, and a change is not', async () => {
  const { ann, bob, id, path } = await pair(2);
  const api = server.api(bob);
  for (const where of [`${path}&markRead=false`, `/api/chat/messages/${id}`, '/chat', '/api/conversations', '/api/messages/conversations', '/api/chat/conversations']) {
    const first = await api.get(where);
    const etag = first.headers.get('etag');
    assert.match(etag ?? '', /^(W\/)?"[^"]+"$/, where);
    const again = await api.get(where, { 'if-none-match': etag });
    assert.equal(again.status, 304, where);
    assert.equal(again.text, '');
    assert.equal((await api.get(where, { 'if-none-match': `"other", ${etag}` })).status, 304, where);
    await server.say(ann, id, `news for ${where}`);
    assert.equal((await api.get(where, { 'if-none-match': etag })).status, 200, where);
  }
  // A read changes what is shown; so does a name.
  const before = (await server.api(ann).get(`${path}&markRead=false`)).headers.get('etag');
  good(await api.put('/api/messages', { conversationId: id }));
  const after = await server.api(ann).get(`${path}&markRead=false`, { 'if-none-match': before });
  assert.equal(after.status, 200);
  good(await server.host.put(`/v1/users/${bob.id}`, { name: 'Bobby' }));
  const list = await server.api(ann).get('/api/conversations');
  good(await server.host.put(`/v1/users/${bob.id}`, { name: 'Robert' }));
  assert.equal((await server.api(ann).get('/api/conversations', { 'if-none-match': list.headers.get('etag') })).status, 200);
});

test('a 304 marks nothing', async () => {
  const { bob, id, path } = await pair(1);
  const api = server.api(bob);
  const { headers } = await api.get(`${path}&markRead=false`);
  const answer = await api.get(`${path}&markRead=true`, { 'if-none-match': headers.get('etag') });
  assert.equal(answer.status, 304, 'compared before marking');
  assert.equal(await unread(bob, id), 1);
  assert.equal(good(await api.get(`${path}&markRead=true`)).messages[0].read, true);
  assert.equal(await unread(bob, id), 0);
});

test('a long poll is answered as soon as there is something, and with an empty page when there is not', async () => {
  const { ann, bob, id, path } = await pair(1);
  const api = server.api(bob);
  const begun = Date.now();
  const waiting = api.get(`${path}&after=1&wait=20`);
  await server.say(ann, id, 'here it is');
  const { messages } = good(await waiting);
  assert.deepEqual(messages.map((m) => m.content), ['here it is']);
  assert.ok(Date.now() - begun < 5000);
  const since = Date.now();
  const empty = good(await api.get(`${path}&after=2&wait=1`));
  has(empty, { messages: [], hasMore: false });
  const took = Date.now() - since;
  assert.ok(took >= 900 && took < 4000, `it waited ${took} ms`);
  assert.deepEqual(good(await api.get(`${path}&after=0&wait=20`)).messages.length, 2, 'what is there already is answered at once');
  const chat = api.get(`/chat/${id}/messages?after=2&wait=20`);
  await server.say(ann, id, 'and here');
  assert.deepEqual(good(await chat).map((m) => m.content), ['and here']);
});

// --- reading ----------------------------------------------------------------

test('a long poll is not answered by news of what lies before its page', async () => {
  const { ann, bob, id, path } = await pair(1);
  const since = Date.now();
  const held = server.api(bob).get(`${path}&after=2&wait=2`);
  await eventually('the request is held', () => Date.now() - since > 300);
  await server.say(ann, id, 'the second');
  assert.deepEqual(good(await held).messages, []);
  assert.ok(Date.now() - since >= 1900, 'it was held to its end');
});

test('a mark reaches up to its message, older ones included, and only rises', async () => {
  const { ann, bob, id, path, socket } = await pair(5);
  await socket.ok('conversation:join', id);
  const reader = await server.socket(bob, { contract: 'conversations' });
  const messages = good(await server.api(ann).get(path)).messages;
  assert.equal((await reader.ok('message:read', { conversationId: id, messageId: messages[2].id })).updated, 3);
  assert.equal(await unread(bob, id), 2);
  assert.equal((await reader.ok('message:read', { conversationId: id, messageId: messages[0].id })).updated, 0, 'a mark does not fall');
  assert.equal(await unread(bob, id), 2);
  const shown = good(await server.api(ann).get(path)).messages;
  assert.deepEqual(shown.map((m) => m.read), [true, true, true, false, false]);
  assert.deepEqual(shown.map((m) => m.readAt !== null), [true, true, true, false, false]);
  assert.equal((await reader.ok('message:read', { conversationId: id })).updated, 2);
  assert.equal((await reader.ok('message:read', { conversationId: id })).updated, 0);
  await server.say(ann, id, 'fence');
  await socket.once('message:received', (m) => m.content === 'fence');
  const updates = socket.all('message:read_update');
  assert.deepEqual(updates.map((u) => u.seq), [3, 5], 'one event a change, none for a mark that changes nothing');
  for (const update of updates) shape.shaped(shape.readUpdate, update, 'message:read_update');
});

test('every way to mark is the same mark', async () => {
  const { ann, bob, id } = await pair();
  const api = server.api(bob);
  const socket = await server.socket(bob, { contract: 'conversations' });
  const ways = {
    'GET /chat/:id/messages': () => api.get(`/chat/${id}/messages`),
    'PUT /api/messages': () => api.put('/api/messages', { conversationId: id }),
    'GET /api/messages?markRead=true': () => api.get(`/api/messages?conversationId=${id}&markRead=true`),
    'PUT /api/chat/messages/:id/read': (message) => api.put(`/api/chat/messages/${message.id}/read`),
    'message:read': () => socket.ok('message:read', { conversationId: id }),
    'mark_read of a conversation': () => socket.ok('mark_read', { conversationId: id }),
    'mark_read of a message': (message) => socket.ok('mark_read', { messageId: message.id }),
    'mark_read of a person': () => socket.ok('mark_read', { recipientId: ann.id }),
  };
  for (const [name, mark] of Object.entries(ways)) {
    await server.say(ann, id, `one for ${name}`);
    const message = await server.say(ann, id, `two for ${name}`);
    assert.equal(await unread(bob, id), 2, name);
    await mark(message);
    assert.equal(await unread(bob, id), 0, name);
    const shown = good(await server.api(ann).get(`/api/messages?conversationId=${id}&markRead=false`)).messages;
    assert.ok(shown.every((m) => m.read), name);
  }
});

test('a history that marks reaches only up to what it shows', async () => {
  const { bob, id, path } = await pair(6);
  good(await server.api(bob).get(`${path}&markRead=true&after=0&limit=2`));
  assert.equal(await unread(bob, id), 4);
  good(await server.api(bob).get(`/chat/${id}/messages?after=2&limit=2`));
  assert.equal(await unread(bob, id), 2);
});

test('sending marks nothing, and what one wrote oneself is never unread', async () => {
  const { ann, bob, id } = await pair(3);
  assert.equal(await unread(ann, id), 0);
  await server.say(bob, id, 'an answer');
  assert.equal(await unread(bob, id), 3);
  assert.equal(await unread(ann, id), 1);
  const shown = good(await server.api(ann).get(`/api/messages?conversationId=${id}`)).messages;
  assert.ok(shown.every((m) => !m.read));
});

test('in a group a message is read when the first other participant has passed it', async () => {
  const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
  const group = await server.group(ann, [bob, cem]);
  await server.say(ann, group.id, 'by ann');
  await server.say(bob, group.id, 'by bob');
  const path = `/api/messages?conversationId=${group.id}`;
  // Ann's own mark says nothing of her own message.
  good(await server.api(ann).put('/api/messages', { conversationId: group.id }));
  let [first, second] = good(await server.api(cem).get(path)).messages;
  assert.deepEqual([first.read, second.read], [false, true]);
  good(await server.api(bob).put('/api/messages', { conversationId: group.id }));
  [first] = good(await server.api(cem).get(path)).messages;
  const { readAt } = first;
  shape.time(readAt, 'readAt');
  await eventually('a later moment', () => Date.now() > Date.parse(readAt) + 5);
  good(await server.api(cem).put('/api/messages', { conversationId: group.id }));
  assert.equal(good(await server.api(cem).get(path)).messages[0].readAt, readAt, 'the first reader counts, not the last');
  assert.deepEqual([await unread(ann, group.id), await unread(bob, group.id), await unread(cem, group.id)], [0, 0, 0]);
});

test('each contract hears of a read once, in its own event', async () => {
  const { ann, bob, id } = await pair(3);
  const [native, media, tenant, reader] = await Promise.all([
    server.socket(ann, { contract: 'conversations' }), server.socket(ann, { contract: 'media-chat' }),
    server.socket(ann, { contract: 'tenant-chat' }), server.socket(bob, { contract: 'tenant-chat' }),
  ]);
  await native.ok('conversation:join', id);
  await media.ok('join_user_room', ann.id);
  await media.ok('join_conversation', id);
  const last = good(await server.api(ann).get(`/api/messages?conversationId=${id}`)).messages.at(-1);
  await reader.ok('mark_read', { messageId: last.id });
  await reader.ok('mark_read', { messageId: last.id });
  await reader.ok('send_message', { recipientId: ann.id, content: 'fence', type: 'text' });
  await native.once('message:received', (m) => m.content === 'fence');
  await media.once('new_message', (m) => m.content === 'fence');
  await tenant.once('receive_message', (m) => m.content === 'fence');
  assert.deepEqual(native.all('message:read_update').map((e) => [e.userId, e.messageId, e.seq]), [[bob.id, last.id, 3]]);
  assert.deepEqual(media.all('messages_read').map((e) => [e.userId, e.upToSeq]), [[bob.id, 3]]);
  assert.deepEqual(tenant.all('message_read').map((e) => [e.readBy, e.messageId]), [[bob.id, last.id]]);
  const times = [native.all('message:read_update')[0], media.all('messages_read')[0], tenant.all('message_read')[0]].map((e) => e.readAt);
  assert.equal(new Set(times).size, 1);
});

test('what one has read here is known to be read on one\'s other devices', async () => {
  const { ann, bob, id } = await pair(2);
  const [desk, phone] = await Promise.all([server.socket(bob, { contract: 'conversations' }), server.socket(bob, { contract: 'conversations' })]);
  await desk.ok('message:read', { conversationId: id });
  const { conversation } = await phone.once('conversation:updated', (e) => e.conversation.id === id && e.conversation.unreadCount === 0);
  shape.shaped(shape.conversation, conversation, 'conversation:updated');
  assert.equal(await unread(ann, id), 0);
});

test('a conversation with news moves up in lists that are open, though nobody has joined it', async () => {
  const { ann, bob, id } = await pair();
  const socket = await server.socket(bob, { contract: 'conversations' });
  for (const i of range(10)) await server.say(ann, id, `news ${i}`);
  const last = await socket.once('conversation:updated', (e) => e.conversation.id === id && e.conversation.lastMessage === 'news 9');
  assert.equal(last.conversation.unreadCount, 10);
  assert.ok(socket.all('conversation:updated').length < 10, 'at most one a second');
  const joined = socket.events.length;
  await socket.ok('conversation:join', id);
  await server.say(ann, id, 'seen in the room');
  await socket.once('message:received', (m) => m.content === 'seen in the room');
  await socket.staysQuiet('conversation:updated', (e) => e.conversation.lastMessage === 'seen in the room', 1300, joined);
});

test('only the recipient may mark by message, and a mark of one\'s own is FORBIDDEN', async () => {
  const { ann, bob, id } = await pair();
  const message = await server.say(ann, id, 'hi');
  refusal(await server.api(ann).put(`/api/chat/messages/${message.id}/read`), 403, 'FORBIDDEN');
  const marked = good(await server.api(bob).put(`/api/chat/messages/${message.id}/read`));
  has(marked, { _id: message.id, read: true });
});

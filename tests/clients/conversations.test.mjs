// Which conversation is meant, who is in it, and who may change that.
import assert from 'node:assert/strict';
import { Doorbell, eventually, good, has, range, refusal, test, unique } from './support/doorbell.mjs';
import * as shape from './support/shapes.mjs';

const server = await Doorbell.forFile({ env: { DOORBELL_GROUP_MAX: '5' } });

const open = async (user, body) => good(await server.api(user).post('/api/conversations', body), 200, 201).conversation;
const members = (conversation) => conversation.participants.filter((p) => p.leftAt === null).map((p) => p.userId).sort();
const find = async (user, id) => good(await server.api(user).get('/api/conversations')).conversations.find((c) => c.id === id);
const history = async (user, id) => good(await server.api(user).get(`/api/messages?conversationId=${id}&markRead=false`)).messages;

test('a pair has one direct conversation, whatever contract asks for it', async () => {
  const [ann, bob] = await server.people('ann', 'bob');
  const first = good(await server.api(ann).post('/api/conversations', { otherUserId: bob.id }), 201).conversation;
  assert.equal(good(await server.api(bob).post('/chat', { agentId: ann.id }), 200).id, first.id);
  assert.equal(good(await server.api(bob).post('/api/messages', { receiverId: ann.id, content: 'x', type: 'text' }), 201).message.conversationId, first.id);
  assert.equal(good(await server.api(ann).post('/api/chat/messages', { recipientId: bob.id, content: 'x', type: 'text' }), 201).conversationId, first.id);
  const socket = await server.socket(bob);
  assert.equal((await socket.ok('send_message', { recipientId: ann.id, content: 'x', type: 'text' })).message.conversationId, first.id);
  assert.equal((await socket.ok('send_message', { receiverId: ann.id, content: 'x', type: 'text' })).message.conversationId, first.id);
  has(good(await server.api(ann).get('/chat'))[0], { agentId: bob.id, userId: ann.id });
});

test('64 racing opens, from both sides and in all contracts, end in one conversation', async () => {
  const [ann, bob] = await server.people('ann', 'bob');
  const sides = [[server.api(ann), bob], [server.api(bob), ann]];
  const sockets = await Promise.all([server.socket(ann), server.socket(bob)]);
  const ways = [
    async (side) => good(await sides[side][0].post('/chat', { agentId: sides[side][1].id }), 200, 201).id,
    async (side) => good(await sides[side][0].post('/api/conversations', { otherUserId: sides[side][1].id }), 200, 201).conversation.id,
    async (side) => good(await sides[side][0].post('/api/messages', { receiverId: sides[side][1].id, content: 'race', type: 'text' }), 201).message.conversationId,
    async (side) => good(await sides[side][0].post('/api/chat/messages', { recipientId: sides[side][1].id, content: 'race', type: 'text' }), 201).conversationId,
    async (side) => (await sockets[side].ok('send_message', { receiverId: sides[side][1].id, content: 'race', type: 'text' })).message.conversationId,
    async (side) => (await sockets[side].ok('send_message', { recipientId: sides[side][1].id, content: 'race', type: 'text' })).message.conversationId,
  ];
  const ids = await Promise.all(range(64).map((i) => ways[i % ways.length](i % 2 ^ (Math.floor(i / ways.length) % 2))));
  assert.equal(new Set(ids).size, 1);
  assert.equal(good(await server.api(ann).get('/api/conversations')).conversations.length, 1);
  const messages = await history(bob, ids[0]);
  shape.gapless(messages, 1);
});

test('64 racing opens about a listing end in one conversation, found by 63 and created once', async () => {
  const [renter, owner] = await server.people('renter', 'owner');
  const listing = await server.listing({ ownerId: owner.id });
  const answers = await Promise.all(range(64).map((i) => [
    () => server.api(renter).post('/api/conversations', { listingId: listing.id, ownerId: owner.id }),
    () => server.api(renter).post('/chat', { propertyId: listing.id, agentId: owner.id }),
    () => server.api(owner).post('/chat', { propertyId: listing.id, agentId: renter.id }),
  ][i % 3]()));
  const ids = answers.map((a) => (good(a, 200, 201).conversation ?? a.body).id);
  assert.equal(new Set(ids).size, 1);
  assert.equal(answers.filter((a) => a.status === 201).length, 1, 'it was created once');
});

test("the listing's owner is its agent and owner, whoever asked", async () => {
  const [renter, owner] = await server.people('renter', 'owner');
  const listing = await server.listing({ ownerId: owner.id });
  const chat = good(await server.api(owner).post('/chat', { propertyId: listing.id, agentId: renter.id }), 201);
  has(chat, { agentId: owner.id, userId: renter.id, propertyId: listing.id });
  const conversation = await find(renter, chat.id);
  assert.equal(conversation.owner.id, owner.id);
  assert.equal(conversation.renter.id, renter.id);
  assert.equal(conversation.listing.id, listing.id);
});

test('where the directory knows no owner, whoever was asked is the agent', async () => {
  const [ann, bob] = await server.people('ann', 'bob');
  const listing = await server.listing();
  has(good(await server.api(ann).post('/chat', { propertyId: listing.id, agentId: bob.id }), 201), { agentId: bob.id, userId: ann.id });
  const unknown = unique('unlisted');
  const conversation = await open(bob, { listingId: unknown, ownerId: ann.id });
  assert.equal(conversation.owner.id, ann.id);
  has(conversation.listing, { id: unknown, title: null, price: null });
});

test('a pair may have several conversations about several listings, and one about none', async () => {
  const [ann, bob] = await server.people('ann', 'bob');
  const [one, two] = await Promise.all([server.listing({ ownerId: bob.id }), server.listing({ ownerId: bob.id })]);
  const ids = [
    (await open(ann, { otherUserId: bob.id })).id,
    (await open(ann, { listingId: one.id, ownerId: bob.id })).id,
    (await open(ann, { listingId: two.id, ownerId: bob.id })).id,
  ];
  assert.equal(new Set(ids).size, 3);
});

test('a send that names only a person goes to the most recently active conversation of the two', async () => {
  const [ann, bob] = await server.people('ann', 'bob');
  const listing = await server.listing({ ownerId: bob.id });
  const direct = await open(ann, { otherUserId: bob.id });
  const about = await open(ann, { listingId: listing.id, ownerId: bob.id });
  const group = await server.group(ann, [bob]);
  const socket = await server.socket(ann);
  for (const { id } of [direct, about, direct]) {
    await server.say(bob, id, 'here');
    await server.say(bob, group.id, 'and a group, which does not count');
    assert.equal((await socket.ok('send_message', { recipientId: bob.id, content: 'x', type: 'text' })).message.conversationId, id);
    assert.equal((await socket.ok('send_message', { receiverId: bob.id, content: 'x', type: 'text' })).message.conversationId, id);
    assert.equal(good(await server.api(ann).post('/api/chat/messages', { recipientId: bob.id, content: 'x', type: 'text' }), 201).conversationId, id);
  }
  // `conversationId` picks among several.
  assert.equal((await socket.ok('send_message', { recipientId: bob.id, conversationId: about.id, content: 'x', type: 'text' })).message.conversationId, about.id);
});

test('asking for oneself, or for a person who is not in the named conversation, is INVALID', async () => {
  const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
  const listing = await server.listing({ ownerId: bob.id });
  const { id } = await server.direct(ann, bob);
  const api = server.api(ann);
  refusal(await api.post('/chat', { agentId: ann.id }), 400, 'INVALID');
  refusal(await api.post('/api/conversations', { otherUserId: ann.id }), 400, 'INVALID');
  refusal(await api.post('/api/messages', { receiverId: ann.id, content: 'x', type: 'text' }), 400, 'INVALID');
  refusal(await api.post('/api/chat/messages', { recipientId: ann.id, content: 'x', type: 'text' }), 400, 'INVALID');
  refusal(await api.post('/api/conversations', { listingId: listing.id, ownerId: ann.id }), 400, 'INVALID');
  refusal(await api.post('/api/conversations', { listingId: listing.id, ownerId: cem.id }), 400, 'INVALID');
  refusal(await server.api(bob).post('/api/conversations', { listingId: listing.id, ownerId: bob.id }), 400, 'INVALID');
  refusal(await api.post('/api/messages', { conversationId: id, receiverId: cem.id, content: 'x', type: 'text' }), 400, 'INVALID');
  const socket = await server.socket(ann);
  await socket.refused('INVALID', 'send_message', { conversationId: id, receiverId: cem.id, content: 'x', type: 'text' });
  for (const person of [{ receiverId: cem.id }, { recipientId: cem.id }]) {
    await socket.refused('INVALID', 'typing', { conversationId: id, ...person, isTyping: true });
    await socket.refused('INVALID', 'mark_read', { conversationId: id, ...person });
  }
  await socket.refused('INVALID', 'send_message', { conversationId: id, recipientId: cem.id, content: 'x', type: 'text' });
  await socket.refused('INVALID', 'send_message', { recipientId: ann.id, content: 'x', type: 'text' });
  assert.equal((await history(ann, id)).length, 0);
});

test('ids outside of A-Za-z0-9_.:@- or longer than 128 are INVALID', async () => {
  const ann = await server.person('ann');
  for (const bad of ['', ' ', 'a b', 'ü', 'a/b', 'a\n', 'x'.repeat(129), true, 1.5, [], {}]) {
    refusal(await server.api(ann).post('/api/conversations', { otherUserId: bad }), 400, 'INVALID');
    refusal(await server.api(ann).post('/chat', { agentId: 'fine', propertyId: bad }), 400, 'INVALID');
  }
  const { conversation } = good(await server.api(ann).post('/api/conversations', { otherUserId: `aZ09_.:@-${'x'.repeat(119)}` }), 201);
  assert.equal(conversation.participants.length, 2);
  refusal(await server.host.put('/v1/users/a%20b', { name: 'x' }), 400, 'INVALID');
});

// --- groups -----------------------------------------------------------------

test('a group has two people at least, and no more than the deployment allows', async () => {
  const people = await server.people('maker', 'b', 'c', 'd', 'e', 'f');
  const [maker, ...others] = people;
  const make = (n, extra = []) => server.api(maker).post('/api/conversations', { title: 'Group', isGroup: true, participantIds: [...others.slice(0, n).map((o) => o.id), ...extra] });
  refusal(await make(0), 400, 'INVALID');
  refusal(await make(0, [maker.id]), 400, 'INVALID');
  assert.equal(good(await make(1), 201).conversation.participants.length, 2);
  assert.equal(good(await make(4), 201).conversation.participants.length, 5);
  refusal(await make(5), 400, 'INVALID');
  assert.equal(good(await make(4, [maker.id, others[0].id]), 201).conversation.participants.length, 5, 'everyone counts once');
  const full = good(await make(4), 201).conversation;
  refusal(await server.api(maker).post(`/v1/conversations/${full.id}/participants`, { userId: others[4].id }), 400, 'INVALID');
  for (const participantIds of [undefined, 'b', [7.5], [{}], [null]]) {
    refusal(await server.api(maker).post('/api/conversations', { title: 'G', isGroup: true, participantIds }), 400, 'INVALID');
  }
  // Two groups of the same people are two groups.
  assert.notEqual(good(await make(2), 201).conversation.id, good(await make(2), 201).conversation.id);
});

test('a group stands in the list of every contract, and what names one other person is null there', async () => {
  const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
  const group = await server.group(ann, [bob, cem], 'Three');
  await server.say(bob, group.id, 'hi');
  const api = server.api(ann);
  const chat = good(await api.get('/chat'))[0];
  shape.shaped(shape.listedChat, chat, 'listed Chat');
  has(chat, { id: group.id, title: 'Three', isGroup: true, listing: null, agentId: null, agent: null, otherParticipant: null, property: null, unreadCount: 1 });
  const media = good(await api.get('/api/messages/conversations')).conversations[0];
  shape.shaped(shape.mediaConversation, media, 'Conversation');
  has(media, { id: group.id, title: 'Three', isGroup: true, otherUser: null, user1Id: null, user2Id: null, unreadCount: 1 });
  assert.equal(media.lastMessage.receiverId, null);
  const tenant = good(await api.get('/api/chat/conversations'))[0];
  shape.shaped(shape.tenantConversation, tenant, 'Conversation');
  has(tenant, { _id: group.id, title: 'Three', isGroup: true, unreadCount: 1 });
  assert.equal(tenant.participants.length, 3);
  assert.equal(tenant.lastMessage.recipient, null);
});

test('who is added later sees what comes after, and nothing before is unread', async () => {
  const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
  const group = await server.group(ann, [bob], 'Growing');
  for (const text of ['before 1', 'before 2']) await server.say(ann, group.id, text);
  const socket = await server.socket(cem, { path: '/api/socketio' });
  const added = await server.api(ann).post(`/v1/conversations/${group.id}/participants`, { userId: cem.id });
  assert.equal(added.status, 201);
  shape.shaped(shape.conversation, added.body.conversation, 'conversation');
  assert.deepEqual(members(added.body.conversation), [ann.id, bob.id, cem.id].sort());
  await socket.once('conversation:updated', (e) => e.conversation.id === group.id);
  assert.equal((await find(cem, group.id)).unreadCount, 0);
  await server.say(ann, group.id, 'after');
  assert.equal((await find(cem, group.id)).unreadCount, 1);
  assert.deepEqual((await history(cem, group.id)).map((m) => m.content), ['after']);
  const join = await socket.ok('conversation:join', { conversationId: group.id, afterSeq: 0 });
  assert.deepEqual(join.messages.map((m) => m.content), ['after']);
});

test('only an admin adds, removes, changes roles and sets the title; anyone may leave', async () => {
  const [ann, bob, cem, dan] = await server.people('ann', 'bob', 'cem', 'dan');
  const group = await server.group(ann, [bob, cem], 'Roles');
  const people = (id) => `/v1/conversations/${group.id}/participants${id ? `/${id}` : ''}`;
  const [a, b] = [server.api(ann), server.api(bob)];
  refusal(await b.post(people(), { userId: dan.id }), 403, 'FORBIDDEN');
  refusal(await b.delete(people(cem.id)), 403, 'FORBIDDEN');
  refusal(await b.patch(`/v1/conversations/${group.id}`, { title: 'Mine' }), 403, 'FORBIDDEN');
  refusal(await b.post(people(), { userId: bob.id, role: 'admin' }), 403, 'FORBIDDEN');
  refusal(await a.post(people(), { userId: bob.id, role: 'emperor' }), 400, 'INVALID');
  refusal(await a.delete(people(dan.id)), 404, 'NOT_FOUND');
  const promoted = good(await a.post(people(), { userId: bob.id, role: 'admin' }), 201).conversation;
  assert.equal(promoted.participants.find((p) => p.userId === bob.id).role, 'admin');
  const renamed = good(await b.patch(`/v1/conversations/${group.id}`, { title: 'Renamed' })).conversation;
  assert.equal(renamed.title, 'Renamed');
  assert.equal((await b.delete(people(cem.id))).status, 204);
  assert.equal((await a.delete(people(ann.id))).status, 204);
});

test('who leaves keeps the history up to then, and may not write, join or mark', async () => {
  const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
  const group = await server.group(ann, [bob, cem], 'Leaving');
  await server.say(ann, group.id, 'while there');
  const socket = await server.socket(bob, { path: '/api/socketio' });
  await socket.ok('conversation:join', group.id);
  assert.equal((await server.api(bob).delete(`/v1/conversations/${group.id}/participants/${bob.id}`)).status, 204);
  await server.say(ann, group.id, 'afterwards');
  const listed = await find(bob, group.id);
  const me = listed.participants.find((p) => p.userId === bob.id);
  shape.time(me.leftAt, 'leftAt');
  has(listed, { unreadCount: 1, lastMessage: 'while there' });
  assert.deepEqual((await history(bob, group.id)).map((m) => m.content), ['while there']);
  const api = server.api(bob);
  refusal(await api.post('/api/messages', { conversationId: group.id, content: 'x' }), 403, 'FORBIDDEN');
  refusal(await api.post(`/chat/${group.id}/messages`, { content: 'x' }), 403, 'FORBIDDEN');
  refusal(await api.put('/api/messages', { conversationId: group.id }), 403, 'FORBIDDEN');
  await socket.refused('FORBIDDEN', 'conversation:join', group.id);
  await socket.refused('FORBIDDEN', 'message:send', { conversationId: group.id, content: 'x' });
  await socket.refused('FORBIDDEN', 'message:read', { conversationId: group.id });
  await socket.refused('FORBIDDEN', 'join-conversation', group.id);
  assert.equal(socket.all('message:received').length, 0, 'nothing of what came after');
});

test('who is brought back sees nothing of the time between', async () => {
  const [ann, bob] = await server.people('ann', 'bob');
  const group = await server.group(ann, [bob], 'Back');
  const people = `/v1/conversations/${group.id}/participants`;
  await server.say(ann, group.id, 'one');
  assert.equal((await server.api(ann).delete(`${people}/${bob.id}`)).status, 204);
  await server.say(ann, group.id, 'between');
  const back = good(await server.api(ann).post(people, { userId: bob.id }), 201).conversation;
  assert.deepEqual(members(back), [ann.id, bob.id].sort());
  await server.say(ann, group.id, 'three');
  const texts = (await history(bob, group.id)).map((m) => m.content);
  assert.ok(!texts.includes('between'), texts.join());
  assert.ok(texts.includes('three'));
  assert.equal((await history(ann, group.id)).length, 3);
});

test('when the last admin leaves, the longest-standing member becomes admin; when all have left, all can still read', async () => {
  const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
  const group = await server.group(ann, [bob], 'Succession');
  const people = `/v1/conversations/${group.id}/participants`;
  good(await server.api(ann).post(people, { userId: cem.id }), 201);
  await server.say(ann, group.id, 'goodbye');
  assert.equal((await server.api(ann).delete(`${people}/${ann.id}`)).status, 204);
  const role = async (user) => (await find(bob, group.id)).participants.find((p) => p.userId === user.id).role;
  assert.equal(await role(bob), 'admin');
  assert.equal(await role(cem), 'member');
  for (const user of [cem, bob]) assert.equal((await server.api(user).delete(`${people}/${user.id}`)).status, 204);
  for (const user of [ann, bob, cem]) {
    assert.ok(await find(user, group.id));
    assert.deepEqual((await history(user, group.id)).map((m) => m.content), ['goodbye']);
    refusal(await server.api(user).post('/api/messages', { conversationId: group.id, content: 'x' }), 403, 'FORBIDDEN');
  }
});

test('nobody leaves a conversation of two', async () => {
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  refusal(await server.api(ann).delete(`/v1/conversations/${id}/participants/${ann.id}`), 400, 'INVALID');
  await server.say(ann, id, 'still here');
});

test('the host closes a conversation: it can be read, and a send is FORBIDDEN', async () => {
  const [ann, bob] = await server.people('ann', 'bob');
  const chat = good(await server.api(ann).post('/chat', { agentId: bob.id }), 201);
  await server.say(ann, chat.id, 'before');
  refusal(await server.api(ann).patch(`/v1/conversations/${chat.id}`, { isActive: false }), 403, 'FORBIDDEN');
  const closed = good(await server.host.patch(`/v1/conversations/${chat.id}`, { isActive: false }));
  assert.equal(closed.conversation.id, chat.id);
  assert.equal(good(await server.api(ann).get('/chat'))[0].isActive, false);
  refusal(await server.api(ann).post(`/chat/${chat.id}/messages`, { content: 'x' }), 403, 'FORBIDDEN');
  refusal(await server.api(bob).post('/api/messages', { conversationId: chat.id, content: 'x' }), 403, 'FORBIDDEN');
  const socket = await server.socket(bob, { contract: 'conversations' });
  await socket.refused('FORBIDDEN', 'message:send', { conversationId: chat.id, content: 'x' });
  assert.deepEqual((await history(bob, chat.id)).map((m) => m.content), ['before']);
  await socket.ok('conversation:join', chat.id);
  good(await server.host.patch(`/v1/conversations/${chat.id}`, { isActive: true }));
  await server.say(ann, chat.id, 'open again');
  for (const body of [{ isActive: 'no' }, { title: 7 }, '[]']) refusal(await server.host.patch(`/v1/conversations/${chat.id}`, body), 400, 'INVALID');
  refusal(await server.host.patch(`/v1/conversations/${unique('none')}`, { isActive: false }), 404, 'NOT_FOUND');
  refusal(await server.api(null).patch(`/v1/conversations/${chat.id}`, { isActive: false }), 401, 'UNAUTHENTICATED');
});

// --- the directory ----------------------------------------------------------

test('PUT keeps what is left out, and answers with the entry', async () => {
  const id = unique('user');
  const first = good(await server.host.put(`/v1/users/${id}`, { name: 'Ann', email: 'ann@example.com', role: 'owner' }));
  has(first, { id, name: 'Ann', email: 'ann@example.com', role: 'owner', image: null });
  has(good(await server.host.put(`/v1/users/${id}`, { image: 'https://img.example/a.png' })), { name: 'Ann', email: 'ann@example.com', image: 'https://img.example/a.png' });
  has(good(await server.host.put(`/v1/users/${id}`, {})), { name: 'Ann' });
  const flat = unique('flat');
  has(good(await server.host.put(`/v1/listings/${flat}`, { title: 'Flat', price: 900 })), { id: flat, title: 'Flat', price: 900, url: null, image: null });
  has(good(await server.host.put(`/v1/listings/${flat}`, { url: 'https://market.example/f' })), { title: 'Flat', price: 900, url: 'https://market.example/f' });
  for (const body of [{ name: 7 }, { email: [] }, '[]', '"x"', '{"name":"a","name":"b"}']) refusal(await server.host.put(`/v1/users/${id}`, body), 400, 'INVALID');
  refusal(await server.host.put(`/v1/listings/${flat}`, { ownerId: 'not an id' }), 400, 'INVALID');
});

test('a change in the directory is seen in conversations that are there already', async () => {
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  good(await server.host.put(`/v1/users/${bob.id}`, { name: 'Robert' }));
  // Each answer by another node: what was put at one is known at the other as soon as it hears of it.
  for (const _ of server.nodes) {
    await eventually('the new name is listed', async () => (await find(ann, id)).participants.find((p) => p.userId === bob.id).user.name === 'Robert');
    await eventually('in every contract', async () => good(await server.api(ann).get('/chat'))[0].otherParticipant.name === 'Robert');
  }
});

test('an e-mail address is shown to oneself and the API key alone', async () => {
  const [ann, bob] = await server.people('ann', 'bob');
  const listing = await server.listing({ ownerId: bob.id });
  const { conversation } = good(await server.api(ann).post('/api/conversations', { listingId: listing.id, ownerId: bob.id }), 201);
  await server.say(bob, conversation.id, 'hello');
  const socket = await server.socket(ann, { contract: 'conversations' });
  const joined = JSON.stringify(await socket.ok('conversation:join', conversation.id));
  const paths = ['/chat', `/chat/${conversation.id}/messages`, '/api/conversations', `/api/messages?conversationId=${conversation.id}`, '/api/messages/conversations', '/api/chat/conversations', `/api/chat/messages/${conversation.id}`];
  const seen = [joined, ...(await Promise.all(paths.map(async (path) => (await server.api(ann).get(path)).text)))].join('\n');
  assert.ok(!seen.includes(bob.email), "not the other one's");
  assert.ok(seen.includes(ann.email), "but one's own");
});

test('DOORBELL_SHOW_EMAIL shows it to those who share a conversation', async (t) => {
  const open = await Doorbell.start({ env: { DOORBELL_SHOW_EMAIL: 'on' } });
  t.after(() => open.stop());
  const [ann, bob] = await open.people('ann', 'bob');
  await open.direct(ann, bob);
  assert.equal(good(await open.api(ann).get('/chat'))[0].otherParticipant.email, bob.email);
});

test('an unknown person gets a bare entry in an open directory', async () => {
  const ann = await server.person('ann');
  const { conversation } = good(await server.api(ann).post('/api/conversations', { otherUserId: unique('unheard-of') }), 201);
  const other = conversation.participants.find((p) => p.userId !== ann.id).user;
  has(other, { name: null, email: null, image: null });
});

test('a closed directory refuses whom it does not know', async (t) => {
  const closed = await Doorbell.start({ env: { DOORBELL_DIRECTORY: 'closed' } });
  t.after(() => closed.stop());
  const [ann, bob] = await closed.people('ann', 'bob');
  const api = closed.api(ann);
  const nobody = unique('nobody');
  refusal(await api.post('/api/conversations', { otherUserId: nobody }), 404, 'NOT_FOUND');
  refusal(await api.post('/chat', { agentId: nobody }), 404, 'NOT_FOUND');
  refusal(await api.post('/chat', { agentId: bob.id, propertyId: nobody }), 404, 'NOT_FOUND');
  refusal(await api.post('/api/chat/messages', { recipientId: nobody, content: 'x', type: 'text' }), 404, 'NOT_FOUND');
  refusal(await api.post('/api/conversations', { title: 'G', isGroup: true, participantIds: [bob.id, nobody] }), 404, 'NOT_FOUND');
  const socket = await closed.socket(ann);
  await socket.refused('NOT_FOUND', 'send_message', { recipientId: nobody, content: 'x', type: 'text' });
  const newcomer = await closed.person('newcomer');
  good(await closed.api(newcomer).get('/api/conversations'));
  good(await api.post('/api/conversations', { otherUserId: newcomer.id }), 201);
  await eventually('known people talk', async () => (await closed.direct(ann, bob)).id);
});

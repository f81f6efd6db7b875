// The list of conversations: order, unread counts, pages, and what is there before the network has answered.
import assert from 'node:assert/strict';
import { clientOf, Doorbell, eventually, memoryStorage, online, Proxy, range, shows, sleep, test, until } from './support.mjs';

const server = await Doorbell.forFile();
const loaded = (client) => until(client.inbox.list, ({ isLoading }) => !isLoading, 'list');

test('a conversation moves to the top with its words and its count, without being open', async () => {
  const [ana, ben, cara] = await server.people('ana', 'ben', 'cara');
  const withBen = await server.direct(ana, ben);
  await server.say(ben, withBen.id, 'first');
  const withCara = await server.direct(ana, cara);
  await server.say(cara, withCara.id, 'second');
  const client = clientOf(server, ana);
  await online(client);
  await loaded(client);
  assert.deepEqual(client.inbox.list.get().items.map(({ id }) => id), [withCara.id, withBen.id]);
  assert.equal(client.inbox.unread.get(), 2);
  const [, other] = client.inbox.list.get().items;
  await server.say(cara, withCara.id, 'third');
  await until(client.inbox.unread, (count) => count === 3, 'counted');
  assert.equal(client.inbox.list.get().items[1], other, 'what has not changed is the same object');
  await server.say(ben, withBen.id, 'fourth');
  await until(client.inbox.list, ({ items }) => items[0].id === withBen.id && items[0].lastMessage === 'fourth', 'on top');
});

test('unread begins where one has stopped reading, also far back', async () => {
  const [ana, ben] = await server.people('ana', 'ben');
  const { id } = await server.direct(ana, ben);
  await server.say(ben, id, 'read');
  await server.say(ana, id, 'mine');
  assert.equal((await server.api(ana).put('/api/messages', { conversationId: id })).status, 200);
  for (const block of range(4)) await Promise.all(range(20).map((n) => server.say(ben, id, `${block}.${n}`)));
  // By a deep link, before the list has told how many are unread.
  const linked = clientOf(server, ana).conversation(id);
  linked.open();
  await until(linked.state, ({ firstUnreadSeq }) => firstUnreadSeq === 3, 'the first unread');

  const client = clientOf(server, ana);
  await loaded(client);
  assert.equal(client.inbox.unread.get(), 80);
  const timeline = client.conversation(id);
  const close = timeline.open();
  await until(timeline.state, ({ firstUnreadSeq }) => firstUnreadSeq === 3, 'the first unread');
  assert.ok(timeline.state.get().messages.some(({ seq }) => seq === 3));
  await online(client);
  timeline.markRead(42);
  assert.equal(client.inbox.unread.get(), 40);
  await eventually('the server has it', async () => (await server.api(ana).get('/api/conversations')).body.conversations[0].unreadCount === 40);
  timeline.markRead();
  timeline.markRead(10);
  assert.equal(client.inbox.unread.get(), 0);
  await eventually('the server has it', async () => (await server.api(ana).get('/api/conversations')).body.conversations[0].unreadCount === 0);
  assert.equal(timeline.state.get().firstUnreadSeq, 3, 'the line stays while it is open');
  close();
  timeline.open();
  await until(timeline.state, ({ firstUnreadSeq }) => firstUnreadSeq === null, 'no line at the next opening');
});

const chatter = async (sender, id, count) => {
  for (let done = 0; done < count; done += 20) await Promise.all(range(Math.min(20, count - done)).map((n) => server.say(sender, id, `${done + n}`)));
};

test('a link right to a conversation finds the first unread message some pages back', async () => {
  const [ana, ben] = await server.people('ana', 'ben');
  const { id } = await server.direct(ana, ben);
  await chatter(ana, id, 3);
  await chatter(ben, id, 170);
  const client = clientOf(server, ana);
  const timeline = client.conversation(id);
  timeline.open();
  const { firstUnreadSeq, messages } = await until(timeline.state, ({ isUnreadKnown }) => isUnreadKnown, 'known');
  assert.equal(firstUnreadSeq, 4);
  assert.ok(messages.some(({ seq }) => seq === 4));
  assert.equal(client.inbox.unread.get(), 170);
});

test('more unread than are loaded at once: it opens around the first of them, and what is not seen stays unread', async () => {
  const [ana, ben, cara] = await server.people('ana', 'ben', 'cara');
  const { id } = await server.direct(ana, ben);
  const group = await server.group(ana, [ben, cara]);
  await chatter(ben, id, 80);
  assert.equal((await server.api(ana).put('/api/messages', { conversationId: id })).status, 200);
  await chatter(ben, id, 300);
  // Written from elsewhere, without reading: it stands between the unread ones.
  await chatter(ana, id, 40);
  await chatter(ben, id, 260);
  await chatter(cara, group.id, 520);
  const client = clientOf(server, ana);
  await online(client);
  const timeline = client.conversation(id);
  timeline.open();
  const { firstUnreadSeq, messages, hasNewer } = await until(timeline.state, ({ isUnreadKnown }) => isUnreadKnown, 'known');
  assert.equal(firstUnreadSeq, 81);
  assert.ok([80, 81].every((seq) => messages.some((message) => message.seq === seq)));
  assert.ok(hasNewer && messages.length < 300, 'the pages between are not loaded');
  assert.equal(client.inbox.list.get().items.find((item) => item.id === id).unreadCount, 560);
  timeline.markRead(90);
  assert.equal(client.inbox.list.get().items.find((item) => item.id === id).unreadCount, 550);
  const told = async () => (await server.api(ana).get('/api/conversations')).body.conversations.find((item) => item.id === id).unreadCount;
  await eventually('the server has it', async () => (await told()) === 550);
  await timeline.jumpTo('latest');
  timeline.markRead();
  await eventually('all is read', async () => (await told()) === 0);

  const inGroup = client.conversation(group.id);
  inGroup.open();
  await until(inGroup.state, ({ isUnreadKnown }) => isUnreadKnown, 'known');
  assert.equal(inGroup.state.get().firstUnreadSeq, 1);
});

test('what is unread is taken from the server, not from the list of the last visit', async () => {
  const [ana, ben] = await server.people('ana', 'ben');
  const { id } = await server.direct(ana, ben);
  await server.say(ben, id, 'read');
  assert.equal((await server.api(ana).put('/api/messages', { conversationId: id })).status, 200);
  const storage = memoryStorage();
  const first = clientOf(server, ana, { storage, userKey: ana.id });
  await loaded(first);
  await eventually('kept', async () => (await storage.entries('')).some(([key]) => key.endsWith('|inbox')));
  await first.close();
  await server.say(ben, id, 'news');
  // The list comes late.
  let isHeld = true;
  const late = async (url, init) => {
    while (isHeld && String(url).includes('/api/conversations')) await sleep(20);
    return fetch(url, init);
  };
  const second = clientOf(server, ana, { storage, userKey: ana.id, fetch: late });
  await loaded(second);
  const timeline = second.conversation(id);
  timeline.open();
  await shows(timeline, 'read', 'news');
  await sleep(100);
  assert.equal(timeline.state.get().isUnreadKnown, false);
  isHeld = false;
  await until(timeline.state, ({ firstUnreadSeq }) => firstUnreadSeq === 2, 'the first unread');
  timeline.markRead();
  await eventually('the server has it', async () => (await server.api(ana).get('/api/conversations')).body.conversations[0].unreadCount === 0);
});

test('what is read on another device is read here', async () => {
  const [ana, ben] = await server.people('ana', 'ben');
  const { id } = await server.direct(ana, ben);
  await server.say(ben, id, 'hello');
  const [phone, laptop] = [clientOf(server, ana), clientOf(server, ana)];
  await Promise.all([online(phone), online(laptop), loaded(phone), loaded(laptop)]);
  const timeline = phone.conversation(id);
  timeline.open();
  await shows(timeline, 'hello');
  timeline.markRead();
  await until(laptop.inbox.unread, (count) => count === 0, 'read there, too');
});

test('the second visit shows the list before the network has answered', async () => {
  const [ana, ben] = await server.people('ana', 'ben');
  const { id } = await server.direct(ana, ben);
  await server.say(ben, id, 'hello');
  const storage = memoryStorage();
  const proxy = await Proxy.start(server.port);
  const first = clientOf({ url: proxy.url }, ana, { storage, userKey: ana.id });
  await loaded(first);
  await eventually('kept', async () => (await storage.entries('')).some(([key, value]) => key.endsWith('|inbox') && value.length === 1));
  await first.close();
  proxy.refuses = true;
  proxy.cut();
  const second = clientOf({ url: proxy.url }, ana, { storage, userKey: ana.id });
  const { items } = await until(second.inbox.list, (list) => !list.isLoading, 'painted');
  assert.equal(items[0].lastMessage, 'hello');
  await server.say(ben, id, 'meanwhile');
  proxy.refuses = false;
  second.connect();
  await until(second.inbox.list, (list) => list.items[0].lastMessage === 'meanwhile' && !list.error, 'as it is now');
  // Somebody else at the same browser sees nothing of it.
  const other = clientOf({ url: proxy.url }, ben, { storage, userKey: 'somebody-else', token: (await server.person('eve')).token });
  await loaded(other);
  assert.deepEqual(other.inbox.list.get().items, []);
  await proxy.stop();
});

test('a long list comes in pages, and a conversation far down is found', async () => {
  const ana = await server.person('ana', {});
  const people = await Promise.all(range(60).map((n) => server.person(`p${n}`, {})));
  const ids = [];
  for (const person of people) ids.push((await server.direct(ana, person)).id);
  const client = clientOf(server, ana);
  await loaded(client);
  assert.equal(client.inbox.list.get().items.length, 50);
  assert.equal(client.inbox.list.get().hasMore, true);
  const timeline = client.conversation(ids[0]);
  timeline.open();
  await until(timeline.state, ({ conversation }) => conversation?.id === ids[0], 'found by its id alone');
  assert.equal(client.inbox.list.get().items.length, 60);
  assert.equal(client.inbox.list.get().hasMore, false);
  assert.equal(new Set(client.inbox.list.get().items.map(({ id }) => id)).size, 60);
});

test('conversations are opened by a listing, a person or a group, and each stands in the list once', async () => {
  const [ana, ben, cara] = await server.people('ana', 'ben', 'cara');
  const listing = await server.listing({ ownerId: ben.id });
  const client = clientOf(server, ana);
  await online(client);
  await loaded(client);
  const about = await client.openConversation({ listingId: listing.id, ownerId: ben.id });
  assert.equal(about.listing.id, listing.id);
  assert.equal((await client.openConversation({ listingId: listing.id, ownerId: ben.id })).id, about.id);
  await client.openConversation({ otherUserId: ben.id });
  const group = await client.openConversation({ title: 'Viewing', participantIds: [ben.id, cara.id] });
  assert.equal(group.isGroup, true);
  assert.equal(client.inbox.list.get().items.length, 3);
  await assert.rejects(client.openConversation({ otherUserId: ana.id }), { name: 'DoorbellError', code: 'INVALID' });

  const [atAna, atBen] = [client.conversation(group.id), clientOf(server, ben).conversation(group.id)];
  atAna.open();
  atBen.open();
  await atAna.send({ text: 'Tomorrow at ten?' }).done;
  await shows(atBen, 'Tomorrow at ten?');
  atBen.markRead();
  await until(atAna.state, ({ reads }) => reads[ben.id] === 1, 'who has read it');
  assert.equal(atAna.state.get().reads[cara.id], undefined);
  assert.equal(client.inbox.list.get().items[0].participants.length, 3, 'pushes of a group keep who is in it');
});

test('who comes into a group, or leaves it, is seen without a reload', async () => {
  const [ana, ben, cara, dan] = await server.people('ana', 'ben', 'cara', 'dan');
  const group = await server.group(ana, [ben, cara]);
  await server.say(ana, group.id, 'hello');
  const client = clientOf(server, ben);
  await online(client);
  await loaded(client);
  const members = () => client.inbox.list.get().items[0].participants.filter(({ leftAt }) => !leftAt).map(({ userId }) => userId).sort();
  assert.equal(members().length, 3);
  assert.ok([200, 201].includes((await server.api(ana).post(`/v1/conversations/${group.id}/participants`, { userId: dan.id })).status));
  await eventually('dan is there', () => members().includes(dan.id));
  assert.ok([200, 204].includes((await server.api(ana).delete(`/v1/conversations/${group.id}/participants/${cara.id}`)).status));
  await eventually('cara is not', () => !members().includes(cara.id));
});

test('no listener is called where nothing changes, and a snapshot stays the same object', async () => {
  const [ana, ben] = await server.people('ana', 'ben');
  const { id } = await server.direct(ana, ben);
  await server.say(ben, id, 'hello');
  const client = clientOf(server, ana);
  const timeline = client.conversation(id);
  timeline.open();
  await online(client);
  await shows(timeline, 'hello');
  await loaded(client);
  const [list, state] = [client.inbox.list.get(), timeline.state.get()];
  let calls = 0;
  client.inbox.list.subscribe(() => (calls += 1));
  await client.inbox.refresh();
  assert.equal(client.inbox.list.get(), list);
  assert.equal(timeline.state.get().messages[0], state.messages[0]);
  assert.equal(calls, 0);
});

// Who is there, and who is writing. Neither is stored, and both end by themselves.
import assert from 'node:assert/strict';
import { Doorbell, eventually, good, has, range, test } from './support/doorbell.mjs';
import * as shape from './support/shapes.mjs';

const server = await Doorbell.forFile();

async function pair() {
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  return { ann, bob, id };
}
const online = (user) => (e) => e.userId === user.id && e.status === 'online';
const offline = (user) => (e) => e.userId === user.id && e.status === 'offline';

// These wait for clocks of 5, 6 and 15 seconds, so they wait side by side.
test('presence and typing by the clock', { concurrency: true }, async (t) => {
  await Promise.all([
    t.test('who comes is online, and who has been gone for 5 s is offline, in each contract that has presence', async () => {
      const { ann, bob } = await pair();
      const native = await server.socket(ann, { contract: 'conversations' });
      const tenant = await server.socket(ann, { contract: 'tenant-chat' });
      const mark = [native, tenant].map((s) => s.events.length);
      const his = await server.socket(bob, { contract: 'property-chat' });
      const came = await native.once('presence:update', online(bob), 5000, mark[0]);
      shape.shaped(shape.presence, came, 'presence:update');
      shape.shaped(shape.presence, await tenant.once('user_status', online(bob), 5000, mark[1]), 'user_status');
      const left = Date.now();
      his.close();
      const gone = await native.once('presence:update', offline(bob), 12_000, mark[0]);
      const took = Date.now() - left;
      assert.ok(took > 4000 && took < 9000, `offline after ${took} ms`);
      shape.time(gone.lastSeenAt, 'lastSeenAt');
      assert.ok(Math.abs(Date.parse(gone.lastSeenAt) - left) < 3000, 'last seen when they went');
      await tenant.once('user_status', offline(bob), 5000, mark[1]);
    }),
    t.test('who changes sockets within 5 s was never away', async () => {
      const { ann, bob } = await pair();
      const watch = await server.socket(ann, { contract: 'tenant-chat' });
      const mark = watch.events.length;
      const first = await server.socket(bob);
      await watch.once('user_status', online(bob), 5000, mark);
      first.close();
      await server.socket(bob, { contract: 'conversations' });
      await watch.staysQuiet('user_status', offline(bob), 7000, mark);
      assert.equal(watch.all('user_status', online(bob), mark).length, 1, 'a second socket says nothing new');
    }),
    t.test('a REST request counts as online for 15 s', async () => {
      const { ann, bob } = await pair();
      const watch = await server.socket(ann, { contract: 'tenant-chat' });
      const mark = watch.events.length;
      good(await server.api(bob).get('/chat'));
      const since = Date.now();
      await watch.once('user_status', online(bob), 5000, mark);
      await watch.once('user_status', offline(bob), 25_000, mark);
      const took = Date.now() - since;
      assert.ok(took > 13_000 && took < 23_000, `offline after ${took} ms`);
    }),
    t.test('typing stops by itself after 6 s', async () => {
      const { ann, bob, id } = await pair();
      const watch = await server.socket(ann, { contract: 'conversations' });
      await watch.ok('conversation:join', id);
      const tenant = await server.socket(ann, { contract: 'tenant-chat' });
      const writer = await server.socket(bob, { contract: 'conversations' });
      const begun = Date.now();
      await writer.ok('typing:start', { conversationId: id });
      await watch.once('typing:update', (e) => e.isTyping);
      await watch.once('typing:update', (e) => !e.isTyping, 9000);
      const took = Date.now() - begun;
      assert.ok(took > 5000 && took < 8500, `it stopped after ${took} ms`);
      await tenant.once('user_typing', (e) => !e.isTyping);
    }),
    t.test('who goes away stops typing', async () => {
      const { ann, bob, id } = await pair();
      const watch = await server.socket(ann, { contract: 'conversations' });
      await watch.ok('conversation:join', id);
      const writer = await server.socket(bob, { contract: 'conversations' });
      await writer.ok('typing:start', { conversationId: id });
      await watch.once('typing:update', (e) => e.isTyping);
      writer.close();
      await watch.once('typing:update', (e) => !e.isTyping, 9000);
    }),
    t.test('a flood of typing is one push a second, and the last state arrives', async () => {
      const { ann, bob, id } = await pair();
      const watch = await server.socket(ann, { contract: 'conversations' });
      await watch.ok('conversation:join', id);
      const tenant = await server.socket(ann, { contract: 'tenant-chat' });
      const writer = await server.socket(bob, { contract: 'conversations' });
      const begun = Date.now();
      for (const i of range(200)) writer.emit(i % 2 ? 'typing:stop' : 'typing:start', { conversationId: id });
      await writer.ok('typing:start', { conversationId: id });
      await eventually('the last state', () => watch.all('typing:update').at(-1)?.isTyping === true && Date.now() - begun > 1200, 5000);
      const seconds = (Date.now() - begun) / 1000;
      assert.ok(watch.all('typing:update').length <= Math.ceil(seconds) + 1, `${watch.all('typing:update').length} pushes in ${seconds} s`);
      assert.ok(tenant.all('user_typing').length <= Math.ceil(seconds) + 1);
      assert.equal(tenant.all('user_typing').at(-1).isTyping, true);
      await writer.ok('typing:stop', { conversationId: id });
      await watch.once('typing:update', (e) => !e.isTyping, 3000, watch.events.findLastIndex((e) => e.name === 'typing:update' && e.payload.isTyping));
    }),
  ]);
});

test('whoever connects is told once of each peer who is there, and of nobody else', async () => {
  const [me, here, alsoHere, stranger] = await server.people('me', 'here', 'also-here', 'stranger');
  for (const other of [here, alsoHere]) await server.direct(me, other);
  await server.group(me, [here, alsoHere]);
  for (const user of [here, alsoHere, stranger]) await server.socket(user);
  for (const [contract, event] of [['tenant-chat', 'user_status'], ['conversations', 'presence:update']]) {
    const socket = await server.socket(me, { contract });
    for (const user of [here, alsoHere]) await socket.once(event, online(user));
    await socket.staysQuiet(event, (e) => e.userId === stranger.id, 300);
    for (const user of [here, alsoHere]) assert.equal(socket.all(event, online(user)).length, 1);
    for (const e of socket.all(event)) shape.shaped(shape.presence, e, event);
  }
});

test('a list of tenant-chat says who is online', async () => {
  const { ann, bob } = await pair();
  await server.socket(bob, { contract: 'media-chat' });
  for (const _ of server.nodes) {
    await eventually('who is online is listed so, at each node', async () => {
      const row = good(await server.api(ann).get('/api/chat/conversations'))[0];
      return row.participants.find((p) => p._id === bob.id).online === true;
    });
  }
});

test('typing crosses the contracts, to the others alone', async () => {
  const { ann, bob, id } = await pair();
  const watchers = {
    native: await server.socket(ann, { contract: 'conversations' }),
    media: await server.socket(ann, { contract: 'media-chat' }),
    mediaRoom: await server.socket(ann, { contract: 'media-chat' }),
    tenant: await server.socket(ann, { contract: 'tenant-chat' }),
    property: await server.socket(ann, { contract: 'property-chat' }),
  };
  await watchers.native.ok('conversation:join', id);
  await watchers.media.ok('join_conversation', id);
  await watchers.mediaRoom.ok('join_user_room', ann.id);
  await watchers.property.ok('join-conversation', id);
  const own = await server.socket(bob, { contract: 'conversations' });
  await own.ok('conversation:join', id);
  const writer = await server.socket(bob, { contract: 'tenant-chat' });
  await writer.ok('typing', { recipientId: ann.id, isTyping: true });
  has(shape.shaped(shape.typingUpdate, await watchers.native.once('typing:update'), 'typing:update'), { userId: bob.id, conversationId: id, isTyping: true });
  for (const socket of [watchers.media, watchers.mediaRoom, watchers.tenant]) {
    assert.deepEqual(await socket.once('user_typing'), { conversationId: id, userId: bob.id, isTyping: true });
    assert.equal(socket.all('typing:update').length, 0);
  }
  assert.equal(watchers.property.all('user_typing').length + watchers.property.all('typing:update').length, 0, 'property-chat has no typing');
  assert.equal(own.all('typing:update').length, 0, 'not told to the one who types');
  assert.equal(writer.all('user_typing').length, 0);
});

test('typing to a person goes to the most recently active conversation of the two', async () => {
  const { ann, bob, id } = await pair();
  const listing = await server.listing({ ownerId: bob.id });
  const about = good(await server.api(ann).post('/chat', { propertyId: listing.id, agentId: bob.id }), 201);
  await server.say(ann, id, 'x');
  await server.say(ann, about.id, 'newer');
  const watch = await server.socket(ann, { contract: 'tenant-chat' });
  const writer = await server.socket(bob, { contract: 'tenant-chat' });
  await writer.ok('typing', { recipientId: ann.id, isTyping: true });
  assert.equal((await watch.once('user_typing')).conversationId, about.id);
});

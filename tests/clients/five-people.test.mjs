// Five people, each on another contract, in one group and in ten conversations of two.
import assert from 'node:assert/strict';
import { Doorbell, eventually, good, range, test } from './support/doorbell.mjs';
import * as shape from './support/shapes.mjs';

const server = await Doorbell.forFile();
const TURNS = 8;

/**
 * One person at their own front end: how it opens a conversation, listens to one, and sends.
 * `got(id)` gives what came for a conversation, as { seq, text } in the order of arrival; `ownPushes` says whether that includes what was sent here.
 */
const frontEnds = {
  'property-chat': async (user) => {
    const socket = await server.socket(user);
    const api = server.api(user);
    return {
      socket,
      ownPushes: true,
      open: async (other) => good(await api.post('/chat', { agentId: other.id }), 201).id,
      listen: (id) => socket.ok('join-conversation', id),
      send: async (id, content) => good(await api.post(`/chat/${id}/messages`, { content }), 201),
      got: (id) => socket.all('new-message', (e) => e.conversationId === id).map((e) => {
        shape.shaped(shape.propertyMessage, e.message, 'new-message');
        return { seq: e.message.seq, text: e.message.content };
      }),
    };
  },
  conversations: async (user) => {
    const socket = await server.socket(user, { path: '/api/socketio' });
    return {
      socket,
      ownPushes: true,
      open: async (other) => good(await server.api(user).post('/api/conversations', { otherUserId: other.id }), 201).conversation.id,
      listen: (id) => socket.ok('conversation:join', { conversationId: id }),
      send: (id, content) => socket.ok('message:send', { conversationId: id, content }),
      got: (id) => socket.all('message:received', (m) => m.conversationId === id).map((m) => {
        shape.shaped(shape.message, m, 'message:received');
        return { seq: m.seq, text: m.content };
      }),
    };
  },
  'media-chat': async (user) => {
    const socket = await server.socket(user);
    await socket.ok('join_user_room', user.id);
    return {
      socket,
      ownPushes: false,
      open: async (other) => (await socket.ok('send_message', { receiverId: other.id, content: 'opening', type: 'text' })).message.conversationId,
      opensWithMessage: true,
      listen: (id) => socket.ok('join_conversation', id),
      send: (id, content) => socket.ok('send_message', { conversationId: id, senderId: user.id, content, type: 'text' }),
      got: (id) => socket.all('new_message', (m) => m.conversationId === id).map((m) => {
        shape.shaped(shape.mediaMessage, m, 'new_message');
        return { seq: m.seq, text: m.content };
      }),
      confirmed: (id) => socket.all('message_sent', (m) => m.conversationId === id).length,
    };
  },
  'tenant-chat': async (user) => {
    const socket = await server.socket(user);
    return {
      socket,
      ownPushes: false,
      open: async (other) => (await socket.ok('send_message', { recipientId: other.id, content: 'opening', type: 'text' })).message.conversationId,
      opensWithMessage: true,
      listen: () => {},
      send: (id, content, someone) => socket.ok('send_message', { recipientId: someone.id, conversationId: id, content, type: 'text' }),
      got: (id) => socket.all('receive_message', (m) => m.conversationId === id).map((m) => {
        shape.shaped(shape.tenantMessage, m, 'receive_message');
        return { seq: m.seq, text: m.content };
      }),
    };
  },
  'listing-chat': async (user) => {
    const api = server.api(user);
    const polled = new Map();
    return {
      ownPushes: true,
      open: async (owner) => {
        const listing = await server.listing({ ownerId: owner.id });
        return good(await api.post('/api/conversations', { listingId: listing.id, ownerId: owner.id }), 201).conversation.id;
      },
      listen: () => {},
      send: async (id, text) => good(await api.post('/api/messages', { conversationId: id, text }), 201),
      got: async (id) => {
        const seen = polled.get(id) ?? [];
        const { messages } = good(await api.get(`/api/messages?conversationId=${id}&after=${seen.at(-1)?.seq ?? 0}&markRead=false`));
        shape.list(shape.message)(messages, 'messages');
        seen.push(...messages.map((m) => ({ seq: m.seq, text: m.text })));
        polled.set(id, seen);
        return seen;
      },
    };
  },
};

async function five() {
  const contracts = Object.keys(frontEnds);
  const users = await server.people('pat', 'nia', 'mel', 'tom', 'liz');
  return Promise.all(users.map(async (user, i) => ({ user, contract: contracts[i], ...(await frontEnds[contracts[i]](user)) })));
}

/** Each unread count of the person, from the list of each contract. */
async function unreadEverywhere(user, id) {
  const api = server.api(user);
  const [chats, conversations, media, tenant] = await Promise.all(['/chat', '/api/conversations', '/api/messages/conversations', '/api/chat/conversations'].map((p) => api.get(p)));
  return {
    'property-chat': good(chats).find((c) => c.id === id)?.unreadCount,
    conversations: good(conversations).conversations.find((c) => c.id === id)?.unreadCount,
    'media-chat': good(media).conversations.find((c) => c.id === id)?.unreadCount,
    'tenant-chat': good(tenant).find((c) => c._id === id)?.unreadCount,
  };
}
const everywhere = (n) => ({ 'property-chat': n, conversations: n, 'media-chat': n, 'tenant-chat': n });

async function seesAll(person, id, sent) {
  const wanted = sent.filter((m) => person.ownPushes || m.by !== person.user.id).map((m) => m.text).sort();
  await eventually(`${person.contract} sees ${wanted.length} messages`, async () => (await person.got(id)).length >= wanted.length, 10_000);
  const got = await person.got(id);
  assert.deepEqual(got.map((m) => m.text).sort(), wanted, `${person.contract} sees each message exactly once`);
  for (let i = 1; i < got.length; i += 1) assert.ok(got[i].seq > got[i - 1].seq, `${person.contract} sees them in order: ${got.map((m) => m.seq)}`);
}

test('five front ends hold one group conversation: each message once, in order, with the same unread counts', async () => {
  const people = await five();
  const [pat, nia, mel, tom, liz] = people;
  const group = await server.group(nia.user, [pat, mel, tom, liz].map((p) => p.user), 'All of us');
  for (const person of people) await person.listen(group.id);

  const sent = [];
  await Promise.all(people.map(async (person, p) => {
    for (const turn of range(TURNS)) {
      const text = `${person.contract} ${turn}`;
      sent.push({ text, by: person.user.id });
      await person.send(group.id, text, people[(p + 1) % 5].user);
    }
  }));
  for (const person of people) await seesAll(person, group.id, sent);
  const history = good(await server.api(nia.user).get(`/api/messages?conversationId=${group.id}`)).messages;
  shape.gapless(history, 1);
  assert.equal(history.length, 5 * TURNS);
  for (const person of people) {
    const own = history.filter((m) => m.senderId === person.user.id).map((m) => m.content);
    assert.deepEqual(own, range(TURNS).map((turn) => `${person.contract} ${turn}`), 'each one keeps the order of their own sends');
  }
  assert.equal(mel.confirmed(group.id), TURNS, 'media-chat is told of each of its own');

  for (const person of people) assert.deepEqual(await unreadEverywhere(person.user, group.id), everywhere(4 * TURNS), `${person.contract} has read nothing yet`);

  // Pat reads it all: the others are told, each in their own words, once.
  const last = history.at(-1);
  good(await server.api(pat.user).get(`/chat/${group.id}/messages`));
  assert.deepEqual(await unreadEverywhere(pat.user, group.id), everywhere(0));
  for (const person of people.slice(1)) assert.deepEqual(await unreadEverywhere(person.user, group.id), everywhere(4 * TURNS));
  const read = await nia.socket.once('message:read_update');
  assert.deepEqual({ ...read, readAt: '' }, { conversationId: group.id, userId: pat.user.id, messageId: last.id, seq: last.seq, readAt: '' });
  const readInMedia = await mel.socket.once('messages_read');
  assert.deepEqual({ ...readInMedia, readAt: '' }, { conversationId: group.id, userId: pat.user.id, upToSeq: last.seq, readAt: '' });
  const readInTenant = await tom.socket.once('message_read');
  // The newest message that was sent to Pat: a tenant front end ticks off just the one that is named.
  const lastToPat = history.filter((message) => message.senderId !== pat.user.id).at(-1);
  assert.deepEqual({ ...readInTenant, readAt: '' }, { conversationId: group.id, readBy: pat.user.id, messageId: lastToPat.id, readAt: '' });
  assert.deepEqual([nia.socket.all('message:read_update'), mel.socket.all('messages_read'), tom.socket.all('message_read')].map((e) => e.length), [1, 1, 1]);
  const polled = good(await server.api(liz.user).get(`/api/messages?conversationId=${group.id}`)).messages;
  assert.ok(polled.find((message) => message.id === lastToPat.id).read, 'and who polls sees it');

  // Nia types: seen where a contract has typing.
  nia.socket.emit('typing:start', { conversationId: group.id });
  for (const person of [mel, tom]) {
    const typing = await person.socket.once('user_typing', (e) => e.userId === nia.user.id);
    assert.deepEqual(typing, { conversationId: group.id, userId: nia.user.id, isTyping: true });
  }
  await mel.socket.ok('typing', { conversationId: group.id, userId: mel.user.id, isTyping: true });
  assert.equal((await nia.socket.once('typing:update')).userId, mel.user.id);

  // Mel goes: whose contract knows presence is told, once Mel's last REST request is 15 s old.
  mel.socket.close();
  for (const [person, event] of [[nia, 'presence:update'], [tom, 'user_status']]) {
    const gone = await person.socket.once(event, (e) => e.userId === mel.user.id && e.status === 'offline', 25_000);
    shape.shaped(shape.presence, gone, event);
  }
});

test('each two of five front ends have a one-to-one conversation', async () => {
  const people = await five();
  // Each pair once; every contract is the one that opens at least one of them.
  const pairs = range(5).flatMap((i) => [1, 2].map((step) => [people[i], people[(i + step) % 5]]));
  assert.equal(pairs.length, 10);
  for (const [opener, other] of pairs) {
    const id = await opener.open(other.user);
    await opener.listen(id);
    await other.listen(id);
    const sent = [];
    for (const [from, to] of [[opener, other], [other, opener], [opener, other]]) {
      const text = `${from.contract} to ${to.contract} ${sent.length}`;
      await from.send(id, text, to.user);
      sent.push({ text, by: from.user.id });
    }
    // What opened the conversation was sent before the other could join it: whoever gets user room pushes has it, too.
    const opening = opener.opensWithMessage && (other.contract === 'media-chat' || other.contract === 'tenant-chat' || other.contract === 'listing-chat');
    await seesAll(opener, id, sent);
    await seesAll(other, id, opening ? [{ text: 'opening', by: opener.user.id }, ...sent] : sent);
    const history = good(await server.api(other.user).get(`/api/messages?conversationId=${id}&markRead=false`)).messages;
    shape.gapless(history, 1);
    const opened = opener.opensWithMessage ? 1 : 0;
    assert.equal(history.length, 3 + opened);
    assert.deepEqual(await unreadEverywhere(other.user, id), everywhere(2 + opened));
    assert.deepEqual(await unreadEverywhere(opener.user, id), everywhere(1));
  }
  for (const person of people) assert.equal(good(await server.api(person.user).get('/api/conversations')).conversations.length, 4);
});

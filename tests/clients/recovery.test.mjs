// Lost connections: the stock client comes back into its rooms and is sent what it missed, with no line of its own.
import assert from 'node:assert/strict';
import { Doorbell, eventually, good, mint, range, test } from './support/doorbell.mjs';

const server = await Doorbell.forFile();

const RECONNECT = { reconnection: true, reconnectionDelay: 150, reconnectionDelayMax: 300, randomizationFactor: 0 };

/** A client that comes back by itself. */
async function returning(user, options = {}) {
  const client = await server.socket(user, { ...RECONNECT, ...options });
  await client.once('(connect)');
  return client;
}

/** Cuts the connection as a tunnel does: no packet says so. */
function cut(client) {
  const from = client.events.length;
  client.socket.io.engine.close();
  return {
    back: () => client.once('(connect)', () => true, 10_000, from),
    from,
  };
}

const contents = (payloads) => payloads.map((payload) => (payload.message ?? payload).content);

const contracts = [
  { contract: 'conversations', event: 'message:received', join: (c, id) => c.ok('conversation:join', { conversationId: id }), greeting: 'connection:success' },
  { contract: 'media-chat', event: 'new_message', join: (c, id) => c.ok('join_conversation', id), greeting: 'connected' },
  { contract: 'media-chat', name: 'media-chat, by its user room', event: 'new_message', join: (c) => c.ok('join_user_room', c.user.id), greeting: 'connected' },
  { contract: 'tenant-chat', event: 'receive_message', join: async () => {}, greeting: null },
  { contract: 'property-chat', event: 'new-message', join: (c, id) => c.ok('join-conversation', id), greeting: null },
];

for (const { contract, name = contract, event, join, greeting } of contracts) {
  test(`who comes back is in the rooms again and gets what was missed (${name})`, async () => {
    const [ada, ben] = await server.people('ada', 'ben');
    const { id } = await server.direct(ada, ben);
    const client = await returning(ben, { contract });
    await join(client, id);
    await server.say(ada, id, 'one');
    await client.count(event, 1);
    for (const round of range(3)) {
      const { back, from } = cut(client);
      await server.say(ada, id, `missed ${round}a`);
      await server.say(ada, id, `missed ${round}b`);
      await back();
      assert.equal(client.socket.recovered, true);
      if (greeting) await client.once(greeting, () => true, 5000, from);
      await server.say(ada, id, `live ${round}`);
      await client.count(event, 1 + 3 * (round + 1));
    }
    assert.deepEqual(contents(client.all(event)), ['one', ...range(3).flatMap((r) => [`missed ${r}a`, `missed ${r}b`, `live ${r}`])]);
  });

  test(`who had got nothing yet comes back all the same (${name})`, async () => {
    const [ada, ben] = await server.people('ada', 'ben');
    const { id } = await server.direct(ada, ben);
    const client = await returning(ben, { contract });
    await join(client, id);
    const { back } = cut(client);
    await server.say(ada, id, 'missed');
    await back();
    assert.equal(client.socket.recovered, true);
    await client.count(event, 1);
    assert.deepEqual(contents(client.all(event)), ['missed']);
  });
}

test('recovery also works over long-polling', async () => {
  const [ada, ben] = await server.people('ada', 'ben');
  const { id } = await server.direct(ada, ben);
  const client = await returning(ben, { contract: 'conversations', transports: ['polling'] });
  await client.ok('conversation:join', id);
  const { back } = cut(client);
  await server.say(ada, id, 'missed');
  await back();
  assert.equal(client.socket.recovered, true);
  await client.once('message:received', (m) => m.content === 'missed');
});

test('socket.id stays the same for who comes back', async () => {
  const ada = await server.person('ada');
  const client = await returning(ada, { contract: 'media-chat' });
  const before = client.socket.id;
  await cut(client).back();
  assert.equal(client.socket.id, before);
  assert.deepEqual(client.all('connected').map((greeting) => greeting.socketId), [before, before]);
});

test('a restart of the server is survived, by kill and by SIGTERM', async () => {
  const own = await Doorbell.start();
  try {
    const [ada, ben] = await own.people('ada', 'ben');
    const { id } = await own.direct(ada, ben);
    const client = own.dial(ben, { ...RECONNECT, contract: 'conversations' });
    await client.connected();
    await client.ok('conversation:join', id);
    await own.say(ada, id, 'one');
    await client.count('message:received', 1);
    for (const end of ['kill', 'terminate']) {
      const from = client.events.length;
      await own[end]();
      await own.restart();
      await own.say(ada, id, `after ${end}`);
      await client.once('(connect)', () => true, 10_000, from);
      assert.equal(client.socket.recovered, true, end);
      await client.once('message:received', (m) => m.content === `after ${end}`);
    }
    assert.deepEqual(contents(client.all('message:received')), ['one', 'after kill', 'after terminate']);
  } finally {
    await own.stop();
  }
});

test('the history of a join is not sent again by a recovery', async () => {
  const [ada, ben] = await server.people('ada', 'ben');
  const { id } = await server.direct(ada, ben);
  const client = await returning(ben, { contract: 'conversations' });
  await server.say(ada, id, 'before the join');
  await client.ok('conversation:join', id);
  await cut(client).back();
  assert.equal(client.socket.recovered, true);
  await server.say(ada, id, 'after');
  await client.once('message:received', (m) => m.content === 'after');
  assert.deepEqual(contents(client.all('message:received')), ['after']);
});

test('what somebody sent from a socket does not come back to it', async () => {
  const [ada, ben] = await server.people('ada', 'ben');
  const { id } = await server.direct(ada, ben);
  const client = await returning(ada, { contract: 'tenant-chat' });
  await client.ok('message:send', { conversationId: id, content: 'mine' });
  // By REST, as coming from this very socket.
  await server.api(ada).post('/api/messages', { conversationId: id, content: 'mine too' }, { 'x-socket-id': client.socket.id });
  const { back } = cut(client);
  await server.say(ben, id, 'yours');
  await back();
  await client.once('receive_message', (m) => m.content === 'yours');
  assert.deepEqual(contents(client.all('receive_message')), ['yours']);
});

test('reads and changes of the list that were missed come, too', async () => {
  const [ada, ben, eve] = await server.people('ada', 'ben', 'eve');
  const { id } = await server.direct(ada, ben);
  const client = await returning(ada, { contract: 'conversations' });
  await client.ok('conversation:join', id);
  await client.ok('message:send', { conversationId: id, content: 'read me' });
  const { back, from } = cut(client);
  good(await server.api(ben).get(`/chat/${id}/messages`));
  const group = await server.group(eve, [ada], 'new here');
  await back();
  await client.once('message:read_update', (r) => r.userId === ben.id && r.seq === 1, 5000, from);
  await client.once('conversation:updated', (u) => u.conversation.id === group.id, 5000, from);
});

test('who comes back sees who is typing now', async () => {
  const [ada, ben] = await server.people('ada', 'ben');
  const { id } = await server.direct(ada, ben);
  const client = await returning(ben, { contract: 'conversations' });
  await client.ok('conversation:join', id);
  const typist = await server.socket(ada, { contract: 'conversations' });
  const { back, from } = cut(client);
  await typist.ok('typing:start', id);
  await back();
  await client.once('typing:update', (update) => update.userId === ada.id && update.isTyping, 5000, from);
});

test('who comes back is told who has stopped typing meanwhile', async () => {
  const [ada, ben] = await server.people('ada', 'ben');
  const { id } = await server.direct(ada, ben);
  // Away until the stop has been told: at most a second after it was typed.
  const client = await returning(ben, { contract: 'conversations', reconnectionDelay: 3000, reconnectionDelayMax: 3000 });
  await client.ok('conversation:join', id);
  // Somebody at each node sees when it is told there.
  const watchers = await Promise.all(server.nodes.map((_, node) => server.at(node).socket(ben, { contract: 'conversations' })));
  for (const watcher of watchers) await watcher.ok('conversation:join', id);
  const typist = await server.socket(ada, { contract: 'conversations' });
  await typist.ok('typing:start', id);
  await client.once('typing:update', (update) => update.isTyping);
  const { back, from } = cut(client);
  await typist.ok('typing:stop', id);
  await Promise.all(watchers.map((watcher) => watcher.once('typing:update', (update) => !update.isTyping)));
  assert.equal(client.socket.connected, false, 'away all the time');
  await back();
  assert.equal(client.socket.recovered, true);
  await client.once('typing:update', (update) => update.userId === ada.id && !update.isTyping, 5000, from);
  // Who comes for the first time has seen nobody type.
  const anew = await server.socket(ben, { contract: 'conversations' });
  await anew.ok('conversation:join', id);
  await anew.staysQuiet('typing:update', () => true, 500);
});

test('who was removed meanwhile is sent nothing from then on', async () => {
  const [ada, ben, eve] = await server.people('ada', 'ben', 'eve');
  const group = await server.group(ada, [ben, eve]);
  const client = await returning(eve, { contract: 'conversations' });
  await client.ok('conversation:join', group.id);
  const { back } = cut(client);
  await server.say(ada, group.id, 'eve may still see this in the history');
  good(await server.api(ada).delete(`/v1/conversations/${group.id}/participants/${eve.id}`), 200, 204);
  await server.say(ada, group.id, 'not for eve');
  await back();
  assert.equal(client.socket.recovered, true);
  await server.say(ada, group.id, 'nor this');
  await client.staysQuiet('message:received', (m) => /not for eve|nor this/.test(m.content));
});

test('who left a room is not put back into it', async () => {
  const [ada, ben] = await server.people('ada', 'ben');
  const { id } = await server.direct(ada, ben);
  const client = await returning(ben, { contract: 'conversations' });
  await client.ok('conversation:join', id);
  await client.ok('conversation:leave', id);
  const { back } = cut(client);
  await server.say(ada, id, 'not joined');
  await back();
  assert.equal(client.socket.recovered, true);
  await client.staysQuiet('message:received');
});

test("nobody comes back into another person's session", async () => {
  const [ada, ben, eve] = await server.people('ada', 'ben', 'eve');
  const { id } = await server.direct(ada, ben);
  const client = await returning(ben, { contract: 'tenant-chat' });
  const pid = client.socket._pid;
  assert.match(pid, /^[\w-]{22}$/);
  client.socket.io.engine.close();
  client.socket.io.reconnection(false);
  await server.say(ada, id, 'for ben alone');
  const thief = server.dial(eve, { contract: 'tenant-chat' });
  thief.socket._pid = pid;
  await thief.connected();
  assert.equal(thief.socket.recovered, false);
  assert.notEqual(thief.socket._pid, pid);
  await thief.staysQuiet('receive_message');
});

test('a token that has ended opens no session again, and hears nothing more, at any node', { timeout: 30_000 }, async () => {
  const [ada, brief] = await server.people('ada', 'brief');
  const { id } = await server.direct(ada, brief);
  const end = Math.floor(Date.now() / 1000) + 4;
  const token = mint(brief.id, { exp: end });
  const client = await returning({ ...brief, token }, { contract: 'tenant-chat' });
  await server.say(ada, id, 'in time');
  await client.once('receive_message', (m) => m.content === 'in time');
  await eventually('the token ends', async () => client.all('(connect_error)').length > 0, 15_000);
  const late = Date.now() / 1000 - end;
  assert.ok(late < 5, `still taken ${late} s after its end`);
  assert.equal(client.all('(connect_error)')[0].data.code, 'TOKEN_EXPIRED');
  assert.equal(client.all('(connect)').length, 1, 'it never came back');
  await server.say(ada, id, 'too late');
  await client.staysQuiet('receive_message', (m) => m.content === 'too late');
  for (const node of server.nodes.keys()) assert.equal((await server.at(node).turnedAway(token)).data.code, 'TOKEN_EXPIRED');
});

test('who leaves by disconnect() begins anew', async () => {
  const [ada, ben] = await server.people('ada', 'ben');
  const { id } = await server.direct(ada, ben);
  const client = await returning(ben, { contract: 'tenant-chat' });
  const pid = client.socket._pid;
  const watchers = await Promise.all(server.nodes.map((_, number) => server.at(number).socket(ben, { contract: 'tenant-chat' })));
  client.socket.disconnect();
  await server.say(ada, id, 'meanwhile');
  // Told on every node by now: it is no news for who comes later.
  for (const watcher of watchers) await watcher.count('receive_message', 1);
  client.socket._pid = pid;
  const connected = client.next('(connect)');
  client.socket.connect();
  await connected;
  assert.equal(client.socket.recovered, false);
  await client.staysQuiet('receive_message');
});

test('an offset of an earlier session, of nowhere or of the future does no harm', async () => {
  const [ada, ben] = await server.people('ada', 'ben');
  const { id } = await server.direct(ada, ben);
  await server.say(ada, id, 'long ago');
  for (const offset of ['0', '0-1', '', 'nonsense', '0-zzzzzzzz', '9-9', '1'.repeat(5000)]) {
    const client = await returning(ben, { contract: 'tenant-chat' });
    client.socket._lastOffset = offset;
    const { back } = cut(client);
    await server.say(ada, id, `with <${offset.slice(0, 9)}>`);
    await back();
    if (client.socket.recovered) await client.once('receive_message', (m) => m.content !== 'long ago');
    // What was sent long ago may just have come to this client's node.
    const got = contents(client.all('receive_message')).filter((content) => content !== 'long ago');
    assert.deepEqual(got, client.socket.recovered ? [`with <${offset.slice(0, 9)}>`] : [], offset.slice(0, 9));
    client.close();
  }
});

test('after the window a new session begins, and the client is told so', async () => {
  const own = await Doorbell.start({ env: { DOORBELL_RECOVERY_WINDOW: '1s' } });
  try {
    const ada = await own.person('ada');
    const client = own.dial(ada, { ...RECONNECT, reconnectionDelay: 2500, reconnectionDelayMax: 2500, contract: 'tenant-chat' });
    await client.connected();
    const pid = client.socket._pid;
    const from = client.events.length;
    client.socket.io.engine.close();
    await client.once('(connect)', () => true, 10_000, from);
    assert.equal(client.socket.recovered, false);
    assert.notEqual(client.socket._pid, pid);
  } finally {
    await own.stop();
  }
});

test('auth.recovery = false gets no offset and no session', async () => {
  const [ada, ben] = await server.people('ada', 'ben');
  const { id } = await server.direct(ada, ben);
  const client = await server.socket(ben, { contract: 'tenant-chat', auth: { recovery: false } });
  const plain = await server.socket(ben, { contract: 'tenant-chat' });
  const counts = [];
  for (const each of [client, plain]) each.socket.on('receive_message', (...args) => counts.push(args.length));
  await server.say(ada, id, 'hello');
  await client.count('receive_message', 1);
  await plain.count('receive_message', 1);
  assert.deepEqual(counts.sort(), [1, 2]);
  assert.equal(client.socket._pid, undefined);
  assert.match(plain.socket._lastOffset, /^[a-z0-9.-]+$/);
});

test('nothing is lost or doubled over many cuts during a stream', async () => {
  const [ada, ben] = await server.people('ada', 'ben');
  const { id } = await server.direct(ada, ben);
  const other = await server.direct(ben, (await server.people('cem'))[0]);
  const client = await returning(ben, { contract: 'conversations', reconnectionDelay: 20, reconnectionDelayMax: 40 });
  await client.ok('conversation:join', id);
  await client.ok('conversation:join', other.id);
  const sender = await server.socket(ada, { contract: 'conversations' });
  let open = true;
  const cuts = (async () => {
    let count = 0;
    while (open) {
      const { back } = cut(client);
      await back();
      assert.equal(client.socket.recovered, true);
      count += 1;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
    }
    return count;
  })();
  const total = 900;
  for (const batch of range(total / 10)) {
    await Promise.all(range(10).map((i) => sender.ok('message:send', { conversationId: id, content: `${batch * 10 + i}` })));

  }
  open = false;
  const count = await cuts;
  await client.count('message:received', total);
  const seqs = client.all('message:received').map((m) => m.seq);
  assert.deepEqual(seqs, range(total).map((n) => n + 1));
  assert.ok(count > 5, `${count} cuts`);
});

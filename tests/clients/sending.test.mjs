// What may be sent, how often it is stored, and in what order it is answered.
import assert from 'node:assert/strict';
import { Doorbell, good, has, range, refusal, test, unique } from './support/doorbell.mjs';
import * as shape from './support/shapes.mjs';

const server = await Doorbell.forFile();

async function pair(contract = 'conversations') {
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  const socket = await server.socket(ann, { contract });
  return { ann, bob, id, socket, api: server.api(ann) };
}
const stored = async (user, id) => good(await server.api(user).get(`/api/messages?conversationId=${id}&markRead=false`)).messages;

// --- sent again -------------------------------------------------------------

test('a message sent again with its clientMessageId is the one already stored, and nobody is told twice', async () => {
  const { ann, bob, id, socket, api } = await pair();
  const watcher = await server.socket(bob, { contract: 'conversations' });
  await watcher.ok('conversation:join', id);
  const clientMessageId = unique('draft');
  const first = (await socket.ok('message:send', { conversationId: id, content: 'once', clientMessageId })).message;
  assert.equal(first.clientMessageId, clientMessageId);
  assert.deepEqual((await socket.ok('message:send', { conversationId: id, content: 'once', clientMessageId })).message, first);
  const overRest = await api.post('/api/messages', { conversationId: id, content: 'once', clientMessageId });
  assert.equal(overRest.status, 200);
  assert.deepEqual(overRest.body.message, first);
  const byHeader = await api.post('/api/messages', { conversationId: id, text: 'once' }, { 'idempotency-key': clientMessageId });
  assert.equal(byHeader.status, 200);
  assert.deepEqual(byHeader.body.message, first);
  assert.equal((await api.post(`/chat/${id}/messages`, { content: 'once' }, { 'idempotency-key': clientMessageId })).body.id, first.id);
  assert.equal((await api.post('/api/chat/messages', { recipientId: bob.id, content: 'once', type: 'text' }, { 'idempotency-key': clientMessageId })).body._id, first.id);
  await server.say(ann, id, 'afterwards');
  await watcher.once('message:received', (m) => m.content === 'afterwards');
  assert.deepEqual(watcher.all('message:received').map((m) => m.seq), [1, 2]);
});

test('the same clientMessageId with other content is a CONFLICT', async () => {
  const { id, socket, api, ann } = await pair();
  const clientMessageId = unique('draft');
  await socket.ok('message:send', { conversationId: id, content: 'one', clientMessageId });
  await socket.refused('CONFLICT', 'message:send', { conversationId: id, content: 'two', clientMessageId });
  const event = await socket.once('error', (e) => e.code === 'CONFLICT');
  has(event, { event: 'message:send', clientMessageId });
  refusal(await api.post('/api/messages', { conversationId: id, content: 'two', clientMessageId }), 409, 'CONFLICT');
  refusal(await api.post('/api/messages', { conversationId: id, content: 'two' }, { 'idempotency-key': clientMessageId }), 409, 'CONFLICT');
  assert.equal((await stored(ann, id)).length, 1);
});

test('a clientMessageId is its sender\'s own, in its conversation', async () => {
  const { ann, bob, id, socket } = await pair();
  const [cem] = await server.people('cem');
  const other = await server.direct(ann, cem);
  const clientMessageId = unique('draft');
  const one = (await socket.ok('message:send', { conversationId: id, content: 'to bob', clientMessageId })).message;
  const two = (await socket.ok('message:send', { conversationId: other.id, content: 'to cem', clientMessageId })).message;
  const three = await server.say(bob, id, 'by bob', { clientMessageId });
  assert.equal(new Set([one.id, two.id, three.id]).size, 3);
});

test('a clientMessageId has 1 to 64 characters', async () => {
  const { id, socket, api } = await pair();
  for (const bad of ['', 'x'.repeat(65), {}, [], true]) {
    await socket.refused('INVALID', 'message:send', { conversationId: id, content: 'x', clientMessageId: bad });
    refusal(await api.post('/api/messages', { conversationId: id, content: 'x', clientMessageId: bad }), 400, 'INVALID');
  }
  refusal(await api.post('/api/messages', { conversationId: id, content: 'x' }, { 'idempotency-key': 'x'.repeat(65) }), 400, 'INVALID');
  const longest = 'x'.repeat(64);
  assert.equal((await socket.ok('message:send', { conversationId: id, content: 'x', clientMessageId: longest })).message.clientMessageId, longest);
});

test('100 racing sends with one clientMessageId are one message and 100 equal answers', async () => {
  const { ann, bob, id, api } = await pair();
  const sockets = await Promise.all(range(5).map(() => server.socket(ann, { contract: 'conversations' })));
  const watcher = await server.socket(bob, { contract: 'conversations' });
  await watcher.ok('conversation:join', id);
  const draft = { conversationId: id, content: 'only once', clientMessageId: unique('draft') };
  const rest = [];
  const answers = await Promise.all(range(100).map(async (i) => {
    if (i % 2) return (await sockets[i % 5].ok('message:send', draft)).message;
    const answer = await api.post('/api/messages', draft);
    rest.push(answer.status);
    return good(answer, 200, 201).message;
  }));
  for (const answer of answers) assert.deepEqual(answer, answers[0]);
  assert.ok(rest.filter((status) => status === 201).length <= 1, 'at most one of them has created it');
  assert.equal((await stored(ann, id)).length, 1);
  await server.say(ann, id, 'fence');
  await watcher.once('message:received', (m) => m.content === 'fence');
  assert.equal(watcher.all('message:received').length, 2);
});

test('a send by person is looked up over all conversations of the two first', async () => {
  const { ann, bob, id, api } = await pair();
  const clientMessageId = unique('draft');
  const draft = { recipientId: bob.id, content: 'hello', type: 'text', clientMessageId };
  const first = good(await api.post('/api/chat/messages', draft), 201);
  assert.equal(first.conversationId, id);
  const listing = await server.listing({ ownerId: bob.id });
  const about = good(await api.post('/chat', { propertyId: listing.id, agentId: bob.id }), 201);
  await server.say(bob, about.id, 'now this one is the most recent');
  assert.equal(good(await api.post('/api/chat/messages', draft), 200)._id, first._id);
  const socket = await server.socket(ann);
  assert.equal((await socket.ok('send_message', draft)).message._id, first._id);
  assert.equal((await stored(ann, about.id)).length, 1);
  await socket.refused('CONFLICT', 'send_message', { ...draft, content: 'something else' });
});

// --- content ----------------------------------------------------------------

test('control characters are removed, the ends are trimmed, and nothing else is altered', async () => {
  const { id, socket, api } = await pair();
  const cases = [
    ['a\u0000b\u0007c\u007fd\u0085e', 'abcde'],
    ['  spaces \n\t', 'spaces'],
    ['\u0000 \u0001 inside\u0002 ', 'inside'],
    ['line\nbreak\tand tab', 'line\nbreak\tand tab'],
    ['carriage\r\nreturn', 'carriage\nreturn'],
    ['<script>alert("1 & 2")</script>', '<script>alert("1 & 2")</script>'],
    ['e\u0301 stays as it is', 'e\u0301 stays as it is'],
    ['👩‍👩‍👧 \u200d \u202e אב', '👩‍👩‍👧 \u200d \u202e אב'],
  ];
  for (const [sent, kept] of cases) {
    assert.equal((await socket.ok('message:send', { conversationId: id, content: sent })).message.content, kept);
    assert.equal(good(await api.post('/api/messages', { conversationId: id, text: sent }), 201).message.text, kept);
  }
});

test('a text has 1 to 8,000 characters, counted as Unicode does', async () => {
  const { id, socket, api, bob } = await pair();
  for (const [sent, length] of [['x'.repeat(8000), 8000], ['😀'.repeat(8000), 16_000], [` ${'é'.repeat(8000)}\u0000 `, 8000]]) {
    assert.equal((await socket.ok('message:send', { conversationId: id, content: sent })).message.content.length, length);
    assert.equal(good(await api.post('/api/messages', { conversationId: id, content: sent }), 201).message.content.length, length);
  }
  for (const long of ['x'.repeat(8001), '😀'.repeat(8001)]) {
    await socket.refused('TOO_LARGE', 'message:send', { conversationId: id, content: long });
    refusal(await api.post('/api/messages', { conversationId: id, content: long }), 413, 'TOO_LARGE');
    refusal(await api.post(`/chat/${id}/messages`, { content: long }), 413, 'TOO_LARGE');
    refusal(await api.post('/api/chat/messages', { recipientId: bob.id, content: long, type: 'text' }), 413, 'TOO_LARGE');
  }
  for (const empty of ['', ' ', '\n\t ', '\u0000\u0001', ' \u0007 ']) {
    await socket.refused('INVALID', 'message:send', { conversationId: id, content: empty });
    refusal(await api.post('/api/messages', { conversationId: id, text: empty }), 400, 'INVALID');
  }
});

test('a body or packet over a million bytes is refused, and the server goes on', async () => {
  const { id, ann, api } = await pair();
  const body = JSON.stringify({ conversationId: id, content: 'x', padding: 'p'.repeat(1_000_001) });
  refusal(await api.post('/api/messages', body), 413, 'TOO_LARGE');
  const socket = await server.socket(ann, { contract: 'conversations' });
  socket.emit('message:send', { conversationId: id, content: 'p'.repeat(1_000_001) });
  await socket.once('(disconnect)');
  assert.equal((await stored(ann, id)).length, 0);
});

test('lone surrogates and doubled keys are malformed JSON', async () => {
  const { id, socket, api, ann, bob } = await pair();
  for (const raw of [
    `{"conversationId":"${id}","content":"\\ud800"}`,
    `{"conversationId":"${id}","content":"a\\udc00b"}`,
    `{"conversationId":"${id}","content":"one","content":"two"}`,
    `{"conversationId":"${id}","content":"x","extra":{"a":1,"a":1}}`,
    `{"conversationId":"${id}","content":"x"} trailing`,
    `{"conversationId":"${id}","content":"x",}`,
    `{'conversationId':'${id}'}`,
    '', '[]', 'null', '"text"', '7', '\u0000',
  ]) refusal(await api.post('/api/messages', raw), 400, 'INVALID');
  refusal(await api.post('/api/messages', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d])), 400, 'INVALID');
  refusal(await api.post('/chat', `{"agentId":"${bob.id}","agentId":"${bob.id}"}`), 400, 'INVALID');
  await socket.refused('INVALID', 'message:send', { conversationId: id, content: '\ud800' });
  await socket.refused('INVALID', 'message:send', { conversationId: id, content: 'x', '\udfff': 1 });
  assert.equal((await stored(ann, id)).length, 0);
});

// --- wrong types in every field ----------------------------------------------

const wrong = { text: [7, true, null, {}, [], ['x']], id: [true, 1.5, {}, [], ['x'], -0.5], flag: [0, 'yes', {}, []] };

test('a field of the wrong type is INVALID, in every field of every event', async (t) => {
  const { id, ann, bob } = await pair();
  const message = await server.say(bob, id, 'hi');
  const events = {
    'message:send': [{ conversationId: id, content: 'x' }, { conversationId: wrong.id, content: wrong.text, clientMessageId: [{}, [], true], replyToId: wrong.id, attachmentIds: ['x', {}, [{}], 7] }],
    'conversation:join': [{ conversationId: id }, { conversationId: wrong.id, afterSeq: ['1', -1, 1.5, {}, true] }],
    'conversation:leave': [{ conversationId: id }, { conversationId: wrong.id }],
    'typing:start': [{ conversationId: id }, { conversationId: wrong.id }],
    'typing:stop': [{ conversationId: id }, { conversationId: wrong.id }],
    'message:read': [{ conversationId: id }, { conversationId: wrong.id, messageId: wrong.id }],
    send_message: [{ conversationId: id, content: 'x', type: 'text' }, { conversationId: wrong.id, receiverId: wrong.id, content: wrong.text, type: [7, {}, 'poem', []], fileUrl: [7, {}, []] }],
    typing: [{ conversationId: id, isTyping: true }, { conversationId: wrong.id, isTyping: wrong.flag }],
    mark_read: [{ conversationId: id }, { conversationId: wrong.id }],
  };
  const tenant = {
    send_message: [{ recipientId: bob.id, content: 'x', type: 'text' }, { recipientId: wrong.id, content: wrong.text, type: [7, {}, 'poem'], conversationId: wrong.id }],
    typing: [{ recipientId: bob.id, isTyping: true }, { recipientId: wrong.id, isTyping: wrong.flag }],
    mark_read: [{ messageId: message.id }, { messageId: wrong.id, recipientId: wrong.id }],
  };
  for (const [contract, table] of [['conversations', events], ['tenant-chat', tenant]]) {
    const socket = await server.socket(ann, { contract });
    for (const [event, [right, fields]] of Object.entries(table)) {
      await t.test(`${contract}: ${event}`, async () => {
        for (const [field, values] of Object.entries(fields)) {
          for (const value of values) await socket.refused('INVALID', event, { ...right, [field]: value });
        }
        // A bare whole number may be an id where an event takes a bare id.
        for (const payload of [true, 1.5, null, [], [[]], {}]) await socket.refused('INVALID', event, payload);
        await socket.refused('INVALID', event);
        await socket.ok(event, right);
      });
    }
    for (const event of ['join-conversation', 'leave-conversation', 'join_conversation', 'join_user_room']) {
      for (const payload of [true, null, [], {}, 1.5, '', 'a b']) await socket.refused('INVALID', event, payload);
    }
  }
});

test('a field of the wrong type is INVALID, in every field of every route', async (t) => {
  const { id, api, bob } = await pair();
  const routes = [
    ['/chat', { agentId: bob.id }, { agentId: wrong.id, propertyId: wrong.id }],
    [`/chat/${id}/messages`, { content: 'x' }, { content: wrong.text, clientMessageId: [{}, []] }],
    ['/api/conversations', { otherUserId: bob.id }, { otherUserId: wrong.id }],
    ['/api/conversations', { title: 'T', isGroup: true, participantIds: [bob.id] }, { title: [7, {}, []], isGroup: ['yes', 1, {}], participantIds: ['x', {}, [{}]] }],
    ['/api/messages', { conversationId: id, content: 'x' }, { conversationId: wrong.id, content: wrong.text, type: [7, 'poem', {}], receiverId: wrong.id, fileUrl: [7, {}] }],
    ['/api/messages', { conversationId: id, text: 'x' }, { text: wrong.text }],
    ['/api/chat/messages', { recipientId: bob.id, content: 'x', type: 'text' }, { recipientId: wrong.id, content: wrong.text, type: [7, 'poem', {}] }],
    ['/api/comments', { postId: 'p', text: 'x' }, { postId: wrong.id, text: wrong.text }],
  ];
  for (const [path, right, fields] of routes) {
    await t.test(`POST ${path.replace(id, ':id')} ${Object.keys(right)}`, async () => {
      for (const [field, values] of Object.entries(fields)) {
        for (const value of values) {
          const answer = await api.post(path, { ...right, [field]: value });
          assert.equal(answer.status, 400, `${field}: ${JSON.stringify(value)} got ${answer.status} ${answer.text.slice(0, 200)}`);
          refusal(answer, 400, 'INVALID');
        }
      }
      good(await api.post(path, right), 200, 201);
    });
  }
});

test('bytes where text belongs are INVALID, and the connection lives', async () => {
  const { id, socket } = await pair();
  await socket.refused('INVALID', 'message:send', { conversationId: id, content: Buffer.from('bytes') });
  await socket.refused('INVALID', 'message:send', Buffer.from('bytes'));
  await socket.ok('message:send', { conversationId: id, content: 'text' });
});

test('an unknown event answers INVALID to a callback, and is ignored without one', async () => {
  const { id, socket } = await pair();
  await socket.refused('INVALID', 'make:coffee', { sugar: true });
  await socket.refused('INVALID', 'message', 'x');
  socket.emit('make:coffee', { sugar: true });
  socket.emit('', 1);
  await socket.ok('message:send', { conversationId: id, content: 'still here' });
  assert.equal(socket.all('(disconnect)').length, 0);
});

// --- order ------------------------------------------------------------------

test("the sends of one socket are stored in order, and answered in order", async () => {
  const { ann, id, socket } = await pair();
  const answered = [];
  const answers = await Promise.all(range(200).map(async (i) => {
    const answer = await socket.ok('message:send', { conversationId: id, content: `number ${i}` });
    answered.push(i);
    return answer.message.seq;
  }));
  assert.deepEqual(answers, range(200).map((i) => i + 1));
  assert.deepEqual(answered, range(200), 'acks leave in the order of the events');
  assert.deepEqual((await stored(ann, id)).map((m) => m.content), range(200).map((i) => `number ${i}`));
});

test('a refused send between good ones is answered in its place', async () => {
  const { id, socket } = await pair();
  const answered = [];
  const note = (i) => (answer) => answered.push([i, answer.ok]);
  range(9).forEach((i) => socket.socket.emit('message:send', { conversationId: i % 3 === 1 ? unique('none') : id, content: i % 3 === 2 ? '' : 'x' }, note(i)));
  await socket.ok('message:send', { conversationId: id, content: 'last' });
  assert.deepEqual(answered, range(9).map((i) => [i, i % 3 === 0]));
});

test('a join and a read wait for the sends before them', async () => {
  const { ann, bob, id, socket } = await pair();
  const sends = range(30).map((i) => socket.ok('message:send', { conversationId: id, content: `number ${i}` }));
  const join = socket.ok('conversation:join', { conversationId: id });
  const read = socket.ok('message:read', { conversationId: id });
  await Promise.all(sends);
  const { messages } = await join;
  assert.equal(messages.length, 30);
  shape.gapless(messages, 1);
  assert.equal((await read).ok, true);
  assert.equal((await stored(ann, id)).length, 30);
  assert.equal(good(await server.api(bob).get('/api/conversations')).conversations[0].unreadCount, 30);
});

test('seq is 1, 2, 3 for all who write at once, and each sees the others in that order', async () => {
  const people = await server.people('a', 'b', 'c', 'd');
  const group = await server.group(people[0], people.slice(1), 'All at once');
  const sockets = await Promise.all(people.map((user) => server.socket(user, { contract: 'conversations' })));
  for (const socket of sockets) await socket.ok('conversation:join', group.id);
  await Promise.all(sockets.flatMap((socket) => range(50).map((i) => socket.ok('message:send', { conversationId: group.id, content: `number ${i}` }))));
  for (const socket of sockets) {
    const got = await socket.count('message:received', 200);
    assert.deepEqual(got.map((m) => m.seq), range(200).map((i) => i + 1));
  }
});

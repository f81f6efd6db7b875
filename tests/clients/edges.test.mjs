// Where rules meet: what one rule gives must not slip past another.
import assert from 'node:assert/strict';
import { Doorbell, eventually, good, range, refusal, test, unique } from './support/doorbell.mjs';

const server = await Doorbell.forFile({ env: { DOORBELL_GROUP_MAX: '60' } });

test('a stranger is told NOT_FOUND, whatever else is wrong with the request', async () => {
  const [ann, bob, eve] = await server.people('ann', 'bob', 'eve');
  const { id } = await server.direct(ann, bob);
  const api = server.api(eve);
  for (const fields of [{ content: 5 }, { content: 'x', type: 'bogus' }, { content: 'x', fileUrl: 'https://x' }, { content: 'x', clientMessageId: {} }]) {
    refusal(await api.post('/api/messages', { conversationId: id, ...fields }), 404, 'NOT_FOUND');
    refusal(await api.post('/api/chat/messages', { conversationId: id, recipientId: ann.id, ...fields }), 404, 'NOT_FOUND');
    refusal(await api.post(`/chat/${id}/messages`, fields), 404, 'NOT_FOUND');
  }
  refusal(await api.post(`/chat/${id}/messages`, '{"broken'), 404, 'NOT_FOUND');
  refusal(await api.put('/api/messages', { conversationId: id, messageId: {} }), 404, 'NOT_FOUND');
  const socket = await server.socket(eve, { contract: 'conversations' });
  await socket.refused('NOT_FOUND', 'message:send', { conversationId: id, content: 5 });
  await socket.refused('NOT_FOUND', 'conversation:join', { conversationId: id, afterSeq: 'x' });
  await socket.refused('NOT_FOUND', 'message:read', { conversationId: id, messageId: {} });
  await socket.refused('NOT_FOUND', 'typing', { conversationId: id });
  await socket.refused('NOT_FOUND', 'send_message', { conversationId: id, content: 'x', type: 7 });
});

test('a person who is not in the named conversation is INVALID under either name, on every way in', async () => {
  const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
  const { id } = await server.direct(ann, bob);
  const api = server.api(ann);
  const socket = await server.socket(ann, { contract: 'conversations' });
  for (const person of [{ receiverId: cem.id }, { recipientId: cem.id }]) {
    refusal(await api.post('/api/messages', { conversationId: id, content: 'x', ...person }), 400, 'INVALID');
    refusal(await api.post('/api/chat/messages', { conversationId: id, content: 'x', ...person }), 400, 'INVALID');
    refusal(await api.post(`/chat/${id}/messages`, { content: 'x', ...person }), 400, 'INVALID');
    refusal(await api.put('/api/messages', { conversationId: id, ...person }), 400, 'INVALID');
    await socket.refused('INVALID', 'message:send', { conversationId: id, content: 'x', ...person });
  }
});

test('another identity is FORBIDDEN in a body that is else ignored, and in a query', async () => {
  const [ann, bob, eve] = await server.people('ann', 'bob', 'eve');
  const { id } = await server.direct(ann, bob);
  const { id: message } = await server.say(ann, id, 'hello');
  refusal(await server.api(bob).put(`/api/chat/messages/${message}/read`, { userId: eve.id }), 403, 'FORBIDDEN');
  refusal(await server.api(bob).get(`/api/messages?conversationId=${id}&userId=${eve.id}`), 403, 'FORBIDDEN');
  good(await server.api(bob).put(`/api/chat/messages/${message}/read`, { userId: bob.id }));
});

test('a form with a file input in which nothing was chosen is a text', async () => {
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  const form = new FormData();
  form.set('conversationId', id);
  form.set('content', 'just words');
  form.set('type', '');
  form.set('receiverId', '');
  form.set('file', new File([], ''));
  const answer = await fetch(`${server.url}/api/messages`, { method: 'POST', headers: { authorization: `Bearer ${ann.token}` }, body: form });
  assert.equal(answer.status, 201, await answer.clone().text());
  assert.equal((await answer.json()).message.type, 'text');
});

test('who was removed is told nothing more: no new title, no new people, no reads, nobody online', async () => {
  const [ann, bob, cem, dan] = await server.people('ann', 'bob', 'cem', 'dan');
  const group = await server.group(ann, [bob, cem], 'The old title');
  await server.say(ann, group.id, 'before');
  assert.equal((await server.api(ann).delete(`/v1/conversations/${group.id}/participants/${bob.id}`)).status, 204);
  const paths = ['/api/conversations', '/chat', '/api/messages/conversations', '/api/chat/conversations', `/api/messages?conversationId=${group.id}`];
  const before = await Promise.all(paths.map((path) => server.api(bob).get(path)));
  const online = await server.socket(cem);
  good(await server.api(ann).patch(`/v1/conversations/${group.id}`, { title: 'A secret title' }));
  good(await server.api(ann).post(`/v1/conversations/${group.id}/participants`, { userId: dan.id }), 201);
  await server.say(ann, group.id, 'after');
  good(await server.api(cem).put('/api/messages', { conversationId: group.id }));
  for (const [i, path] of paths.entries()) {
    const after = await server.api(bob).get(path, { 'if-none-match': before[i].headers.get('etag') });
    assert.equal(after.status, 304, `${path}: ${after.text}`);
  }
  online.socket.disconnect();
  const back = await server.api(ann).post(`/v1/conversations/${group.id}/participants`, { userId: bob.id });
  assert.equal(good(back, 201).conversation.title, 'A secret title');
  assert.match((await server.api(bob).get('/api/conversations')).text, /A secret title/);
});

test('typing ends for the others when the typist is removed', async () => {
  const [ann, bob] = await server.people('ann', 'bob');
  const group = await server.group(ann, [bob]);
  const [watch, type] = await Promise.all([server.socket(ann, { contract: 'conversations' }), server.socket(bob, { contract: 'conversations' })]);
  await watch.ok('conversation:join', group.id);
  await type.ok('typing:start', { conversationId: group.id });
  await watch.once('typing:update', (e) => e.isTyping);
  assert.equal((await server.api(ann).delete(`/v1/conversations/${group.id}/participants/${bob.id}`)).status, 204);
  await watch.once('typing:update', (e) => !e.isTyping, 9000);
});

test('who has just been brought back may write, join and mark at once', async () => {
  const [ann, bob] = await server.people('ann', 'bob');
  const group = await server.group(ann, [bob]);
  for (const round of range(20)) {
    assert.equal((await server.api(ann).delete(`/v1/conversations/${group.id}/participants/${bob.id}`)).status, 204);
    refusal(await server.api(bob).post('/api/messages', { conversationId: group.id, content: 'no' }), 403, 'FORBIDDEN');
    good(await server.api(ann).post(`/v1/conversations/${group.id}/participants`, { userId: bob.id }), 201);
    await server.say(bob, group.id, `back ${round}`);
  }
});

test('fifty people who lose their connections together and come back are online for everyone', async () => {
  const people = await server.people(...range(50).map((i) => `p${i}`));
  const watcher = await server.person('watcher');
  await server.group(watcher, people);
  const watch = await server.socket(watcher, { contract: 'tenant-chat' });
  const connect = () => Promise.all(people.map((person) => server.socket(person, { contract: 'tenant-chat' })));
  const statuses = () => new Map(watch.all('user_status').map((e) => [e.userId, e.status]));
  const first = await connect();
  await eventually('all are online', () => people.every((person) => statuses().get(person.id) === 'online'), 15_000);
  for (const socket of first) socket.socket.disconnect();
  await eventually('somebody is offline', () => [...statuses().values()].includes('offline'), 15_000);
  await connect();
  await eventually('all are online again', () => people.every((person) => statuses().get(person.id) === 'online'), 15_000);
});

test('a message of a join\'s history is not pushed again', async () => {
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  const mouth = await server.socket(ann, { contract: 'conversations' });
  let talking = true;
  const talk = (async () => {
    for (let i = 0; talking; i += 1) await Promise.all(range(10).map((n) => mouth.ok('message:send', { conversationId: id, content: `${i}-${n}` })));
  })();
  for (const _ of range(40)) {
    const ears = await server.socket(bob, { contract: 'conversations', forceNew: true });
    await ears.ok('conversation:join', id);
    const { messages } = await ears.once('conversation:messages');
    await ears.once('message:received');
    const pushed = ears.all('message:received').map((m) => m.seq);
    const end = messages.length ? messages.at(-1).seq : 0;
    assert.equal(pushed[0], end + 1, 'the first push follows the history');
    assert.deepEqual(pushed, range(pushed.length).map((i) => end + 1 + i));
    ears.socket.disconnect();
  }
  talking = false;
  await talk;
});

test('one clientMessageId in many conversations counts for each', async (t) => {
  const strict = await Doorbell.start({ env: { DOORBELL_RATE_LIMITS: 'sends=1/h:5,conversations=2/h' } });
  t.after(() => strict.stop());
  const ann = await strict.person('ann');
  const others = await strict.people(...range(10).map((i) => `o${i}`));
  const opened = await Promise.all(others.map((other) => strict.direct(other, ann)));
  // At one node: what comes to two at once may pass twice.
  const api = strict.at(0).api(ann);
  const answers = await Promise.all(opened.map(({ id }) => api.post('/api/messages', { conversationId: id, content: 'x', clientMessageId: 'one' })));
  assert.equal(answers.filter((answer) => answer.status === 201).length, 5);
});

test('typing to people nobody knows is never refused, and opens no more conversations than may be opened', async (t) => {
  const strict = await Doorbell.start({ env: { DOORBELL_RATE_LIMITS: 'conversations=2/h' } });
  t.after(() => strict.stop());
  const ann = await strict.person('ann');
  const socket = await strict.socket(ann, { contract: 'tenant-chat' });
  for (const _ of range(20)) await socket.ok('typing', { recipientId: unique('nobody'), isTyping: true });
  assert.equal(good(await strict.api(ann).get('/api/conversations')).conversations.length, 2);
  for (const _ of range(5)) await socket.refused('RATE_LIMITED', 'send_message', { recipientId: unique('nobody'), content: 'x', type: 'text' });
});

// Too fast is refused with the time to wait, for that user alone.
import assert from 'node:assert/strict';
import { Doorbell, eventually, good, range, refusal, test, unique } from './support/doorbell.mjs';
import * as shape from './support/shapes.mjs';

const server = await Doorbell.forFile({ env: { DOORBELL_RATE_LIMITS: 'sends=2/s:6,uploads=30/m,conversations=3/h,connections=2/s:5,requests=4/s:12' } });

async function pair() {
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  return { ann, bob, id };
}
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function limited(response) {
  refusal(response, 429, 'RATE_LIMITED');
  const after = response.headers.get('retry-after');
  assert.match(after ?? '', /^[1-9]\d*$/, 'Retry-After in whole seconds');
  return Number(after);
}

test('sends over REST: the burst goes through, then 429 with Retry-After, after which it works', async () => {
  const { ann, bob, id } = await pair();
  const answers = [];
  for (const i of range(12)) answers.push(await server.api(ann).post('/api/messages', { conversationId: id, content: `number ${i}` }));
  const statuses = answers.map((a) => a.status);
  assert.ok(statuses.slice(0, 6).every((s) => s === 201), statuses.join());
  assert.ok(statuses.includes(429), statuses.join());
  const after = limited(answers.find((a) => a.status === 429));
  assert.equal((await server.api(bob).post('/api/messages', { conversationId: id, content: 'not my problem' })).status, 201);
  await wait(after * 1000);
  good(await server.api(ann).post('/api/messages', { conversationId: id, content: 'patience' }), 201);
});

test('sends over a socket: RATE_LIMITED with retryAfterMs, in the ack and in the event', async () => {
  const { ann, id } = await pair();
  const socket = await server.socket(ann, { contract: 'conversations' });
  const answers = await Promise.all(range(15).map((i) => socket.ack('message:send', { conversationId: id, content: `number ${i}`, clientMessageId: `draft-${i}` })));
  assert.deepEqual(answers.slice(0, 6).map((a) => a.ok), range(6).map(() => true));
  const refused = answers.find((a) => !a.ok);
  assert.equal(refused.error.code, 'RATE_LIMITED');
  assert.ok(refused.error.retryAfterMs > 0 && refused.error.retryAfterMs < 10_000, JSON.stringify(refused));
  const event = shape.shaped(shape.socketError, await socket.once('error', (e) => e.code === 'RATE_LIMITED'), 'error');
  assert.ok(event.retryAfterMs > 0);
  assert.match(event.clientMessageId, /^draft-/);
  await wait(refused.error.retryAfterMs + 50);
  await socket.ok('message:send', { conversationId: id, content: 'patience' });
  const history = good(await server.api(ann).get(`/api/messages?conversationId=${id}`)).messages;
  shape.gapless(history, 1);
});

test('the sends of all sockets, contracts and REST of one user count together', async () => {
  const { ann, bob, id } = await pair();
  const [one, two] = await Promise.all([server.socket(ann, { contract: 'conversations' }), server.socket(ann)]);
  const answers = await Promise.all(range(5).map((i) => one.ack('message:send', { conversationId: id, content: `a ${i}` })));
  // Another node hears of it within some tens of milliseconds.
  await wait(100);
  answers.push(...(await Promise.all(range(5).map((i) => two.ack('send_message', { recipientId: bob.id, content: `b ${i}`, type: 'text' })))));
  assert.ok(answers.filter((a) => a.ok).length <= 8, 'not a burst for each socket');
  assert.ok(answers.some((a) => a.error?.code === 'RATE_LIMITED'));
});

test('a repeat is never rate-limited', async () => {
  const { ann, id } = await pair();
  const socket = await server.socket(ann, { contract: 'conversations' });
  const draft = { conversationId: id, content: 'once', clientMessageId: unique('draft') };
  const first = (await socket.ok('message:send', draft)).message;
  await Promise.all(range(12).map((i) => socket.ack('message:send', { conversationId: id, content: `fill ${i}` })));
  for (const answer of await Promise.all(range(60).map(() => socket.ok('message:send', draft)))) assert.equal(answer.message.id, first.id);
});

test('typing is coalesced, and never refused', async () => {
  const { ann, id } = await pair();
  const socket = await server.socket(ann, { contract: 'conversations' });
  const answers = await Promise.all(range(100).map((i) => socket.ack(i % 2 ? 'typing:stop' : 'typing:start', { conversationId: id })));
  assert.ok(answers.every((a) => a.ok), JSON.stringify(answers.find((a) => !a.ok)));
});

test('new conversations are limited; finding one again is not', async () => {
  const ann = await server.person('ann', {});
  const others = await server.people('b', 'c', 'd', 'e');
  const api = server.api(ann);
  for (const other of others.slice(0, 3)) good(await api.post('/api/conversations', { otherUserId: other.id }), 201);
  await wait(100);
  assert.ok(limited(await api.post('/api/conversations', { otherUserId: others[3].id })) > 60, 'an hour\'s allowance is used up');
  limited(await api.post('/chat', { agentId: others[3].id }));
  limited(await api.post('/api/chat/messages', { recipientId: others[3].id, content: 'x', type: 'text' }));
  good(await api.post('/api/conversations', { otherUserId: others[0].id }), 200);
  assert.equal(good(await server.api(others[3]).get('/api/conversations')).conversations.length, 0, 'nothing was opened');
});

test('other requests are limited', async () => {
  const ann = await server.person('ann');
  const answers = await Promise.all(range(40).map(() => server.api(ann).get('/api/conversations')));
  assert.ok(answers.filter((a) => a.status === 200).length >= 12);
  const after = limited(answers.find((a) => a.status !== 200));
  good(await server.api(await server.person('bob')).get('/api/conversations'));
  await wait(after * 1000);
  // What passed on two nodes at once is made up for by waiting longer.
  await eventually('requests pass again', async () => (await server.api(ann).get('/api/conversations')).status === 200, 3000);
});

test('too many connections at once all come in by themselves, a little later', async () => {
  const ann = await server.person('ann');
  const sockets = range(10).map(() => server.dial(ann, { reconnection: true, reconnectionDelay: 300, reconnectionDelayMax: 1000 }));
  await eventually('all ten are connected', () => sockets.every((s) => s.socket.connected), 30_000);
  for (const socket of sockets) {
    const final = socket.all('(connect_error)', (e) => e.data !== undefined);
    assert.deepEqual(final, [], 'none was told by a connect_error, from which a stock client does not come back');
  }
});

test('a group with somebody unknown in a closed directory is refused at no cost', async (t) => {
  const closed = await Doorbell.start({ env: { DOORBELL_DIRECTORY: 'closed', DOORBELL_RATE_LIMITS: 'conversations=2/h' } });
  t.after(() => closed.stop());
  const [ann, bob, cem] = await closed.people('ann', 'bob', 'cem');
  for (const _ of range(5)) {
    const answer = await closed.api(ann).post('/api/conversations', { isGroup: true, title: 'x', participantIds: [bob.id, unique('nobody')] });
    assert.equal(answer.body.code, 'NOT_FOUND', answer.text);
  }
  for (const _ of range(2)) await closed.group(ann, [bob, cem]);
  // The other node hears of it in a moment.
  await wait(300);
  const beyond = await closed.api(ann).post('/api/conversations', { isGroup: true, title: 'x', participantIds: [bob.id, cem.id] });
  assert.equal(beyond.body.code, 'RATE_LIMITED', beyond.text);
});

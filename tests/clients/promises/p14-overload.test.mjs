// P14: past its limits it says so (429, 503, Retry-After), what it accepts it keeps, and its memory has a ceiling.
import assert from 'node:assert/strict';
import { Doorbell, good, range, SETUP, test } from '../support/doorbell.mjs';
import { Postgres } from '../support/postgres.mjs';
import { slowSync } from '../support/preload.mjs';
import * as shape from '../support/shapes.mjs';

/** How long a flush takes: so long that more comes meanwhile than may wait. */
const FLUSH = { sqlite: 700_000, postgres: 200_000, cluster: 200_000 }[SETUP];
const CEILING = 256 * 1024 * 1024;

test('a user who is far too fast gets 429 with Retry-After, and nobody else notices', { timeout: 30_000 }, async (t) => {
  const server = await Doorbell.start({ env: { DOORBELL_RATE_LIMITS: undefined } });
  t.after(() => server.stop());
  const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
  const { id } = await server.direct(ann, bob);
  const other = await server.direct(cem, bob);
  const flood = Promise.all(range(400).map((number) => server.api(ann).post('/api/messages', { conversationId: id, content: `number ${number}` })));
  const calm = [];
  for (const number of range(10)) calm.push(good(await server.api(cem).post('/api/messages', { conversationId: other.id, content: `number ${number}` }), 201));
  const answers = await flood;
  const stored = answers.filter(({ status }) => status === 201);
  const refused = answers.filter(({ status }) => status === 429);
  assert.equal(stored.length + refused.length, answers.length, 'stored or refused, nothing else');
  assert.ok(refused.length > 100, `${refused.length} of ${answers.length} were refused`);
  for (const answer of refused) {
    assert.equal(answer.body.code, 'RATE_LIMITED');
    assert.match(answer.headers.get('retry-after'), /^[1-9]\d*$/);
  }
  assert.equal((await server.history(bob, id)).length, stored.length);
});

test('more than a slow disk can take: refused as UNAVAILABLE with the time to wait, in a bounded memory', { timeout: 90_000 }, async (t) => {
  const slow = slowSync(FLUSH);
  const options = {};
  if (SETUP === 'sqlite') options.env = slow;
  else {
    options.postgres = await Postgres.start({ env: slow });
    t.after(() => options.postgres.remove());
  }
  const server = await Doorbell.start(options);
  t.after(() => server.stop());
  const people = await server.people(...range(24).map((number) => `sender${number}`));
  const { id } = await server.group(people[0], people.slice(1));
  // All at one node and in one conversation: one writer has to take it.
  const sockets = await Promise.all(people.map((user) => server.at(0).socket(user, { contract: 'conversations' })));
  let most = 0;
  const watching = setInterval(() => (most = Math.max(most, server.nodes[0].residentBytes)), 20);
  t.after(() => clearInterval(watching));
  // While REST asks, the queue is full of what the sockets have sent.
  const flood = Promise.all(sockets.flatMap((socket, number) => range(240).map(async (i) => {
    const begun = Date.now();
    const content = `by ${number}: ${i} ${'x'.repeat(500)}`;
    const answer = await new Promise((resolve) => socket.socket.emit('message:send', { conversationId: id, content }, resolve));
    return { content, answer, took: Date.now() - begun };
  })));
  const overRest = await Promise.all(range(1500).map((number) => server.at(0).api(people[number % people.length]).post('/api/messages', { conversationId: id, content: `by REST: ${number}` })));
  const answers = await flood;
  const stored = answers.filter(({ answer }) => answer.ok).map(({ content, answer }) => ({ content, seq: answer.message.seq }));
  const refused = answers.filter(({ answer }) => !answer.ok);
  for (const { answer } of refused) {
    assert.equal(answer.error.code, 'UNAVAILABLE', JSON.stringify(answer));
    assert.ok(answer.error.retryAfterMs > 0, 'with the time to wait');
  }
  for (const answer of overRest) {
    if (answer.status === 201) {
      stored.push({ content: answer.body.message.content, seq: answer.body.message.seq });
      continue;
    }
    assert.equal(answer.status, 503, answer.text);
    assert.match(answer.headers.get('retry-after'), /^[1-9]\d*$/);
  }
  const refusals = refused.length + overRest.filter(({ status }) => status === 503).length;
  assert.ok(refusals > 100, `only ${refusals} were refused: that is no overload`);
  assert.ok(stored.length > 1000, `${stored.length} were stored`);
  assert.ok(most < CEILING, `its memory rose to ${most} bytes`);
  const history = await server.history(people[0], id);
  shape.gapless(history, 1);
  assert.equal(history.length, stored.length, 'what was accepted, and nothing else');
  for (const { content, seq } of stored) assert.equal(history[seq - 1].content, content);
  t.diagnostic(`${stored.length} stored, ${refusals} refused, at most ${(most / 1024 / 1024).toFixed(0)} MiB`);
  // Over as soon as it is over.
  await sockets[0].ok('message:send', { conversationId: id, content: 'afterwards' });
});

// P14: past its limits it says so (429, 503, Retry-After), what it accepts it keeps, and its memory has a ceiling.
import assert from 'node:assert/strict';
import { Doorbell, good, range, SETUP, test } from '../support/doorbell.mjs';
import { onSlowDisk } from '../support/slow-disk.mjs';
import * as shape from '../support/shapes.mjs';

/** How long a flush takes: so long that more comes meanwhile than may wait. */
const FLUSH = { sqlite: 700_000, postgres: 150_000, cluster: 150_000 }[SETUP];
const CEILING = 256 * 1024 * 1024;

/** So many calls, so many of them at the same time. */
async function lanes(atOnce, count, call) {
  const answers = [];
  let next = 0;
  await Promise.all(range(atOnce).map(async () => {
    while (next < count) answers.push(await call(next++));
  }));
  return answers;
}

test('a user who is far too fast gets 429 with Retry-After, and nobody else notices', { timeout: 60_000 }, async (t) => {
  const server = await Doorbell.start({ env: { DOORBELL_RATE_LIMITS: undefined } });
  t.after(() => server.stop());
  const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
  const { id } = await server.direct(ann, bob);
  const other = await server.direct(cem, bob);
  const flood = lanes(40, 400, (number) => server.api(ann).post('/api/messages', { conversationId: id, content: `number ${number}` }));
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
  const server = await onSlowDisk(t, FLUSH);
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
  let isFlooding = true;
  flood.then(() => (isFlooding = false));
  const overRest = [];
  while (isFlooding) {
    overRest.push(...(await lanes(60, 120, async (number) => {
      const content = `by REST: ${overRest.length} ${number}`;
      return { content, answer: await server.at(0).api(people[number % people.length]).post('/api/messages', { conversationId: id, content }) };
    })));
  }
  const answers = await flood;
  const stored = answers.filter(({ answer }) => answer.ok).map(({ content, answer }) => ({ content, seq: answer.message.seq }));
  const refused = answers.filter(({ answer }) => !answer.ok);
  for (const { answer } of refused) {
    assert.equal(answer.error.code, 'UNAVAILABLE', JSON.stringify(answer));
    assert.ok(answer.error.retryAfterMs > 0, 'with the time to wait');
  }
  const refusedByRest = overRest.filter(({ answer }) => answer.status !== 201);
  for (const { answer } of refusedByRest) {
    assert.equal(answer.status, 503, answer.text);
    assert.match(answer.headers.get('retry-after'), /^[1-9]\d*$/);
  }
  for (const { content, answer } of overRest) if (answer.status === 201) stored.push({ content, seq: answer.body.message.seq });
  const refusals = refused.length + refusedByRest.length;
  assert.ok(overRest.length > 0);
  assert.ok(refusals > 100, `only ${refusals} were refused: that is no overload`);
  assert.ok(stored.length > 100, `${stored.length} were stored`);
  assert.ok(most < CEILING, `its memory rose to ${most} bytes`);
  const history = await server.history(people[0], id);
  shape.gapless(history, 1);
  for (const { content, seq } of stored) assert.equal(history[seq - 1].content, content);
  // Where a database is behind a line, a refused send may stand all the same: its commit went out and no answer came.
  const unanswered = new Set(SETUP === 'sqlite' ? [] : [...refused, ...refusedByRest].map(({ content }) => content));
  const accepted = new Set(stored.map(({ content }) => content));
  for (const { content } of history) assert.ok(accepted.delete(content) || unanswered.delete(content), `nobody sent "${content.slice(0, 20)}", or it is there twice`);
  t.diagnostic(`${stored.length} stored, ${refusals} refused, at most ${(most / 1024 / 1024).toFixed(0)} MiB`);
  // Over as soon as it is over.
  await sockets[0].ok('message:send', { conversationId: id, content: 'afterwards' });
});

// What an operator reads at /metrics moves with what people do.
import assert from 'node:assert/strict';
import { Doorbell, eventually, good, range, test, unique } from './support/doorbell.mjs';

const server = await Doorbell.forFile({ env: { DOORBELL_RATE_LIMITS: 'conversations=2/h' } });

/** Samples of one node by their name and labels, as they stand on the page. */
async function page(number) {
  const text = good(await server.at(number).api().get('/metrics'), 200);
  const samples = text.split('\n').filter((line) => line && !line.startsWith('#'));
  return new Map(samples.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
}

/** The sums over all nodes. */
async function scrape() {
  const sums = new Map();
  for (const number of server.nodes.keys()) for (const [name, value] of await page(number)) sums.set(name, (sums.get(name) ?? 0) + value);
  return sums;
}

/** Waits until each sample has moved by so much since `before`. What is too much fails, too. */
async function moved(before, expected) {
  let last;
  await eventually('the counters move', async () => {
    const now = await scrape();
    last = Object.fromEntries(Object.keys(expected).map((name) => [name, (now.get(name) ?? 0) - (before.get(name) ?? 0)]));
    return Object.entries(expected).every(([name, by]) => last[name] >= by);
  }).catch((error) => assert.deepEqual(last, expected, error.message));
  assert.deepEqual(last, expected);
}

test('messages through sockets and REST are counted where they are stored and where they go', async () => {
  const [ann, bob] = await server.people('ann', 'bob');
  const before = await scrape();
  const { id } = await server.direct(ann, bob);
  const phone = await server.socket(ann, { contract: 'conversations' });
  const desk = await server.socket(bob, { contract: 'tenant-chat' });
  const second = await server.socket(bob, { contract: 'tenant-chat' });
  await moved(before, {
    doorbell_conversations_opened_total: 1,
    doorbell_connections_opened_total: 3,
    doorbell_connections_open: 3,
    'doorbell_sockets{contract="tenant-chat"}': 2,
    'doorbell_sockets{contract="conversations"}': 1,
  });

  const draft = { conversationId: id, content: 'once', clientMessageId: unique('draft') };
  await phone.ok('message:send', draft);
  await phone.ok('message:send', draft);
  await phone.refused('CONFLICT', 'message:send', { ...draft, content: 'otherwise' });
  await phone.refused('NOT_FOUND', 'message:send', { conversationId: unique('nowhere'), content: 'to nobody' });
  for (const i of range(3)) await server.say(ann, id, `by REST ${i}`);
  await desk.count('receive_message', 4);
  await desk.ok('mark_read', { conversationId: id });
  phone.emit('no such event');
  await moved(before, {
    doorbell_sends_stored_total: 4,
    doorbell_sends_repeated_total: 1,
    'doorbell_sends_refused_total{code="CONFLICT"}': 1,
    'doorbell_sends_refused_total{code="NOT_FOUND"}': 1,
    'doorbell_sends_refused_total{code="UNAVAILABLE"}': 0,
    'doorbell_deliveries_total{contract="tenant-chat"}': 8,
    'doorbell_deliveries_total{contract="media-chat"}': 0,
    doorbell_reads_advanced_total: 1,
    doorbell_unknown_events_total: 1,
    doorbell_writes_refused_total: 0,
    'doorbell_http_requests_total{route="POST /api/messages",status="201"}': 3,
  });

  for (const client of [phone, desk, second]) client.close();
  await eventually('all have gone', async () => {
    const now = await scrape();
    return now.get('doorbell_connections_open') === 0 && now.get('doorbell_sockets{contract="tenant-chat"}') === 0;
  });
});

test('who is too fast is counted by what for', async () => {
  const ann = await server.person('ann');
  const before = await scrape();
  const answers = [];
  // At one node: another hears of it a moment later.
  const api = server.at(0).api(ann);
  for (const i of range(4)) answers.push(await api.post('/api/conversations', { otherUserId: unique(`other-${i}`) }));
  assert.deepEqual(answers.map((a) => a.status), [201, 201, 429, 429]);
  await moved(before, {
    'doorbell_rate_limited_total{kind="conversations"}': 2,
    'doorbell_rate_limited_total{kind="sends"}': 0,
    'doorbell_http_requests_total{route="POST /api/conversations",status="429"}': 2,
  });
});

test('the page is of one shape: bounds in seconds that rise, a value for each sample, an end', async () => {
  await server.at(0).api().get('/no/such/route');
  const samples = await page(0);
  for (const [name, value] of samples) assert.ok(Number.isFinite(value), `${name} ${value}`);
  const buckets = [...samples].filter(([name]) => name.startsWith('doorbell_commit_seconds_bucket'));
  const bounds = buckets.map(([name]) => /le="([^"]+)"/.exec(name)[1]).map((le) => (le === '+Inf' ? Infinity : Number(le)));
  assert.deepEqual(bounds, [...bounds].sort((a, b) => a - b));
  assert.ok(bounds[0] <= 0.001 && bounds.at(-2) > 1 && bounds.at(-2) < 60, bounds.join());
  const counts = buckets.map(([, count]) => count);
  assert.deepEqual(counts, [...counts].sort((a, b) => a - b), 'buckets are cumulative');
  assert.equal(counts.at(-1), samples.get('doorbell_commit_seconds_count'));
  assert.ok(samples.get('doorbell_http_requests_total{route="none",status="404"}') >= 1);
  const started = samples.get('doorbell_process_start_time_seconds');
  assert.ok(Math.abs(Date.now() / 1000 - started) < 300, String(started));
});

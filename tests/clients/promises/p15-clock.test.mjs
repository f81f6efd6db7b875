// P15: order never depends on clocks, times in a conversation never go back, and a clock that jumps by a day in either
// direction loses nothing and logs nobody out whose token is valid either way. Of several nodes one has the wrong clock.
import assert from 'node:assert/strict';
import { Doorbell, good, mint, now, range, test } from '../support/doorbell.mjs';
import { FakeClock } from '../support/preload.mjs';
import * as shape from '../support/shapes.mjs';

const DAY = 24 * 60 * 60;

test('a day forward, two back, and home again: order, times, sockets and sign-ins hold', { timeout: 60_000 }, async (t) => {
  const clock = new FakeClock();
  const server = await Doorbell.start({ nodeEnv: [clock.env] });
  t.after(async () => {
    await server.stop();
    clock.remove();
  });
  const people = (await server.people('ann', 'bob')).map((user) => ({ ...user, token: mint(user.id, { exp: now() + 7 * DAY }) }));
  const [ann, bob] = people;
  const { id } = await server.direct(ann, bob);
  const writers = await Promise.all(server.nodes.map((_, number) => server.at(number).socket(ann, { contract: 'conversations' })));
  const watcher = await server.at(0).socket(bob, { contract: 'conversations' });
  await watcher.ok('conversation:join', id);
  const sent = [];
  const days = [];
  for (const offset of [0, DAY, -DAY, 0]) {
    clock.set(offset);
    for (const number of range(12)) {
      const { message } = await writers[number % writers.length].ok('message:send', { conversationId: id, content: `${offset}: ${number}` });
      sent.push(message);
      days.push(Math.round((Date.parse(message.createdAt) - Date.now()) / 1000 / DAY));
    }
    good(await server.at(0).api(ann).get('/api/conversations'));
    const fresh = await server.at(0).socket(ann, { contract: 'conversations' });
    await fresh.ok('conversation:join', id);
    fresh.close();
    assert.equal((await server.at(0).api().get('/readyz')).status, 200);
  }
  assert.ok(days.includes(1), 'the clock was seen to jump');
  const history = await server.history(bob, id);
  shape.gapless(history, 1);
  assert.deepEqual(history.map((m) => m.id), sent.map((m) => m.id), 'the order is that of the sends');
  const times = history.map((m) => Date.parse(m.createdAt));
  times.forEach((time, place) => assert.ok(place === 0 || time >= times[place - 1], `message ${place + 1} is older than the one before it`));
  await watcher.count('message:received', sent.length);
  assert.deepEqual(watcher.all('message:received').map((m) => m.seq), range(sent.length).map((i) => i + 1));
  for (const client of [...writers, watcher]) assert.deepEqual(client.all('(disconnect)'), [], 'nobody was closed');
  const [row] = good(await server.api(bob).get('/api/conversations')).conversations;
  assert.equal(row.unreadCount, sent.length);
});

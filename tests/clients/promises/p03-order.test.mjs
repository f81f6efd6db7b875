// P3: the seq of a conversation starts at 1, has no gaps, is the commit order, and is the same for everybody, everywhere.
import assert from 'node:assert/strict';
import { Doorbell, good, range, test, unique } from '../support/doorbell.mjs';
import * as shape from '../support/shapes.mjs';

const server = await Doorbell.forFile();
const WRITERS = 8;
const EACH = 150;

test(`${WRITERS} writers at every node, and whoever pages by after=seq meanwhile never misses one`, { timeout: 60_000 }, async () => {
  const people = await server.people(...range(WRITERS).map((number) => `writer${number}`));
  const { id } = await server.group(people[0], people.slice(1));
  let writing = true;

  /** Reads on from what it has, as fast as it can: a message that appeared below its place would be missed for ever. */
  async function read(way, user) {
    const seen = [];
    for (;;) {
      const last = !writing;
      const page = good(await way.api(user).get(`/api/messages?conversationId=${id}&after=${seen.at(-1)?.seq ?? 0}&limit=50&markRead=false`));
      seen.push(...page.messages);
      if (last && !page.hasMore) return seen;
    }
  }
  const readers = server.nodes.flatMap((_, number) => [0, 1].map((reader) => read(server.at(number), people[reader])));

  const listeners = await Promise.all(people.slice(0, 4).map((user) => server.socket(user, { contract: 'conversations' })));
  for (const listener of listeners) await listener.ok('conversation:join', id);

  const ledger = new Map();
  const keep = (message) => ledger.set(message.seq, { id: message.id, content: message.content, senderId: message.senderId });
  await Promise.all(people.map(async (user, number) => {
    const socket = await server.socket(user, { contract: 'conversations' });
    const own = [];
    for (let sent = 0; sent < EACH; sent += 10) {
      const batch = await Promise.all(range(10).map((i) => (number === 0 && i === 0
        ? server.say(user, id, unique('text'))
        : socket.ok('message:send', { conversationId: id, content: unique('text') }).then((answer) => answer.message))));
      for (const message of batch) keep(message);
      own.push(...batch.slice(1).map((message) => message.seq));
    }
    assert.deepEqual(own, [...own].sort((a, b) => a - b), 'the sends of one socket keep their order');
  }));
  writing = false;

  const total = WRITERS * EACH;
  assert.equal(ledger.size, total, 'no seq was given twice');
  for (const seen of await Promise.all(readers)) {
    shape.gapless(seen, 1);
    assert.equal(seen.length, total);
    for (const message of seen) assert.deepEqual({ id: message.id, content: message.content, senderId: message.senderId }, ledger.get(message.seq));
  }
  for (const listener of listeners) {
    const pushed = await listener.count('message:received', total, () => true, 20_000);
    assert.deepEqual(pushed.map((m) => m.seq), range(total).map((i) => i + 1), 'every socket sees the same order');
    for (const message of pushed) assert.equal(message.id, ledger.get(message.seq).id);
  }
});

test('two conversations count on their own', async () => {
  const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
  const [one, two] = [await server.direct(ann, bob), await server.direct(ann, cem)];
  const seqs = await Promise.all(range(20).map((number) => server.say(ann, (number % 2 ? one : two).id, `number ${number}`)));
  for (const { id } of [one, two]) {
    assert.deepEqual(seqs.filter((m) => m.conversationId === id).map((m) => m.seq).sort((a, b) => a - b), range(10).map((i) => i + 1));
  }
});

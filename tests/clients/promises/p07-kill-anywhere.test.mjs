// P7 (and the other half of P1): kill -9 at random moments under load. What was acknowledged is there afterwards, once, in
// its place; the server is up again within 5 seconds, and its database is intact.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { Doorbell, eventually, good, range, SETUP, sleep, test, unique } from '../support/doorbell.mjs';
import * as shape from '../support/shapes.mjs';

const KILLS = Number(process.env.DOORBELL_SOAK_KILLS ?? 30);
const WRITERS = 4;

/** As it lies there after the kill, before anybody has opened it again. Python is on every machine that runs these tests. */
function assertIntact(server) {
  const file = path.join(server.env.DOORBELL_DATA_DIR, 'doorbell.db');
  const script = `import sqlite3, sys
rows = sqlite3.connect(sys.argv[1]).execute("PRAGMA integrity_check").fetchall()
print(rows[0][0])`;
  assert.equal(execFileSync('python3', ['-c', script, file], { encoding: 'utf8' }).trim(), 'ok', 'integrity_check');
}

/** Kept outside of the server: what was sent, and what the server said of it. */
class Ledger {
  drafts = new Map(); // clientMessageId -> { content, answer }

  draft(content) {
    const clientMessageId = unique('d');
    this.drafts.set(clientMessageId, { content, answer: null });
    return { clientMessageId, content };
  }

  acknowledged(clientMessageId, message) {
    this.drafts.get(clientMessageId).answer = { id: message.id, seq: message.seq };
  }
}

test(`${KILLS} times killed under load, nothing acknowledged is lost`, { timeout: 120_000 + KILLS * 6000 }, async (t) => {
  const server = await Doorbell.start();
  t.after(() => server.stop());
  const people = await server.people(...range(WRITERS).map((i) => `writer${i}`));
  const group = await server.group(people[0], people.slice(1), 'Under load');
  const direct = await server.direct(people[0], people[1]);
  const rooms = [group, direct].map(({ id }) => ({ id, ledger: new Ledger(), checked: 0, unsettled: [], by: {} }));
  let acknowledged = 0;
  let slowest = 0;

  /** Sends without waiting for answers, from sockets and over REST, until told to stop. */
  async function load(stopped) {
    const sockets = await Promise.all(people.map((user) => server.socket(user, { contract: 'conversations' })));
    const rests = people.slice(0, 2).map((user) => server.api(user));
    const jobs = [];
    const pending = new Set();
    const send = (room, by, way) => {
      const draft = room.ledger.draft(`${'lorem ipsum '.repeat(1 + Math.floor(Math.random() * 20))}${unique('m')}`);
      room.unsettled.push({ ...draft, by });
      const payload = { conversationId: room.id, ...draft };
      const answered = way === 'socket'
        ? new Promise((resolve) => sockets[by].socket.emit('message:send', payload, (a) => resolve(a.ok ? a.message : null)))
        : rests[by].post('/api/messages', payload).then((a) => (a.status === 201 ? a.body.message : null)).catch(() => null);
      const entry = { socket: way === 'socket' ? sockets[by].socket : null };
      pending.add(entry);
      return answered.then((message) => {
        pending.delete(entry);
        if (!message) return;
        acknowledged += 1;
        room.ledger.acknowledged(draft.clientMessageId, message);
      });
    };
    for (const by of range(WRITERS)) {
      jobs.push((async () => {
        while (!stopped()) {
          const batch = range(8).map(() => send(rooms[by < 2 && Math.random() < 0.4 ? 1 : 0], by, 'socket'));
          await Promise.race([Promise.all(batch), stopped.promise]);
        }
      })());
    }
    for (const by of [0, 1]) {
      jobs.push((async () => {
        while (!stopped()) await Promise.race([send(rooms[by], by, 'rest'), stopped.promise]);
      })());
    }
    // A node that lives on answers all that it got; of the others no answer comes any more.
    const settled = () => eventually('what is under way is answered or lost', () => [...pending].every(({ socket }) => socket && !socket.connected));
    return { sockets, settled, done: () => Promise.all(jobs) };
  }

  /** Reads on from where the last check ended, and compares with the ledger. */
  async function check(round) {
    for (const room of rooms) {
      const api = server.api(people[0]);
      const fresh = [];
      for (;;) {
        const page = good(await api.get(`/api/messages?conversationId=${room.id}&after=${room.checked + fresh.length}&limit=1000`));
        fresh.push(...page.messages);
        if (!page.hasMore) break;
      }
      shape.gapless(fresh, room.checked + 1);
      // Every draft has a text of its own.
      const byText = new Map(fresh.map((m) => [m.content, m]));
      assert.equal(byText.size, fresh.length, `kill ${round}: a message is there twice`);
      for (const { clientMessageId, content } of room.unsettled) {
        const { answer } = room.ledger.drafts.get(clientMessageId);
        const message = byText.get(content);
        if (answer) {
          assert.ok(message, `kill ${round}: an acknowledged message is lost (seq ${answer.seq})`);
          assert.deepEqual({ id: message.id, seq: message.seq }, answer, `kill ${round}`);
        }
        byText.delete(content);
      }
      assert.equal(byText.size, 0, `kill ${round}: a message that nobody sent`);
      // Sent again after the crash, a draft is the message already stored, or is stored now: never twice.
      const retry = room.unsettled.find(({ clientMessageId }) => !room.ledger.drafts.get(clientMessageId).answer) ?? room.unsettled[0];
      if (retry) {
        const stored = fresh.find((m) => m.content === retry.content);
        const again = await server.api(people[retry.by]).post('/api/messages', { conversationId: room.id, content: retry.content, clientMessageId: retry.clientMessageId });
        const { message } = good(again, stored ? 200 : 201);
        assert.equal(message.seq, stored ? stored.seq : room.checked + fresh.length + 1);
        if (!stored) fresh.push(message);
      }
      for (const { senderId } of fresh) room.by[senderId] = (room.by[senderId] ?? 0) + 1;
      room.checked += fresh.length;
      room.unsettled = [];
    }
  }

  for (let round = 1; round <= KILLS; round += 1) {
    let stop;
    let isStopped = false;
    const promise = new Promise((resolve) => (stop = resolve));
    const stopped = Object.assign(() => isStopped, { promise });
    const running = await load(stopped);
    await sleep(50 + Math.random() * 550);
    // Of several nodes all die, or each in turn alone, and those who were there find nothing changed at the other.
    const dying = server.nodes.length > 1 && round % 3 ? [server.nodes[round % server.nodes.length]] : server.nodes;
    await Promise.all(dying.map((node) => node.kill()));
    isStopped = true;
    stop();
    await running.done();
    await running.settled();
    for (const socket of running.sockets) socket.close();
    if (SETUP === 'sqlite') assertIntact(server);
    await Promise.all(dying.map((node) => node.restart()));
    slowest = Math.max(slowest, server.startedInMs);
    assert.ok(server.startedInMs < 5000, `kill ${round}: up again after ${server.startedInMs} ms`);
    await check(round);
  }
  assert.ok(acknowledged > KILLS * 10, `only ${acknowledged} messages were acknowledged: that is no load`);
  // Unread counts are derived from the same log.
  for (const room of rooms) {
    for (const user of room.id === group.id ? people : people.slice(0, 2)) {
      const row = good(await server.api(user).get('/api/conversations')).conversations.find((c) => c.id === room.id);
      assert.equal(row.unreadCount, room.checked - (room.by[user.id] ?? 0));
    }
  }
  t.diagnostic(`${KILLS} kills, ${acknowledged} acknowledged messages, slowest start ${slowest} ms`);
});

test('killed while it starts for the first time, again and again, it is whole at the next start', { timeout: 60_000 }, async (t) => {
  const server = await Doorbell.start();
  t.after(() => server.stop());
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  let sent = 0;
  for (const round of range(10)) {
    await server.say(ann, id, `number ${(sent += 1)}`);
    await server.kill();
    // Not waited for: it dies somewhere between its first instruction and its first answer.
    const starting = server.restart().catch(() => {});
    await sleep(round * 12);
    await server.kill();
    await starting;
    await server.restart();
    assert.ok(server.startedInMs < 5000, `up again after ${server.startedInMs} ms`);
    shape.gapless(await server.history(bob, id), 1);
    assert.equal((await server.history(bob, id)).length, sent);
  }
});

test('read marks never go back over a kill', async (t) => {
  const server = await Doorbell.start();
  t.after(() => server.stop());
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  const unread = async () => good(await server.api(bob).get('/api/conversations')).conversations[0].unreadCount;
  const messages = [];
  for (const number of range(12)) messages.push(await server.say(ann, id, `number ${number}`));
  for (const number of range(12)) {
    const socket = await server.socket(bob, { contract: 'conversations' });
    await socket.ok('message:read', { conversationId: id, messageId: messages[number].id });
    await server.kill();
    socket.close();
    await server.restart();
    assert.equal(await unread(), 11 - number, 'an acknowledged mark is there');
  }
});

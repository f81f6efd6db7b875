// kill -9 at random moments under load. What was acknowledged is there afterwards, once, in its place.
import assert from 'node:assert/strict';
import { Doorbell, good, range, Rest, test, unique } from '../support/doorbell.mjs';
import * as shape from '../support/shapes.mjs';

const KILLS = Number(process.env.DOORBELL_SOAK_KILLS ?? 50);
const WRITERS = 4;

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
    const send = (room, by, way) => {
      const draft = room.ledger.draft(`${'lorem ipsum '.repeat(1 + Math.floor(Math.random() * 20))}${unique('m')}`);
      room.unsettled.push({ ...draft, by });
      const payload = { conversationId: room.id, ...draft };
      const answered = way === 'socket'
        ? new Promise((resolve) => sockets[by].socket.emit('message:send', payload, (a) => resolve(a.ok ? a.message : null)))
        : rests[by].post('/api/messages', payload).then((a) => (a.status === 201 ? a.body.message : null)).catch(() => null);
      return answered.then((message) => {
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
    return { sockets, done: () => Promise.all(jobs) };
  }

  /** Reads on from where the last check ended, and compares with the ledger. */
  async function check(round) {
    for (const room of rooms) {
      const api = new Rest(server.url, { authorization: `Bearer ${people[0].token}` });
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
    await new Promise((resolve) => setTimeout(resolve, 50 + Math.random() * 550));
    await server.kill();
    isStopped = true;
    stop();
    await running.done();
    for (const socket of running.sockets) socket.close();
    await server.restart();
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

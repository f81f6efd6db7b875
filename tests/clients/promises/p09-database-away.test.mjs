// Setups: postgres, cluster.
// P9: while PostgreSQL is away sends fail as UNAVAILABLE within 5 seconds and are never acknowledged; sockets stay up; the
// service is back within 5 seconds after its database. A commit with an unknown end is settled by its key.
import assert from 'node:assert/strict';
import { Doorbell, eventually, good, onlyOn, range, sleep } from '../support/doorbell.mjs';
import { Postgres } from '../support/postgres.mjs';
import { CUT, Proxy } from '../support/proxy.mjs';
import * as shape from '../support/shapes.mjs';

const away = onlyOn(['postgres', 'cluster'], 'PostgreSQL can be away; the file of SQLite has P7 and P12');
const AT_MOST = 5000;
/** The answers of a machine that is busy with other tests come a little later. */
const SLACK = 700;

/** Clients that send the whole time, and a ledger of what they were told. */
class Traffic {
  answers = [];
  drafts = new Map();
  isRunning = true;

  constructor(server) {
    this.server = server;
  }

  async start() {
    const { server } = this;
    [this.ann, this.bob] = await server.people('ann', 'bob');
    ({ id: this.id } = await server.direct(this.ann, this.bob));
    this.sockets = await Promise.all(server.nodes.map((_, number) => server.at(number).socket(this.ann, { contract: 'conversations' })));
    this.watchers = await Promise.all(server.nodes.map((_, number) => server.at(number).socket(this.bob, { contract: 'conversations' })));
    for (const watcher of this.watchers) await watcher.ok('conversation:join', this.id);
    this.loops = this.sockets.map(async (socket, number) => {
      for (let sent = 0; this.isRunning; sent += 1) {
        const draft = { conversationId: this.id, content: `by ${number}: ${sent}`, clientMessageId: `draft-${number}-${sent}` };
        this.drafts.set(draft.clientMessageId, draft);
        const begun = Date.now();
        const answer = await socket.ack('message:send', draft).catch((error) => {
          // The server was stopped with a send under way: this test is over.
          if (!this.isRunning) return null;
          throw error;
        });
        if (!answer) return;
        this.answers.push({ clientMessageId: draft.clientMessageId, answer, took: Date.now() - begun, at: Date.now() });
        await sleep(answer.ok ? 5 : 60);
      }
    });
    await this.isServed();
  }

  /** From here on at every node. */
  isServed(timeout = 5000) {
    const from = Date.now();
    return eventually('sends are acknowledged at every node', () => this.sockets.every((_, number) => this.answers.some((a) => a.at > from && a.answer.ok && a.clientMessageId.startsWith(`draft-${number}-`))), timeout);
  }

  async finish() {
    this.isRunning = false;
    await Promise.all(this.loops);
  }

  /** Nothing acknowledged is lost, nothing is there twice, and what was refused is settled by its key. */
  async check() {
    const { server, ann, bob, id } = this;
    const refused = this.answers.filter(({ answer }) => !answer.ok);
    for (const { answer, took, clientMessageId } of refused) {
      assert.equal(answer.error.code, 'UNAVAILABLE', JSON.stringify(answer));
      assert.ok(took < AT_MOST + SLACK, `${clientMessageId} was refused after ${took} ms`);
    }
    const before = await server.history(bob, id);
    shape.gapless(before, 1);
    const byKey = new Map(before.map((m) => [m.clientMessageId, m]));
    assert.equal(byKey.size, before.length, 'no draft is there twice');
    for (const { clientMessageId, answer } of this.answers) {
      if (answer.ok) assert.equal(byKey.get(clientMessageId)?.seq, answer.message.seq, 'acknowledged, and there');
    }
    for (const { clientMessageId } of refused.slice(0, 40)) {
      const stored = byKey.get(clientMessageId);
      const again = await server.api(ann).post('/api/messages', this.drafts.get(clientMessageId));
      const { message } = good(again, stored ? 200 : 201);
      if (stored) assert.equal(message.seq, stored.seq);
    }
    const after = await server.history(bob, id);
    shape.gapless(after, 1);
    for (const watcher of this.watchers) {
      await watcher.once('message:received', (m) => m.seq === after.length, 8000);
      assert.deepEqual(watcher.all('message:received').map((m) => m.seq), range(after.length).map((i) => i + 1), 'each watcher saw each once, in order');
    }
    for (const client of [...this.sockets, ...this.watchers]) assert.deepEqual(client.all('(disconnect)'), [], 'sockets stay up');
    return refused.length;
  }
}

/** A deployment with a PostgreSQL of its own, under traffic. */
async function deployment(t, options = {}) {
  const postgres = await Postgres.start();
  t.after(() => postgres.remove());
  const server = await Doorbell.start({ postgres, ...options });
  t.after(() => server.stop());
  const traffic = new Traffic(server);
  t.after(() => (traffic.isRunning = false));
  await traffic.start();
  return { postgres, server, traffic };
}

away('an immediate restart of PostgreSQL: refused meanwhile, served within 5 seconds after, and nothing lost', { timeout: 60_000 }, async (t) => {
  const { postgres, traffic } = await deployment(t);
  for (const gap of [0, 1500]) {
    await postgres.end();
    await sleep(gap);
    await postgres.launch();
    await traffic.isServed(AT_MOST);
  }
  await traffic.finish();
  const refused = await traffic.check();
  assert.ok(refused > 0, 'some sends fell into the gap');
});

away('PostgreSQL frozen for 8 seconds: every send is refused within 5, readiness says so, and it goes on by itself', { timeout: 60_000 }, async (t) => {
  const { postgres, server, traffic } = await deployment(t);
  postgres.freeze();
  const frozen = Date.now();
  try {
    const ready = await server.api().get('/readyz');
    assert.equal(ready.status, 503);
    assert.ok(Date.now() - frozen < AT_MOST + SLACK, `readiness was refused after ${Date.now() - frozen} ms`);
    assert.equal((await server.api().get('/healthz')).status, 200, 'the process itself is well');
    await sleep(8000 - (Date.now() - frozen));
  } finally {
    postgres.thaw();
  }
  await traffic.isServed(AT_MOST);
  await traffic.finish();
  const refused = await traffic.check();
  assert.ok(refused > 0);
});

away('a read of a frozen PostgreSQL is refused within 5 seconds, too', { timeout: 60_000 }, async (t) => {
  const { postgres, server, traffic } = await deployment(t);
  postgres.freeze();
  const frozen = Date.now();
  let answer;
  try {
    answer = await server.api(traffic.ann).get(`/api/messages?conversationId=${traffic.id}`);
  } finally {
    postgres.thaw();
  }
  const took = Date.now() - frozen;
  await traffic.finish();
  assert.equal(answer.status, 503);
  assert.ok(took < AT_MOST + SLACK, `refused after ${took} ms`);
});

away('who is not known here is not said to be missing while PostgreSQL is away', { timeout: 60_000 }, async (t) => {
  const postgres = await Postgres.start();
  t.after(() => postgres.remove());
  const server = await Doorbell.start({ postgres });
  t.after(() => server.stop());
  const [ann, bob, cid] = await server.people('ann', 'bob', 'cid');
  const { id } = await server.group(ann, [bob, cid]);
  const node = server.at(0);
  await node.history(ann, id);
  const remove = () => node.host.delete(`/v1/conversations/${id}/participants/nobody-this-node-has-heard-of`);
  assert.equal((await remove()).status, 404);
  await postgres.end();
  const refused = await remove();
  assert.deepEqual([refused.status, refused.body.code], [503, 'UNAVAILABLE'], 'told again as not there, a removal would seem to be done');
});

away('every connection of the database terminated, five times: served again at once', { timeout: 60_000 }, async (t) => {
  const { postgres, server, traffic } = await deployment(t);
  for (const _ of range(5)) {
    await postgres.sql('postgres', `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '${server.database.name}'`);
    await traffic.isServed(AT_MOST);
  }
  await traffic.finish();
  await traffic.check();
});

away('a connection cut between COMMIT and its answer: refused as UNAVAILABLE, stored once, and a retry by its key is answered with it', { timeout: 60_000 }, async (t) => {
  const postgres = await Postgres.start();
  t.after(() => postgres.remove());
  let cuts = 0;
  let armed = false;
  const proxy = await Proxy.start(postgres.port, {
    toServer(chunk, link) {
      // One alone: both nodes may be about to commit.
      if (armed && chunk.includes('COMMIT\0')) {
        armed = false;
        link.state.committing = true;
      }
      return chunk;
    },
    toClient(chunk, link) {
      if (!link.state.committing) return chunk;
      cuts += 1;
      return CUT;
    },
  });
  t.after(() => proxy.stop());
  const server = await Doorbell.start({ postgres, databaseUrl: (name) => postgres.urlOf(name, proxy.port) });
  t.after(() => server.stop());
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  const socket = await server.socket(ann, { contract: 'conversations' });
  for (const number of range(10)) {
    const draft = { conversationId: id, content: `number ${number}`, clientMessageId: `draft-${number}` };
    // Without a key nobody may try it again: who did would store it twice.
    if (number % 2) delete draft.clientMessageId;
    // What only presence writes may be cut instead; then this send is tried with the next commit.
    const before = cuts;
    armed = true;
    const answer = await socket.ack('message:send', draft);
    assert.equal(cuts, before + 1, 'a commit was cut');
    if (!answer.ok) assert.equal(answer.error.code, 'UNAVAILABLE');
    if (!draft.clientMessageId) {
      await eventually('it is served again', async () => (await server.api().get('/readyz')).status === 200, AT_MOST);
      continue;
    }
    const again = await eventually('the retry is answered', async () => {
      const retry = await server.api(ann).post('/api/messages', draft);
      return retry.status < 300 && retry;
    }, AT_MOST);
    assert.equal(again.body.message.seq, number + 1);
  }
  const stored = await server.history(bob, id);
  assert.deepEqual(stored.map((m) => m.content), range(10).map((number) => `number ${number}`));
  assert.deepEqual(socket.all('(disconnect)'), []);
});

away('a line to PostgreSQL that goes dead without a word is given up within 5 seconds', { timeout: 60_000 }, async (t) => {
  const postgres = await Postgres.start();
  t.after(() => postgres.remove());
  const proxy = await Proxy.start(postgres.port);
  t.after(() => proxy.stop());
  const server = await Doorbell.start({ postgres, databaseUrl: (name) => postgres.urlOf(name, proxy.port) });
  t.after(() => server.stop());
  const traffic = new Traffic(server);
  t.after(() => (traffic.isRunning = false));
  await traffic.start();
  proxy.stall();
  await eventually('sends are refused', () => traffic.answers.at(-1)?.answer.ok === false, AT_MOST + SLACK);
  await sleep(3000);
  // The dead connections never move again; new ones are served.
  proxy.cut();
  proxy.resume();
  await traffic.isServed(AT_MOST);
  await traffic.finish();
  await traffic.check();
});

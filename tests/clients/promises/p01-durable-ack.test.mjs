// P1: an acknowledgement leaves only after the commit is flushed. What a kill at any moment leaves is in P7.
import assert from 'node:assert/strict';
import { Doorbell, good, onlyOn, range, unique } from '../support/doorbell.mjs';
import { Postgres } from '../support/postgres.mjs';
import { assertFlushedBeforeAnswered, trace } from '../support/trace.mjs';

const SENDS = 60;

/** One message after the other, by socket and by REST in turn, each with a mark of its own. */
async function sendMarked(server) {
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  const socket = await server.socket(ann, { contract: 'conversations' });
  const marks = [];
  const send = async (number) => {
    const mark = `${unique('mark')}!`;
    const content = `${mark} ${'x'.repeat(20)}`;
    if (number % 2) await socket.ok('message:send', { conversationId: id, content });
    else good(await server.api(ann).post('/api/messages', { conversationId: id, content }), 201);
    marks.push(mark);
  };
  return { send, marks };
}

onlyOn('sqlite', 'it reads what is written to the file of SQLite')('no acknowledgement and no 201 leaves before the log of SQLite is flushed', async (t) => {
  const server = await Doorbell.start();
  t.after(() => server.stop());
  const { send, marks } = await sendMarked(server);
  const [node] = server.nodes;
  const tracing = await trace(node.pid);
  for (const number of range(SENDS)) await send(number);
  const found = await tracing.stop();
  assertFlushedBeforeAnswered(found, marks, { isLog: (file) => file.endsWith('doorbell.db-wal'), ports: server.nodes.map((node) => node.port) });
});

for (const synchronousCommit of ['on', 'off']) {
  onlyOn(['postgres', 'cluster'], 'it reads what PostgreSQL writes to its log')(`no acknowledgement and no 201 leaves before PostgreSQL has flushed its log, where synchronous_commit is ${synchronousCommit}`, async (t) => {
    // wal_writer_delay: what nobody waits for is flushed late, so that an answer in between is caught.
    const postgres = await Postgres.start({ settings: { synchronous_commit: synchronousCommit, wal_writer_delay: '10s', autovacuum: 'off' } });
    t.after(() => postgres.remove());
    const server = await Doorbell.start({ postgres });
    t.after(() => server.stop());
    const { send, marks } = await sendMarked(server);
    for (const number of range(8)) await send(number);
    marks.length = 0;
    const nodes = server.nodes.map((node) => node.pid);
    const tracing = await trace(...nodes, ...postgres.process.family());
    for (const number of range(SENDS)) await send(number);
    const found = await tracing.stop();
    assertFlushedBeforeAnswered(found, marks, { isLog: (file) => file.includes('/pg_wal/'), ports: server.nodes.map((node) => node.port) });
    assert.ok(found.some((call) => call.name === 'fdatasync'), 'it flushes by fdatasync');
  });
}

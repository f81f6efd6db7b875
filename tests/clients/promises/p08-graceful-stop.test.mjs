// P8: SIGTERM ends it within 10 seconds with exit code 0; nothing acknowledged is lost, and a client with reconnection sees
// no error other than a disconnect.
import assert from 'node:assert/strict';
import net from 'node:net';
import { Balancer } from '../support/balancer.mjs';
import { Doorbell, eventually, good, range, sleep, test, unique } from '../support/doorbell.mjs';
import { frame, request, upgradeHeaders } from '../support/raw.mjs';
import * as shape from '../support/shapes.mjs';

test('SIGTERM: sends in flight are answered or not stored, nothing acknowledged is lost, and clients come back by themselves', async (t) => {
  const server = await Doorbell.start();
  t.after(() => server.stop());
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  const options = { reconnection: true, reconnectionDelay: 100, reconnectionDelayMax: 300 };
  const clients = await Promise.all([
    server.socket(ann, { contract: 'conversations', ...options }),
    server.socket(bob, { contract: 'conversations', transports: ['polling'], ...options }),
    server.socket(bob, { contract: 'conversations', version: '4.0', ...options }),
  ]);
  const [a] = clients;
  const acked = new Map();
  for (const i of range(300)) a.socket.emit('message:send', { conversationId: id, content: `in flight ${i}`, clientMessageId: `flight-${i}` }, (answer) => answer.ok && acked.set(i, answer.message.seq));
  await eventually('some are acknowledged', () => acked.size > 10);
  const took = await server.terminate();
  assert.ok(took < 10_000, `it took ${took} ms`);
  for (const client of clients) {
    const reason = await client.once('(disconnect)');
    assert.ok(['transport close', 'transport error'].includes(reason), `a stock client does not come back from '${reason}'`);
  }
  await server.restart();
  await eventually('all are connected again', () => clients.every((client) => client.socket.connected), 15_000);
  const stored = good(await server.api(ann).get(`/api/messages?conversationId=${id}`)).messages;
  if (stored.length) shape.gapless(stored, 1);
  for (const [i, seq] of acked) assert.equal(stored.find((m) => m.content === `in flight ${i}`)?.seq, seq, `in flight ${i} was acknowledged`);
  // Whatever the client sent before the server stopped reading was answered before the transport closed.
  for (const message of stored) assert.ok(acked.has(Number(message.content.split(' ')[2])), `${message.content} was stored, but its ack did not leave`);
  for (const i of range(300)) await a.ok('message:send', { conversationId: id, content: `in flight ${i}`, clientMessageId: `flight-${i}` });
  assert.equal(good(await server.api(ann).get(`/api/messages?conversationId=${id}`)).messages.length, 300);
});

test('SIGTERM ends a long poll and an idle connection in time', async (t) => {
  const server = await Doorbell.start();
  t.after(() => server.stop());
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  await server.say(ann, id, 'x');
  const poll = server.api(bob).get(`/api/messages?conversationId=${id}&after=1&wait=25`).catch(() => null);
  await server.socket(bob, { transports: ['polling'] });
  const took = await server.terminate();
  assert.ok(took < 10_000, `it took ${took} ms`);
  await poll;
});

test('SIGTERM waits for nobody who has said goodbye, and not long for whoever is gone without a word', async (t) => {
  const took = {};
  for (const [who, connect] of Object.entries({
    'nobody': async () => {},
    'a stock client': (server, ann) => server.socket(ann, { transports: ['websocket'] }),
    'one that answers and keeps its connection open': async (server, ann) => quiet(server, ann, { answers: true }),
    'one that answers nothing': async (server, ann) => quiet(server, ann, { answers: false }),
    'a long-polling client that does not come back': async (server, ann) => {
      const { text } = await request(server.url, { path: '/socket.io/?EIO=4&transport=polling' });
      const sid = JSON.parse(text.slice(1)).sid;
      const path = `/socket.io/?EIO=4&transport=polling&sid=${sid}`;
      await request(server.url, { method: 'POST', path, body: `40${JSON.stringify({ token: ann.token })}` });
      assert.match((await request(server.url, { path })).text, /^40\{/);
    },
  })) {
    const server = await Doorbell.start({ nodes: 1 });
    t.after(() => server.stop());
    await connect(server, await server.person('ann', {}));
    took[who] = await server.terminate();
  }
  t.diagnostic(JSON.stringify(took));
  // Of the two that are gone it waits a second; more than three in all, and it waited for something else.
  for (const who of ['a stock client', 'one that answers and keeps its connection open']) assert.ok(took[who] < 1000, `${who}: ${took[who]} ms`);
  for (const who of ['one that answers nothing', 'a long-polling client that does not come back']) assert.ok(took[who] < 3000, `${who}: ${took[who]} ms`);
});

/** A WebSocket whose client never ends the connection, also when the server has. */
async function quiet(server, user, { answers }) {
  const socket = net.connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => {});
  const lines = Object.entries({ host: 'localhost', ...upgradeHeaders() }).map(([name, value]) => `${name}: ${value}\r\n`).join('');
  socket.write(`GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n${lines}\r\n`);
  let received = '';
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1');
    if (answers && received.includes('\x88\x02\x03\xe8')) socket.write(frame(Buffer.from([0x03, 0xe8]), { opcode: 8 }));
  });
  await eventually('the handshake', () => received.includes('0{"sid"'));
  socket.write(frame(`40${JSON.stringify({ token: user.token })}`));
  await eventually('the connection', () => received.includes('40{"sid"'));
}

test('five times restarted under load, behind a balancer: every client is back, nothing is lost, and none saw an error', { timeout: 120_000 }, async (t) => {
  const server = await Doorbell.start();
  t.after(() => server.stop());
  const balancer = await Balancer.start(server.nodes);
  t.after(() => balancer.stop());
  const people = await server.people('ann', 'bob', 'cem', 'dan');
  const { id } = await server.group(people[0], people.slice(1));
  const reconnecting = { contract: 'conversations', url: balancer.url, reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 200 };
  const kinds = [{ transports: ['websocket'] }, { transports: ['websocket'], version: '4.0' }, { transports: ['polling'] }, {}];
  // Nothing here keeps a poll at the node that has the session, so at several nodes long-polling is P11's.
  const clients = await Promise.all(people.map((user, i) => server.socket(user, { ...reconnecting, ...(server.nodes.length > 1 ? { transports: ['websocket'] } : kinds[i]) })));

  let isRunning = true;
  let isGivenUp = false;
  t.after(() => (isRunning = !(isGivenUp = true)));
  const drafts = new Map();
  const acked = new Map();
  // Each sends its draft again until it is acknowledged, as an outbox does.
  const senders = clients.map(async (client, number) => {
    while (isRunning) {
      const draft = { conversationId: id, content: `by ${number}: ${unique('text')}`, clientMessageId: unique('draft') };
      drafts.set(draft.clientMessageId, draft.content);
      while (!isGivenUp) {
        const answer = await new Promise((resolve) => {
          const late = setTimeout(() => resolve(null), 1000);
          client.socket.emit('message:send', draft, (value) => {
            clearTimeout(late);
            resolve(value);
          });
        });
        if (answer?.ok) {
          acked.set(draft.clientMessageId, answer.message.seq);
          break;
        }
        assert.ok(answer === null || answer.error.code === 'UNAVAILABLE', `a send was refused: ${JSON.stringify(answer)}`);
      }
      await sleep(10);
    }
  });

  const times = [];
  for (const round of range(5)) {
    await sleep(200 + Math.random() * 200);
    const before = acked.size;
    const node = server.nodes[round % server.nodes.length];
    times.push(await node.terminate());
    await node.restart();
    await eventually(`round ${round}: all are connected, and sends are acknowledged`, () => clients.every((client) => client.socket.connected) && acked.size > before + 20, 15_000);
  }
  isRunning = false;
  await Promise.all(senders);
  assert.ok(Math.max(...times) < 10_000, `ended after ${times.join(', ')} ms`);

  const stored = await server.history(people[0], id);
  shape.gapless(stored, 1);
  assert.equal(stored.length, drafts.size, 'each draft once');
  for (const message of stored) {
    assert.equal(drafts.get(message.clientMessageId), message.content);
    assert.equal(acked.get(message.clientMessageId), message.seq, 'as it was acknowledged');
  }
  for (const client of clients) {
    for (const reason of client.all('(disconnect)')) assert.ok(['transport close', 'transport error'].includes(reason), `a stock client does not come back from '${reason}'`);
    assert.deepEqual(client.all('(connect_error)', (error) => error.data !== undefined), [], 'nobody was told to stay away');
    assert.deepEqual(client.all('error', (error) => error.code !== 'UNAVAILABLE'), []);
  }
  t.diagnostic(`${acked.size} sends through 5 restarts, which took ${times.join(', ')} ms`);
});

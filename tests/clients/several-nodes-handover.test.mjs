// Setups: cluster.
// No sticky sessions: a balancer without memory sends each request of a client to another node, and the client notices
// nothing; where the owner of its session has gone, it notices at once.
import assert from 'node:assert/strict';
import { Balancer } from './support/balancer.mjs';
import { Doorbell, eventually, onlyOn, range, sleep, stock } from './support/doorbell.mjs';
import { frame, tcp, upgradeHeaders } from './support/raw.mjs';

const cluster = onlyOn('cluster', 'one node hands no request over');

async function behindBalancer(t, options) {
  const server = await Doorbell.start(options);
  t.after(() => server.stop());
  const balancer = await Balancer.start(server.nodes);
  t.after(() => balancer.stop());
  return { server, balancer };
}

const metrics = async (node) => (await fetch(`${node.url}/metrics`)).text();

/** Requests of sessions on other nodes that a node has handed over, by what became of them. */
async function handedOver(node) {
  const page = await metrics(node);
  const lines = page.matchAll(/^doorbell_requests_handed_over_total\{outcome="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries([...lines].map(([, outcome, count]) => [outcome, Number(count)]));
}

/** Waits until a poll is held: the owner gets it within the same moment. */
const underWay = (node) => eventually('it is handed over', async () => /^doorbell_handovers_open 1$/m.test(await metrics(node)));

const sum = (counts, outcome) => counts.reduce((total, count) => total + count[outcome], 0);

const open = async (node) => {
  const answer = await fetch(`${node.url}/socket.io/?EIO=4&transport=polling`);
  const { sid } = JSON.parse((await answer.text()).slice(1));
  return `/socket.io/?EIO=4&transport=polling&sid=${sid}`;
};

const unknownSession = async (answer) => {
  assert.equal(answer.status, 400);
  assert.deepEqual(await answer.json(), { code: 1, message: 'Session ID unknown' });
};

for (const { name, io, options } of stock) {
  cluster(`socket.io-client ${name}: a conversation through a balancer without memory`, { timeout: 60_000 }, async (t) => {
    const { server, balancer } = await behindBalancer(t);
    const [ann, bob] = await server.people('ann', 'bob');
    const { id } = await server.direct(ann, bob);
    // Sessions on either node, as the balancer has it.
    const sockets = [];
    for (const person of [ann, bob]) sockets.push(await server.socket(person, { contract: 'conversations', url: balancer.url, io, transports: ['polling', 'websocket'], ...options }));
    for (const socket of sockets) await socket.ok('conversation:join', id);
    for (const number of range(40)) await sockets[number % 2].ok('message:send', { conversationId: id, content: `number ${number}` });
    for (const socket of sockets) {
      const got = await socket.count('message:received', 40);
      assert.deepEqual(got.map((message) => message.seq), range(40).map((i) => i + 1));
      assert.deepEqual([...socket.all('(disconnect)'), ...socket.all('(connect_error)')], []);
      const wanted = options.transports?.[0] ?? 'websocket';
      await eventually(`the transport is ${wanted}`, () => socket.socket.io.engine.transport.name === wanted);
    }
    const counts = await Promise.all(server.nodes.map(handedOver));
    if (name.endsWith('polling')) assert.ok(sum(counts, 'answered') > 40, JSON.stringify(counts));
    if (name.endsWith('upgrading')) assert.ok(sum(counts, 'switched') + sum(counts, 'answered') > 0, JSON.stringify(counts));
    // A WebSocket that opens its own session has nothing to hand over.
    if (name.endsWith('websocket')) assert.equal(sum(counts, 'answered') + sum(counts, 'switched'), 0, JSON.stringify(counts));
    for (const outcome of ['unknown_node', 'unreachable', 'silent', 'broken', 'refused']) assert.equal(sum(counts, outcome), 0, JSON.stringify(counts));
  });
}

cluster('a client whose node is killed hears so at the other node at once, and is connected again', { timeout: 60_000 }, async (t) => {
  const { server, balancer } = await behindBalancer(t);
  const ann = await server.person('ann', {});
  balancer.turn = 1;
  const socket = await server.socket(ann, { contract: 'conversations', url: balancer.url, transports: ['polling'], reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 50 });
  const target = await open(server.nodes[1]);
  assert.equal(await (await fetch(server.nodes[0].url + target, { method: 'POST', body: '40' })).text(), 'ok');
  await server.nodes[1].kill();
  const died = Date.now();
  await unknownSession(await fetch(server.nodes[0].url + target));
  await unknownSession(await fetch(server.nodes[0].url + target, { method: 'POST', body: '3' }));
  const took = Date.now() - died;
  assert.ok(took < 1000, `told after ${took} ms`);
  await eventually('connected again', () => socket.all('(connect)').length === 2, 5000);
  await eventually('it was told so', async () => (await handedOver(server.nodes[0])).unreachable >= 2);
});

cluster('a poll that its client breaks off is broken off at the owner', async (t) => {
  const { server } = await behindBalancer(t);
  const target = await open(server.nodes[1]);
  const held = new AbortController();
  const before = (await handedOver(server.nodes[0])).answered;
  const poll = fetch(server.nodes[0].url + target, { signal: held.signal });
  poll.catch(() => {});
  await underWay(server.nodes[0]);
  // Nothing shows from outside when it has come to the owner.
  await sleep(500);
  held.abort();
  await eventually('the session is gone', async () => (await fetch(server.nodes[1].url + target, { method: 'POST', body: '3' })).status === 400);
  assert.equal((await handedOver(server.nodes[0])).answered, before);
});

cluster('a client that says it were a node is believed nothing', async (t) => {
  const { server } = await behindBalancer(t);
  const target = await open(server.nodes[1]);
  const headers = { 'doorbell-handed-over': '192.0.2.1:80;AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' };
  // Believed, it would be looked for on the node that it reached, and not be found.
  const answer = await fetch(server.nodes[0].url + target, { method: 'POST', headers, body: '40' });
  assert.deepEqual([answer.status, await answer.text()], [200, 'ok']);
});

cluster('an origin is judged, and allowed to read, as if there were one node', async (t) => {
  const { server } = await behindBalancer(t, { env: { FRONTEND_URL: 'https://www.example.com' } });
  const target = await open(server.nodes[1]);
  for (const node of server.nodes) {
    for (const [origin, allowed] of [['https://www.example.com', 'https://www.example.com'], ['https://evil.example', null]]) {
      const answer = await fetch(node.url + target, { method: 'POST', headers: { origin }, body: '3' });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get('access-control-allow-origin'), allowed);
      assert.equal(answer.headers.get('vary'), 'origin', 'once');
    }
  }
});

cluster('a packet that is too large is refused at the other node as at the owner', async (t) => {
  const { server } = await behindBalancer(t);
  const target = await open(server.nodes[1]);
  for (const node of server.nodes) {
    const answer = await fetch(node.url + target, { method: 'POST', body: 'x'.repeat(1_000_001) });
    assert.equal(answer.status, 413);
    assert.equal(await (await fetch(node.url + target, { method: 'POST', body: '3' })).text(), 'ok', 'the session lives on');
  }
});

cluster('clients who come by another node do not use up the connections that its address may have', async (t) => {
  const env = { DOORBELL_TRUSTED_PROXIES: 'none' };
  const { server } = await behindBalancer(t, { env, nodeEnv: [{ DOORBELL_CONNECTIONS_PER_ADDRESS: '3' }, { DOORBELL_CONNECTIONS_PER_ADDRESS: '100' }] });
  const [owner, other] = server.nodes;
  const links = [];
  t.after(() => links.forEach((link) => link.destroy()));
  const dial = async (node, target, headers = {}) => {
    const link = tcp(node.port);
    links.push(link);
    await link.open;
    const lines = Object.entries({ host: 'localhost', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`).join('');
    link.write(`GET ${target} HTTP/1.1\r\n${lines}\r\n`);
    return link;
  };
  // Each WebSocket at the other node is a connection of that node to the owner as well, from one address.
  for (const number of range(8)) {
    const target = (await open(owner)).replace('transport=polling', 'transport=websocket');
    const link = await dial(other, target, upgradeHeaders());
    await eventually(`WebSocket ${number} is through`, () => link.received.startsWith('HTTP/1.1 101'));
    link.write(frame('2probe'));
    await eventually(`WebSocket ${number} is answered by the owner`, () => link.received.includes('3probe'));
  }
  // Whoever comes to the owner by themselves has so many as ever.
  const own = await Promise.all(range(5).map(() => dial(owner, '/healthz')));
  await eventually('all are answered', () => own.every((link) => link.received.startsWith('HTTP/1.1')));
  assert.ok(own.some((link) => link.received.startsWith('HTTP/1.1 429')), own.map((link) => link.received.slice(0, 20)).join());
  assert.ok(own.some((link) => link.received.startsWith('HTTP/1.1 200')));
});

cluster('a node that ends lets go of the polls that it has handed over', { timeout: 30_000 }, async (t) => {
  const { server } = await behindBalancer(t);
  const target = await open(server.nodes[1]);
  const poll = fetch(server.nodes[0].url + target);
  await underWay(server.nodes[0]);
  const took = await server.nodes[0].terminate();
  assert.equal((await poll).status, 503);
  assert.ok(took < 5000, `it took ${took} ms to end`);
});

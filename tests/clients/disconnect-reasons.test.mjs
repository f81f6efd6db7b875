// Before the server ends a connection it says why, where its client can still hear it.
import assert from 'node:assert/strict';
import { Doorbell, eventually, test } from './support/doorbell.mjs';
import { websocket } from './support/raw.mjs';
import { stock } from './support/sockets.mjs';

const server = await Doorbell.forFile({ env: { DOORBELL_SOCKETS_PER_USER: '2' } });

const faults = {
  'a packet over 1,000,000 bytes': { code: 'TOO_LARGE', message: /1,000,000 bytes/, commit: (socket) => socket.emit('message:send', { content: 'x'.repeat(1_100_000) }) },
  'more than 10 attachments': { code: 'TOO_LARGE', message: /10 binary attachments/, commit: (socket) => socket.emit('message:send', ...Array.from({ length: 11 }, (_, i) => Buffer.from([i]))) },
  'what is no packet': { code: 'INVALID', message: /no packet of Socket\.IO/, commit: (socket) => socket.io.engine.write('9nonsense') },
};

for (const [fault, { code, message, commit }] of Object.entries(faults)) {
  for (const { name, options } of stock) {
    test(`${fault}, from ${name}: the client hears why, and comes back`, async () => {
      const [version] = name.split(' ');
      const client = await server.socket(await server.person('ann'), { version, reconnection: true, reconnectionDelay: 100, ...options });
      if (name.endsWith('upgrading')) await eventually('it has a WebSocket', () => client.socket.io.engine.transport.name === 'websocket');
      commit(client.socket);
      await client.once('(disconnect)');
      const names = client.events.map((event) => event.name);
      assert.ok(names.includes('disconnect:reason'), `only ${names.join(', ')}`);
      assert.ok(names.indexOf('disconnect:reason') < names.indexOf('(disconnect)'));
      const [reason, ...more] = client.all('disconnect:reason');
      assert.deepEqual(more, []);
      assert.equal(reason.code, code);
      assert.match(reason.message, message);
      await client.count('(connect)', 2);
    });
  }
}

test('a socket over the limit of its user finds why in the close of its WebSocket, and comes back', async () => {
  const ann = await server.person('ann');
  const node = server.at(0);
  const open = [await node.socket(ann), await node.socket(ann)];
  const raw = await websocket(server.nodes[0].port);
  raw.send(`40${JSON.stringify({ token: ann.token })}`);
  const received = await raw.closed;
  assert.doesNotMatch(received, /44\{/, 'no connect_error, after which stock clients stay away');
  const waiting = node.dial(ann, { transports: ['websocket'], reconnection: true, reconnectionDelay: 100, reconnectionDelayMax: 200 });
  const close = await new Promise((resolve) => waiting.socket.io.once('close', (_, details) => resolve(details.context ?? details)));
  assert.equal(close.code, 1013);
  const { code, message, retryAfterMs } = JSON.parse(close.reason);
  assert.equal(code, 'RATE_LIMITED');
  assert.match(message, /connections of this user/);
  assert.ok(retryAfterMs > 0);
  open.pop().close();
  await waiting.connected();
});

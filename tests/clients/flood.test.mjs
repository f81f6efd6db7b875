// One client does everything a hundred times as fast as it may. Everybody else chats on, and the server's memory is bounded.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { after } from 'node:test';
import { Doorbell, eventually, range, test, unique } from './support/doorbell.mjs';
import * as shape from './support/shapes.mjs';

const MiB = 1024 * 1024;
// Rates that a flood is far above on any machine, and a conversation is not. `bench/run --scenarios flood` has the product's own,
// and what the others notice in milliseconds.
const RATES = 'sends=10/s:20,uploads=10/m:10,conversations=10/h:10,connections=2/s:6,requests=10/s:100,handshakes=5/s:20,failures=10/m:10';
const server = await Doorbell.forFile({ env: { DOORBELL_RATE_LIMITS: RATES } });
const REFUSED = Object.entries({ sends: 'RATE_LIMITED', reads: 'RATE_LIMITED', joins: 'RATE_LIMITED', uploads: '429', conversations: '429', requests: '429', 'failed sign-ins': '429', guesses: '429', handshakes: '429', connections: 'refused' });
const PAIRS = 6;
const SECONDS = 8;

function flood(user, other) {
  const script = fileURLToPath(new URL('support/flood.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, server.nodes[0].url, user.token, '203.0.113.66', other.id], { stdio: ['ignore', 'pipe', 'inherit'] });
  const flooder = { child, counts: {} };
  let text = '';
  child.stdout.on('data', (chunk) => {
    const lines = (text + chunk).split('\n');
    text = lines.pop();
    if (lines.length > 0) flooder.counts = JSON.parse(lines.at(-1));
  });
  after(() => child.kill('SIGKILL'));
  return flooder;
}

/** Each pair sends to and fro, five messages a second. */
async function chat(pairs, seconds, name) {
  await Promise.all(pairs.map(async ({ sockets, id, sent }) => {
    for (const n of range(seconds * 5)) {
      const { message } = await sockets[n % 2].ok('message:send', { conversationId: id, content: `${name} ${n}`, clientMessageId: unique('draft') });
      sent.push(message.id);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }));
}

test('a flood of everything at once hurts nobody but whoever makes it', { timeout: 240_000 }, async () => {
  const node = server.nodes[0];
  const pairs = await Promise.all(range(PAIRS).map(async (n) => {
    const [a, b] = await server.people(`a${n}`, `b${n}`);
    const { id } = await server.direct(a, b);
    const sockets = await Promise.all([a, b].map((user) => server.socket(user, { contract: 'conversations' })));
    for (const socket of sockets) await socket.ok('conversation:join', { conversationId: id });
    return { users: [a, b], sockets, id, sent: [] };
  }));
  await chat(pairs, 1, 'calm');
  const before = node.residentBytes;
  let most = 0;
  const watch = setInterval(() => (most = Math.max(most, node.residentBytes)), 100);
  const [flooder, victim] = await server.people('flooder', 'victim');
  const running = flood(flooder, victim);
  try {
    await eventually('the flood is on', () => running.counts.handshakes?.['429'] > 0, 60_000);
    await chat(pairs, SECONDS, 'flooded');
    clearInterval(watch);
    const isRefused = ([kind, refusal]) => running.counts[kind]?.[refusal] > 0;
    await eventually('everything has been refused', () => REFUSED.every(isRefused), 60_000).catch((error) => {
      throw new Error(JSON.stringify(running.counts), { cause: error });
    });
    const { counts } = running;
    assert.ok(counts.typing?.ok > 0 && !counts.typing.RATE_LIMITED, `typing is never refused: ${JSON.stringify(counts)}`);
    // Everybody else: all acknowledged (or `ok` had thrown), in order, and arrived once.
    for (const { users, sockets, id, sent } of pairs) {
      const history = await server.history(users[0], id);
      shape.gapless(history, 1);
      assert.deepEqual(history.map((message) => message.id), sent, 'stored as sent, none lost, none twice');
      for (const socket of sockets) {
        await socket.count('message:received', sent.length);
        assert.deepEqual(socket.all('message:received').map((payload) => (payload.message ?? payload).seq), range(sent.length).map((n) => n + 1));
        assert.deepEqual(socket.all('(disconnect)'), []);
      }
    }
    assert.ok(most - before < 64 * MiB, `the memory grew from ${before / MiB} to ${most / MiB} MiB`);
  } finally {
    clearInterval(watch);
    running.child.kill('SIGKILL');
  }
});

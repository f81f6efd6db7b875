// One client does everything a hundred times as fast as it may. Everybody else chats on, and the server's memory is bounded.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { after } from 'node:test';
import { Doorbell, eventually, range, test, unique } from './support/doorbell.mjs';
import * as shape from './support/shapes.mjs';

const MiB = 1024 * 1024;
// The product's own rates, which a test is without otherwise.
const server = await Doorbell.forFile({ env: { DOORBELL_RATE_LIMITS: undefined } });
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

const percentile = (times, share) => [...times].sort((a, b) => a - b)[Math.ceil(times.length * share) - 1];

/** Each pair sends to and fro, five messages a second; gives how long the acknowledgements took. */
async function chat(pairs, seconds, name) {
  const times = [];
  await Promise.all(pairs.map(async ({ sockets, id, sent }) => {
    for (const n of range(seconds * 5)) {
      const begun = performance.now();
      const { message } = await sockets[n % 2].ok('message:send', { conversationId: id, content: `${name} ${n}`, clientMessageId: unique('draft') });
      times.push(performance.now() - begun);
      sent.push(message.id);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }));
  return times;
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
  const calm = await chat(pairs, 3, 'calm');
  const before = node.residentBytes;
  let most = 0;
  const watch = setInterval(() => (most = Math.max(most, node.residentBytes)), 100);
  const [flooder, victim] = await server.people('flooder', 'victim');
  const running = flood(flooder, victim);
  try {
    await eventually('the flood is on', () => (running.counts.handshakes?.['429'] ?? 0) > 100, 60_000);
    const flooded = await chat(pairs, SECONDS, 'flooded');
    clearInterval(watch);
    const { counts } = running;
    const what = JSON.stringify(counts);
    for (const [kind, refusal] of [['sends', 'RATE_LIMITED'], ['reads', 'RATE_LIMITED'], ['joins', 'RATE_LIMITED'], ['uploads', '429'], ['conversations', '429'], ['requests', '429'], ['failed sign-ins', '429'], ['guesses', '429'], ['handshakes', '429'], ['connections', 'refused']]) {
      assert.ok(counts[kind]?.[refusal] > 0, `${kind} were refused: ${what}`);
    }
    assert.ok(counts.typing?.ok > 0 && !counts.typing.RATE_LIMITED, `typing is never refused: ${what}`);
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
    assert.ok(percentile(flooded, 0.99) < 2000, `p99 ${percentile(flooded, 0.99)} ms, calm ${percentile(calm, 0.99)} ms`);
  } finally {
    clearInterval(watch);
    running.child.kill('SIGKILL');
  }
});

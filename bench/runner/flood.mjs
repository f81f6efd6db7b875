// Measures twice on one server: calm, and beside one client that does everything a hundred times as fast as it may.
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT, SECRET } from './targets.mjs';

// The one of the tests: two floods would not be one flood.
const FLOOD = path.join(ROOT, 'tests/clients/support/flood.mjs');
// Until the bursts that a rest allows are used up.
const BEGIN_MS = 3_000;

function token(id) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: id, exp: Math.floor(Date.now() / 1000) + 3600 })}`;
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`;
}

const answers = (counts) => Object.values(counts).flatMap(Object.values).reduce((sum, count) => sum + count, 0);

export async function floodedAfterCalm(server, measured) {
  const calm = await measured();
  const flood = spawn(
    process.execPath,
    [FLOOD, `http://127.0.0.1:${server.nodes[0].port}`, token('flooder'), '203.0.113.66', 'victim'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let counts = {};
  flood.stdout.on('data', (chunk) => {
    const lines = chunk.toString().trim().split('\n');
    counts = JSON.parse(lines.at(-1));
  });
  try {
    await sleep(BEGIN_MS);
    const [before, begun] = [answers(counts), performance.now()];
    const flooded = await measured();
    const seconds = (performance.now() - begun) / 1000;
    return {
      ...flooded,
      calm_ack_p50_ms: calm.ack_p50_ms,
      calm_ack_p99_ms: calm.ack_p99_ms,
      calm_sends_per_s: calm.sends_per_s,
      flood_per_s: (answers(counts) - before) / seconds,
      flood: counts,
    };
  } finally {
    flood.kill('SIGKILL');
  }
}

// The servers that are measured. Each run starts one afresh: empty folder, free port.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, closeSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const BENCH = path.resolve(import.meta.dirname, '..');
export const ROOT = path.resolve(BENCH, '..');
const SECRET = 'bench-secret-bench-secret-bench-secret';
// As many as the largest group.
const USERS = 1000;
const START_MS = 60_000;
const STOP_MS = 15_000;

const peer = (title, store) => ({
  title,
  command: [process.execPath, 'server.mjs'],
  folder: path.join(BENCH, 'peer-node'),
  // Any answer will do: this one is 401.
  probe: '/api/conversations',
  environment: (port, data) => ({
    STORE: store,
    DATABASE_URL: path.join(data, 'peer.db'),
    SQLITE_SYNC: 'FULL',
    SEED_USERS: String(USERS),
    PORT: String(port),
    JWT_SECRET: SECRET,
    // What socket.io's own pages advise for memory.
    LEAN: '1',
    NODE_ENV: 'production',
  }),
});

export const TARGETS = {
  doorbell: {
    title: 'Doorbell',
    command: [path.join(ROOT, 'target/release/doorbell'), 'serve'],
    probe: '/readyz',
    environment: (port, data) => ({
      // All interfaces: 8,000 connections need more than one address.
      DOORBELL_LISTEN: `0.0.0.0:${port}`,
      DOORBELL_DATA_DIR: data,
      DOORBELL_JWT_SECRET: SECRET,
      DOORBELL_RATE_LIMITS: 'off',
      DOORBELL_GROUP_MAX: '2000',
    }),
  },
  'prisma-sqlite': peer('Node, Prisma', 'prisma-sqlite'),
  'raw-sqlite': peer('Node, better-sqlite3', 'raw-sqlite'),
  none: peer('Node, no store', 'none'),
};

// Starts a server and waits until it answers.
export async function start(name, data) {
  const target = TARGETS[name];
  rmSync(data, { recursive: true, force: true });
  mkdirSync(data, { recursive: true });
  const port = await freePort();
  const logFile = path.join(data, 'server.log');
  const log = openSync(logFile, 'w');
  const [command, ...words] = target.command;
  const child = spawn(command, words, {
    cwd: target.folder ?? data,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...target.environment(port, data) },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const ended = once(child, 'exit').catch((error) => error);
  const server = { child, ended, port, data };
  const deadline = Date.now() + START_MS;
  while (!(await answers(port, target.probe))) {
    const isGone = child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
    if (isGone || Date.now() > deadline) {
      const lastWords = readFileSync(logFile, 'utf8').slice(-2000);
      await stop(server);
      throw new Error(`${target.title} did not start: ${lastWords}`);
    }
    await sleep(50);
  }
  return server;
}

// Ends the server and removes its folder.
export async function stop({ child, ended, data }) {
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(late);
  rmSync(data, { recursive: true, force: true });
}

async function answers(port, probe) {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}${probe}`, { headers: { connection: 'close' } });
    await answer.text();
    return probe !== '/readyz' || answer.ok;
  } catch {
    return false;
  }
}

async function freePort() {
  const server = createServer();
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

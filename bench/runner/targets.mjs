// The servers that are measured. Each run starts them afresh: empty folder or database, free ports.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, closeSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Postgres } from '../../tests/clients/support/postgres.mjs';
import { Redis } from '../../tests/clients/support/redis.mjs';

export const BENCH = path.resolve(import.meta.dirname, '..');
export const ROOT = path.resolve(BENCH, '..');
export const SECRET = 'bench-secret-bench-secret-bench-secret';
// As many as the largest group.
const USERS = 1000;
const START_MS = 60_000;
const STOP_MS = 15_000;

const doorbell = (title, { database = 'sqlite', nodes = 1 } = {}) => ({
  title,
  database,
  nodes,
  command: [path.join(ROOT, 'target/release/doorbell'), 'serve'],
  probe: '/readyz',
  environment: (port, data, url) => ({
    // All interfaces: 8,000 connections need more than one address.
    DOORBELL_LISTEN: `0.0.0.0:${port}`,
    DOORBELL_DATA_DIR: data,
    DOORBELL_JWT_SECRET: SECRET,
    DOORBELL_RATE_LIMITS: 'off',
    DOORBELL_GROUP_MAX: '2000',
    ...(url && { DOORBELL_DATABASE_URL: url }),
  }),
});

const peer = (title, store, database = 'sqlite') => ({
  title,
  database,
  nodes: 1,
  command: [process.execPath, 'server.mjs'],
  folder: path.join(BENCH, 'peer-node'),
  // Any answer will do: this one is 401.
  probe: '/api/conversations',
  environment: (port, data, url) => ({
    STORE: store,
    DATABASE_URL: url ?? path.join(data, 'peer.db'),
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
  doorbell: doorbell('Doorbell'),
  'prisma-sqlite': peer('Node, Prisma', 'prisma-sqlite'),
  'raw-sqlite': peer('Node, better-sqlite3', 'raw-sqlite'),
  none: peer('Node, no store', 'none'),
  'doorbell-pg': doorbell('Doorbell, PostgreSQL', { database: 'postgres' }),
  'two-nodes': doorbell('Doorbell, two nodes', { database: 'postgres', nodes: 2 }),
  'prisma-pg': peer('Node, Prisma, PostgreSQL', 'prisma-pg', 'postgres'),
  'raw-pg': peer('Node, pg', 'raw-pg', 'postgres'),
};

export const isDoorbell = (name) => TARGETS[name].probe === '/readyz';

// One PostgreSQL and one Redis for all runs; each run has a database of its own.
const postgres = shared(() => Postgres.start({ settings: { shared_buffers: '256MB', max_wal_size: '2GB' } }));
const redis = shared(() => Redis.start());

function shared(make) {
  let made;
  const get = () => (made ??= make());
  get.started = () => made;
  return get;
}

// Starts a server, or several on one database, and waits until they answer.
export async function start(name, data, { hasRates = false } = {}) {
  const target = TARGETS[name];
  rmSync(data, { recursive: true, force: true });
  mkdirSync(data, { recursive: true });
  const database = target.database === 'postgres' ? await (await postgres()).newDatabase() : undefined;
  const server = { nodes: [], data, database };
  try {
    for (let number = 0; number < target.nodes; number++) {
      const port = await freePort();
      const folder = path.join(data, String(number));
      mkdirSync(folder);
      const environment = target.environment(port, folder, database?.url);
      // The product's own.
      if (hasRates) delete environment.DOORBELL_RATE_LIMITS;
      if (target.nodes > 1) {
        const bus = await redis();
        Object.assign(environment, {
          DOORBELL_NODE_URL: `http://127.0.0.1:${port}`,
          DOORBELL_REDIS_URL: bus.url(),
          DOORBELL_REDIS_PREFIX: `${database.name}:`,
          DOORBELL_MEDIA_SHARED: 'on',
        });
      }
      const node = { target, port, environment, log: path.join(folder, 'server.log') };
      server.nodes.push(node);
      await launch(node);
    }
  } catch (error) {
    await stop(server);
    throw error;
  }
  return server;
}

// Starts one process, and waits until it answers. Where it has been killed, it goes on with what it had stored.
async function launch(node) {
  const { target, port, environment } = node;
  const log = openSync(node.log, 'a');
  const [command, ...words] = target.command;
  node.child = spawn(command, words, {
    cwd: target.folder ?? path.dirname(node.log),
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  node.ended = once(node.child, 'exit').catch((error) => error);
  const deadline = Date.now() + START_MS;
  while (!(await answers(port, target.probe))) {
    const isGone = node.child.pid === undefined || node.child.exitCode !== null || node.child.signalCode !== null;
    if (isGone || Date.now() > deadline) {
      throw new Error(`${target.title} did not start: ${readFileSync(node.log, 'utf8').slice(-2000)}`);
    }
    await sleep(50);
  }
}

// The load generator kills the server; as a supervisor does, this starts it again at once.
export function restartOnceKilled(server) {
  for (const node of server.nodes) {
    node.ended.then(() => launch(node)).catch((error) => console.error(`bench/run: ${error.message}`));
  }
}

// Ends the server and removes what it had stored.
export async function stop({ nodes, data, database }) {
  for (const { child, ended } of nodes.filter((node) => node.child)) {
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await ended;
    clearTimeout(late);
  }
  rmSync(data, { recursive: true, force: true });
  if (database) await (await postgres()).drop(database.name);
}

// Ends what all runs shared.
export async function stopServices() {
  for (const service of [postgres, redis]) {
    const started = service.started();
    if (started) await (await started).remove?.();
  }
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

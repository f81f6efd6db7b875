// A deployment of the real binary, as the setup of this run has it: one node, or several on one database and one bus.
import assert from 'node:assert/strict';
import { after } from 'node:test';
import path from 'node:path';
import { Node } from './node.mjs';
import { Postgres } from './postgres.mjs';
import { Redis } from './redis.mjs';
import { NODES, SETUP } from './setup.mjs';
import { running, unique } from './test.mjs';
import { JWT_SECRET } from './tokens.mjs';
import { API_KEY, Visitors } from './visitors.mjs';

export { binary, run } from './node.mjs';
export { freePort } from './ports.mjs';
export { nextLink, Rest } from './rest.mjs';
export { NODES, onlyOn, SETUP } from './setup.mjs';
export { Client, stock, versions } from './sockets.mjs';
export { eventually, range, sleep, test, unique, within } from './test.mjs';
export { decode, JWT_SECRET, mint, now, sign } from './tokens.mjs';
export { API_KEY } from './visitors.mjs';

export class Doorbell extends Visitors {
  nodes = [];
  /** Whose turn it is: calls and sockets go to the nodes one after the other. */
  turn = 0;

  constructor() {
    super(() => this.nodes[this.turn++ % this.nodes.length].url);
  }

  /** A server for the whole file: stopped, and its exit code looked at, when the file's tests are done. */
  static async forFile(options) {
    const server = await Doorbell.start(options);
    after(() => server.stop());
    return server;
  }

  /**
   * `nodes`: how many, where the setup lets one choose. `postgres`, `redis`: servers to use instead of those of the run.
   * `databaseUrl`, `redisUrl`: where a proxy is between. `nodeEnv`: what single nodes get, in their order. Commands other than `serve` have SQLite, as at home.
   */
  static async start({ env = {}, nodeEnv = [], command = 'serve', args = [], nodes = NODES, postgres, redis, databaseUrl, redisUrl } = {}) {
    const server = new Doorbell();
    const setup = command === 'serve' ? SETUP : 'sqlite';
    const shared = { DOORBELL_JWT_SECRET: JWT_SECRET, DOORBELL_API_KEY: API_KEY, DOORBELL_RATE_LIMITS: 'off' };
    if (setup !== 'sqlite') {
      server.postgres = postgres ?? (await Postgres.shared());
      server.database = await server.postgres.newDatabase();
      shared.DOORBELL_DATABASE_URL = databaseUrl?.(server.database.name) ?? server.database.url;
    }
    if (setup === 'cluster') {
      server.redis = redis ?? (await Redis.shared());
      shared.DOORBELL_REDIS_URL = redisUrl ?? server.redis.url();
      shared.DOORBELL_REDIS_PREFIX = unique('doorbell-test');
    }
    for (let number = 0; number < (setup === 'cluster' ? nodes : 1); number += 1) {
      const node = await Node.prepare({ command, args });
      if (setup === 'cluster') {
        node.env.DOORBELL_NODE_URL = node.url;
        // One folder of files for all nodes: the first one's.
        const first = server.nodes[0] ?? node;
        node.env.DOORBELL_MEDIA_URL = `file://${path.join(first.folder, 'media')}`;
        node.env.DOORBELL_MEDIA_SHARED = 'on';
      }
      Object.assign(node.env, shared, env, nodeEnv[number]);
      server.nodes.push(node);
    }
    running.add(server);
    try {
      await Promise.all(server.nodes.map((node) => node.launch()));
    } catch (error) {
      await server.stop().catch(() => {});
      throw error;
    }
    return server;
  }

  /** Everybody at one node. */
  at(number) {
    return new Visitors(() => this.nodes[number].url, this.clients);
  }

  // Of the first node

  get url() {
    return this.nodes[0].url;
  }

  get port() {
    return this.nodes[0].port;
  }

  get env() {
    return this.nodes[0].env;
  }

  get folder() {
    return this.nodes[0].folder;
  }

  // Of all nodes

  get logs() {
    return this.nodes.map((node) => node.logs).join('');
  }

  /** Of the slowest node. */
  get startedInMs() {
    return Math.max(...this.nodes.map((node) => node.startedInMs));
  }

  async terminate() {
    return Math.max(...(await Promise.all(this.nodes.map((node) => node.terminate()))));
  }

  async kill() {
    await Promise.all(this.nodes.map((node) => node.kill()));
  }

  async restart(env) {
    await Promise.all(this.nodes.map((node) => node.restart(env)));
  }

  async stop() {
    this.closeClients();
    running.delete(this);
    const ends = await Promise.allSettled(this.nodes.map((node) => node.remove()));
    if (this.database) await this.postgres.drop(this.database.name).catch(() => {});
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }
}

/** What is refused over REST: status, code, and nothing but a sentence beside it. */
export function refusal(response, status, code) {
  assert.equal(response.status, status, `wanted ${status} ${code}, got ${response.status} ${response.text.slice(0, 300)}`);
  assert.equal(response.body.code, code, response.text.slice(0, 300));
  assert.equal(typeof response.body.error, 'string');
  assert.ok(response.body.error.length > 3, 'a refusal has a sentence');
  const extra = Object.keys(response.body).filter((key) => !['error', 'code', 'retryAfterMs'].includes(key));
  assert.deepEqual(extra, [], 'a refusal has `error` and `code`');
  return response.body;
}

/** The body of an answer with this status. */
export function good(response, ...statuses) {
  const wanted = statuses.length ? statuses : [200];
  assert.ok(wanted.includes(response.status), `wanted ${wanted.join(' or ')}, got ${response.status} ${response.text.slice(0, 400)}`);
  return response.body;
}

/** Each named field has exactly this value; others may stand beside them. */
export function has(actual, expected, what = '') {
  assert.ok(actual !== null && typeof actual === 'object', `${what} is ${JSON.stringify(actual)}`);
  const picked = Object.fromEntries(Object.keys(expected).map((key) => [key, actual[key]]));
  assert.deepEqual(picked, expected, what || undefined);
}

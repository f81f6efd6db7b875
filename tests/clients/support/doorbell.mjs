// Starts the real binary on a folder and port of its own, and hands out users, REST clients and sockets.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import nodeTest, { after } from 'node:test';
import { Client, versions } from './sockets.mjs';
import { Rest } from './rest.mjs';
import { JWT_SECRET, mint } from './tokens.mjs';

export { Client, Rest };
export { nextLink } from './rest.mjs';
export { stock, versions } from './sockets.mjs';
export { decode, JWT_SECRET, mint, now, sign } from './tokens.mjs';

export const API_KEY = 'an-api-key-for-tests-alone-0123456789';
const here = path.dirname(fileURLToPath(import.meta.url));
const running = new Set();

export function binary() {
  const target = path.resolve(here, '../../../target');
  const candidates = [path.join(target, 'release/doorbell'), path.join(target, 'debug/doorbell')];
  if (process.env.DOORBELL_BIN) candidates.unshift(path.resolve(process.env.DOORBELL_BIN));
  const found = candidates.find(existsSync);
  if (!found) throw new Error(`no doorbell binary: build it, or set DOORBELL_BIN (looked for ${candidates.join(', ')})`);
  return found;
}

/** node:test's `test`, which shows the end of each running server's log when the test fails. */
export function test(name, ...rest) {
  const body = rest.pop();
  return nodeTest(name, ...rest, async (t) => {
    try {
      await body(t);
    } catch (error) {
      for (const server of running) t.diagnostic(`log of ${server.url}:\n${server.logs.slice(-3000)}`);
      throw error;
    }
  });
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** Tries again until it gives something true, or fails after `timeout` with what it failed on. */
export async function eventually(what, attempt, timeout = 5000) {
  const end = Date.now() + timeout;
  for (;;) {
    let last;
    try {
      const value = await attempt();
      if (value) return value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`${what}: not within ${timeout} ms`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

const within = (promise, ms, what) => {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

/** Runs a command of the binary to its end. Nothing of this machine's environment gets in but PATH. */
export function run(args, env = {}, { cwd, timeout = 15_000 } = {}) {
  const folder = cwd ?? mkdtempSync(path.join(tmpdir(), 'doorbell-run-'));
  const child = spawn(binary(), args, { cwd: folder, env: { PATH: process.env.PATH, HOME: folder, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const done = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr, output: stdout + stderr }));
  });
  return within(done, timeout, `doorbell ${args.join(' ')}`).finally(() => {
    child.kill('SIGKILL');
    if (!cwd) rmSync(folder, { recursive: true, force: true });
  });
}

export class Doorbell {
  logs = '';
  #clients = new Set();

  /** A server for the whole file: stopped, and its exit code looked at, when the file's tests are done. */
  static async forFile(options) {
    const server = await Doorbell.start(options);
    after(() => server.stop());
    return server;
  }

  static async start({ env = {}, command = 'serve', args = [] } = {}) {
    const server = new Doorbell();
    server.command = [command, ...args];
    server.folder = mkdtempSync(path.join(tmpdir(), 'doorbell-test-'));
    server.port = await freePort();
    server.url = `http://127.0.0.1:${server.port}`;
    server.env = {
      DOORBELL_LISTEN: `127.0.0.1:${server.port}`,
      DOORBELL_DATA_DIR: path.join(server.folder, 'data'),
      DOORBELL_JWT_SECRET: JWT_SECRET,
      DOORBELL_API_KEY: API_KEY,
      DOORBELL_RATE_LIMITS: 'off',
      ...env,
    };
    await server.#launch();
    return server;
  }

  async #launch() {
    const env = Object.fromEntries(Object.entries({ PATH: process.env.PATH, HOME: this.folder, ...this.env }).filter(([, v]) => v !== undefined));
    const started = Date.now();
    const child = spawn(binary(), this.command, { cwd: this.folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    running.add(this);
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (this.logs += chunk));
    this.exited = new Promise((resolve) => {
      child.on('error', (error) => resolve({ error }));
      child.on('close', (code, signal) => resolve({ code, signal }));
    });
    let gone = null;
    this.exited.then((end) => (gone = end));
    try {
      await eventually('GET /readyz answers 200', async () => {
        if (gone) return true;
        return (await fetch(`${this.url}/readyz`, { headers: { connection: 'close' } })).status === 200;
      }, 15_000);
      assert.equal(gone, null, `doorbell ended at start: ${JSON.stringify(gone)}`);
    } catch (error) {
      child.kill('SIGKILL');
      running.delete(this);
      throw new Error(`doorbell did not come up: ${error.message}\n${this.logs.slice(-3000)}`, { cause: error });
    }
    this.startedInMs = Date.now() - started;
  }

  /** SIGTERM: the server has 10 s to end with exit code 0. Its folder stays for `restart`. */
  async terminate() {
    const begun = Date.now();
    this.child.kill('SIGTERM');
    const end = await within(this.exited, 11_000, 'exit after SIGTERM').catch((error) => {
      this.child.kill('SIGKILL');
      throw new Error(`${error.message}\n${this.logs.slice(-2000)}`);
    });
    running.delete(this);
    assert.deepEqual(end, { code: 0, signal: null }, `after SIGTERM doorbell ended with ${JSON.stringify(end)}\n${this.logs.slice(-2000)}`);
    return Date.now() - begun;
  }

  async kill() {
    this.child.kill('SIGKILL');
    await this.exited;
    running.delete(this);
  }

  /** On the same folder and port. */
  async restart(env = {}) {
    Object.assign(this.env, env);
    await this.#launch();
  }

  closeClients() {
    for (const client of this.#clients) client.close();
    this.#clients.clear();
  }

  async stop() {
    this.closeClients();
    try {
      if (running.has(this)) await this.terminate();
    } finally {
      if (running.has(this)) await this.kill();
      rmSync(this.folder, { recursive: true, force: true });
    }
  }

  // People and things

  /** Somebody whom nobody has met: an id of their own, and a token. The directory is told when `entry` is given. */
  async person(name = 'someone', entry) {
    const id = unique(name);
    const user = { id, name: null, email: null, image: null, role: null, token: mint(id) };
    if (entry) {
      Object.assign(user, { name: `${name} ${id.slice(-4)}`, email: `${id}@example.com`, image: `https://img.example/${id}.png`, role: 'user' }, entry);
      const { name: n, email, image, role } = user;
      const put = await this.host.put(`/v1/users/${id}`, { name: n, email, image, role });
      assert.equal(put.status, 200, `PUT /v1/users: ${put.status} ${put.text}`);
    }
    return user;
  }

  /** Several people, all in the directory. */
  people(...names) {
    return Promise.all(names.map((name) => this.person(name, {})));
  }

  async listing(entry = {}) {
    const id = unique('listing');
    const full = { title: `Flat ${id}`, image: `https://img.example/${id}.jpg`, url: `https://market.example/${id}`, price: 1200, ...entry };
    const put = await this.host.put(`/v1/listings/${id}`, full);
    assert.equal(put.status, 200, `PUT /v1/listings: ${put.status} ${put.text}`);
    return { id, ...full };
  }

  /** The host application, by API key. */
  get host() {
    return new Rest(this.url, { 'x-api-key': API_KEY });
  }

  api(user) {
    return new Rest(this.url, user ? { authorization: `Bearer ${user.token ?? user}` } : {});
  }

  /** The direct conversation of two. */
  async direct(a, b) {
    const opened = await this.api(a).post('/api/conversations', { otherUserId: b.id });
    assert.ok([200, 201].includes(opened.status), `open: ${opened.status} ${opened.text}`);
    return opened.body.conversation;
  }

  async group(maker, others, title = 'A group') {
    const opened = await this.api(maker).post('/api/conversations', { title, isGroup: true, participantIds: others.map((o) => o.id) });
    assert.equal(opened.status, 201, `open group: ${opened.status} ${opened.text}`);
    return opened.body.conversation;
  }

  /** Over REST, as `conversations` does. */
  async say(user, conversationId, content, extra = {}) {
    const sent = await this.api(user).post('/api/messages', { conversationId, content, ...extra });
    assert.equal(sent.status, 201, `send: ${sent.status} ${sent.text}`);
    return sent.body.message;
  }

  // Sockets

  /** A recording client that has not waited for its connection. */
  dial(user, { contract, auth = {}, version = '4.8', io = versions[version], ...options } = {}) {
    const token = typeof user === 'string' ? user : user?.token;
    const full = { ...(token === undefined ? {} : { token }), ...(contract ? { contract } : {}), ...auth };
    const client = new Client(io(this.url, { forceNew: true, transports: ['websocket'], reconnection: false, auth: full, ...options }));
    client.user = user;
    this.#clients.add(client);
    return client;
  }

  async socket(user, options) {
    const client = this.dial(user, options);
    await client.connected();
    return client;
  }

  /** The `connect_error` of a handshake that must fail. */
  async turnedAway(user, options) {
    const client = this.dial(user, options);
    const first = await Promise.race([client.once('(connect_error)'), client.once('(connect)').then(() => null)]);
    client.close();
    assert.notEqual(first, null, 'the socket connected, but should have been refused');
    return first;
  }
}

let counter = 0;
const session = Math.random().toString(36).slice(2, 8);
/** An id that no other test uses. */
export const unique = (name = 'id') => `${name}-${session}-${++counter}`;

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

export const range = (n) => Array.from({ length: n }, (_, i) => i);

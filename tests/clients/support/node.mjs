// One process of the real binary, on a folder and port of its own.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawnChild } from './children.mjs';
import { freePort } from './ports.mjs';
import { eventually, within } from './test.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

export function binary() {
  const target = path.resolve(here, '../../../target');
  const candidates = [path.join(target, 'release/doorbell'), path.join(target, 'debug/doorbell')];
  if (process.env.DOORBELL_BIN) candidates.unshift(path.resolve(process.env.DOORBELL_BIN));
  const found = candidates.find(existsSync);
  if (!found) throw new Error(`no doorbell binary: build it, or set DOORBELL_BIN (looked for ${candidates.join(', ')})`);
  return found;
}

/** Runs a command of the binary to its end. Nothing of this machine's environment gets in but PATH. */
export function run(args, env = {}, { cwd, timeout = 15_000 } = {}) {
  const folder = cwd ?? mkdtempSync(path.join(tmpdir(), 'doorbell-run-'));
  const child = spawnChild(binary(), args, { cwd: folder, env: { PATH: process.env.PATH, HOME: folder, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
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

export class Node {
  logs = '';
  isUp = false;

  /** Not started yet. `env` is what it gets beside its addresses. */
  static async prepare({ env = {}, command = 'serve', args = [] } = {}) {
    const node = new Node();
    node.command = [command, ...args];
    node.folder = mkdtempSync(path.join(tmpdir(), 'doorbell-test-'));
    node.port = await freePort();
    node.url = `http://127.0.0.1:${node.port}`;
    node.env = { DOORBELL_LISTEN: `127.0.0.1:${node.port}`, DOORBELL_DATA_DIR: path.join(node.folder, 'data'), ...env };
    return node;
  }

  get pid() {
    return this.child.pid;
  }

  /** Bytes of memory of its own; pages of a mapped file are the kernel's cache, and can go. None when it has ended. */
  get residentBytes() {
    let status = '';
    try {
      if (this.isUp) status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    } catch (error) {
      // It may end a moment before this process hears of it.
      if (!['ENOENT', 'ESRCH'].includes(error.code)) throw error;
    }
    return Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
  }

  async launch() {
    const env = Object.fromEntries(Object.entries({ PATH: process.env.PATH, HOME: this.folder, ...this.env }).filter(([, v]) => v !== undefined));
    const started = Date.now();
    const child = spawnChild(binary(), this.command, { cwd: this.folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    this.isUp = true;
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (this.logs += chunk));
    let gone = null;
    this.exited = new Promise((resolve) => {
      child.on('error', (error) => resolve({ error }));
      child.on('close', (code, signal) => resolve({ code, signal }));
    });
    this.exited.then((end) => {
      gone = end;
      if (this.child === child) this.isUp = false;
    });
    try {
      await eventually('GET /readyz answers 200', async () => {
        if (gone) return true;
        return (await fetch(`${this.url}/readyz`, { headers: { connection: 'close' } })).status === 200;
      }, 15_000);
      assert.equal(gone, null, `doorbell ended at start: ${JSON.stringify(gone)}`);
    } catch (error) {
      child.kill('SIGKILL');
      throw new Error(`doorbell did not come up: ${error.message}\n${this.logs.slice(-3000)}`, { cause: error });
    }
    this.startedInMs = Date.now() - started;
  }

  /** SIGTERM: it has 10 s to end with exit code 0. Gives the milliseconds that it took. */
  async terminate() {
    const begun = Date.now();
    this.child.kill('SIGTERM');
    const end = await within(this.exited, 11_000, 'exit after SIGTERM').catch((error) => {
      this.child.kill('SIGKILL');
      throw new Error(`${error.message}\n${this.logs.slice(-2000)}`);
    });
    assert.deepEqual(end, { code: 0, signal: null }, `after SIGTERM doorbell ended with ${JSON.stringify(end)}\n${this.logs.slice(-2000)}`);
    return Date.now() - begun;
  }

  async kill() {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  /** On the same folder, port and database. */
  async restart(env = {}) {
    Object.assign(this.env, env);
    await this.launch();
  }

  async remove() {
    try {
      if (this.isUp) await this.terminate();
    } finally {
      if (this.isUp) await this.kill();
      rmSync(this.folder, { recursive: true, force: true });
    }
  }
}

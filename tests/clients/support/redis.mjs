// Redis (or Valkey) servers of the tests' own: in memory alone, behind a password.
import net from 'node:net';
import path from 'node:path';
import { freePort } from './ports.mjs';
import { Guarded, newFolder, program } from './guarded.mjs';

const SHARED = 'DOORBELL_TEST_REDIS_PORT';
export const PASSWORD = 'a-password-for-tests-alone';

export class Redis {
  static async start() {
    const server = new Redis();
    server.port = await freePort();
    server.folder = newFolder('redis');
    await server.launch();
    return server;
  }

  /** The server of this run, which whoever started the run has started; else one of this process alone. */
  static shared() {
    Redis.ofThisProcess ??= process.env[SHARED] ? Promise.resolve(Object.assign(new Redis(), { port: Number(process.env[SHARED]) })) : Redis.start();
    return Redis.ofThisProcess;
  }

  asShared() {
    return { [SHARED]: String(this.port) };
  }

  /** After `end`, on the same port, with nothing in it. */
  async launch({ password = PASSWORD } = {}) {
    const binary = program(['redis-server', 'valkey-server'], "install Debian's package redis-server or valkey-server, then try again");
    const options = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--requirepass', password, '--dir', this.folder];
    this.process = await Guarded.start([binary, ...options], { folder: this.folder, log: path.join(this.folder, 'log') });
    const end = Date.now() + 10_000;
    while ((await this.command(['PING'], password).catch(() => null)) !== 'PONG') {
      if (Date.now() > end) throw new Error('Redis did not start');
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  /** `port`: of a proxy before it. */
  url(port = this.port, password = PASSWORD) {
    return `redis://:${password}@127.0.0.1:${port}`;
  }

  /** One command, and its answer where that is a line; a connection for each. */
  command(words, password = PASSWORD) {
    const encode = (parts) => `*${parts.length}\r\n${parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join('')}`;
    return new Promise((resolve, reject) => {
      const socket = net.connect(this.port, '127.0.0.1');
      let text = '';
      socket.setTimeout(3000, () => socket.destroy(new Error('Redis does not answer')));
      socket.on('connect', () => socket.write(encode(['AUTH', password]) + encode(words)));
      socket.on('error', reject);
      socket.on('close', () => reject(new Error(`Redis closed: ${text}`)));
      socket.on('data', (chunk) => {
        text += chunk;
        const [auth, answer, rest] = text.split('\r\n');
        if (rest === undefined) return;
        socket.destroy();
        if (auth.startsWith('-') || answer.startsWith('-')) reject(new Error(`Redis: ${auth} ${answer}`));
        else resolve(answer.slice(1));
      });
    });
  }

  end(signal = 'SIGKILL') {
    return this.process.end(signal);
  }

  freeze() {
    this.process.signalAll('SIGSTOP');
  }

  thaw() {
    this.process.signalAll('SIGCONT');
  }

  remove() {
    return this.process.remove();
  }
}

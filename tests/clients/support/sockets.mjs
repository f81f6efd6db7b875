// A stock client that writes down all that it receives, so that a test can wait for conditions and count.
import assert from 'node:assert/strict';
import { io as io48 } from 'socket.io-client';
import { io as io40 } from 'socket.io-client-4.0';

export const versions = { 4.8: io48, '4.0': io40 };

/** Every stock client that the seeds must run with: two versions, three ways to connect. */
export const stock = Object.entries(versions).flatMap(([version, io]) => [
  { name: `${version} websocket`, io, options: { transports: ['websocket'] } },
  { name: `${version} polling`, io, options: { transports: ['polling'] } },
  { name: `${version} upgrading`, io, options: {} },
]);

export class Client {
  constructor(socket) {
    this.socket = socket;
    this.events = [];
    this.waiting = new Set();
    socket.onAny((name, payload) => this.#record(name, payload));
    socket.on('disconnect', (reason) => this.#record('(disconnect)', reason));
    socket.on('connect', () => this.#record('(connect)', socket.id));
    socket.on('connect_error', (error) => this.#record('(connect_error)', { message: error.message, data: error.data }));
  }

  get id() {
    return this.socket.id;
  }

  #record(name, payload) {
    const event = { name, payload, at: Date.now(), index: this.events.length };
    this.events.push(event);
    for (const waiter of [...this.waiting]) waiter(event);
  }

  /** The payload of the first such event, of those that came already or come in time. */
  once(name, predicate = () => true, timeout = 5000, from = 0) {
    const fits = (event) => event.name === name && event.index >= from && predicate(event.payload);
    const found = this.events.find(fits);
    if (found) return Promise.resolve(found.payload);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(waiter);
        const seen = this.events.slice(-12).map((e) => `${e.name} ${JSON.stringify(e.payload)?.slice(0, 160)}`);
        reject(new Error(`no '${name}' that fits within ${timeout} ms; the last events were:\n  ${seen.join('\n  ') || '(none)'}`));
      }, timeout);
      const waiter = (event) => {
        if (!fits(event)) return;
        clearTimeout(timer);
        this.waiting.delete(waiter);
        resolve(event.payload);
      };
      this.waiting.add(waiter);
    });
  }

  /** Like `once`, but only for what comes from here on: `const next = client.next(...); act(); await next`. */
  next(name, predicate, timeout) {
    return this.once(name, predicate, timeout, this.events.length);
  }

  /** The payloads of all such events so far. */
  all(name, predicate = () => true, from = 0) {
    return this.events.filter((e) => e.name === name && e.index >= from && predicate(e.payload)).map((e) => e.payload);
  }

  /** Waits until as many such events came; more than that fails when `all` is counted afterwards. */
  async count(name, n, predicate = () => true, timeout = 10_000) {
    const end = Date.now() + timeout;
    while (this.all(name, predicate).length < n) {
      const left = end - Date.now();
      assert.ok(left > 0, `${this.all(name, predicate).length} of ${n} '${name}' within ${timeout} ms`);
      await this.next(name, predicate, left).catch(() => {});
    }
    return this.all(name, predicate);
  }

  /** Fails as soon as such an event comes within the time: the one place where a test must let time pass. */
  async staysQuiet(name, predicate, ms = 400, from = 0) {
    const broken = await this.once(name, predicate, ms, from).then((payload) => ({ payload }), () => null);
    assert.equal(broken, null, `'${name}' came, but should not have: ${JSON.stringify(broken?.payload)}`);
  }

  emit(name, ...args) {
    this.socket.emit(name, ...args);
  }

  /** Emits with a callback, and gives what it was called with. */
  ack(name, ...args) {
    // Far above what anything takes: a machine may have much else to do.
    const timeout = 20_000;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`'${name}' was not acknowledged within ${timeout} ms`)), timeout);
      this.socket.emit(name, ...args, (...answer) => {
        clearTimeout(timer);
        if (answer.length < 1) reject(new Error(`'${name}' was acknowledged with nothing`));
        else resolve(answer[0]);
      });
    });
  }

  async ok(name, ...args) {
    const answer = await this.ack(name, ...args);
    assert.equal(answer?.ok, true, `'${name}' answered ${JSON.stringify(answer)}`);
    return answer;
  }

  /** Emits with a callback, and wants a refusal with this code in the contract's words. */
  async refused(code, name, ...args) {
    const answer = await this.ack(name, ...args);
    assert.equal(answer?.ok, false, `'${name}' should be refused, but answered ${JSON.stringify(answer)?.slice(0, 300)}`);
    assert.equal(answer.error?.code, code, `'${name}' answered ${JSON.stringify(answer)}`);
    assert.equal(typeof answer.error.message, 'string');
    assert.notEqual(answer.error.message, '');
    return answer.error;
  }

  connected(timeout = 8000) {
    return this.once('(connect)', () => true, timeout);
  }

  close() {
    this.socket.disconnect();
  }
}

// The built package against the real binary.
import { after } from 'node:test';
import { Doorbell } from '../../../tests/clients/support/doorbell.mjs';
import { Proxy as TcpProxy } from '../../../tests/clients/support/proxy.mjs';
import { createClient } from '../dist/index.js';

export { Doorbell, eventually, mint, range, sleep, test, unique, within } from '../../../tests/clients/support/doorbell.mjs';
export { createClient, DoorbellError, memoryStorage } from '../dist/index.js';

const clients = new Set();
const proxies = new Set();
after(() => Promise.all([...[...clients].map((client) => client.close()), ...[...proxies].map((proxy) => proxy.stop().catch(() => {}))]));

/** A proxy that ends with the file, also when its test fails. */
export class Proxy {
  static async start(...args) {
    const proxy = await TcpProxy.start(...args);
    proxies.add(proxy);
    return proxy;
  }
}

/** A client of this person, closed at the end. */
export function clientOf(server, person, options = {}) {
  const client = createClient({ url: server.url, token: person?.token, ...options });
  clients.add(client);
  return client;
}

/** Waits until a store has a value that fits, and gives it. */
export function until(store, fits, what = String(fits), timeout = 8000) {
  return new Promise((resolve, reject) => {
    const look = () => {
      if (!fits(store.get())) return;
      stop();
      clearTimeout(timer);
      resolve(store.get());
    };
    const stop = store.subscribe(look);
    const timer = setTimeout(() => {
      stop();
      reject(new Error(`${what}: not within ${timeout} ms; it is ${JSON.stringify(store.get())?.slice(0, 1500)}`));
    }, timeout);
    look();
  });
}

export const online = (client) => until(client.state, ({ status }) => status === 'online', 'online');
export const texts = (timeline) => timeline.state.get().messages.map(({ content }) => content);
export const statuses = (timeline) => timeline.state.get().messages.map(({ status }) => status);
export const shows = (timeline, ...contents) => until(timeline.state, ({ messages }) => JSON.stringify(messages.map((one) => one.content)) === JSON.stringify(contents), `messages ${contents}`);

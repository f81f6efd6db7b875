// A TCP proxy that does what networks do: it cuts, stalls, delays, and loses or doubles what a filter names.
import net from 'node:net';
import { freePort } from './ports.mjs';

/** What a filter returns to cut the connection there. */
export const CUT = Symbol('cut');

/**
 * A filter gets a chunk and the link that it came on, and gives back what goes on: the chunk, others, nothing (null), or
 * CUT. `toServer` sees what the client says, `toClient` what the server says.
 */
export class Proxy {
  links = new Set();
  /** No connection is taken. */
  refuses = false;
  /** Milliseconds that everything waits, in both directions. */
  delay = 0;
  toServer = (chunk) => chunk;
  toClient = (chunk) => chunk;

  static async start(targetPort, filters = {}) {
    const proxy = Object.assign(new Proxy(), filters);
    proxy.targetPort = targetPort;
    proxy.port = await freePort();
    proxy.listener = net.createServer((client) => proxy.#link(client));
    await new Promise((resolve, reject) => proxy.listener.on('error', reject).listen(proxy.port, '127.0.0.1', resolve));
    return proxy;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  #link(client) {
    if (this.refuses) {
      client.destroy();
      return;
    }
    const server = net.connect(this.targetPort, '127.0.0.1');
    const link = { client, server, state: {} };
    link.cut = () => [client, server].forEach((end) => end.resetAndDestroy());
    this.links.add(link);
    for (const end of [client, server]) {
      end.setNoDelay();
      end.on('error', () => {});
      end.on('close', () => {
        this.links.delete(link);
        // What the other side has still to say is lost with the connection, as it would be on the way.
        (end === client ? server : client).destroy();
      });
      if (this.isStalled) end.pause();
    }
    const pass = (chunk, to, filter) => {
      const passed = filter.call(this, chunk, link);
      if (passed === CUT) link.cut();
      else if (passed && passed.length) to.write(passed);
    };
    const forward = (from, to, direction) => from.on('data', (chunk) => {
      if (this.delay) setTimeout(() => pass(chunk, to, this[direction]), this.delay);
      else pass(chunk, to, this[direction]);
    });
    forward(client, server, 'toServer');
    forward(server, client, 'toClient');
  }

  /** Ends every connection at once, by a reset. */
  cut() {
    for (const link of this.links) link.cut();
  }

  /** Nothing moves any more, and nobody is told: a half-open connection. */
  stall() {
    this.isStalled = true;
    for (const { client, server } of this.links) [client, server].forEach((end) => end.pause());
  }

  resume() {
    this.isStalled = false;
    for (const { client, server } of this.links) [client, server].forEach((end) => end.resume());
  }

  async stop() {
    const closed = new Promise((resolve) => this.listener.close(resolve));
    this.cut();
    await closed;
  }
}

// --- Redis -------------------------------------------------------------------

/** Where the value that begins at `at` ends, or -1 while it is not all there (RESP 2 and 3). */
function endOfValue(bytes, at) {
  const line = bytes.indexOf('\r\n', at, 'latin1');
  if (line < 0) return -1;
  const kind = String.fromCharCode(bytes[at]);
  const size = Number(bytes.toString('latin1', at + 1, line));
  let end = line + 2;
  if ('$!='.includes(kind)) return size < 0 ? end : end + size + 2 <= bytes.length ? end + size + 2 : -1;
  if (!'*~>%|'.includes(kind)) return end;
  for (let left = '%|'.includes(kind) ? size * 2 : size; left > 0; left -= 1) {
    if (end >= bytes.length) return -1;
    end = endOfValue(bytes, end);
    if (end < 0) return -1;
  }
  return end;
}

const isNews = (value) => /^[*>]\d+\r\n\$\d+\r\n[ps]?message\r\n/.test(value.toString('latin1', 0, 40));

/** A filter for what Redis says: `copies(n)` is how often the `n`th published message goes on, 0 is lost. */
export function news(copies) {
  const counts = { seen: 0, lost: 0, doubled: 0 };
  const filter = (chunk, link) => {
    const pending = link.state.pending ? Buffer.concat([link.state.pending, chunk]) : chunk;
    const passed = [];
    let at = 0;
    while (at < pending.length) {
      const end = endOfValue(pending, at);
      if (end < 0) break;
      const value = pending.subarray(at, end);
      const times = isNews(value) ? copies((counts.seen += 1)) : 1;
      if (times === 0) counts.lost += 1;
      if (times > 1) counts.doubled += 1;
      for (let n = 0; n < times; n += 1) passed.push(value);
      at = end;
    }
    link.state.pending = pending.subarray(at);
    return Buffer.concat(passed);
  };
  return Object.assign(filter, { counts });
}

/** The same numbers at every run: true for this share of them. */
export function some(share, seed = 1) {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648 < share;
  };
}

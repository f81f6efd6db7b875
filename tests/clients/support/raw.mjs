// Below the stock clients: plain HTTP with any header, and a WebSocket that can say things no client would.
import { randomBytes } from 'node:crypto';
import http from 'node:http';
import net from 'node:net';

/** One HTTP request with exactly these headers (fetch sets some of its own). */
export function request(base, { method = 'GET', path = '/', headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const req = http.request(base + path, { method, headers, agent: false }, (res) => {
      let text = '';
      res.on('data', (chunk) => (text += chunk));
      res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, text }));
      res.on('error', reject);
    });
    req.on('upgrade', (res, socket) => {
      socket.destroy();
      resolve({ status: res.statusCode, headers: res.headers, text: '' });
    });
    req.setTimeout(15_000, () => req.destroy(new Error('no answer within 15 s')));
    req.on('error', reject);
    req.end(body);
  });
}

export const upgradeHeaders = () => ({ connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': randomBytes(16).toString('base64') });

/** A TCP connection that writes down what comes; `closed` resolves when the other side has ended it. */
export function tcp(port) {
  const socket = net.connect(port, '127.0.0.1');
  const link = { socket, received: '', write: (bytes) => socket.destroyed || socket.write(bytes), destroy: () => socket.destroy() };
  socket.on('data', (chunk) => (link.received += chunk.toString('latin1')));
  socket.on('error', () => {});
  link.closed = new Promise((resolve) => socket.on('close', () => resolve(link.received)));
  link.open = new Promise((resolve, reject) => socket.on('connect', resolve).on('error', reject));
  return link;
}

/** A client's frame; `mask: false` and odd opcodes are there to be wrong. */
export function frame(payload, { opcode = 1, fin = true, mask = true, length } = {}) {
  const data = Buffer.from(payload);
  const size = length ?? data.length;
  const head = [(fin ? 0x80 : 0) | opcode];
  let extended = Buffer.alloc(0);
  if (size < 126) head.push(size);
  else if (size < 65_536) {
    head.push(126);
    extended = Buffer.alloc(2);
    extended.writeUInt16BE(size);
  } else {
    head.push(127);
    extended = Buffer.alloc(8);
    extended.writeBigUInt64BE(BigInt(size));
  }
  if (mask) head[1] |= 0x80;
  const key = mask ? randomBytes(4) : Buffer.alloc(0);
  const body = mask ? data.map((byte, i) => byte ^ key[i % 4]) : data;
  return Buffer.concat([Buffer.from(head), extended, key, body]);
}

/** Reads the server's frames: a close frame is answered by going away, as a decent client does. */
function watchForClose(link) {
  let pending = Buffer.alloc(0);
  link.socket.on('data', (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    if (!link.upgraded) {
      const end = pending.indexOf('\r\n\r\n');
      if (end < 0) return;
      link.upgraded = true;
      pending = pending.subarray(end + 4);
    }
    while (pending.length >= 2) {
      let size = pending[1] & 0x7f;
      let head = 2;
      if (size === 126) {
        if (pending.length < 4) return;
        size = pending.readUInt16BE(2);
        head = 4;
      } else if (size === 127) {
        if (pending.length < 10) return;
        size = Number(pending.readBigUInt64BE(2));
        head = 10;
      }
      if (pending.length < head + size) return;
      if ((pending[0] & 0x0f) === 8) {
        link.destroy();
        return;
      }
      pending = pending.subarray(head + size);
    }
  });
}

/** An Engine.IO session over a raw WebSocket, up to its `open` packet. */
export async function websocket(port, { path = '/socket.io/?EIO=4&transport=websocket', headers = {} } = {}) {
  const link = tcp(port);
  watchForClose(link);
  await link.open;
  const lines = Object.entries({ host: `127.0.0.1:${port}`, ...upgradeHeaders(), ...headers }).map(([k, v]) => `${k}: ${v}\r\n`).join('');
  link.write(`GET ${path} HTTP/1.1\r\n${lines}\r\n`);
  link.send = (text, options) => link.write(frame(text, options));
  link.until = async (pattern, timeout = 5000) => {
    const end = Date.now() + timeout;
    while (!pattern.test(link.received)) {
      if (Date.now() > end) throw new Error(`no ${pattern} within ${timeout} ms; got ${JSON.stringify(link.received.slice(-300))}`);
      if (link.socket.destroyed) throw new Error(`closed before ${pattern}; got ${JSON.stringify(link.received.slice(-300))}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  await link.until(/0\{"sid"/);
  return link;
}

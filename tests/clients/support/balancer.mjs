// An HTTP balancer without memory: every request and every WebSocket goes to the next node that is up.
import http from 'node:http';
import net from 'node:net';
import { freePort } from './ports.mjs';

export class Balancer {
  turn = 0;
  /** Which node answered which request, in order: { number, method, path }. */
  requests = [];

  /** @param nodes those of a deployment; `isOut(number)` says which get nothing at present */
  static async start(nodes, { isOut = () => false } = {}) {
    const balancer = Object.assign(new Balancer(), { nodes, isOut });
    balancer.port = await freePort();
    balancer.url = `http://127.0.0.1:${balancer.port}`;
    balancer.sockets = new Set();
    balancer.server = http.createServer((request, response) => balancer.#forward(request, response));
    balancer.server.on('upgrade', (request, socket, head) => balancer.#upgrade(request, socket, head));
    balancer.server.on('connection', (socket) => {
      balancer.sockets.add(socket);
      socket.on('close', () => balancer.sockets.delete(socket));
    });
    await new Promise((resolve) => balancer.server.listen(balancer.port, '127.0.0.1', resolve));
    return balancer;
  }

  #next(request) {
    for (let tries = 0; tries < this.nodes.length; tries += 1) {
      const number = this.turn++ % this.nodes.length;
      if (!this.nodes[number].isUp || this.isOut(number)) continue;
      this.requests.push({ number, method: request.method, path: request.url });
      return this.nodes[number];
    }
    return null;
  }

  #forward(request, response) {
    const node = this.#next(request);
    const fail = () => {
      if (!response.headersSent) response.writeHead(503, { 'retry-after': '1' });
      response.end();
    };
    if (!node) return fail();
    const onward = http.request({ host: '127.0.0.1', port: node.port, method: request.method, path: request.url, headers: request.headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    });
    onward.on('error', fail);
    response.on('close', () => onward.destroy());
    request.pipe(onward);
    return undefined;
  }

  #upgrade(request, socket, head) {
    const node = this.#next(request);
    socket.on('error', () => {});
    if (!node) {
      socket.end('HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\r\n');
      return;
    }
    const onward = net.connect(node.port, '127.0.0.1', () => {
      const headers = [];
      for (let i = 0; i < request.rawHeaders.length; i += 2) headers.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}\r\n`);
      onward.write(`GET ${request.url} HTTP/1.1\r\n${headers.join('')}\r\n`);
      onward.write(head);
      onward.pipe(socket);
      socket.pipe(onward);
    });
    onward.on('error', () => socket.destroy());
    onward.on('close', () => socket.destroy());
    socket.on('close', () => onward.destroy());
  }

  async stop() {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}

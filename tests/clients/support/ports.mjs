// Ports for servers of the tests.
import { createServer } from 'node:net';

// Below the ports that the kernel gives to outgoing connections (32768 and above): a server that starts again on its
// port would find a client of another test on it.
const FIRST = 10_000;
const COUNT = 20_000;

const isFree = (port) => new Promise((resolve) => {
  const probe = createServer();
  probe.on('error', () => resolve(false));
  probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
});

/** A port of loopback that nobody listens on. */
export async function freePort() {
  for (let tries = 0; tries < 200; tries += 1) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (await isFree(port)) return port;
  }
  throw new Error('no free port between 10000 and 30000');
}

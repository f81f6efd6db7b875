// Socket.IO as the panel has it: the stock client without what the panel has no use for.
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const ENGINE = 'engine.io-client/build/esm/';

/** What stands in for a file of the libraries. Keys are the ends of their paths. */
const INSTEAD = {
  // Servers offer it over HTTP/3, and Doorbell does not.
  'engine.io-client/build/esm/transports/webtransport.js': 'export const WT = undefined;',
  'engine.io-client/build/esm/transports/polling-xhr.js': `export { LaterPolling as XHR } from ${JSON.stringify(path.join(here, 'later-polling.js'))};`,
  'engine.io-client/build/esm/index.js': "export { Socket } from './socket.js'; export { installTimerFunctions } from './util.js'; export { nextTick } from './globals.js';",
  'engine.io-client/build/esm/contrib/parseuri.js': `export function parse(address) {
    const { protocol, hostname, port } = new URL(address);
    return { protocol: protocol.slice(0, -1), host: hostname.replace(/[[\\]]/g, ''), port };
  }`,
  // Nothing of the chat has bytes in its events.
  'engine.io-parser/build/esm/encodePacket.browser.js': `import { PACKET_TYPES } from './commons.js';
    export const encodePacket = ({ type, data }, supportsBinary, done) => done(PACKET_TYPES[type] + (data || ''));
    export const encodePacketToBinary = undefined;`,
  'engine.io-parser/build/esm/decodePacket.browser.js': `import { ERROR_PACKET, PACKET_TYPES_REVERSE } from './commons.js';
    export function decodePacket(packet) {
      const type = typeof packet === 'string' && PACKET_TYPES_REVERSE[packet[0]];
      return type ? { type, data: packet.slice(1) || undefined } : ERROR_PACKET;
    }`,
  'socket.io-parser/build/esm/binary.js': 'export const deconstructPacket = undefined; export const reconstructPacket = undefined;',
  'socket.io-parser/build/esm/is-binary.js': 'export const isBinary = () => false; export const hasBinary = isBinary;',
  // The client has one connection, and makes its own attempts.
  'socket.io-client/build/esm/index.js': "export { Manager } from './manager.js';",
  'socket.io-client/build/esm/contrib/backo2.js': 'export class Backoff { attempts = 0; setMin() {} setMax() {} setJitter() {} reset() {} duration() { return 0; } }',
};

export const leanSockets = {
  name: 'lean-sockets',
  enforce: 'pre',
  async resolveId(id, importer, options) {
    if (!id.startsWith('#engine/')) return;
    const engine = await this.resolve('socket.io-client', importer, options);
    const found = await this.resolve('engine.io-client', engine.id, options);
    return path.join(found.id.slice(0, found.id.lastIndexOf(ENGINE) + ENGINE.length), id.slice('#engine/'.length));
  },
  load(id) {
    const end = Object.keys(INSTEAD).find((one) => id.endsWith(one));
    return end && INSTEAD[end];
  },
};

// An issuer of tokens: keys that it signs with, and a server at which it publishes them.
import { createPublicKey, generateKeyPairSync, sign as signBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { freePort } from './ports.mjs';
import { now } from './tokens.mjs';

const KINDS = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
};
const b64 = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

export class SigningKey {
  constructor(alg, kid, pair = KINDS[alg]()) {
    Object.assign(this, { alg, kid, ...pair });
  }

  /** As it is published. */
  get jwk() {
    const jwk = { ...createPublicKey(this.privateKey).export({ format: 'jwk' }), use: 'sig', alg: this.alg };
    if (this.kid !== undefined) jwk.kid = this.kid;
    return jwk;
  }

  get pem() {
    return this.publicKey.export({ type: 'spki', format: 'pem' });
  }

  /** `header` replaces what stands there by default; claims are taken as they are, as an object or as text. */
  sign(claims, header = {}) {
    const full = { alg: this.alg, typ: 'JWT', ...(this.kid === undefined ? {} : { kid: this.kid }), ...header };
    const message = Buffer.from(`${b64(full)}.${b64(claims)}`);
    const hash = this.alg === 'EdDSA' ? null : 'sha256';
    const signature = signBytes(hash, message, { key: this.privateKey, dsaEncoding: 'ieee-p1363' });
    return `${message}.${signature.toString('base64url')}`;
  }

  mint(sub, claims = {}, header) {
    return this.sign({ sub, iat: now(), exp: now() + 3600, ...claims }, header);
  }
}

/** Publishes its keys, and counts how often it is asked. */
export class Issuer {
  asked = 0;
  isAway = false;
  headers = {};

  constructor(...keys) {
    this.keys = keys;
  }

  /** `tls`: `{ key, cert }`. */
  async start(tls) {
    this.port = await freePort();
    const answer = (request, response) => {
      this.asked += 1;
      if (this.isAway) return void response.writeHead(503).end();
      response.writeHead(200, { 'content-type': 'application/json', ...this.headers });
      response.end(JSON.stringify({ keys: this.keys.map((key) => key.jwk ?? key) }));
    };
    this.server = tls ? createTlsServer(tls, answer) : createServer(answer);
    this.url = `${tls ? 'https://localhost' : 'http://127.0.0.1'}:${this.port}/.well-known/jwks.json`;
    await new Promise((resolve) => this.server.listen(this.port, resolve));
    return this;
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}

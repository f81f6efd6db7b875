// JWTs as a host application would make them: HS256, by node:crypto alone.
import { createHmac } from 'node:crypto';

export const JWT_SECRET = 'a-secret-for-tests-alone-0123456789abcdef';

const b64 = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
export const now = () => Math.floor(Date.now() / 1000);

/** A signed token. `claims` are taken as they are: nothing is added, so that a test can leave `exp` out. */
export function sign(claims, { secret = JWT_SECRET, header = { alg: 'HS256', typ: 'JWT' } } = {}) {
  const body = `${b64(header)}.${b64(claims)}`;
  const hash = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' }[header.alg] ?? 'sha256';
  const signature = header.alg === 'none' ? '' : createHmac(hash, secret).update(body).digest('base64url');
  return `${body}.${signature}`;
}

/** A good token of one hour for the user. */
export const mint = (sub, claims = {}, options) => sign({ sub, iat: now(), exp: now() + 3600, ...claims }, options);

export const decode = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());

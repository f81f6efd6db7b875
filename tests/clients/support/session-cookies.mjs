// Session cookies of NextAuth 4 and Auth.js 5: made by the packages, and forged as no package would make them.
import { createCipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { encode as encodeAuthJs } from '@auth/core/jwt';
import nextAuthJwt from 'next-auth/jwt';
import { now } from './tokens.mjs';

/** How many characters of a value each package puts into one cookie. */
const PIECE = { 'next-auth': 3933, authjs: 3936 };

export const cookieName = (product, isHttps) => `${isHttps ? '__Secure-' : ''}${product}.session-token`;

/** A session of a real package. `product`: `next-auth` (version 4) or `authjs` (version 5). */
export function session(product, { claims, secret, name, maxAge = 3600 }) {
  return product === 'next-auth'
    ? nextAuthJwt.encode({ token: claims, secret, maxAge })
    : encodeAuthJs({ token: claims, secret, maxAge, salt: name });
}

/** The `Cookie` header for a value: whole, or cut as the package cuts it when it is too long. */
export function asCookies(product, name, value) {
  if (value.length <= PIECE[product]) return `${name}=${value}`;
  const pieces = value.match(new RegExp(`.{1,${PIECE[product]}}`, 'g'));
  return pieces.map((piece, number) => `${name}.${number}=${piece}`).join('; ');
}

const b64 = (value) => Buffer.from(typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value)).toString('base64url');

/** By what the packages make their keys. */
export const RECIPES = {
  'next-auth': { salt: '', info: 'NextAuth.js Generated Encryption Key', enc: 'A256GCM' },
  authjs: (name) => ({ salt: name, info: `Auth.js Generated Encryption Key (${name})`, enc: 'A256CBC-HS512' }),
};

/** A JWE with the right key for any header and contents. */
export function seal({ salt, info, enc }, { secret, header = {}, contents, claims }) {
  const protectedPart = b64(typeof header === 'string' ? header : { alg: 'dir', enc, ...header });
  const isGcm = enc === 'A256GCM';
  const key = Buffer.from(hkdfSync('sha256', secret, salt, info, isGcm ? 32 : 64));
  const text = contents ?? JSON.stringify({ iat: now(), exp: now() + 3600, ...claims });
  const iv = randomBytes(isGcm ? 12 : 16);
  let ciphertext;
  let tag;
  if (isGcm) {
    const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(protectedPart));
    ciphertext = Buffer.concat([cipher.update(text), cipher.final()]);
    tag = cipher.getAuthTag();
  } else {
    const cipher = createCipheriv('aes-256-cbc', key.subarray(32), iv);
    ciphertext = Buffer.concat([cipher.update(text), cipher.final()]);
    const bits = Buffer.alloc(8);
    bits.writeBigUInt64BE(BigInt(8 * protectedPart.length));
    tag = createHmac('sha512', key.subarray(0, 32)).update(protectedPart).update(iv).update(ciphertext).update(bits).digest().subarray(0, 32);
  }
  return [protectedPart, '', b64(iv), b64(ciphertext), b64(tag)].join('.');
}

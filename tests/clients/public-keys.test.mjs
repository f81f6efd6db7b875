// Tokens that an issuer signs with keys of its own, whose public halves it publishes (JWKS).
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { Issuer, SigningKey } from './support/issuer.mjs';
import { Doorbell, eventually, good, mint, now, range, refusal, sign, sleep, test, unique } from './support/doorbell.mjs';

const keys = { rsa: new SigningKey('RS256', 'rsa-1'), ec: new SigningKey('ES256', 'ec-1'), ed: new SigningKey('EdDSA', 'ed-1') };
const issuer = await new Issuer(...Object.values(keys)).start();
const nameless = new SigningKey('ES256', undefined);
const other = await new Issuer(nameless).start();
const ISS = 'https://id.example';
const OTHER = 'https://other.example';
const OWN = 'https://shop.example';
const server = await Doorbell.forFile({ env: { DOORBELL_JWKS_URL: `${issuer.url},${other.url}`, DOORBELL_JWT_ISSUER: `${ISS},${OTHER},${OWN}`, DOORBELL_JWT_AUDIENCE: 'chat,mail' } });
after(() => Promise.all([issuer.stop(), other.stop()]));
const party = { iss: ISS, aud: 'chat' };

const taken = async (token, at = server) => {
  good(await at.api(token).get('/api/conversations'));
  const socket = await at.socket(token, { path: '/api/socketio' });
  return (await socket.once('connection:success')).userId;
};
const refused = async (token, what, code = 'TOKEN_INVALID', at = server) => {
  refusal(await at.api(token).get('/api/conversations'), 401, 'UNAUTHENTICATED');
  const error = await at.turnedAway(token);
  assert.equal(error.message, 'Authentication error', what);
  assert.equal(error.data?.code, code, what);
};

/** By a key that nobody knows: nobody is let in, and until its issuer was asked anew nobody says that the token is wrong. */
const doubted = async (token, what, at = server) => {
  const { status, body } = await at.api(token).get('/api/conversations');
  assert.ok((status === 401 && body.code === 'UNAUTHENTICATED') || (status === 503 && body.code === 'UNAVAILABLE'), `${what}: ${status} ${body.code}`);
  const socket = at.dial(token);
  const told = await Promise.race([socket.once('(connect_error)').then((error) => error.data?.code), socket.once('(disconnect)'), socket.once('(connect)').then(() => 'in')]);
  socket.close();
  assert.ok(['TOKEN_INVALID', 'transport close'].includes(told), `${what}: ${told}`);
};

test('tokens signed with RS256, ES256 and EdDSA are taken, and those of the shared secret beside them', async () => {
  for (const key of Object.values(keys)) {
    const sub = unique(key.kid);
    assert.equal(await taken(key.mint(sub, party)), sub);
    assert.equal(await taken(key.mint(sub, { ...party, aud: ['x', 'mail'] }, { kid: undefined })), sub, 'a token that names no key');
  }
  const sub = unique('own');
  assert.equal(await taken(mint(sub, { iss: OWN, aud: 'chat' })), sub);
  assert.equal(await taken(nameless.mint(sub, { iss: OTHER, aud: 'chat' })), sub, 'a key that has no name');
  assert.equal(await taken(nameless.mint(sub, { iss: OTHER, aud: 'chat' }, { kid: 'some-name' })), sub);
  const { token } = good(await server.host.post('/api/auth/socket-token', { userId: sub }));
  assert.equal(await taken(token), sub, 'a token that Doorbell issues');
});

test('attacks with public keys: all are refused, by REST and by socket, and say that the token is invalid', { timeout: 60_000 }, async () => {
  const { rsa, ec, ed } = keys;
  const sub = unique('victim');
  const claims = { sub, iat: now(), exp: now() + 3600, ...party };
  const b64 = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
  const hmac = (header, secret) => {
    const message = `${b64(header)}.${b64(claims)}`;
    return `${message}.${createHmac('sha256', secret).update(message).digest('base64url')}`;
  };
  const stranger = new SigningKey('RS256', 'rsa-1');
  const published = { jwk: stranger.jwk, jku: 'http://127.0.0.1:9/keys', x5u: 'http://127.0.0.1:9/cert', x5c: ['AAAA'] };
  const unknown = {
    'a stranger without a name': stranger.mint(sub, party, { kid: undefined }),
    'a stranger who brings the key along': stranger.mint(sub, party, { ...published, kid: undefined }),
    'a name that is a path': stranger.mint(sub, party, { kid: '../../../../dev/null' }),
    'a name that is SQL': stranger.mint(sub, party, { kid: "x' UNION SELECT 'secret" }),
    'a name that is empty': stranger.mint(sub, party, { kid: '' }),
    'the issuer that another set of keys is for': rsa.mint(sub, { ...party, iss: OTHER }),
    'the signature of another token, without a name': `${rsa.mint(sub, party, { kid: undefined }).split('.').slice(0, 2).join('.')}.${rsa.mint('x', party).split('.')[2]}`,
  };
  const cases = {
    'no signature': `${b64({ alg: 'none' })}.${b64(claims)}.`,
    'none with the signature of a key': rsa.sign(claims, { alg: 'none' }),
    'a public key (PEM) as the shared secret': hmac({ alg: 'HS256', kid: 'rsa-1' }, rsa.pem),
    'a public key (PEM without its last line) as the shared secret': hmac({ alg: 'HS256' }, rsa.pem.trimEnd()),
    'a public key (JWK) as the shared secret': hmac({ alg: 'HS256' }, JSON.stringify(rsa.jwk)),
    'a public key (modulus) as the shared secret': hmac({ alg: 'HS256' }, Buffer.from(rsa.jwk.n, 'base64url')),
    'a public key (Ed25519) as the shared secret': hmac({ alg: 'HS256' }, Buffer.from(ed.jwk.x, 'base64url')),
    'a stranger with the name of a key': stranger.mint(sub, party),
    'a stranger who names where the key is': stranger.mint(sub, party, published),
    'a key that is named and is of another algorithm': rsa.mint(sub, party, { kid: 'ec-1' }),
    'another algorithm than the key has': ec.mint(sub, party, { alg: 'RS256', kid: 'rsa-1' }),
    'RS512 by an RS256 key': rsa.mint(sub, party, { alg: 'RS512' }),
    'PS256': rsa.mint(sub, party, { alg: 'PS256' }),
    'a name that is a list': rsa.mint(sub, party, { kid: ['rsa-1'] }),
    'a name that is null': rsa.mint(sub, party, { kid: null }),
    'a name that is a number': rsa.mint(sub, party, { kid: 1 }),
    'an extension that must be understood': rsa.mint(sub, party, { crit: ['exp'] }),
    'an extension that nobody knows': rsa.mint(sub, party, { crit: ['b64'], b64: false }),
    'no exp': rsa.sign({ sub, ...party }),
    'exp as a text': rsa.sign({ sub, exp: String(now() + 3600), ...party }),
    'nbf in the future': rsa.mint(sub, { ...party, nbf: now() + 600 }),
    'nbf as a text': rsa.mint(sub, { ...party, nbf: String(now()) }),
    'a foreign issuer': rsa.mint(sub, { ...party, iss: 'https://evil.example' }),
    'no issuer': rsa.mint(sub, { aud: 'chat' }),
    'an issuer with a slash more': rsa.mint(sub, { ...party, iss: `${ISS}/` }),
    'issuers in a list': rsa.mint(sub, { ...party, iss: [ISS] }),
    'the issuer of the shared secret': rsa.mint(sub, { ...party, iss: OWN }),
    'a foreign audience': rsa.mint(sub, { ...party, aud: 'shop' }),
    'no audience': rsa.mint(sub, { iss: ISS }),
    'a claim that stands there twice': rsa.sign(`{"sub":"${sub}","sub":"root","exp":${now() + 60},"iss":"${ISS}","aud":"chat"}`),
    'a header that stands there twice': `${b64(`{"alg":"RS256","alg":"none"}`)}.${b64(claims)}.`,
    'the shared secret in the name of an issuer of public keys': mint(sub, party),
    'the shared secret with a foreign issuer': mint(sub, { aud: 'chat', iss: 'https://evil.example' }),
    'the signature of another token': `${rsa.mint(sub, party).split('.').slice(0, 2).join('.')}.${rsa.mint('x', party).split('.')[2]}`,
    'a signature of ES256 as DER writes it': ec.mint(sub, party).replace(/\.[^.]*$/, `.${b64('0E\u0002')}`),
  };
  for (const [what, token] of Object.entries(cases)) await refused(token, what);
  for (const [what, token] of Object.entries(unknown)) await doubted(token, what);
  const endless = rsa.mint(sub, { ...party, x: 'y'.repeat(50_000) });
  assert.equal((await server.turnedAway(endless)).data?.code, 'TOKEN_INVALID');
  assert.equal((await server.api(endless).get('/api/conversations')).status, 431, 'no header is as long as that');
  await refused(rsa.sign({ ...claims, exp: now() - 3600 }), 'an end that has passed', 'TOKEN_EXPIRED');
  assert.equal(await taken(rsa.sign(claims)), sub, 'and the same without any of that is taken');
});

test('a new key counts at once, one that was taken back no longer after a refresh, and a storm of unknown keys asks the issuer once', { timeout: 90_000 }, async (t) => {
  const old = new SigningKey('ES256', 'old');
  const rotating = await new Issuer(old).start();
  t.after(() => rotating.stop());
  const node = await Doorbell.start({ env: { DOORBELL_JWKS_URL: rotating.url } });
  t.after(() => node.stop());
  const sub = unique('ann');
  await taken(old.mint(sub), node);
  // Until the pause after its first answer is over, nobody causes another question.
  await sleep(10_500);
  const before = rotating.asked;
  const storm = range(300).map((i) => old.mint(sub, {}, { kid: `made-up-${i}` }));
  for (const { status } of await Promise.all(storm.map((token) => node.api(token).get('/api/conversations')))) assert.ok([401, 503].includes(status), `${status}`);
  assert.ok(rotating.asked - before <= node.nodes.length, `${rotating.asked - before} questions for 300 tokens`);
  assert.ok(rotating.asked > before, 'but one, since it might have been a new key');
  await sleep(10_500);
  const fresh = new SigningKey('RS256', 'new');
  rotating.keys = [fresh];
  for (const { url } of node.nodes) good(await fetchAs(url, fresh.mint(sub)));
  for (const { url } of node.nodes) assert.ok([401, 503].includes((await fetchAs(url, old.mint(sub))).status));
  // Within the pause nobody can tell a newer key from one that is made up: its token is not called wrong, and waiting helps.
  const newer = new SigningKey('ES256', 'newer');
  rotating.keys = [fresh, newer];
  const early = newer.mint(sub);
  for (const { url } of node.nodes) refusal(await fetchAs(url, early), 503, 'UNAVAILABLE');
  const patient = node.dial(early, { reconnection: true, reconnectionDelay: 500, reconnectionDelayMax: 1000 });
  await patient.connected(30_000);
  assert.ok(patient.all('(connect_error)').every((error) => !error.data?.code), 'it was not told to stay away');
  await eventually('the key that was taken back is called wrong', async () => (await fetchAs(node.url, old.mint(sub))).status === 401, 20_000);
  // The issuer goes away: what is known counts on, and of an unknown key nobody says that it is wrong.
  rotating.isAway = true;
  await sleep(10_500);
  await taken(fresh.mint(sub), node);
  refusal(await node.api(fresh.mint(sub, {}, { kid: 'unknown' })).get('/api/conversations'), 503, 'UNAVAILABLE');
  refusal(await node.api(old.mint(sub, {}, { kid: 'new' })).get('/api/conversations'), 401, 'UNAUTHENTICATED');
  assert.equal((await fetch(`${node.url}/readyz`)).status, 200);
});
const fetchAs = async (url, token) => {
  const response = await fetch(`${url}/api/conversations`, { headers: { authorization: `Bearer ${token}` } });
  const text = await response.text();
  return { status: response.status, text, body: JSON.parse(text) };
};

test('an issuer that is away at the start lets nobody in, is not blamed on the token, and lets people in when it is there', { timeout: 40_000 }, async (t) => {
  const key = new SigningKey('EdDSA', 'k');
  const late = await new Issuer(key).start();
  late.isAway = true;
  t.after(() => late.stop());
  const node = await Doorbell.start({ env: { DOORBELL_JWKS_URL: late.url } });
  t.after(() => node.stop());
  const sub = unique('ann');
  refusal(await node.api(key.mint(sub)).get('/api/conversations'), 503, 'UNAVAILABLE');
  // A stock client keeps trying by itself: it is not told that its token is wrong.
  const socket = node.dial(key.mint(sub), { reconnection: true, reconnectionDelay: 200, reconnectionDelayMax: 500 });
  await sleep(1000);
  late.isAway = false;
  await socket.connected(30_000);
  assert.ok(socket.all('(connect_error)').every((error) => !error.data?.code));
  good(await node.api(key.mint(sub)).get('/api/conversations'));
  assert.match(node.logs, /does not say which keys are its own/);
});

test('keys come by TLS from a server whose certificate is known, and from no other', { timeout: 40_000 }, async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'doorbell-issuer-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [keyFile, certFile] = ['key.pem', 'cert.pem'].map((name) => path.join(folder, name));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile, '-out', certFile, '-days', '2', '-subj', '/CN=localhost', '-addext', 'basicConstraints=critical,CA:FALSE', '-addext', 'subjectAltName=DNS:localhost'], { stdio: 'ignore' });
  const key = new SigningKey('RS256', 'k');
  const secure = await new Issuer(key).start({ key: readFileSync(keyFile), cert: readFileSync(certFile) });
  t.after(() => secure.stop());
  const sub = unique('ann');
  const knows = await Doorbell.start({ env: { DOORBELL_JWKS_URL: secure.url, SSL_CERT_FILE: certFile } });
  t.after(() => knows.stop());
  await eventually('the keys are there', async () => (await knows.api(key.mint(sub)).get('/api/conversations')).status === 200, 15_000);
  const asked = secure.asked;
  const doubts = await Doorbell.start({ env: { DOORBELL_JWKS_URL: secure.url } });
  t.after(() => doubts.stop());
  refusal(await doubts.api(key.mint(sub)).get('/api/conversations'), 503, 'UNAVAILABLE');
  assert.equal(secure.asked, asked, 'nothing is asked of who cannot prove who they are');
});

test('a token of a shared secret with tricks in its header is nobody', async () => {
  const sub = unique('ann');
  const claims = { sub, exp: now() + 3600, iss: OWN, aud: 'chat' };
  for (const header of [{ kid: ['x'] }, { kid: {} }, { crit: [] }, { alg: ['HS256'] }, { alg: 'hs256' }, { alg: 'HS384' }, { alg: 'HS512' }]) {
    await refused(sign(claims, { header: { alg: 'HS256', typ: 'JWT', ...header } }), JSON.stringify(header));
  }
  assert.equal(await taken(sign(claims, { header: { alg: 'HS256', kid: '../../dev/null' } })), sub, 'a name of a key means nothing to it');
});

// Setups: sqlite.
// `doorbell explain-token`: which rule takes or refuses what somebody shows, and how to mend it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { Issuer, SigningKey } from './support/issuer.mjs';
import { binary, Doorbell, good, JWT_SECRET, mint, now, sign, test } from './support/doorbell.mjs';

const folder = mkdtempSync(path.join(tmpdir(), 'doorbell-explain-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const key = new SigningKey('RS256', 'k1');
const issuer = await new Issuer(key, new SigningKey('ES256', 'e1')).start();
after(() => issuer.stop());
const SESSION_SECRET = 'a-secret-of-a-site-0123456789abcdef0123';
const API_KEY = 'directory:a-key-0123456789abcdef0123456789abcdef';
const ENV = { DOORBELL_JWT_SECRET: JWT_SECRET, DOORBELL_JWKS_URL: issuer.url, DOORBELL_JWT_ISSUER: 'https://id.example', DOORBELL_JWT_AUDIENCE: 'chat', AUTH_SECRET: SESSION_SECRET, DOORBELL_API_KEY: API_KEY };
const party = { iss: 'https://id.example', aud: 'chat' };

const ask = (args, input, env = ENV) => new Promise((resolve, reject) => {
  const child = spawn(binary(), ['explain-token', ...args], { cwd: folder, env: { PATH: process.env.PATH, HOME: folder, DOORBELL_DATA_DIR: path.join(folder, 'data'), ...env } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  child.on('error', reject);
  child.on('close', (code) => resolve({ code, output }));
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
});
const secrets = [JWT_SECRET, SESSION_SECRET, API_KEY.split(':')[1]];

test('what is taken is told rule by rule, with exit code 0, from standard input or as an argument', async () => {
  const cases = [
    [mint('ann', party), [/says HS256/, /shared secret/, /ends at .*, in (59m|1h)/, /https:\/\/id\.example/, /for chat/, /It is ann\./, /issued (now|\ds ago)/, /Taken: it is ann until/]],
    [`Authorization: Bearer ${key.mint('bob', party)}`, [/says RS256 and names the key "k1"/, /Key number 1 of http:\/\/127/, /Taken: it is bob/]],
    [`Cookie: theme=dark; doorbell_session=${mint('cem', party)}`, [/There is doorbell_session/, /Taken: it is cem/]],
    [`X-API-Key: ${API_KEY.split(':')[1]}`, [/API key number 1/, /may do: directory\./, /Taken\./]],
    [API_KEY.split(':')[1], [/API key number 1/]],
    [`"${mint('dan', party)}"`, [/Taken: it is dan/]],
    [JSON.stringify({ token: mint('eve', party), expiresAt: '2030-01-01T00:00:00.000Z' }), [/Taken: it is eve/]],
    [`Set-Cookie: doorbell_session=${mint('fay', party)}; Path=/; HttpOnly; SameSite=Lax`, [/There is doorbell_session/, /Taken: it is fay/]],
    [mint('gil', { ...party, exp: now() - 5 }), [/requests take it for 30 s after its end.*a socket does not/, /Taken: it is gil/]],
  ];
  for (const [credential, expected] of cases) {
    for (const [args, input] of [[[], `${credential}\n`], [['-'], credential], [[credential]]]) {
      const { code, output } = await ask(args, input);
      for (const pattern of expected) assert.match(output, pattern);
      assert.equal(code, 0, output);
      for (const secret of secrets) assert.ok(!output.includes(secret), output);
      assert.ok(!output.includes(credential.split('.')[2] ?? '\0'), 'the signature is not shown');
    }
  }
});

test('what is refused is told with the mend, with exit code 1', async () => {
  const stranger = new SigningKey('RS256', 'k1');
  const cases = [
    [mint('ann', party, { secret: 'another-secret-altogether' }), /signature is wrong.*DOORBELL_JWT_SECRET/],
    [sign({ sub: 'ann', ...party, exp: now() - 7200 }), /ended 2h ago; get a new one/],
    [sign({ sub: 'ann', ...party }), /no exp/],
    [sign({ sub: 'ann', ...party, exp: now() + 60, nbf: now() + 600 }), /not valid yet.*clocks/],
    [mint('ann', { ...party, iss: 'https://evil.example' }), /another issuer.*https:\/\/evil\.example.*wants https:\/\/id\.example/],
    [mint('ann', { iss: party.iss }), /another audience.*chat/],
    [sign({ name: 'Ann', exp: now() + 60, ...party }), /names no user.*aud, exp, iss, name.*set sub/],
    [sign({ sub: 'ann' }, { header: { alg: 'none' } }), /not signed with HS256, RS256, ES256 or EdDSA/],
    ['Hello, is the flat free?', /^refused .*no token, no cookie and no API key.*\nRefused/],
    [stranger.mint('ann', party, { kid: undefined }), /By http:\/\/127.*signature is wrong/],
    [stranger.mint('ann', party), /By http:\/\/127.*signature is wrong/],
    [key.mint('ann', party, { kid: 'k2' }), /not among those that its issuer publishes/],
    [key.mint('ann', { ...party, iss: 'https://evil.example' }), /of whom no keys are configured/],
    ['eyJhbGciOiJIUzI1NiJ9.eyJz', /three parts/],
    ['X-API-Key: wrong', /no API key/],
    ['authjs.session-token=opaque', /./],
    ['', /nothing to look at/],
  ];
  for (const [credential, expected] of cases) {
    const { code, output } = await ask([], credential);
    assert.match(output, expected, credential);
    assert.match(output, /Refused: the last line says why/);
    assert.equal(code, 1, output);
    for (const secret of secrets) assert.ok(!output.includes(secret), output);
  }
});

test('a question that is none, or a wrong setting, is exit code 2', async () => {
  assert.equal((await ask(['--no-such-flag'], '')).code, 2);
  assert.equal((await ask([], 'x'.repeat(300_000))).code, 2);
  const { code, output } = await ask([], mint('ann'), { ...ENV, DOORBELL_JWKS_URL: 'http://id.example/keys' });
  assert.equal(code, 2);
  assert.match(output, /DOORBELL_JWKS_URL.*without TLS/);
  const away = await ask([], mint('ann', party), { ...ENV, DOORBELL_JWT_SECRET: undefined, DOORBELL_DATABASE_URL: 'postgres://doorbell@127.0.0.1:1/none' });
  assert.equal(away.code, 2, away.output);
  assert.doesNotMatch(away.output, /signature is wrong/, 'nobody says that of a secret that was not read');
});

test('where no secret is configured and none was made yet, public keys are judged all the same', async () => {
  const env = { ...ENV, DOORBELL_JWT_SECRET: undefined };
  const { code, output } = await ask([], key.mint('ann', party), env);
  assert.equal(code, 0, output);
  assert.match(output, /Note: No secret is configured/);
  assert.equal((await ask([], mint('ann', party), env)).code, 1);
});

test('whose sessions were ended is told so, where the database can be read', async (t) => {
  const server = await Doorbell.start();
  t.after(() => server.stop());
  const env = { ...ENV, DOORBELL_DATABASE_URL: server.env.DOORBELL_DATABASE_URL, DOORBELL_DATA_DIR: server.env.DOORBELL_DATA_DIR };
  const before = mint('ann', { ...party, iat: now() - 60 });
  assert.match((await ask([], before, env)).output, /never ended.*\nTaken: it is ann/);
  good(await server.api(mint('ann', { iat: now() - 60 })).delete('/v1/users/ann/sessions'), 204);
  const { code, output } = await ask([], before, env);
  assert.match(output, /sessions were ended at .*sign in again\.\nRefused/);
  assert.equal(code, 1, output);
  assert.match((await ask([], mint('ann', { ...party, iat: now() + 2 }), env)).output, /issued after .*\nTaken/);
  const elsewhere = await ask([], before, { ...ENV, DOORBELL_DATABASE_URL: 'postgres://doorbell@127.0.0.1:1/none' });
  assert.match(elsewhere.output, /was not looked up/);
  assert.equal(elsewhere.code, 0, elsewhere.output);
});

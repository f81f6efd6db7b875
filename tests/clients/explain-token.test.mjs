// Setups: sqlite, postgres.
// `doorbell explain-token`: which rule takes or refuses what somebody shows, and how to mend it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { Issuer, SigningKey } from './support/issuer.mjs';
import { binary, Doorbell, good, JWT_SECRET, mint, now, SETUP, sign, test } from './support/doorbell.mjs';
import { Postgres } from './support/postgres.mjs';
import { session } from './support/session-cookies.mjs';

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
    ['""', /nothing to look at/],
    [API_KEY, /API key number 1 with its scopes before it.*behind the colon alone/],
    [`Authorization: Bearer Bearer ${mint('ann', party)}`, /Bearer stands there twice/],
    [mint('ann', party, { secret: SESSION_SECRET }), /signature is wrong.*AUTH_SECRET signed it, which decrypts sessions/],
    [`Cookie: theme=dark; my-session=${await session('next-auth', { claims: { sub: 'ann' }, secret: SESSION_SECRET, name: 'my-session' })}`, /my-session is a session: name it in DOORBELL_SESSION_COOKIE/],
    [`cookie: sid=${await session('authjs', { claims: { sub: 'ann' }, secret: SESSION_SECRET, name: 'sid' })}`, /sid is a session: name it in DOORBELL_SESSION_COOKIE/],
  ];
  for (const [credential, expected] of cases) {
    const { code, output } = await ask([], credential);
    assert.match(output, expected, credential);
    assert.match(output, /Refused: the last line says why/);
    assert.equal(code, 1, output);
    for (const secret of secrets) assert.ok(!output.includes(secret), output);
  }
});

test('an `exp` in milliseconds is told as such, with the line that makes seconds', async () => {
  const { code, output } = await ask([], mint('ann', { ...party, exp: Date.now() }));
  assert.equal(code, 1);
  assert.match(output, /end .*looks like milliseconds; it is in seconds \(RFC 7519\).*Date\.now\(\) \/ 1000/);
});

test('what a terminal, a mail or curl has made of a token is looked at all the same', async () => {
  const token = mint('ann', party);
  for (const [credential, ...expected] of [
    [token.replace(/(.{40})/g, '$1\n'), /cut into lines.*send it in one piece/, /Taken: it is ann/],
    [`Authorization: Bearer ${token.replace(/(.{76})/g, '$1\r\n  ')}`, /cut into lines/, /Taken: it is ann/],
    [`-H "Authorization: Bearer ${token}"`, /Taken: it is ann/],
    [`--header 'Cookie: doorbell_session=${token}'`, /There is doorbell_session/, /Taken: it is ann/],
    [`-H 'X-API-Key: ${API_KEY.split(':')[1]}'`, /API key number 1/, /Taken\./],
    [(await session('authjs', { claims: { sub: 'ann' }, secret: SESSION_SECRET, name: 'authjs.session-token' })).replace(/(.{60})/g, '$1\n'), /cut into lines/, /Taken: it is ann/],
  ]) {
    const { code, output } = await ask([], credential);
    for (const pattern of expected) assert.match(output, pattern, credential);
    assert.equal(code, 0, output);
  }
});

test('a question that is none, or a wrong setting, is exit code 2', async () => {
  for (const nothing of ['', ' \n']) {
    const asked = await ask([], nothing);
    assert.equal(asked.code, 2);
    assert.match(asked.output, /nothing to look at/);
  }
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

test('whose sessions were ended is told so, by either database, in which nothing is written', async (t) => {
  const server = await Doorbell.start();
  t.after(() => server.stop());
  const env = { ...ENV, DOORBELL_DATABASE_URL: server.env.DOORBELL_DATABASE_URL, DOORBELL_DATA_DIR: server.env.DOORBELL_DATA_DIR };
  const before = mint('ann', { ...party, iat: now() - 60 });
  assert.match((await ask([], before, env)).output, /never ended.*\nTaken: it is ann/);
  good(await server.api(mint('ann', { iat: now() - 60 })).delete('/v1/users/ann/sessions'), 204);
  const { code, output } = await ask([], before, env);
  assert.match(output, /This sign-in was ended at \d{4}-.*sign in again\.\nRefused/);
  assert.equal(code, 1, output);
  assert.match((await ask([], mint('ann', { ...party, iat: now() + 2 }), env)).output, /issued after .*\nTaken/);
  assert.match((await ask([], mint('nobody', { ...party, iat: now() - 60 }), env)).output, /never ended.*\nTaken: it is nobody/);
});

test('where nobody started a server yet, nobody was signed out, and nothing is made there', async (t) => {
  const data = path.join(folder, 'fresh');
  let made = async () => '';
  const env = { ...ENV, DOORBELL_DATA_DIR: data };
  if (SETUP === 'postgres') {
    const postgres = await Postgres.shared();
    const database = await postgres.newDatabase();
    t.after(() => postgres.drop(database.name));
    env.DOORBELL_DATABASE_URL = database.url;
    made = () => postgres.sql(database.name, "SELECT 1 FROM pg_namespace WHERE nspname = 'doorbell'");
  }
  const { code, output } = await ask([], mint('ann', party), env);
  assert.match(output, /never ended.*\nTaken: it is ann/);
  assert.equal(code, 0, output);
  assert.equal(existsSync(data), false);
  assert.equal(await made(), '');
});

test('where the database cannot be read, nobody is called taken, and one sentence says why', async () => {
  const file = path.join(folder, 'no-database.db');
  writeFileSync(file, 'Hello, is the flat free?'.repeat(100));
  for (const [url, expected] of [
    ['postgres://doorbell@127.0.0.1:1/none', /^Whether the sign-in of ann was ended cannot be looked up: .*127\.0\.0\.1:1.* cannot be reached .*start PostgreSQL.*\.$/m],
    [`sqlite://${file}`, /^Whether the sign-in of ann was ended cannot be looked up: .*no-database\.db cannot be read \(.*not a database.*\)\.$/m],
  ]) {
    const { code, output } = await ask([], mint('ann', party), { ...ENV, DOORBELL_DATABASE_URL: url });
    assert.match(output, expected);
    assert.match(output, /ok .*It is ann\./, 'what could be judged is told');
    assert.doesNotMatch(output, /Taken|Refused/);
    assert.equal(code, 2, output);
  }
});

test('of a cookie it is told which pages may change something by it', async () => {
  const cookie = `doorbell_session=${mint('ann', party)}`;
  const site = { ...ENV, FRONTEND_URL: 'https://www.example.com,https://app.example.com', DOORBELL_PUBLIC_URL: 'https://chat.example.com' };
  const cases = [
    [cookie, [], site, 0, /changes something only for pages of FRONTEND_URL \(https:\/\/www\.example\.com, https:\/\/app\.example\.com\).*--origin.*\nTaken: it is ann/],
    [cookie, [], ENV, 0, /only for pages of this machine \(localhost.*FRONTEND_URL is not set.*\nTaken/],
    [cookie, ['--origin', 'https://WWW.example.com/messages'], site, 0, /Pages of https:\/\/www\.example\.com may use this server.*\nTaken/],
    [cookie, ['--origin', 'https://chat.example.com'], site, 0, /this server's own\.\nTaken/],
    [cookie, ['--origin', 'http://www.example.com'], site, 1, /refused +origin +Pages of http:\/\/www\.example\.com are foreign: a cookie changes nothing.*scheme, host and port.*Add http:\/\/www\.example\.com to FRONTEND_URL.*DOORBELL_PUBLIC_URL.*\nRefused/],
    [cookie, ['--origin', 'http://localhost:3000'], ENV, 0, /Pages of http:\/\/localhost:3000 may use/],
    [cookie, ['--origin', 'https://evil.example'], ENV, 1, /evil\.example are foreign/],
    [mint('ann', party), ['--origin', 'https://evil.example'], site, 1, /foreign: they open no socket.*FRONTEND_URL/],
    [`X-API-Key: ${API_KEY.split(':')[1]}`, ['--origin', 'https://www.example.com'], site, 0, /It is for servers.*\nTaken/],
    [cookie, ['--origin', 'null'], site, 2, /--origin is "null", which is not the address of a page/],
  ];
  for (const [credential, args, env, wanted, expected] of cases) {
    const { code, output } = await ask(args, credential, env);
    assert.match(output, expected, args.join(' '));
    assert.equal(code, wanted, output);
  }
  for (const bearer of [mint('ann', party), `Authorization: Bearer ${mint('ann', party)}`]) assert.doesNotMatch((await ask([], bearer, site)).output, /origin/, 'a token is sent by those who mean to');
  assert.doesNotMatch((await ask(['--origin', 'https://evil.example'], 'doorbell_session=x', site)).output, /foreign/, 'the first thing to mend comes first');
});

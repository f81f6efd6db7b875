// No secret, token, cookie or message text stands in a log, a metric, an error or the output of check-config, even where
// everything is logged.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { Issuer, SigningKey } from './support/issuer.mjs';
import { API_KEY, Doorbell, eventually, JWT_SECRET, mint, now, Rest, run, sign, test, unique } from './support/doorbell.mjs';
import { session } from './support/session-cookies.mjs';

const folder = mkdtempSync(path.join(tmpdir(), 'doorbell-secrets-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const MARK = unique('marker').replace(/[^a-z0-9]/gi, '');
const file = path.join(folder, 'keys');
const FILE_KEY = `filekey${MARK}0123456789abcdef0123456789`;
writeFileSync(file, `directory:${FILE_KEY}\n`);
const key = new SigningKey('ES256', 'k');
const issuer = await new Issuer(key).start();
after(() => issuer.stop());
const SITE_SECRET = `sitesecret${MARK}0123456789abcdef0123`;
const sessionOf = (product, secret) => session(product, { claims: { sub: unique('cem') }, secret, name: `${product}.session-token` });
const NEXT_AUTH = await sessionOf('next-auth', SITE_SECRET);
const AUTH_JS = await sessionOf('authjs', 'the-secret-of-another-site-0123456789');
const env = { DOORBELL_LOG: 'trace', DOORBELL_JWKS_URL: issuer.url, NEXTAUTH_SECRET: SITE_SECRET, DOORBELL_API_KEYS_FILE: file };
const server = await Doorbell.forFile({ env });

test('everything that is secret, at trace level: nowhere', { timeout: 60_000 }, async () => {
  const answers = [];
  const ask = async (promise) => answers.push((await promise).text);
  const [ann, bob] = [unique('ann'), unique('bob')];
  const text = `words${MARK}`;
  const tokens = [mint(ann), mint(bob), key.mint(ann), sign({ sub: ann, exp: now() - 99 }), mint(ann, {}, { secret: 'wrong' }), key.mint(ann, {}, { kid: `kid${MARK}` }), mint(ann, { exp: now() + 2 })];
  const cookies = [`next-auth.session-token=${NEXT_AUTH}`, `doorbell_session=${mint(ann)}`, `authjs.session-token=${AUTH_JS}`, `doorbell_session=rubbish${MARK}`];
  for (const token of [...tokens, NEXT_AUTH, `rubbish${MARK}.x.y`]) {
    await ask(server.api(token).get('/api/conversations'));
    const socket = server.dial(token, { reconnection: false });
    // Of a key that nobody knows yet, while the issuer is asked, the transport is closed.
    await Promise.any([socket.connected(), socket.once('(connect_error)'), socket.once('(disconnect)')]);
    answers.push(JSON.stringify(socket.events));
  }
  for (const cookie of cookies) await ask(new Rest(() => server.next(), { cookie }).get('/api/conversations'));
  for (const apiKey of [API_KEY, FILE_KEY, `wrong${MARK}`]) await ask(new Rest(() => server.next(), { 'x-api-key': apiKey }).put(`/v1/users/${bob}`, { role: 'x' }));
  const socket = await server.socket(tokens[0], { contract: 'conversations' });
  await socket.ok('auth:refresh', { token: tokens[2] });
  await socket.refused('FORBIDDEN', 'auth:refresh', { token: tokens[1] });
  await socket.refused('UNAUTHENTICATED', 'auth:refresh', { token: `rubbish${MARK}` });
  const conversation = await server.direct({ id: ann, token: tokens[0] }, { id: bob });
  const sent = await server.api(tokens[0]).post('/api/messages', { conversationId: conversation.id, content: text });
  assert.equal(sent.status, 201);
  await ask(server.api(tokens[0]).post('/api/messages', { conversationId: 'nowhere', content: text }));
  await ask(server.host.delete(`/v1/users/${ann}/sessions`));
  await socket.once('(disconnect)', () => true, 6000);
  // Wrong in the file: told in the log, without the key.
  writeFileSync(file, `directry:${FILE_KEY}\n`);
  for (const node of server.nodes) node.child.kill('SIGHUP');
  await eventually('the log tells of the file', () => server.nodes.every((node) => /API keys cannot be read again/.test(node.logs)));
  writeFileSync(file, `directory:${FILE_KEY}\n`);
  const metrics = (await Promise.all(server.nodes.map(({ url }) => fetch(`${url}/metrics`).then((answer) => answer.text())))).join('\n');
  const check = await run(['check-config'], { ...server.env, DOORBELL_API_KEY: API_KEY });
  assert.equal(check.code, 0, check.output);
  assert.match(check.output, /DOORBELL_API_KEY/);
  assert.match(server.logs, /TRACE|"trace"/i, 'it was logged at trace level indeed');
  const signatures = [...tokens, NEXT_AUTH, AUTH_JS].map((token) => token.split('.').at(-1));
  const secrets = [JWT_SECRET, API_KEY, FILE_KEY, SITE_SECRET, text, MARK, ...tokens, ...signatures];
  for (const [where, haystack] of Object.entries({ logs: server.logs, metrics, answers: answers.join('\n'), 'check-config': check.output })) {
    for (const secret of secrets) assert.ok(!haystack.includes(secret), `${where} show ${secret.slice(0, 40)}: ...${haystack.slice(Math.max(0, haystack.indexOf(secret) - 300), haystack.indexOf(secret) + 60)}`);
  }
});

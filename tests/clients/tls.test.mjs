// Setups: sqlite.
// TLS by the server itself, with certificates that openssl makes here. It starts its own node.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { io } from 'socket.io-client';
import { Client, eventually, freePort, mint, run, test, unique, within } from './support/doorbell.mjs';
import { Node } from './support/node.mjs';
import { JWT_SECRET } from './support/tokens.mjs';

const folder = mkdtempSync(path.join(tmpdir(), 'doorbell-tls-'));
const files = { DOORBELL_TLS_CERT: path.join(folder, 'cert.pem'), DOORBELL_TLS_KEY: path.join(folder, 'key.pem') };

function certify(kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']) {
  const made = { key: path.join(folder, 'new-key.pem'), cert: path.join(folder, 'new-cert.pem') };
  execFileSync('openssl', ['req', '-x509', ...kind, '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', made.key, '-out', made.cert], { stdio: 'pipe' });
  // One after the other, as any program that renews them does.
  writeFileSync(files.DOORBELL_TLS_CERT, readFileSync(made.cert));
  writeFileSync(files.DOORBELL_TLS_KEY, readFileSync(made.key));
  return readFileSync(made.cert);
}

const first = certify();
const node = await Node.prepare({ env: { ...files, DOORBELL_JWT_SECRET: JWT_SECRET, DOORBELL_NODE_LISTEN: `127.0.0.1:${await freePort()}` } });
// Its addresses for other nodes speak plain HTTP: there it is asked whether it is ready.
const secure = `https://localhost:${node.port}`;
node.url = `http://${node.env.DOORBELL_NODE_LISTEN}`;
await node.launch();
const clients = [];
after(async () => {
  for (const client of clients) client.close();
  await node.remove();
  rmSync(folder, { recursive: true, force: true });
});

function get(where, options) {
  return within(new Promise((resolve, reject) => {
    https.get(secure + where, { agent: false, ...options }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
    }).on('error', reject);
  }), 10_000, where);
}

function dial(id, ca, options = {}) {
  const client = new Client(io(secure, { forceNew: true, reconnection: false, auth: { token: mint(id), contract: 'tenant-chat' }, ca, ...options }));
  clients.push(client);
  return client;
}

test('stock clients chat over TLS, on every transport', async () => {
  for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']]) {
    const [ann, bob] = [unique('ann'), unique('bob')];
    const [a, b] = [dial(ann, first, { transports }), dial(bob, first, { transports })];
    await Promise.all([a.connected(), b.connected()]);
    for (let n = 0; n < 20; n += 1) await a.ok('send_message', { recipientId: bob, content: `over TLS ${n}`, type: 'text' });
    const came = await b.count('receive_message', 20);
    assert.deepEqual(came.map((message) => message.seq), Array.from({ length: 20 }, (_, n) => n + 1));
    // A packet of many TLS records.
    await a.ok('send_message', { recipientId: bob, content: 'x'.repeat(8000), type: 'text' });
    await b.count('receive_message', 21);
  }
});

test('a page of the same address is its own, though no proxy says that it came by https', async () => {
  const headers = { origin: secure, cookie: `doorbell_session=${mint(unique('ann'))}` };
  const answer = await get('/api/conversations', { ca: first, headers });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['access-control-allow-origin'], secure);
});

test('plain HTTP on the port of TLS gets no answer, and TLS nothing of HTTP/2', async () => {
  await assert.rejects(fetch(`http://127.0.0.1:${node.port}/healthz`));
  const { text } = await get('/healthz', { ca: first, ALPNProtocols: ['h2', 'http/1.1'] });
  assert.match(text, /up/);
});

test('a renewed certificate is shown to new connections, and those that are open go on', async () => {
  const [ann, bob] = [unique('ann'), unique('bob')];
  const [a, b] = [dial(ann, first, { transports: ['websocket'] }), dial(bob, first, { transports: ['websocket'] })];
  await Promise.all([a.connected(), b.connected()]);
  const renewed = certify(['-newkey', 'rsa:2048']);
  await eventually('the new certificate is shown', async () => (await get('/healthz', { ca: renewed })).status === 200, 15_000);
  await assert.rejects(get('/healthz', { ca: first }));
  await a.ok('send_message', { recipientId: bob, content: 'still here', type: 'text' });
  await b.count('receive_message', 1);
  assert.deepEqual(a.all('(disconnect)'), []);
  // Half of a change changes nothing, and is told.
  writeFileSync(files.DOORBELL_TLS_KEY, 'nonsense');
  await eventually('it is told', () => /the certificate stays as it is/.test(node.logs), 15_000);
  assert.equal((await get('/healthz', { ca: renewed })).status, 200);
});

test('on SIGHUP the certificate is looked at at once', async () => {
  const renewed = certify();
  node.child.kill('SIGHUP');
  // By itself it would be looked at within 5 seconds.
  await eventually('the new certificate is shown', async () => (await get('/healthz', { ca: renewed }).catch(() => ({}))).status === 200, 1500);
});

test('files that will not do are a sentence and exit code 2', async () => {
  const sentence = async (env, command = 'check-config') => {
    const { code, stderr } = await run([command], env);
    assert.equal(code, 2, stderr);
    return stderr;
  };
  certify();
  const missing = path.join(folder, 'missing.pem');
  assert.match(await sentence({ ...files, DOORBELL_TLS_CERT: missing }), /^DOORBELL_TLS_CERT is ".*missing\.pem".*;.*\.\n$/);
  assert.match(await sentence({ ...files, DOORBELL_TLS_KEY: missing }, 'serve'), /DOORBELL_TLS_KEY is ".*missing\.pem"/);
  assert.match(await sentence({ DOORBELL_TLS_CERT: files.DOORBELL_TLS_CERT }), /DOORBELL_TLS_KEY is not/);
  const other = path.join(folder, 'other.pem');
  execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', other], { stdio: 'pipe' });
  assert.match(await sentence({ ...files, DOORBELL_TLS_KEY: other }), /belong together/);
  const good = await run(['check-config'], files);
  assert.equal(good.code, 0, good.stderr);
});

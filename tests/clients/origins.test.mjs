// Which web pages may talk to the server.
import assert from 'node:assert/strict';
import { Doorbell, mint, test, unique } from './support/doorbell.mjs';
import { request, upgradeHeaders } from './support/raw.mjs';

const standard = await Doorbell.forFile();
const production = await Doorbell.forFile({ env: { FRONTEND_URL: 'https://App.Example.com/, http://other.example:8080' } });
const published = await Doorbell.forFile({ env: { FRONTEND_URL: 'https://app.example.com', DOORBELL_PUBLIC_URL: 'https://chat.example.com' } });

const auth = () => ({ authorization: `Bearer ${mint(unique('ann'))}` });
const words = (value = '') => value.toLowerCase().split(/\s*,\s*/);

async function welcome(server, origin) {
  const rest = await request(server.url, { path: '/api/conversations', headers: { origin, ...auth() } });
  assert.equal(rest.status, 200, `${origin}: ${rest.text}`);
  assert.equal(rest.headers['access-control-allow-origin'], origin);
  assert.equal(rest.headers['access-control-allow-credentials'], 'true');
  assert.ok(words(rest.headers.vary).includes('origin'), 'a cache must know that it varies');
  for (const name of ['etag', 'link', 'retry-after']) assert.ok(words(rest.headers['access-control-expose-headers']).includes(name), `${name} is exposed`);
  for (const path of ['/socket.io/', '/api/socketio/']) {
    const polling = await request(server.url, { path: `${path}?EIO=4&transport=polling`, headers: { origin } });
    assert.equal(polling.status, 200);
    assert.equal(polling.headers['access-control-allow-origin'], origin);
    assert.equal(polling.headers['access-control-allow-credentials'], 'true');
    const ws = await request(server.url, { path: `${path}?EIO=4&transport=websocket`, headers: { origin, ...upgradeHeaders() } });
    assert.equal(ws.status, 101, `${origin}: WebSocket`);
  }
}

async function refused(server, origin) {
  const rest = await request(server.url, { path: '/api/conversations', headers: { origin, ...auth() } });
  const preflight = await request(server.url, { method: 'OPTIONS', path: '/api/messages', headers: { origin, 'access-control-request-method': 'POST' } });
  for (const answer of [rest, preflight]) {
    const cors = Object.keys(answer.headers).filter((name) => name.startsWith('access-control-'));
    assert.deepEqual(cors, [], `${origin} gets no CORS headers`);
  }
  for (const path of ['/socket.io/', '/api/socketio/', '/socket.io', '/api/socketio']) {
    const polling = await request(server.url, { path: `${path}?EIO=4&transport=polling`, headers: { origin } });
    assert.equal(polling.status, 403, `${origin}: polling at ${path}`);
    assert.ok(!polling.headers['access-control-allow-origin']);
    const ws = await request(server.url, { path: `${path}?EIO=4&transport=websocket`, headers: { origin, ...upgradeHeaders() } });
    assert.equal(ws.status, 403, `${origin}: WebSocket at ${path}`);
  }
}

test('by default pages on this machine are welcome, at any port', async () => {
  for (const origin of ['http://localhost:3000', 'http://127.0.0.1:5173', 'http://localhost', 'https://localhost:3000', 'http://[::1]:3000']) await welcome(standard, origin);
});

test('by default everybody else is foreign, and `null` is, too', async () => {
  for (const origin of ['https://evil.example', 'http://localhost.evil.example', 'http://127.0.0.1.evil.example:3000', 'http://evil.example:3000', 'null', 'file://', 'http://localhost:3000@evil.example']) await refused(standard, origin);
});

test('FRONTEND_URL names the pages: a final slash or letter case does not matter', async () => {
  await welcome(production, 'https://app.example.com');
  await welcome(production, 'http://other.example:8080');
});

test('once FRONTEND_URL is set, pages on this machine are no longer implied', async () => {
  for (const origin of ['http://localhost:3000', 'http://127.0.0.1:5173', 'https://app.example.com:8443', 'http://app.example.com', 'http://other.example', 'https://app.example.com.evil.example', 'null']) await refused(production, origin);
});

test("the server's own origin is never foreign", async () => {
  await welcome(production, production.url);
  await welcome(published, 'https://chat.example.com');
  await refused(published, 'https://chat.example.com.evil.example');
});

test('a request without an Origin is no browser\'s, and allowed', async () => {
  for (const server of [standard, production]) {
    assert.equal((await request(server.url, { path: '/api/conversations', headers: auth() })).status, 200);
    assert.equal((await request(server.url, { path: '/socket.io/?EIO=4&transport=polling' })).status, 200);
    assert.equal((await request(server.url, { path: '/socket.io/?EIO=4&transport=websocket', headers: upgradeHeaders() })).status, 101);
  }
});

test('a preflight allows the methods and headers that the routes use', async () => {
  const origin = 'http://localhost:3000';
  const wanted = 'authorization,content-type,idempotency-key,if-none-match,x-socket-id';
  for (const [path, method] of [['/api/messages', 'POST'], ['/api/messages', 'PUT'], ['/chat', 'POST'], ['/v1/conversations/x', 'PATCH'], ['/v1/conversations/x/participants/y', 'DELETE'], ['/api/chat/messages/x/read', 'PUT']]) {
    const answer = await request(standard.url, { method: 'OPTIONS', path, headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': wanted } });
    assert.ok([200, 204].includes(answer.status), `${path}: ${answer.status}`);
    assert.equal(answer.headers['access-control-allow-origin'], origin);
    assert.equal(answer.headers['access-control-allow-credentials'], 'true');
    assert.ok(words(answer.headers['access-control-allow-methods']).includes(method.toLowerCase()), `${path}: ${method}`);
    for (const header of wanted.split(',')) assert.ok(words(answer.headers['access-control-allow-headers']).includes(header), header);
  }
});

test('errors carry the headers, too, so that a page can read them', async () => {
  const origin = 'http://localhost:3000';
  for (const [path, headers, status] of [['/api/conversations', {}, 401], ['/chat/never/messages', auth(), 404], ['/api/messages', auth(), 400]]) {
    const answer = await request(standard.url, { path, headers: { origin, ...headers } });
    assert.equal(answer.status, status);
    assert.equal(answer.headers['access-control-allow-origin'], origin);
  }
});

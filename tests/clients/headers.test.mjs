// What every answer says to browsers, and who may change something by a cookie: over all routes that there are.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Doorbell, mint, test, unique } from './support/doorbell.mjs';
import { request } from './support/raw.mjs';

const server = await Doorbell.forFile({ env: { FRONTEND_URL: 'https://www.example.com' } });
const { paths } = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url)));
const METHODS = ['get', 'put', 'post', 'delete', 'patch', 'head'];
// Those of the demo are not there under `serve`.
const routes = Object.entries(paths).filter(([path]) => !path.startsWith('/api/demo/')).flatMap(([path, item]) => METHODS.filter((method) => item[method]).map((method) => ({ method: method.toUpperCase(), path: path.replaceAll(/\{[^}]+\}/g, 'none') })));
// Open to whoever knows the address.
const isOpen = (path) => /^\/(|healthz|readyz|metrics|openapi\.json|media\/.*|socket\.io.*|api\/socketio.*)$/.test(path);

const token = mint(unique('ann'));
const origins = { allowed: 'https://www.example.com', own: server.nodes[0].url, foreign: 'https://evil.example', 'one like it': 'https://www.example.com.evil.example', null: 'null', none: undefined };
const ask = (route, headers) => request(server.nodes[0].url, { ...route, headers: { 'content-type': 'application/json', 'content-length': '2', ...headers }, body: '{}' });

test('the table has the routes', () => {
  assert.ok(routes.length > 25, `${routes.length} routes`);
  assert.ok(routes.filter(({ method }) => !['GET', 'HEAD'].includes(method)).length > 12);
});

for (const [kind, origin] of Object.entries(origins)) {
  const isKnown = ['allowed', 'own'].includes(kind);
  test(`origin ${kind}: by cookie ${isKnown ? 'anything' : 'nothing'} may be changed, and whatever the answer, it is guarded`, async () => {
    for (const route of routes) {
      const about = `${route.method} ${route.path}`;
      const from = origin === undefined ? {} : { origin };
      const isChange = !['GET', 'HEAD'].includes(route.method);
      const byCookie = await ask(route, { ...from, cookie: `doorbell_session=${token}` });
      const byToken = await ask(route, { ...from, authorization: `Bearer ${token}` });
      const byNobody = await ask(route, from);
      const isRefused = (answer) => answer.status === 403 && /allowed origin/.test(answer.text);
      if (!isOpen(route.path)) {
        assert.equal(isRefused(byCookie), isChange && !isKnown, `${about} by cookie: ${byCookie.status} ${byCookie.text}`);
        assert.equal(isRefused(byToken), false, `${about} by token needs no origin`);
        assert.equal(byNobody.status, 401, about);
      }
      for (const { status, headers } of [byCookie, byToken, byNobody]) {
        assert.equal(headers['x-content-type-options'], 'nosniff', `${about}: ${status}`);
        assert.match(headers['content-security-policy'] ?? '', /default-src 'none'/, `${about}: ${status}`);
        assert.ok(headers['referrer-policy'], about);
        assert.equal(headers['access-control-allow-origin'], isKnown ? origin : undefined, about);
        assert.match(headers.vary ?? '', /origin/i, about);
      }
    }
  });
}

test('answers that no route gives are guarded as well', async () => {
  for (const [method, path, headers] of [
    ['GET', '/no/such/route', {}],
    ['DELETE', '/healthz', {}],
    ['GET', '/', {}],
    ['GET', '/socket.io/?EIO=4&transport=polling', {}],
    ['GET', '/socket.io/?EIO=3&transport=polling', {}],
    ['GET', '/socket.io/?EIO=4&transport=polling&sid=none', {}],
    ['GET', '/socket.io/?EIO=4&transport=polling', { origin: 'https://evil.example' }],
    ['OPTIONS', '/api/messages', { origin: 'https://www.example.com', 'access-control-request-method': 'POST' }],
    ['OPTIONS', '/api/messages', { origin: 'https://evil.example', 'access-control-request-method': 'POST' }],
    ['OPTIONS', '/v1/uploads', {}],
  ]) {
    const answer = await request(server.nodes[0].url, { method, path, headers });
    assert.equal(answer.headers['x-content-type-options'], 'nosniff', `${method} ${path}: ${answer.status}`);
    assert.ok(answer.headers['content-security-policy'], `${method} ${path}: ${answer.status}`);
  }
});

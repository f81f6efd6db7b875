// Starting, watching, configuring and stopping it, as whoever runs it does.
import assert from 'node:assert/strict';
import http from 'node:http';
import { Doorbell, eventually, good, has, JWT_SECRET, mint, onlyOn, range, refusal, run, test, unique } from './support/doorbell.mjs';
import * as shape from './support/shapes.mjs';

test('health, readiness and metrics answer without a sign-in', async (t) => {
  const server = await Doorbell.start();
  t.after(() => server.stop());
  const api = server.api(null);
  assert.equal((await api.get('/healthz')).status, 200);
  assert.equal((await api.get('/readyz')).status, 200);
  const metrics = await api.get('/metrics');
  assert.equal(metrics.status, 200);
  assert.match(metrics.headers.get('content-type'), /^text\/plain/);
  const lines = metrics.text.trim().split('\n');
  assert.ok(lines.some((line) => line.startsWith('# TYPE doorbell_')), metrics.text.slice(0, 300));
  for (const line of lines) assert.match(line, /^(#|[a-zA-Z_:][a-zA-Z0-9_:]*(\{.*\})? [-+0-9.eEInfNa]+( \d+)?$)/, line);
});

test('a newcomer finds the commands in --help', async () => {
  const { code, output } = await run(['--help']);
  assert.equal(code, 0);
  for (const command of ['serve', 'demo', 'token', 'migrate', 'check-config']) assert.match(output, new RegExp(`\\b${command}\\b`));
  assert.equal((await run(['--version'])).code, 0);
  assert.notEqual((await run(['dance'])).code, 0);
});

const WRONG = [
  ['DOORBELL_LISTEN', 'nowhere'],
  ['DOORBELL_LISTEN', '127.0.0.1:99999'],
  ['DOORBELL_DIRECTORY', 'ajar'],
  ['DOORBELL_GROUP_MAX', 'many'],
  ['DOORBELL_GROUP_MAX', '1'],
  ['DOORBELL_CONTRACT', 'smoke-signals'],
  ['DOORBELL_RATE_LIMITS', 'sends=banana'],
  ['DOORBELL_RATE_LIMITS', 'sneezes=20/s'],
  ['DOORBELL_SHOW_EMAIL', 'perhaps'],
  ['DOORBELL_LOG', 'loud'],
  ['DOORBELL_DATABASE_URL', 'mysql://db.example/chat'],
  ['DOORBELL_PUBLIC_URL', 'not a url'],
  ['FRONTEND_URL', 'not a url'],
];

for (const [variable, value] of WRONG) {
  test(`${variable}=${value} is refused in one sentence that names it, by check-config and at start`, async () => {
    for (const command of ['check-config', 'serve']) {
      const { code, output } = await run([command], { DOORBELL_JWT_SECRET: JWT_SECRET, DOORBELL_LISTEN: '127.0.0.1:45544', [variable]: value });
      assert.equal(code, 2, `${command}: ${output}`);
      const sentences = output.trim().split('\n').filter((line) => line.includes(variable));
      assert.equal(sentences.length, 1, output);
      assert.ok(sentences[0].includes(value), `it names the value: ${output}`);
      assert.doesNotMatch(output, /panicked|RUST_BACKTRACE/);
    }
  });
}

test('a database’s address that nothing can connect to is refused before anything is tried, by its variable and without its password', async () => {
  for (const variable of ['DOORBELL_DATABASE_URL', 'DATABASE_URL']) {
    for (const [value, why] of [
      ['postgres://u:hunter2@h:99999/db', /port/],
      ['postgres://u:hunter2@h/db?sslmode=bogus', /sslmode is "bogus"/],
      ['postgres://u:hunter2@h/db?sslmode=verify-full&sslrootcert=/nowhere/ca.pem', /ca\.pem/],
    ]) {
      for (const command of ['check-config', 'serve', 'migrate', 'token']) {
        const { code, stderr } = await run(command === 'token' ? [command, 'ann'] : [command], { [variable]: value });
        assert.equal(code, 2, `${command}: ${stderr}`);
        assert.ok(stderr.startsWith(`${variable} `) && stderr.trim().split('\n').length === 1, stderr);
        assert.match(stderr, why);
        assert.ok(!stderr.includes('hunter2'), stderr);
      }
    }
  }
});

test('a bucket’s server at an address that is none is refused by both commands, and one that is left empty is not set', async (t) => {
  const bucket = { DOORBELL_MEDIA_URL: 's3://photos', AWS_REGION: 'eu-central-1', AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };
  for (const command of ['check-config', 'serve']) {
    const { code, stderr } = await run([command], { ...bucket, AWS_ENDPOINT_URL: 'minio:9000' });
    assert.equal(code, 2, stderr);
    assert.match(stderr, /^AWS_ENDPOINT_URL is "minio:9000", which is not the address of a server; write .*\.\n$/);
  }
  const asked = [];
  const server = http.createServer((request, response) => {
    asked.push(request.headers);
    response.writeHead(403).end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const empty = { AWS_ENDPOINT_URL_S3: '', AWS_SESSION_TOKEN: '', AWS_ENDPOINT: ' ' };
  const { code, output } = await run(['serve'], { ...bucket, ...empty, AWS_ENDPOINT_URL: `http://127.0.0.1:${server.address().port}` });
  assert.equal(code, 2, output);
  assert.match(output, /no file can be stored/);
  assert.ok(asked.length > 0, 'the server that is named was asked');
  assert.equal(asked[0]['x-amz-security-token'], undefined);
});

test('SIGHUP ends no server, whatever is configured', async (t) => {
  const server = await Doorbell.start();
  t.after(() => server.stop());
  const socket = await server.socket(await server.person('ann'));
  for (const node of server.nodes) node.child.kill('SIGHUP');
  // The signal is there before what is asked next.
  await socket.refused('INVALID', 'auth:refresh', {});
  for (const node of server.nodes) {
    assert.equal((await fetch(`${node.url}/healthz`)).status, 200);
    assert.ok(node.isUp);
  }
  assert.deepEqual(socket.all('(disconnect)'), []);
});

test('a good configuration passes check-config, and a secret is never shown', async () => {
  const secret = 'MARKER-secret-0123456789-0123456789-abcdef';
  const { code, output } = await run(['check-config'], { DOORBELL_JWT_SECRET: secret, DOORBELL_API_KEY: 'MARKER-key-0123456789-0123456789', DOORBELL_LISTEN: '127.0.0.1:45544' });
  assert.equal(code, 0, output);
  assert.doesNotMatch(output, /MARKER/);
  const wrong = await run(['check-config'], { DOORBELL_DATABASE_URL: 'mysql://user:MARKERpassword@db.example/chat' });
  assert.equal(wrong.code, 2);
  assert.doesNotMatch(wrong.output, /MARKER/, 'nor a password in an address');
});

test('flags and variables and doorbell.toml use the same words, and a wrong flag is refused, too', async () => {
  const { code, output } = await run(['check-config', '--directory', 'ajar']);
  assert.equal(code, 2, output);
  assert.match(output, /directory/i);
});

onlyOn('sqlite', 'DATABASE_URL counts only where DOORBELL_DATABASE_URL is not set')('DATABASE_URL of another kind is passed over with a line in the log', async (t) => {
  const server = await Doorbell.start({ env: { DATABASE_URL: 'mongodb://user:MARKERmongo@db.example/app' } });
  t.after(() => server.stop());
  assert.match(server.logs, /DATABASE_URL/);
  assert.doesNotMatch(server.logs, /MARKERmongo/);
});

test('doorbell token mints a token that the server takes', async (t) => {
  const server = await Doorbell.start();
  t.after(() => server.stop());
  const id = unique('ann');
  const { code, stdout, output } = await run(['token', id], { DOORBELL_JWT_SECRET: JWT_SECRET, DOORBELL_DATA_DIR: server.env.DOORBELL_DATA_DIR });
  assert.equal(code, 0, output);
  const token = stdout.match(/[\w-]+\.[\w-]+\.[\w-]+/)?.[0];
  assert.ok(token, stdout);
  const socket = await server.socket(token, { path: '/api/socketio' });
  assert.equal((await socket.once('connection:success')).userId, id);
});

test('without a secret one is made at first start, said so, and kept', async (t) => {
  const server = await Doorbell.start({ env: { DOORBELL_JWT_SECRET: undefined } });
  t.after(() => server.stop());
  assert.match(server.logs, /secret/i);
  const user = { id: unique('ann') };
  user.token = good(await server.host.post('/api/auth/socket-token', { userId: user.id })).token;
  good(await server.api(user).get('/api/conversations'));
  assert.equal((await server.api(mint(user.id)).get('/api/conversations')).status, 401, 'nobody else knows it');
  await server.terminate();
  await server.restart();
  good(await server.api(user).get('/api/conversations'));
});

test('without an API key no server-to-server calls are there', async (t) => {
  const server = await Doorbell.start({ env: { DOORBELL_API_KEY: undefined } });
  t.after(() => server.stop());
  for (const key of ['', 'undefined', 'anything']) {
    const answer = await server.api(null).put(`/v1/users/${unique('u')}`, { name: 'x' }, { 'x-api-key': key });
    assert.equal(answer.status, 401);
  }
});

test('everything is there after a restart: people, conversations, marks, titles', async (t) => {
  const server = await Doorbell.start();
  t.after(() => server.stop());
  const [ann, bob] = await server.people('ann', 'bob');
  const group = await server.group(ann, [bob], 'Kept');
  for (const text of ['one', 'two']) await server.say(ann, group.id, text);
  const last = await server.say(ann, group.id, 'three');
  good(await server.api(bob).put(`/api/messages`, { conversationId: group.id }));
  await server.say(ann, group.id, 'four');
  const before = await Promise.all([ann, bob].map(async (user) => (await server.api(user).get('/api/conversations')).body));
  await server.terminate();
  await server.restart();
  const now = await Promise.all([ann, bob].map(async (user) => (await server.api(user).get('/api/conversations')).body));
  assert.deepEqual(now, before);
  has(now[1].conversations[0], { title: 'Kept', unreadCount: 1, lastMessage: 'four' });
  assert.equal(good(await server.api(ann).get(`/api/messages?conversationId=${group.id}`)).messages.find((m) => m.id === last.id).read, true);
});

test('neither tokens nor texts nor keys stand in the logs', async (t) => {
  const server = await Doorbell.start({ env: { RUST_LOG: 'debug', DOORBELL_LOG: 'debug' } });
  t.after(() => server.stop());
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  const socket = await server.socket(ann, { transports: ['polling', 'websocket'] });
  await socket.ok('conversation:join', id);
  await socket.ok('message:send', { conversationId: id, content: 'MARKER-text-of-a-message' });
  await socket.refused('NOT_FOUND', 'message:send', { conversationId: 'none', content: 'MARKER-text-refused' });
  await server.api(bob).post('/api/messages', '{"conversationId": "MARKER-broken');
  await server.api('MARKER.token.rubbish').get('/api/conversations');
  await server.turnedAway('MARKER.token.socket');
  await server.api(bob).get('/api/conversations', { 'x-api-key': 'MARKER-wrong-key', cookie: 'doorbell_session=MARKER-cookie' });
  await server.api(bob).get(`/api/conversations?token=MARKER-in-address`);
  await server.stop();
  assert.ok(server.logs.length > 0, 'it does log something');
  const found = server.logs.split('\n').filter((line) => line.includes('MARKER') || line.includes(ann.token) || line.includes(ann.token.split('.')[2]) || line.includes(JWT_SECRET));
  assert.deepEqual(found, []);
  assert.doesNotMatch(server.logs, /an-api-key-for-tests/);
});

test('at debug the log follows one client: its refusals and its end', async (t) => {
  const server = await Doorbell.start({ env: { DOORBELL_LOG: 'debug' } });
  t.after(() => server.stop());
  const ann = await server.person('ann');
  const socket = await server.socket(ann, { contract: 'conversations' });
  await socket.refused('NOT_FOUND', 'message:send', { conversationId: 'none', content: 'MARKER-text' });
  refusal(await server.api(ann).get('/api/messages?conversationId=none'), 404, 'NOT_FOUND');
  await server.turnedAway('MARKER.token');
  socket.socket.disconnect();
  const lines = () => server.logs.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  const line = (fields) => lines().find((found) => Object.entries(fields).every(([name, value]) => found[name] === value));
  await eventually('the end is logged', () => line({ level: 'DEBUG', user: ann.id, reason: 'client namespace disconnect' }));
  const wanted = [
    { level: 'DEBUG', message: 'an event was refused', user: ann.id, event: 'message:send', code: 'NOT_FOUND' },
    { level: 'DEBUG', message: 'a request was refused', method: 'GET', route: '/api/messages', code: 'NOT_FOUND' },
    { level: 'DEBUG', message: 'a token was refused', code: 'TOKEN_INVALID' },
    { level: 'INFO', message: 'starting' },
    { level: 'INFO', message: 'listening' },
  ];
  for (const fields of wanted) assert.ok(line(fields), `${JSON.stringify(fields)} is not in\n${server.logs}`);
  assert.doesNotMatch(server.logs, /MARKER/);
  await server.terminate();
  assert.ok(line({ level: 'INFO', message: 'stopped' }), server.logs);
});

test('a method that a route does not have is 405 with `Allow` and a sentence, everywhere', async (t) => {
  for (const command of ['serve', 'demo']) {
    const server = await Doorbell.start({ command });
    t.after(() => server.stop());
    const ways = [['DELETE', '/api/conversations'], ['PATCH', '/v1/users/u1'], ['POST', '/healthz'], ['DELETE', '/metrics'], ['PUT', '/']];
    for (const [method, path] of command === 'demo' ? [...ways, ['GET', '/api/demo/sign-in']] : ways) {
      const answer = await fetch(server.url + path, { method });
      const text = await answer.text();
      assert.equal(answer.status, 405, `${method} ${path}`);
      assert.ok(answer.headers.get('allow'), `${method} ${path} tells what is allowed`);
      refusal({ status: answer.status, text, body: JSON.parse(text || 'null') ?? {} }, 405, 'INVALID');
    }
  }
});

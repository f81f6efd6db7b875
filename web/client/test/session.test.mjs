// Who is signed in, until when, and what is said when it does not work.
import assert from 'node:assert/strict';
import { clientOf, createClient, Doorbell, eventually, mint, online, Proxy, sleep, test, until } from './support.mjs';

const server = await Doorbell.forFile();
const now = () => Math.floor(Date.now() / 1000);

test('a token is renewed before it ends, and nobody notices', async () => {
  const [ana, ben] = await server.people('ana', 'ben');
  const { id } = await server.direct(ana, ben);
  const given = [];
  const token = async () => {
    given.push(Date.now());
    return mint(ana.id, { exp: now() + 4, iat: now() });
  };
  const client = createClient({ url: server.url, token });
  const seen = [];
  client.on('state', ({ status }) => seen.push(status));
  const timeline = client.conversation(id);
  timeline.open();
  await online(client);
  // Longer than two of the tokens live.
  await eventually('renewed', () => given.length >= 4, 20_000);
  for (const [n, at] of given.entries()) if (n) assert.ok(at - given[n - 1] < 3_900, `before it ended: ${given}`);
  await until(client.state, ({ status }) => status === 'online', 'online');
  await timeline.send({ text: 'still here' }).done;
  assert.ok(!seen.includes('signed-out') && !seen.includes('refused'), `${seen}`);
  await client.close();
});

test('a token that the server refuses is asked for anew, once', async () => {
  const [ana] = await server.people('ana');
  const tokens = [mint(ana.id, { exp: now() - 100 }), mint(ana.id)];
  const client = clientOf(server, null, { userKey: ana.id, token: async () => tokens.shift() });
  await online(client);
  assert.equal(tokens.length, 0);
});

test('who is not signed in is told so, and connects after signing in', async () => {
  const [ana] = await server.people('ana');
  let token = null;
  const client = clientOf(server, null, { token: async () => token });
  const { reason } = await until(client.state, ({ status }) => status === 'signed-out', 'signed out');
  assert.equal(reason.code, 'SIGNED_OUT');
  token = mint(ana.id);
  client.connect();
  await online(client);
  assert.equal(client.me.get().name, ana.name);
});

test('a session that ends while one is connected ends in signed-out, not in trying for ever', async () => {
  const [ana] = await server.people('ana');
  const client = clientOf(server, { token: mint(ana.id, { iat: now(), exp: now() + 2 }) });
  await online(client);
  await until(client.state, ({ status }) => status === 'signed-out', 'signed out', 15_000);
});

test('without a session cookie the answer is signed-out', async () => {
  const client = clientOf(server, null);
  await until(client.state, ({ status }) => status === 'signed-out', 'signed out');
});

test('a session cookie gets its token by itself', async () => {
  const demo = await Doorbell.start({ command: 'demo' });
  try {
    const { users } = await (await fetch(`${demo.url}/api/demo/users`)).json();
    const signedIn = await fetch(`${demo.url}/api/demo/sign-in`, { method: 'POST', headers: { 'content-type': 'application/json', origin: demo.url }, body: JSON.stringify({ userId: users[0].id }) });
    const cookie = signedIn.headers.get('set-cookie').split(';')[0];
    // What a browser does by itself.
    const withCookie = (url, init = {}) => fetch(url, { ...init, headers: { ...init.headers, cookie, origin: demo.url } });
    const client = clientOf(demo, null, { fetch: withCookie });
    await online(client);
    assert.equal(client.me.get().id, users[0].id);
    await until(client.inbox.list, ({ items, isLoading }) => !isLoading && items.length > 0, 'list');
  } finally {
    await demo.stop();
  }
});

test('a wrong token is refused with the reason, and tried no more', async () => {
  const client = clientOf(server, { token: mint('ana', {}, { secret: 'another secret altogether, long enough' }) });
  const { status, reason } = await until(client.state, ({ status }) => status === 'refused' || status === 'signed-out', 'refused');
  assert.match(status, /refused|signed-out/);
  assert.ok(reason.code && reason.message.length > 5, JSON.stringify(reason));
  const { since } = client.state.get();
  await sleep(1500);
  assert.equal(client.state.get().since, since, 'it does not try again by itself');
});

test('a server that is not there is offline, with the time of the next attempt', async () => {
  const proxy = await Proxy.start(server.port);
  proxy.refuses = true;
  const [ana] = await server.people('ana');
  const client = clientOf({ url: proxy.url }, ana);
  const { reason, retryAt } = await until(client.state, ({ status }) => status === 'offline', 'offline');
  assert.equal(reason.code, 'NETWORK');
  assert.ok(retryAt > Date.now() - 100 && retryAt < Date.now() + 16_000);
  proxy.refuses = false;
  await online(client);
  await proxy.stop();
});

test('how long there is no connection is counted through all attempts', async () => {
  const proxy = await Proxy.start(server.port);
  const [ana] = await server.people('ana');
  const client = clientOf({ url: proxy.url }, ana, { polling: 'never' });
  await online(client);
  let attempts = 0;
  client.on('state', ({ status }) => (attempts += Number(status === 'offline')));
  proxy.refuses = true;
  const lost = Date.now();
  proxy.cut();
  await eventually('three attempts', () => attempts >= 3, 15_000);
  client.connect();
  assert.ok(Math.abs(client.state.get().since - lost) < 400, `${client.state.get().since - lost} ms later`);
  proxy.refuses = false;
  await until(client.state, ({ status }) => status === 'online', 'online', 15_000);
  assert.ok(client.state.get().since > lost + 400);
  await proxy.stop();
});

test('one who is too fast at the door waits and comes in', async () => {
  const own = await Doorbell.start({ env: { DOORBELL_RATE_LIMITS: 'connections=1/s:1' } });
  try {
    const ana = await own.person('ana', {});
    const clients = [0, 1, 2].map(() => clientOf(own, ana, { storage: null }));
    for (const client of clients) await until(client.state, ({ status }) => status === 'online', 'online', 20_000);
  } finally {
    await own.stop();
  }
});

test('when somebody else signs in meanwhile, nothing of the first person is sent as theirs', async () => {
  const [ana, ben, cara] = await server.people('ana', 'ben', 'cara');
  const { id } = await server.direct(ana, ben);
  const group = await server.group(ana, [ben, cara]);
  const tokens = [mint(ana.id, { iat: now(), exp: now() + 2 })];
  const client = clientOf(server, null, { token: async () => tokens.shift() ?? cara.token });
  await online(client);
  client.conversation(id);
  const { reason } = await until(client.state, ({ status }) => status === 'signed-out', 'signed out', 15_000);
  assert.match(reason.message, /somebody else/i);
  client.conversation(group.id).send({ text: 'from ana' });
  client.connect();
  await until(client.state, ({ status }) => status === 'signed-out', 'still signed out');
  await sleep(500);
  assert.deepEqual(await server.history(ben, group.id), []);
});

test('a server that says why it ends the connection is quoted', async () => {
  const own = await Doorbell.start();
  try {
    const client = clientOf(own, await own.person('ana', {}));
    const reasons = [];
    client.on('state', ({ status, reason }) => status === 'offline' && reasons.push(reason));
    await online(client);
    await own.terminate();
    await until(client.state, ({ status }) => status === 'offline', 'offline');
    // An older server says nothing.
    assert.match(reasons[0].code, /^(SHUTTING_DOWN|NETWORK)$/);
    assert.ok(reasons[0].message.length > 5);
  } finally {
    await own.stop();
  }
});

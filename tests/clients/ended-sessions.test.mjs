// Signing out everywhere, or being shut out: DELETE /v1/users/{id}/sessions; and a socket that goes on by a new token.
import assert from 'node:assert/strict';
import { decode, Doorbell, eventually, good, mint, now, refusal, Rest, sleep, test, unique } from './support/doorbell.mjs';
import { session } from './support/session-cookies.mjs';

const SITE_SECRET = 'the-secret-of-the-site-0123456789abcdef';
const server = await Doorbell.forFile({ env: { NEXTAUTH_SECRET: SITE_SECRET } });
const later = async () => {
  // A token says in whole seconds when it was issued: the next second is later for certain.
  const second = now();
  await eventually('the next second', () => now() > second);
};

test('whoever is shut out is disconnected everywhere with a reason, stays away, and is nobody by what was issued before', { timeout: 40_000 }, async () => {
  const user = await server.person('mallory', {});
  const other = await server.person('ann', {});
  const { id } = await server.direct(user, other);
  const sockets = await Promise.all(server.nodes.flatMap((_, node) => [
    server.at(node).socket(user, { transports: ['websocket'], reconnection: true, reconnectionDelay: 50 }),
    server.at(node).socket(user, { transports: ['polling'], reconnection: true, reconnectionDelay: 50, contract: 'media-chat' }),
    server.at(node).socket(user, { version: '4.0', reconnection: true, reconnectionDelay: 50, contract: 'tenant-chat' }),
  ]));
  const bystander = await server.socket(other, { contract: 'conversations' });
  await bystander.ok('conversation:join', id);
  assert.equal((await server.host.delete(`/v1/users/${user.id}/sessions`)).status, 204);
  for (const socket of sockets) {
    assert.equal(await socket.once('(disconnect)', () => true, 6000), 'io server disconnect');
    const [reason] = socket.all('disconnect:reason');
    assert.equal(reason.code, 'SESSIONS_ENDED');
    assert.match(reason.message, /sign in again/);
  }
  await sleep(1500);
  for (const socket of sockets) {
    assert.equal(socket.all('(connect)').length, 1, 'it does not come back by itself');
    assert.deepEqual(socket.all('(connect_error)'), []);
  }
  for (const node of server.nodes.keys()) {
    refusal(await server.at(node).api(user).get('/api/conversations'), 401, 'UNAUTHENTICATED');
    const error = await server.at(node).turnedAway(user);
    assert.deepEqual([error.message, error.data.code], ['Authentication error', 'TOKEN_INVALID']);
    assert.match(error.data.message, /ended after it was issued/);
  }
  const claims = { exp: now() + 3600, sub: user.id };
  for (const iat of [undefined, 0, now() - 10, now() + 86_400]) {
    refusal(await server.api(mint(user.id, { ...claims, iat })).get('/api/conversations'), 401, 'UNAUTHENTICATED');
  }
  await bystander.ok('message:send', { conversationId: id, content: 'still here' });
  // Issued after that moment, they are good again.
  await later();
  const again = mint(user.id);
  for (const node of server.nodes.keys()) good(await server.at(node).api(again).get('/api/conversations'));
  await server.socket(again);
});

test('a token that Doorbell issues right after the end of all sessions is good, in the same second', async () => {
  const user = await server.person('ann');
  assert.equal((await server.host.delete(`/v1/users/${user.id}/sessions`)).status, 204);
  const { token } = good(await server.host.post('/api/auth/socket-token', { userId: user.id }));
  assert.equal(decode(token).sub, user.id);
  good(await server.api(token).get('/api/conversations'));
  await server.socket(token);
});

test('a session of the site is called back with the tokens, and a later one is good', async () => {
  const user = await server.person('ann');
  const show = async () => {
    const name = 'next-auth.session-token';
    const value = await session('next-auth', { claims: { sub: user.id }, secret: SITE_SECRET, name });
    return new Rest(() => server.next(), { cookie: `${name}=${value}` });
  };
  const before = await show();
  good(await before.get('/api/conversations'));
  assert.equal((await server.host.delete(`/v1/users/${user.id}/sessions`)).status, 204);
  await eventually('every node refuses it', async () => (await Promise.all(server.nodes.map(() => before.get('/api/conversations')))).every((answer) => answer.status === 401));
  await later();
  good(await (await show()).get('/api/conversations'));
});

test('a request that is held while the sessions are ended gives nothing of what comes then', { timeout: 40_000 }, async () => {
  const [user, other] = await server.people('ann', 'bob');
  const { id } = await server.direct(user, other);
  const { seq } = await server.say(other, id, 'before');
  const at = server.at(0);
  const held = at.api(user).get(`/api/messages?conversationId=${id}&after=${seq}&wait=20`);
  await sleep(300);
  assert.equal((await at.host.delete(`/v1/users/${user.id}/sessions`)).status, 204);
  await at.say(other, id, 'not for them');
  const answer = refusal(await held, 401, 'UNAUTHENTICATED');
  assert.match(answer.error, /ended after it was issued/);
});

test('one may end one’s own sessions, and nobody else’s', async () => {
  const [ann, bob] = await server.people('ann', 'bob');
  refusal(await server.api(bob).delete(`/v1/users/${ann.id}/sessions`), 403, 'FORBIDDEN');
  refusal(await server.api(null).delete(`/v1/users/${ann.id}/sessions`), 401, 'UNAUTHENTICATED');
  refusal(await server.host.delete('/v1/users/no%20id/sessions'), 400, 'INVALID');
  good(await server.api(ann).get('/api/conversations'));
  const socket = await server.socket(ann);
  assert.equal((await server.api(ann).delete(`/v1/users/${ann.id}/sessions`)).status, 204);
  await socket.once('(disconnect)');
  await eventually('every node refuses it', async () => (await Promise.all(server.nodes.map((_, node) => server.at(node).api(ann).delete(`/v1/users/${ann.id}/sessions`)))).every((answer) => answer.status === 401));
  good(await server.api(bob).get('/api/conversations'));
});

test('somebody whom nobody has met is shut out all the same, also after a restart', { timeout: 60_000 }, async (t) => {
  const here = await Doorbell.start();
  t.after(() => here.stop());
  const id = unique('stranger');
  const token = mint(id);
  assert.equal((await here.host.delete(`/v1/users/${id}/sessions`)).status, 204);
  await eventually('every node knows', async () => (await Promise.all(here.nodes.map((_, node) => here.at(node).api(token).get('/api/conversations')))).every((answer) => answer.status === 401));
  await here.terminate();
  await here.restart();
  for (const node of here.nodes.keys()) refusal(await here.at(node).api(token).get('/api/conversations'), 401, 'UNAUTHENTICATED');
});

test('who was away when the sessions were ended does not get the session back, even with a new token', { timeout: 30_000 }, async () => {
  const [user, other] = await server.people('ann', 'bob');
  const { id } = await server.direct(user, other);
  let token = user.token;
  const socket = server.dial(undefined, { contract: 'conversations', auth: undefined, reconnection: false });
  socket.socket.auth = (give) => give({ token, contract: 'conversations' });
  socket.socket.disconnect().connect();
  await socket.connected();
  await socket.ok('conversation:join', id);
  await server.say(other, id, 'one');
  await socket.once('message:received', (m) => m.content === 'one');
  // The connection breaks, as by a network that goes.
  socket.socket.io.engine.close();
  await socket.once('(disconnect)');
  assert.equal((await server.host.delete(`/v1/users/${user.id}/sessions`)).status, 204);
  await later();
  token = mint(user.id);
  await server.say(other, id, 'two');
  const from = socket.events.length;
  socket.socket.connect();
  await socket.once('(connect)', () => true, 8000, from);
  assert.equal(socket.socket.recovered, false);
  await socket.staysQuiet('message:received', () => true, 600, from);
});

test('auth:refresh lets a socket go on by another token of the same user', { timeout: 40_000 }, async () => {
  const user = await server.person('ann');
  for (const contract of ['conversations', 'tenant-chat', 'media-chat', 'property-chat', undefined]) {
    const brief = mint(user.id, { exp: now() + 3 });
    const [goes, stays] = await Promise.all([server.socket(brief, { contract }), server.socket(brief, { contract })]);
    const exp = now() + 3600;
    const answer = await stays.ok('auth:refresh', { token: mint(user.id, { exp }) });
    assert.equal(Date.parse(answer.expiresAt), exp * 1000);
    await goes.once('(disconnect)', () => true, 9000);
    assert.deepEqual(goes.all('disconnect:reason').map((reason) => reason.code), ['TOKEN_EXPIRED']);
    await stays.staysQuiet('(disconnect)', () => true, 300);
    assert.equal((await stays.ok('auth:refresh', { token: `Bearer ${mint(user.id)}` })).ok, true);
  }
});

test('auth:refresh tells nothing of a contract, takes nobody else’s token and no bad one, and leaves the socket as it was', async () => {
  const [ann, bob] = await server.people('ann', 'bob');
  const socket = await server.socket(ann);
  await socket.refused('FORBIDDEN', 'auth:refresh', { token: bob.token });
  await socket.refused('UNAUTHENTICATED', 'auth:refresh', { token: 'rubbish' });
  await socket.refused('UNAUTHENTICATED', 'auth:refresh', { token: '' });
  await socket.refused('UNAUTHENTICATED', 'auth:refresh', { token: mint(ann.id, { exp: now() - 5 }) });
  for (const payload of [{}, { token: 7 }, 'text', null, { token: null }]) await socket.refused('INVALID', 'auth:refresh', payload);
  await socket.ok('auth:refresh', { token: mint(ann.id) });
  // It is still a socket whose contract nothing has told, which gets the pushes of tenant-chat.
  await server.api(bob).post('/api/chat/messages', { recipientId: ann.id, content: 'hello', type: 'text' });
  assert.equal((await socket.once('receive_message')).content, 'hello');
});

test('a socket that was refreshed with a token of before the end of all sessions is closed as any other', async () => {
  const user = await server.person('ann');
  const socket = await server.socket(user);
  await socket.ok('auth:refresh', { token: mint(user.id, { exp: now() + 7200 }) });
  assert.equal((await server.host.delete(`/v1/users/${user.id}/sessions`)).status, 204);
  assert.equal(await socket.once('(disconnect)'), 'io server disconnect');
  await later();
  const next = await server.socket(mint(user.id));
  await next.refused('UNAUTHENTICATED', 'auth:refresh', { token: user.token });
});

test('a server that stops says so before it closes the transport, and its clients come back by themselves', { timeout: 40_000 }, async (t) => {
  const here = await Doorbell.start();
  t.after(() => here.stop());
  const user = await here.person('ann');
  for (const options of [{ contract: 'conversations', transports: ['websocket'] }, { transports: ['polling'] }]) {
    const socket = await here.at(0).socket(user, { ...options, reconnection: true, reconnectionDelay: 100, reconnectionDelayMax: 500 });
    await here.terminate();
    await here.restart();
    assert.deepEqual(socket.all('disconnect:reason').map((reason) => reason.code), ['SHUTTING_DOWN'], JSON.stringify([options, socket.events.map(({ name, payload }) => [name, payload])]));
    assert.notEqual(socket.all('(disconnect)')[0], 'io server disconnect');
    await eventually('it is back', () => socket.all('(connect)').length === 2, 15_000);
  }
});

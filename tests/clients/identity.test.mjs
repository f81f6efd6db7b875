// Who somebody is comes from the verified token alone; what is not theirs does not exist for them.
import assert from 'node:assert/strict';
import { API_KEY, decode, Doorbell, good, has, mint, now, refusal, Rest, sign, test, unique } from './support/doorbell.mjs';
import { request } from './support/raw.mjs';

const server = await Doorbell.forFile();

test('a handshake without a good token is an `Authentication error` that says why', async () => {
  const sub = unique('ann');
  const cases = {
    TOKEN_MISSING: [undefined],
    TOKEN_EXPIRED: [sign({ sub, exp: now() - 3600 }), sign({ sub, exp: now() - 60 })],
    TOKEN_INVALID: [
      'garbage',
      'a.b.c',
      sign({ sub }),
      sign({ sub, exp: 'tomorrow' }),
      sign({ sub, exp: Date.now() + 60_000 }),
      sign({ exp: now() + 60 }),
      sign({ sub, exp: now() + 3600, nbf: now() + 600 }),
      sign({ sub, exp: now() + 3600 }, { secret: 'another-secret-altogether-0123456789' }),
      sign({ sub, exp: now() + 3600 }, { header: { alg: 'none' } }),
      sign({ sub, exp: now() + 3600 }, { header: { alg: 'HS512', typ: 'JWT' } }),
      sign({ sub: 'no spaces allowed', exp: now() + 3600 }),
      mint(sub).slice(0, -4),
    ],
  };
  for (const [code, tokens] of Object.entries(cases)) {
    for (const token of tokens) {
      for (const version of ['4.8', '4.0']) {
        const error = await server.turnedAway(token, { version });
        assert.equal(error.message, 'Authentication error', `${code}: ${token}`);
        assert.equal(error.data?.code, code, `${token && decodeOrText(token)}`);
      }
      if (token) refusal(await server.api(token).get('/api/conversations'), 401, 'UNAUTHENTICATED');
    }
  }
  refusal(await server.api(null).get('/api/conversations'), 401, 'UNAUTHENTICATED');
  for (const token of [42, { a: 1 }, ['x'], '']) {
    const error = await server.turnedAway(null, { auth: { token } });
    assert.equal(error.message, 'Authentication error');
    assert.ok(['TOKEN_INVALID', 'TOKEN_MISSING'].includes(error.data?.code));
  }
});
const decodeOrText = (token) => {
  try {
    return JSON.stringify(decode(token));
  } catch {
    return token;
  }
};

test('an `exp` in milliseconds is refused as what it is, everywhere', async () => {
  const { id, token } = await server.person('ann');
  const wrong = sign({ sub: id, exp: Date.now() + 60_000 });
  const why = /exp looks like milliseconds; it is in seconds \(RFC 7519\)/;
  assert.match((await server.turnedAway(wrong)).data.message, why);
  assert.match(refusal(await server.api(wrong).get('/api/conversations'), 401, 'UNAUTHENTICATED').error, why);
  const socket = await server.socket(token);
  assert.match((await socket.refused('UNAUTHENTICATED', 'auth:refresh', { token: wrong })).message, why);
});

test('clocks may differ by up to 30 seconds', async () => {
  const sub = unique('ann');
  const ended = sign({ sub, exp: now() - 10 });
  good(await server.api(ended).get('/api/conversations'));
  // But a socket would outlive its token by so much: it is closed at the end, and must not come straight back.
  assert.equal((await server.turnedAway(ended)).data.code, 'TOKEN_EXPIRED');
  good(await server.api(sign({ sub, exp: now() + 3600, nbf: now() + 10 })).get('/api/conversations'));
});

test('the user is the first present of `sub`, `userId`, `id`, and may be an integer', async () => {
  const who = async (claims) => (await (await server.socket(sign({ exp: now() + 3600, ...claims }), { path: '/api/socketio' })).once('connection:success')).userId;
  const [a, b, c] = [unique('a'), unique('b'), unique('c')];
  assert.equal(await who({ id: a, userId: b, sub: c }), c);
  assert.equal(await who({ id: a, userId: b }), b);
  assert.equal(await who({ id: a }), a);
  const number = 1_000_000 + Math.floor(Math.random() * 1e9);
  assert.equal(await who({ sub: number }), String(number));
  assert.equal(await who({ userId: number }), String(number));
});

test('integer ids in payloads mean the same as their strings, and answers carry strings', async () => {
  const [a, b] = [1, 2].map(() => 1_000_000_000 + Math.floor(Math.random() * 1e9));
  const api = server.api(mint(a));
  const { conversation } = good(await api.post('/api/conversations', { otherUserId: b }), 201);
  assert.deepEqual(conversation.participants.map((p) => p.userId).sort(), [String(a), String(b)].sort());
  assert.equal(good(await api.post('/chat', { agentId: String(b) }), 200).id, conversation.id);
  const sent = good(await api.post('/api/messages', { receiverId: b, senderId: a, content: 'x', type: 'text' }), 201).message;
  has(sent, { conversationId: conversation.id, senderId: String(a), receiverId: String(b) });
  const socket = await server.socket(mint(b));
  await socket.ok('join_user_room', b);
});

test('ids compare by bytes', async () => {
  const base = unique('Case');
  const other = await server.person('other');
  const upper = await server.direct({ id: base, token: mint(base) }, other);
  const lower = await server.direct({ id: base.toLowerCase(), token: mint(base.toLowerCase()) }, other);
  assert.notEqual(upper.id, lower.id);
});

test('claims tell the directory, until the host has said it later', async () => {
  const id = unique('ann');
  const me = async (token) => (await (await server.socket(token, { path: '/api/socketio' })).once('connection:success')).user;
  const claims = { name: 'Ann Claim', email: 'ann@claims.example', picture: 'https://img.example/p.png', role: 'owner' };
  has(await me(mint(id, claims)), { id, name: 'Ann Claim', email: 'ann@claims.example', image: 'https://img.example/p.png', role: 'owner' });
  has(await me(mint(id, { image: 'https://img.example/i.png' })), { name: 'Ann Claim', image: 'https://img.example/i.png' });
  good(await server.host.put(`/v1/users/${id}`, { name: 'Ann Host' }));
  has(await me(mint(id, { name: 'Ann Old', iat: now() - 600 })), { name: 'Ann Host' });
});

test('the API key decides where it is present, else Authorization, else a cookie', async () => {
  const user = await server.person('ann');
  const good1 = { authorization: `Bearer ${user.token}` };
  const call = (path, headers) => new Rest(server.url).get(path, headers);
  refusal(await call('/api/conversations', { ...good1, 'x-api-key': 'wrong' }), 401, 'UNAUTHENTICATED');
  refusal(await new Rest(server.url).put(`/v1/users/${user.id}`, { name: 'x' }, { ...good1, 'x-api-key': 'wrong' }), 401, 'UNAUTHENTICATED');
  good(await new Rest(server.url).put(`/v1/users/${user.id}`, { name: 'x' }, { authorization: 'Bearer rubbish', 'x-api-key': API_KEY }));
  good(await call('/api/conversations', { ...good1, cookie: 'doorbell_session=rubbish' }));
  refusal(await call('/api/conversations', { cookie: 'doorbell_session=rubbish' }), 401, 'UNAUTHENTICATED');
  refusal(await call('/api/conversations', { authorization: 'Basic YTpi' }), 401, 'UNAUTHENTICATED');
  refusal(await call('/api/conversations', { authorization: 'Bearer' }), 401, 'UNAUTHENTICATED');
});

test('a socket token is for the API key to ask for: no bearer gets one for a bearer', async () => {
  const user = await server.person('ann');
  refusal(await server.api(user).post('/api/auth/socket-token', {}), 403, 'FORBIDDEN');
  refusal(await server.api(user).post('/api/auth/socket-token', { userId: user.id }), 403, 'FORBIDDEN');
  refusal(await server.api(null).post('/api/auth/socket-token', { userId: user.id }), 401, 'UNAUTHENTICATED');
  const { token, expiresAt } = good(await server.host.post('/api/auth/socket-token', { userId: user.id }));
  const left = (decode(token).exp - now()) / 3600;
  assert.ok(left > 23.9 && left < 24.1, `it lives 24 hours, not ${left}`);
  assert.ok(Math.abs(Date.parse(expiresAt) / 1000 - decode(token).exp) < 2);
  const socket = await server.socket(token, { path: '/api/socketio' });
  assert.equal((await socket.once('connection:success')).userId, user.id);
  refusal(await server.api(token).post('/api/auth/socket-token', { userId: user.id }), 403, 'FORBIDDEN');
});

test('a token that came as the cookie doorbell_session is a session, and what it gets ends with it', async () => {
  const user = await server.person('ann', {});
  const exp = now() + 600;
  const brief = mint(user.id, { exp });
  refusal(await new Rest(server.url).post('/api/auth/socket-token', {}, { authorization: `Bearer ${brief}` }), 403, 'FORBIDDEN');
  const answer = good(await new Rest(server.url).post('/api/auth/socket-token', {}, { cookie: `doorbell_session=${brief}`, origin: server.url }));
  // In whole seconds, of which the current one has begun.
  const ends = decode(answer.token).exp;
  assert.ok(ends === exp || ends === exp - 1, `${ends} instead of ${exp}`);
  assert.equal(Date.parse(answer.expiresAt), ends * 1000);
});

test('a request with two keys or two tokens is refused, whichever would be good', async () => {
  const user = await server.person('ann');
  const twice = (name, values) => request(server.url, { path: '/api/conversations', headers: { [name]: values } });
  for (const [name, values] of [
    ['Authorization', [`Bearer ${user.token}`, 'Bearer rubbish']],
    ['authorization', ['Bearer rubbish', `Bearer ${user.token}`]],
    ['X-API-Key', [API_KEY, API_KEY]],
  ]) {
    const answer = await twice(name, values);
    assert.equal(answer.status, 400, answer.text);
    assert.match(JSON.parse(answer.text).error, new RegExp(`${name.toLowerCase()} is there twice; send it once`));
  }
});

test('addresses that could run in somebody’s page are no pictures and no pages', async () => {
  const id = unique('ann');
  const me = async (token) => (await (await server.socket(token, { path: '/api/socketio' })).once('connection:success')).user;
  const bad = ['javascript:alert(1)', ' JavaScript:alert(1)', 'data:text/html,<script>alert(1)</script>', 'vbscript:x'];
  for (const address of bad) {
    has(await me(mint(id, { name: 'Ann', picture: address })), { name: 'Ann', image: null });
    refusal(await server.host.put(`/v1/users/${id}`, { image: address }), 400, 'INVALID');
    refusal(await server.host.put(`/v1/listings/${id}`, { image: address }), 400, 'INVALID');
    refusal(await server.host.put(`/v1/listings/${id}`, { url: address }), 400, 'INVALID');
  }
  has(await me(mint(id, { picture: bad[0], image: '/me.png' })), { image: '/me.png' });
  for (const image of ['https://img.example/a.png', '/a.png', 'data:image/png;base64,AAAA', null]) has(good(await server.host.put(`/v1/users/${id}`, { image })), { image });
  for (const url of ['https://a.example/1', 'homes/1', null]) has(good(await server.host.put(`/v1/listings/${id}`, { url })), { url });
});

test('the directory is written by the API key alone', async () => {
  const user = await server.person('ann');
  refusal(await server.api(user).put(`/v1/users/${user.id}`, { name: 'Queen' }), 403, 'FORBIDDEN');
  refusal(await server.api(user).put(`/v1/listings/${unique('flat')}`, { title: 'Palace' }), 403, 'FORBIDDEN');
  refusal(await server.api(null).put(`/v1/users/${user.id}`, { name: 'Queen' }), 401, 'UNAUTHENTICATED');
});

test('a sample session of `doorbell demo` works by cookie, and not from a foreign page', async (t) => {
  const demo = await Doorbell.start({ command: 'demo' });
  t.after(() => demo.stop());
  const { users } = good(await demo.api(null).get('/api/demo/users'));
  assert.ok(users.length >= 8);
  const signIn = await demo.api(null).post('/api/demo/sign-in', { userId: users[0].id }, { origin: demo.url });
  assert.ok(signIn.status < 300, signIn.text);
  const setCookie = signIn.headers.get('set-cookie');
  assert.match(setCookie, /^doorbell_session=/);
  assert.match(setCookie, /HttpOnly/i);
  assert.match(setCookie, /SameSite=Lax/i);
  const cookie = setCookie.split(';')[0];
  const rest = new Rest(demo.url, { cookie });
  good(await rest.get('/api/conversations'));
  const body = { otherUserId: users[1].id };
  good(await rest.post('/api/conversations', body, { origin: demo.url }), 200, 201);
  good(await rest.post('/api/conversations', body, { referer: `${demo.url}/messages` }), 200, 201);
  refusal(await rest.post('/api/conversations', body, { origin: 'https://evil.example' }), 403, 'FORBIDDEN');
  refusal(await rest.post('/api/conversations', body, { origin: 'null' }), 403, 'FORBIDDEN');
  refusal(await rest.post('/api/conversations', body, { origin: undefined }), 403, 'FORBIDDEN');
  refusal(await rest.get('/api/conversations', { authorization: 'Bearer rubbish' }), 401, 'UNAUTHENTICATED');
  const token = good(await rest.post('/api/auth/socket-token', {}, { origin: demo.url })).token;
  assert.equal(decode(token).sub, users[0].id);
  refusal(await server.api(null).post('/api/demo/sign-in', { userId: users[0].id }), 404, 'NOT_FOUND');
});

// --- the tables -------------------------------------------------------------

/** Every place where a payload may say who sends it. `as(id)` puts that id there. */
const places = (s) => [
  ['socket', 'join_user_room', (as) => as],
  ['socket', 'send_message', (as) => ({ conversationId: s.id, senderId: as, receiverId: s.other.id, content: 'x', type: 'text' })],
  ['socket', 'send_message', (as) => ({ conversationId: s.id, userId: as, content: 'x', type: 'text' })],
  ['socket', 'send_message', (as) => ({ receiverId: s.other.id, sender: as, content: 'x', type: 'text' })],
  ['socket', 'send_message', (as) => ({ recipientId: s.other.id, senderId: as, content: 'x', type: 'text' })],
  ['socket', 'send_message', (as) => ({ recipientId: s.other.id, sender: as, content: 'x', type: 'text' })],
  ['socket', 'typing', (as) => ({ conversationId: s.id, userId: as, isTyping: true })],
  ['socket', 'typing', (as) => ({ recipientId: s.other.id, userId: as, isTyping: true })],
  ['socket', 'mark_read', (as) => ({ conversationId: s.id, userId: as })],
  ['socket', 'mark_read', (as) => ({ messageId: s.messageId, userId: as })],
  ['socket', 'mark_read', (as) => ({ recipientId: s.other.id, userId: as })],
  ['socket', 'message:send', (as) => ({ conversationId: s.id, content: 'x', senderId: as })],
  ['socket', 'message:send', (as) => ({ conversationId: s.id, content: 'x', userId: as })],
  ['socket', 'message:send', (as) => ({ conversationId: s.id, content: 'x', sender: as })],
  ['socket', 'message:read', (as) => ({ conversationId: s.id, userId: as })],
  ['socket', 'typing:start', (as) => ({ conversationId: s.id, userId: as })],
  ['socket', 'typing:stop', (as) => ({ conversationId: s.id, userId: as })],
  ['socket', 'conversation:join', (as) => ({ conversationId: s.id, userId: as })],
  ['socket', 'conversation:leave', (as) => ({ conversationId: s.id, userId: as })],
  ['post', () => '/chat', (as) => ({ agentId: s.other.id, userId: as })],
  ['post', () => `/chat/${s.id}/messages`, (as) => ({ content: 'x', senderId: as })],
  ['post', () => `/chat/${s.id}/messages`, (as) => ({ content: 'x', userId: as })],
  ['post', () => '/api/conversations', (as) => ({ otherUserId: s.other.id, userId: as })],
  ['post', () => '/api/messages', (as) => ({ conversationId: s.id, content: 'x', senderId: as })],
  ['post', () => '/api/messages', (as) => ({ conversationId: s.id, content: 'x', userId: as })],
  ['post', () => '/api/messages', (as) => ({ conversationId: s.id, text: 'x', sender: as })],
  ['post', () => '/api/messages', (as) => form({ conversationId: s.id, content: 'x', type: 'text', senderId: as })],
  ['post', () => '/api/messages', (as) => form({ conversationId: s.id, content: 'x', type: 'text', userId: as })],
  ['put', () => '/api/messages', (as) => ({ conversationId: s.id, userId: as })],
  ['get', (as) => `/api/messages/conversations?userId=${as}`],
  ['post', () => '/api/chat/messages', (as) => ({ recipientId: s.other.id, content: 'x', type: 'text', senderId: as })],
  ['post', () => '/api/chat/messages', (as) => ({ recipientId: s.other.id, content: 'x', type: 'text', sender: as })],
  ['post', () => '/api/comments', (as) => ({ postId: 'post', text: 'x', userId: as })],
  ['post', () => '/api/comments', (as) => ({ postId: 'post', text: 'x', senderId: as })],
];
const form = (fields) => {
  const data = new FormData();
  for (const [key, value] of Object.entries(fields)) data.append(key, String(value));
  return data;
};

test('nobody speaks in the name of somebody else, in any place that takes a name', async (t) => {
  const [me, other] = await server.people('me', 'other');
  const { id } = await server.direct(me, other);
  const { id: messageId } = await server.say(other, id, 'hello');
  const scene = { id, messageId, other };
  const socket = await server.socket(me, { contract: 'conversations' });
  for (const [way, where, payload] of places(scene)) {
    const name = way === 'socket' ? `${where} ${Object.keys(payload('x'))}` : `${way} ${where('x')}`;
    await t.test(name, async () => {
      if (way === 'socket') {
        await socket.refused('FORBIDDEN', where, payload(other.id));
        await socket.ok(where, payload(me.id));
      } else {
        const call = (as) => server.api(me)[way](where(as), ...(payload ? [payload(as)] : []));
        refusal(await call(other.id), 403, 'FORBIDDEN');
        const accepted = await call(me.id);
        assert.ok(accepted.status < 300, `one's own id is accepted: ${accepted.text}`);
      }
    });
  }
  const history = good(await server.api(me).get(`/api/messages?conversationId=${id}`)).messages;
  assert.ok(history.slice(1).every((m) => m.senderId === me.id));
  assert.equal(history.filter((m) => m.senderId === other.id).length, 1, 'nothing was stored in the name of the other');
});

test('identity is judged before visibility, and visibility before the rest', async () => {
  const [me, other] = await server.people('me', 'other');
  const none = unique('none');
  const api = server.api(me);
  refusal(await server.api('rubbish').post('/api/messages', '{'), 401, 'UNAUTHENTICATED');
  refusal(await api.post('/api/messages', { conversationId: none, content: '', senderId: other.id }), 403, 'FORBIDDEN');
  refusal(await api.post('/api/messages', { conversationId: none, content: '' }), 404, 'NOT_FOUND');
  refusal(await api.post(`/chat/${none}/messages`, { content: '' }), 404, 'NOT_FOUND');
  refusal(await api.get(`/api/messages?conversationId=${none}&limit=0`), 404, 'NOT_FOUND');
  const socket = await server.socket(me);
  await socket.refused('FORBIDDEN', 'send_message', { conversationId: none, senderId: other.id, content: '' });
  await socket.refused('NOT_FOUND', 'send_message', { conversationId: none, content: '' });
});

/** Every route and event that names a conversation or a message. */
const doors = [
  ['get', (c) => `/chat/${c.id}/messages`],
  ['post', (c) => `/chat/${c.id}/messages`, () => ({ content: 'x' })],
  ['get', (c) => `/api/messages?conversationId=${c.id}`],
  ['get', (c) => `/api/messages?conversationId=${c.id}&markRead=true`],
  ['get', (c) => `/api/messages?conversationId=${c.id}&after=0&wait=5`],
  ['post', () => '/api/messages', (c) => ({ conversationId: c.id, content: 'x' })],
  ['post', () => '/api/messages', (c) => ({ conversationId: c.id, text: 'x' })],
  ['post', () => '/api/messages', (c) => form({ conversationId: c.id, content: 'x', type: 'text' })],
  ['put', () => '/api/messages', (c) => ({ conversationId: c.id })],
  ['get', (c) => `/api/chat/messages/${c.id}`],
  ['put', (c) => `/api/chat/messages/${c.messageId}/read`],
  ['post', () => '/api/chat/messages', (c) => ({ conversationId: c.id, recipientId: c.known, content: 'x', type: 'text' })],
  ['delete', (c) => `/v1/conversations/${c.id}/participants/${c.me}`],
  ['delete', (c) => `/v1/conversations/${c.id}/participants/${c.known}`],
  ['post', (c) => `/v1/conversations/${c.id}/participants`, (c) => ({ userId: c.me })],
  ['patch', (c) => `/v1/conversations/${c.id}`, () => ({ title: 'mine' })],
  ['socket', 'join-conversation', (c) => c.id],
  ['socket', 'leave-conversation', (c) => c.id],
  ['socket', 'conversation:join', (c) => ({ conversationId: c.id })],
  ['socket', 'conversation:join', (c) => c.id],
  ['socket', 'conversation:join', (c) => ({ conversationId: c.id, afterSeq: 0 })],
  ['socket', 'conversation:leave', (c) => ({ conversationId: c.id })],
  ['socket', 'message:send', (c) => ({ conversationId: c.id, content: 'x' })],
  ['socket', 'message:read', (c) => ({ conversationId: c.id })],
  ['socket', 'message:read', (c) => ({ conversationId: c.id, messageId: c.messageId })],
  ['socket', 'message:read', (c) => ({ conversationId: c.mine, messageId: c.messageId })],
  ['socket', 'message:send', (c) => ({ conversationId: c.mine, content: 'x', replyToId: c.messageId })],
  ['socket', 'typing:start', (c) => ({ conversationId: c.id })],
  ['socket', 'typing:stop', (c) => c.id],
  ['socket', 'join_conversation', (c) => c.id],
  ['socket', 'send_message', (c) => ({ conversationId: c.id, content: 'x', type: 'text' })],
  ['socket', 'send_message', (c) => ({ conversationId: c.id, recipientId: c.known, content: 'x', type: 'text' })],
  ['socket', 'typing', (c) => ({ conversationId: c.id, isTyping: true })],
  ['socket', 'mark_read', (c) => ({ conversationId: c.id })],
  ['socket', 'mark_read', (c) => ({ messageId: c.messageId })],
];

test('for a stranger a conversation does not exist, at any door', async (t) => {
  const [ann, bob, stranger, friend] = await server.people('ann', 'bob', 'stranger', 'friend');
  const direct = await server.direct(ann, bob);
  const group = await server.group(ann, [bob], 'closed circle');
  const mine = await server.direct(stranger, friend);
  const scene = { known: ann.id, me: stranger.id, mine: mine.id };
  const real = [];
  for (const c of [direct, group]) real.push({ ...scene, id: c.id, messageId: (await server.say(ann, c.id, 'secret')).id });
  const changed = (id) => (id.at(-1) === 'z' ? `${id.slice(0, -1)}y` : `${id.slice(0, -1)}z`);
  const never = [
    { ...scene, id: unique('never'), messageId: unique('never') },
    { ...scene, id: changed(direct.id), messageId: changed(real[0].messageId) },
  ];
  const socket = await server.socket(stranger, { contract: 'conversations' });
  // An id in a sentence is the caller's own: what matters is that the answers are otherwise the same.
  const neutral = (text, c) => text.replaceAll(c.messageId, '<message>').replaceAll(c.id, '<id>');
  for (const [way, where, payload] of doors) {
    const sample = way === 'socket' ? `${where} ${JSON.stringify(payload({ id: 'C', messageId: 'M', mine: 'mine', known: 'ann' }))}` : `${way} ${where({ id: 'C', messageId: 'M', known: 'ann', me: 'me' })}`;
    await t.test(sample, async () => {
      const answers = [];
      for (const c of [...real, ...never]) {
        if (way === 'socket') {
          const error = await socket.refused('NOT_FOUND', where, payload(c));
          answers.push(neutral(JSON.stringify(error), c));
        } else {
          const response = await server.api(stranger)[way](where(c), ...(payload ? [payload(c)] : []));
          refusal(response, 404, 'NOT_FOUND');
          const headers = [...response.headers.keys()].filter((name) => name !== 'date').sort().join();
          answers.push(`${headers} ${neutral(response.text, c)}`);
        }
      }
      assert.equal(new Set(answers).size, 1, `the answers give something away:\n${answers.join('\n')}`);
    });
  }
  for (const { id } of real) {
    assert.equal(good(await server.api(ann).get(`/api/messages?conversationId=${id}`)).messages.length, 1, 'nothing came in');
  }
  assert.equal(good(await server.api(ann).get('/api/messages/conversations')).conversations.find((c) => c.id === group.id).title, 'closed circle');
});

test('control characters are kept in no name, title or role that the host puts', async () => {
  const id = unique('u');
  const user = good(await server.host.put(`/v1/users/${id}`, { name: 'An\u0000n\u001b[31m Lee\u009f\n', role: 'ow\u0007ner\u007f', email: 'a\r@example.com', image: 'https://x/\ta.png' }));
  has(user, { name: 'Ann[31m Lee', role: 'owner', email: 'a@example.com', image: 'https://x/a.png' });
  const listing = good(await server.host.put(`/v1/listings/${id}`, { title: 'Lo\u0085ft\u0008 \u2028ü🙂', price: '1\u00001', url: 'https://x/\u0001b' }));
  has(listing, { title: 'Loft \u2028ü🙂', price: '11', url: 'https://x/b' });
});

test('a claim that is too long to be shown is left out, and its token is taken all the same', async () => {
  const token = sign({ sub: unique('ann'), exp: now() + 60, name: 'n'.repeat(201), role: 'owner' });
  const socket = await server.socket(token, { path: '/api/socketio' });
  has((await socket.once('connection:success')).user, { name: null, role: 'owner' });
});

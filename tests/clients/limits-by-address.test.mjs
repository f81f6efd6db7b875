// What an address may do before anybody has signed in, and how many of something there may be at once. The tests come from
// this machine, which is a trusted proxy: so they say where they come from.
import assert from 'node:assert/strict';
import { Doorbell, API_KEY, eventually, good, mint, now, range, refusal, test, unique } from './support/doorbell.mjs';
import { form, png } from './support/media.mjs';
import { request, tcp, websocket } from './support/raw.mjs';

const server = await Doorbell.forFile({ env: { DOORBELL_RATE_LIMITS: 'sends=off,uploads=off,conversations=off,connections=off,requests=off,handshakes=5/s:10,failures=6/h:3', DOORBELL_SOCKETS_PER_USER: '3', DOORBELL_JOINED_CONVERSATIONS: '2' } });
const doubtful = await Doorbell.forFile({ env: { DOORBELL_RATE_LIMITS: 'handshakes=1/h:3', DOORBELL_TRUSTED_PROXIES: 'none' } });
const proxied = await Doorbell.forFile({ env: { DOORBELL_RATE_LIMITS: 'failures=6/h:3', DOORBELL_TRUSTED_PROXIES: '127.0.0.1,10.0.0.0/8' } });

const crowded = await Doorbell.forFile({ env: { DOORBELL_RATE_LIMITS: 'off', DOORBELL_CONNECTIONS_PER_ADDRESS: '3' } });

// Each node counts for itself.
const one = server.at(0);
let hosts = 0;
/** An address that nobody has come from yet. */
const address = () => `203.0.113.${++hosts}`;
const from = (client) => ({ 'x-forwarded-for': client });

const handshake = (base, headers) => request(base, { path: '/socket.io/?EIO=4&transport=polling', headers });
const who = (base, token, headers) => request(base, { path: '/api/conversations', headers: { authorization: `Bearer ${token}`, ...headers } });
const list = (base, key, headers) => request(base, { method: 'PUT', path: `/v1/listings/${unique('listing')}`, headers: { 'x-api-key': key, 'content-type': 'application/json', ...headers }, body: '{}' });

function limited(answer) {
  assert.equal(answer.status, 429, answer.text);
  const body = JSON.parse(answer.text);
  assert.equal(body.code, 'RATE_LIMITED');
  assert.match(body.error, /from this address; try again in \d/);
  assert.ok(body.retryAfterMs > 0, answer.text);
  assert.match(answer.headers['retry-after'], /^[1-9]\d*$/);
}

async function metric(name) {
  const { text } = await request(server.nodes[0].url, { path: '/metrics' });
  const line = text.split('\n').find((other) => other.startsWith(`${name} `));
  assert.ok(line, `${name} is not in the metrics`);
  return Number(line.split(' ')[1]);
}

test('too many handshakes of one address are refused with the time to wait, and others come in', async () => {
  const { url } = server.nodes[0];
  const before = await metric('doorbell_address_limited_total{kind="handshakes"}');
  const client = address();
  const answers = [];
  for (const _ of range(30)) answers.push(await handshake(url, from(client)));
  assert.ok(answers.slice(0, 10).every(({ status }) => status === 200), 'the burst goes through');
  const refused = answers.filter(({ status }) => status !== 200);
  assert.ok(refused.length > 0, 'and no more');
  limited(refused[0]);
  assert.equal((await handshake(url, from(address()))).status, 200);
  assert.equal((await handshake(url, {})).status, 200, 'a proxy that names nobody is not limited');
  assert.equal(await metric('doorbell_address_limited_total{kind="handshakes"}'), before + refused.length);
});

test('a whole network of IPv6 is one client', async () => {
  const { url } = server.nodes[0];
  const answers = await Promise.all(range(30).map((i) => handshake(url, from(`2001:db8:7:7::${i.toString(16)}`))));
  assert.ok(answers.some(({ status }) => status === 429));
  assert.equal((await handshake(url, from('2001:db8:7:8::1'))).status, 200);
});

test('stock clients that are too many at once all come in by themselves, a little later', async () => {
  const client = address();
  const people = await Promise.all(range(25).map((i) => one.person(`p${i}`)));
  for (const transports of [['websocket'], ['polling']]) {
    const sockets = people.map((person) => one.dial(person, { transports, extraHeaders: from(client), reconnection: true, reconnectionDelay: 200, reconnectionDelayMax: 1000 }));
    await eventually('all are connected', () => sockets.every((s) => s.socket.connected), 30_000);
    for (const socket of sockets) assert.deepEqual(socket.all('(connect_error)', (e) => e.data !== undefined), [], 'nobody is told to stay away');
    for (const socket of sockets) socket.close();
  }
});

test('what a client that is no trusted proxy says of its address is not believed', async () => {
  const answers = [];
  for (const i of range(8)) answers.push(await handshake(doubtful.nodes[0].url, from(`198.51.100.${i}`)));
  assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200, 429, 429, 429, 429, 429]);
  assert.match(doubtful.nodes[0].logs, /DOORBELL_TRUSTED_PROXIES/, 'the operator is told of it');
  assert.equal(doubtful.nodes[0].logs.match(/DOORBELL_TRUSTED_PROXIES/g).length, 1, 'once');
});

test('the address that counts is the last one before the proxies', async () => {
  const { url } = proxied.nodes[0];
  // Whatever the client itself wrote before the proxy came.
  for (const i of range(3)) assert.equal((await who(url, 'nonsense', from(`6.6.6.${i}, 198.51.100.1, 10.0.0.1`))).status, 401);
  limited(await who(url, 'nonsense', from('6.6.6.9, 198.51.100.1, 10.0.0.2')));
  assert.equal((await who(url, 'nonsense', from('198.51.100.1, 198.51.100.2'))).status, 401);
  limited(await who(url, 'nonsense', { forwarded: 'for=6.6.6.6, for="198.51.100.1:4711";proto=https' }));
});

test('failed sign-ins of an address end in 429, and good tokens behind it are let in', async () => {
  const { url } = server.nodes[0];
  const before = await metric('doorbell_address_limited_total{kind="failures"}');
  const client = address();
  const forged = mint('ann', {}, { secret: 'a-secret-that-is-another-one-0123456789' });
  for (const bad of ['nonsense', forged, 'a.b.c']) assert.equal((await who(url, bad, from(client))).status, 401);
  limited(await who(url, forged, from(client)));
  limited(await request(url, { path: '/api/conversations', headers: { cookie: 'doorbell_session=nonsense', ...from(client) } }));
  const ann = await one.person('ann');
  assert.equal((await who(url, ann.token, from(client))).status, 200, 'a token cannot be guessed, and colleagues sit behind one address');
  assert.equal((await who(url, 'nonsense', from(address()))).status, 401);
  assert.equal((await list(url, API_KEY, from(client))).status, 200, 'the application behind it uses its key');
  assert.equal(await metric('doorbell_address_limited_total{kind="failures"}'), before + 2);
});

test('a page whose token has expired is told so, however often it asks', async () => {
  const client = address();
  const expired = mint(unique('ann'), { exp: now() - 3600 });
  for (const _ of range(10)) assert.equal((await who(server.nodes[0].url, expired, from(client))).status, 401);
});

test('whoever guesses at API keys is not told of a right one', async () => {
  const { url } = server.nodes[0];
  const client = address();
  for (const i of range(3)) assert.equal((await list(url, `guess-${i}`, from(client))).status, 401);
  limited(await list(url, 'guess-4', from(client)));
  limited(await list(url, API_KEY, from(client)));
  assert.equal((await list(url, API_KEY, from(address()))).status, 200);
});

test('sockets with bad tokens: told so at first, then closed, and a good one comes in', async () => {
  const client = address();
  for (const _ of range(3)) {
    const bad = one.dial({ token: 'nonsense' }, { extraHeaders: from(client) });
    assert.equal((await bad.once('(connect_error)')).data.code, 'TOKEN_INVALID');
  }
  const bad = one.dial({ token: 'nonsense' }, { extraHeaders: from(client), transports: ['websocket'], reconnection: true, reconnectionDelay: 500 });
  await bad.staysQuiet('(connect_error)', (error) => error.data !== undefined, 1500);
  assert.equal(bad.socket.connected, false);
  bad.close();
  // Which of the two limits it meets, the other one's tries decide: it comes in all the same.
  await one.dial(await one.person('ann'), { extraHeaders: from(client), reconnection: true, reconnectionDelay: 200, reconnectionDelayMax: 500 }).connected();
});

test('a user has so many sockets at once, and the next one comes in when one has gone', async () => {
  const before = await metric('doorbell_over_limit_total{kind="sockets"}');
  const ann = await one.person('ann');
  const open = [];
  for (const _ of range(3)) open.push(await one.socket(ann));
  const waiting = one.dial(ann, { reconnection: true, reconnectionDelay: 100, reconnectionDelayMax: 200 });
  await waiting.staysQuiet('(connect)', undefined, 1000);
  assert.deepEqual(waiting.all('(connect_error)', (e) => e.data !== undefined), [], 'nobody is told to stay away');
  assert.ok(await metric('doorbell_over_limit_total{kind="sockets"}') > before);
  await one.socket(await one.person('bob'));
  open.pop().close();
  await waiting.connected();
});

test('sockets of a user that come at the same moment are no more either', async () => {
  const ann = await one.person('ann');
  const sockets = range(20).map(() => one.dial(ann, { transports: ['websocket'], reconnection: true, reconnectionDelay: 100, reconnectionDelayMax: 300 }));
  await eventually('three are in', () => sockets.filter((s) => s.socket.connected).length === 3);
  for (const _ of range(20)) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(sockets.filter((s) => s.socket.connected).length <= 3);
  }
});

test('connections that come through a trusted proxy count by the address of their client, WebSockets and long-polling alike', async () => {
  const node = crowded.nodes[0];
  const client = address();
  const ann = await crowded.at(0).person('ann');
  const dial = (headers, transports) => crowded.at(0).dial(ann, { transports, extraHeaders: headers, reconnection: true, reconnectionDelay: 100, reconnectionDelayMax: 200 });
  const open = [dial(from(client), ['websocket']), dial(from(client), ['polling']), dial(from(client))];
  for (const socket of open) await socket.connected();
  const refused = await handshake(node.url, from(client));
  limited(refused);
  await assert.rejects(websocket(node.port, { headers: from(client) }), 'a WebSocket neither');
  for (const headers of [from(address()), {}]) assert.equal((await handshake(node.url, headers)).status, 200);
  const waiting = dial(from(client), ['websocket']);
  await waiting.staysQuiet('(connect)', undefined, 1000);
  assert.equal((await who(node.url, ann.token, from(client))).status, 200, 'requests are no connections of a client\'s');
  open.pop().close();
  await waiting.connected();
  const { text } = await request(node.url, { path: '/metrics' });
  assert.match(text, /doorbell_address_limited_total\{kind="connections"\} [1-9]/);
});

test('many accounts that drip their uploads from one address do not keep the uploads of others out, by whichever route', { timeout: 90_000 }, async (t) => {
  const node = crowded.nodes[0];
  const there = crowded.at(0);
  const client = address();
  const drips = [];
  t.after(() => drips.forEach(({ link }) => link.destroy()));
  const drip = async (head) => {
    const link = tcp(node.port);
    drips.push({ link });
    await link.open;
    link.write(head.join('\r\n') + '\r\n\r\n');
    return link;
  };
  for (const n of range(16)) {
    const person = await there.person(`drip-${n}`);
    const common = ['Host: x', `Authorization: Bearer ${person.token}`, `X-Forwarded-For: ${client}`, 'Content-Length: 9000000'];
    for (const i of range(8)) {
      if (i < 4) {
        const link = await drip(['POST /api/upload HTTP/1.1', ...common, 'Content-Type: multipart/form-data; boundary=b']);
        link.write('--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n');
      } else {
        const begun = await request(node.url, { method: 'POST', path: '/v1/uploads', headers: { authorization: `Bearer ${person.token}`, 'tus-resumable': '1.0.0', 'upload-length': '9000000' } });
        assert.equal(begun.status, 201, begun.text);
        await drip([`PATCH ${new URL(begun.headers.location).pathname} HTTP/1.1`, ...common, 'Tus-Resumable: 1.0.0', 'Upload-Offset: 0', 'Content-Type: application/offset+octet-stream']);
      }
    }
  }
  const sending = setInterval(() => drips.forEach(({ link }) => link.write('x'.repeat(2500))), 500);
  t.after(() => clearInterval(sending));
  const received = async () => Number(/^doorbell_upload_bytes_received_total (\d+)$/m.exec((await request(node.url, { path: '/metrics' })).text)[1]);
  await eventually('all of them are under way', async () => (await received()) > drips.length * 10_000, 20_000);
  const ann = await there.person('ann');
  const begun = Date.now();
  good(await there.api(ann).post('/api/upload', form({}, ['a.png', png(80, 60)]), from(address())), 201);
  t.diagnostic(`a photo was up after ${Date.now() - begun} ms`);
  assert.ok(Date.now() - begun < 20_000, `${Date.now() - begun} ms`);
  const told = () => drips.filter(({ link }) => /^HTTP\/1\.1 503/.test(link.received));
  await eventually('one of them is told why', () => told().length === 1, 15_000);
  assert.match(told()[0].link.received, /"code":"UNAVAILABLE"/);
  assert.match((await request(node.url, { path: '/metrics' })).text, /doorbell_uploads_gave_way_total 1\n/);
});

test('a socket joins so many conversations, and is told why no more', async () => {
  const [ann, ...others] = await one.people('ann', 'b', 'c', 'd');
  const socket = await one.socket(ann, { contract: 'conversations' });
  const rooms = [];
  for (const other of others) rooms.push((await one.direct(ann, other)).id);
  for (const id of rooms.slice(0, 2)) await socket.ok('conversation:join', { conversationId: id });
  const error = await socket.refused('INVALID', 'conversation:join', { conversationId: rooms[2] });
  assert.match(error.message, /leave one first/);
  assert.equal(await metric('doorbell_over_limit_total{kind="joined_conversations"}'), 1);
  await socket.ok('conversation:leave', { conversationId: rooms[0] });
  await socket.ok('conversation:join', { conversationId: rooms[2] });
});

test('sends that are refused before anybody knows whose they are, are counted too', async () => {
  const { url } = server.nodes[0];
  const count = (code) => metric(`doorbell_sends_refused_total{code="${code}"}`);
  const [unknown, wrong, spoofed] = [await count('UNAUTHENTICATED'), await count('INVALID'), await count('FORBIDDEN')];
  const ann = await one.person('ann');
  const send = (body, headers) => request(url, { method: 'POST', path: '/api/messages', headers: { 'content-type': 'application/json', ...headers }, body });
  assert.equal((await send('{}', {})).status, 401);
  const as = { authorization: `Bearer ${ann.token}` };
  assert.equal((await send('{', as)).status, 400);
  assert.equal((await send(JSON.stringify({ senderId: 'bob', receiverId: 'cem', content: 'x' }), as)).status, 403);
  const socket = await one.socket(ann, { contract: 'conversations' });
  await socket.refused('INVALID', 'message:send', { content: 1 });
  assert.equal(await count('UNAUTHENTICATED'), unknown + 1);
  assert.equal(await count('INVALID'), wrong + 2);
  assert.equal(await count('FORBIDDEN'), spoofed + 1);
  refusal(await one.api(ann).get('/api/messages?conversationId=none'), 404, 'NOT_FOUND');
  assert.equal(await count('NOT_FOUND'), 0, 'what is no send is not among them');
  good(await one.api(ann).get('/api/conversations'));
});

// Whatever one client sends, two others go on chatting beside it, and lose nothing.
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { Doorbell, eventually, good, mint, range, refusal, test, unique } from './support/doorbell.mjs';
import { frame, request, tcp, upgradeHeaders, websocket } from './support/raw.mjs';
import * as shape from './support/shapes.mjs';

const server = await Doorbell.forFile();

/** Two people who chat the whole time: each message is acknowledged and arrives, in time. */
const bystanders = { sent: 0, slowest: 0, running: true };

before(async () => {
  const [ann, bob] = await server.people('ann', 'bob');
  bystanders.id = (await server.direct(ann, bob)).id;
  bystanders.ann = ann;
  bystanders.a = await server.socket(ann, { contract: 'conversations' });
  bystanders.b = await server.socket(bob, { contract: 'conversations' });
  for (const socket of [bystanders.a, bystanders.b]) await socket.ok('conversation:join', bystanders.id);
  bystanders.chat = (async () => {
    while (bystanders.running) {
      const begun = Date.now();
      const from = bystanders.sent % 2 ? bystanders.b : bystanders.a;
      const { message } = await from.ok('message:send', { conversationId: bystanders.id, content: `undisturbed ${bystanders.sent}` });
      const other = bystanders.sent % 2 ? bystanders.a : bystanders.b;
      await other.once('message:received', (m) => m.id === message.id, 5000, Math.max(0, other.events.length - 50));
      bystanders.sent += 1;
      bystanders.slowest = Math.max(bystanders.slowest, Date.now() - begun);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  bystanders.chat.catch((error) => (bystanders.broken = error));
});
after(() => (bystanders.running = false));

/** After each attack: the two have not noticed. */
async function undisturbed() {
  const { sent } = bystanders;
  await eventually('the bystanders chat on', () => {
    if (bystanders.broken) throw bystanders.broken;
    return bystanders.sent >= sent + 3;
  }, 5000);
  for (const socket of [bystanders.a, bystanders.b]) assert.deepEqual(socket.all('(disconnect)'), []);
}

function attack(name, body) {
  test(name, async (t) => {
    await body(t);
    await undisturbed();
  });
}

const closes = async (link, what, ms = 5000) => {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`${what}: still open after ${ms} ms; got ${JSON.stringify(link.received.slice(-200))}`)), ms)));
  await Promise.race([link.closed, late]).finally(() => clearTimeout(timer));
  link.destroy();
};
/** Over a raw WebSocket, past CONNECT. */
async function connected(claims) {
  const link = await websocket(server.port);
  link.send(`40${JSON.stringify({ token: mint(unique('mallory'), claims), contract: 'conversations' })}`);
  await link.until(/40\{"sid"/);
  return link;
}
/** It lives on: an event with a callback is answered. */
async function answers(link) {
  link.send('42777["make:coffee",{}]');
  await link.until(/43777\[/);
}

attack('garbage on the port', async () => {
  for (const garbage of ['\0\0\0\0', 'GET', 'hello\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n', 'POST /chat HTTP/1.1\r\ncontent-length: -5\r\n\r\n', `GET /${'x'.repeat(70_000)} HTTP/1.1\r\n\r\n`, '\x16\x03\x01\x02\x00\x01']) {
    const link = tcp(server.port);
    await link.open;
    link.write(garbage);
    link.socket.end();
    await closes(link, JSON.stringify(garbage.slice(0, 20)), 15_000);
  }
});

attack('headers over 16 KiB are refused', async () => {
  const link = tcp(server.port);
  await link.open;
  link.write(`GET /healthz HTTP/1.1\r\nhost: x\r\n${range(40).map((i) => `x-pad-${i}: ${'p'.repeat(1000)}\r\n`).join('')}\r\n`);
  await eventually('an answer', () => link.received || link.socket.destroyed);
  assert.doesNotMatch(link.received, /^HTTP\/1\.1 200/);
  link.destroy();
});

attack('headers that never end are cut off after 10 s, and so is a socket that never connects', async () => {
  const slow = tcp(server.port);
  await slow.open;
  slow.write('GET /healthz HTTP/1.1\r\nhost: x\r\n');
  const drip = setInterval(() => slow.write('x-drip: 1\r\n'), 1000);
  const silent = await websocket(server.port);
  const begun = Date.now();
  try {
    await Promise.all([closes(slow, 'slow headers', 14_000), closes(silent, 'no CONNECT', 14_000)]);
  } finally {
    clearInterval(drip);
  }
  assert.ok(Date.now() - begun > 8000, 'not before its time');
});

attack('polling requests that make no sense', async () => {
  const cases = [
    ['/socket.io/?EIO=4', 400], ['/socket.io/?EIO=4&transport=pigeon', 400], ['/socket.io/?EIO=3&transport=polling', 400], ['/socket.io/?transport=polling', 400],
    ['/socket.io/?EIO=4&transport=polling&sid=never', 400], ['/socket.io/?EIO=4&transport=polling&sid=%00%ff', 400], ['/socket.io/?EIO=4&transport=websocket', 400],
  ];
  for (const [path, status] of cases) assert.equal((await request(server.url, { path })).status, status, path);
  for (const method of ['PUT', 'DELETE', 'PATCH']) assert.ok((await request(server.url, { method, path: '/socket.io/?EIO=4&transport=polling' })).status >= 400);
  const open = async () => JSON.parse((await request(server.url, { path: '/socket.io/?EIO=4&transport=polling' })).text.slice(1)).sid;
  for (const body of ['garbage', '', '\x1e\x1e', '4', 'b4', 'b!!!', '4\x1e9', '4' + '5'.repeat(500)]) {
    const sid = await open();
    const answer = await request(server.url, { method: 'POST', path: `/socket.io/?EIO=4&transport=polling&sid=${sid}`, body });
    assert.ok(answer.status < 500, `${JSON.stringify(body)}: ${answer.status}`);
  }
  const sid = await open();
  const big = await request(server.url, { method: 'POST', path: `/socket.io/?EIO=4&transport=polling&sid=${sid}`, body: 'x'.repeat(1_000_001) }).catch((error) => error);
  assert.ok(big instanceof Error || big.status === 413, `a body over the limit: ${big.status}`);
  // Two polls at once end that session, and no other.
  const twice = await open();
  const polls = await Promise.all([1, 2].map(() => request(server.url, { path: `/socket.io/?EIO=4&transport=polling&sid=${twice}` }).catch(() => ({ status: 400 }))));
  assert.ok(polls.some((p) => p.status === 400) || polls.every((p) => p.status === 200));
});

attack('WebSocket frames that break the protocol', async () => {
  const wrong = {
    unmasked: frame('2', { mask: false }),
    'reserved opcode': frame('2', { opcode: 5 }),
    'long control frame': frame('x'.repeat(200), { opcode: 9 }),
    'continuation of nothing': frame('2', { opcode: 0 }),
    'not UTF-8': frame(Buffer.from([0x34, 0x32, 0xff, 0xfe])),
    'a length beyond all limits': frame('x', { length: 2 ** 40 }),
    'reserved bits': Buffer.concat([Buffer.from([0xf1]), frame('2').subarray(1)]),
  };
  for (const [name, bytes] of Object.entries(wrong)) {
    const link = await connected();
    link.write(bytes);
    await closes(link, name);
  }
  const half = await connected();
  half.write(frame('42["message:send",{"conversationId":"x"}]').subarray(0, 20));
  half.destroy();
  const fragments = await connected();
  for (let i = 0; i < 400; i += 1) fragments.write(frame('x'.repeat(5000), { opcode: i ? 0 : 1, fin: false }));
  await closes(fragments, 'endless fragments');
});

attack('packets that are none', async () => {
  for (const packet of ['', 'z', '9', '4', '49', '4x', '42', '42{', '42[]', '42[1]', '42[null,1]', '42["message:send"', '42["message:send",{"conversationId":]', '42{"a":1}', '4299999999999999999999["x"]', '42-1["x"]', '43', '43[]', '431["unasked"]', '40', '40{}', '44{"message":"x"}', '45', '451-', '45-1-["x"]', '4599999999-["x",{"_placeholder":true,"num":0}]', '451-["x",{"_placeholder":true,"num":7}]', '451-["x",{"_placeholder":true,"num":"a"}]', '46[]', '41', '42/admin,["x"]', '40/admin,', '0{"sid":"mine"}', '5', '6', '42["connect"]', '42["disconnect"]', '42["connect_error",{}]', '42["disconnecting"]', '42["newListener"]', '42["__proto__",{"constructor":{"prototype":1}}]', '\u{1f600}', '42["\u{1f600}"', `42${'9'.repeat(5000)}["x"]`]) {
    const link = await connected();
    link.send(packet);
    // Either it is closed for this, or it is as good as before: nothing in between.
    link.send('42778["make:coffee",{}]');
    await eventually(`an end or an answer after ${JSON.stringify(packet.slice(0, 60))}`, () => link.socket.destroyed || link.socket.readableEnded || /43778\[/.test(link.received), 12_000);
    link.destroy();
  }
});

attack('text where a binary attachment belongs, attachments nobody announced, and more than ten of them', async () => {
  for (const steps of [
    [['451-["message:send",{"_placeholder":true,"num":0}]'], ['42["x"]']],
    [[Buffer.from('unannounced'), { opcode: 2 }]],
    [['4511-["x"]'], ...range(11).map(() => [Buffer.from('a'), { opcode: 2 }])],
    [['452-["x",{"_placeholder":true,"num":0}]'], [Buffer.from('a'), { opcode: 2 }]],
  ]) {
    const link = await connected();
    for (const [payload, options] of steps) link.send(payload, options);
    await new Promise((resolve) => setTimeout(resolve, 50));
    link.destroy();
  }
});

attack('events before CONNECT do nothing', async () => {
  const { length } = good(await server.api(bystanders.ann).get(`/api/messages?conversationId=${bystanders.id}&after=0&limit=1`)).messages;
  assert.equal(length, 1);
  const link = await websocket(server.port);
  link.send(`42["message:send",{"conversationId":"${bystanders.id}","content":"uninvited"}]`);
  link.send(`421["conversation:join","${bystanders.id}"]`);
  await closes(link, 'events before CONNECT', 14_000);
  assert.doesNotMatch(link.received, /undisturbed|431\[\{"ok":true/);
  assert.equal(bystanders.a.all('message:received', (m) => m.content === 'uninvited').length, 0);
});

attack('a CONNECT with rubbish is refused', async () => {
  for (const auth of ['{"token":7}', '[]', '"x"', '{"token":"a.b.c"}', '{', `{"token":"${'x'.repeat(100_000)}"}`, 'null', '7']) {
    const link = await websocket(server.port);
    link.send(`40${auth}`);
    await eventually(`a refusal of ${auth.slice(0, 30)}`, () => link.socket.destroyed || /44\{/.test(link.received));
    assert.doesNotMatch(link.received, /40\{"sid"/);
    link.destroy();
  }
  const twice = await connected();
  twice.send(`40${JSON.stringify({ token: mint(unique('mallory')) })}`);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(twice.received.split('40{"sid"').length - 1, 1, 'a second CONNECT opens no second socket');
  twice.destroy();
});

attack('a megabyte of nesting', async () => {
  const deep = '['.repeat(450_000) + ']'.repeat(450_000);
  const keys = '{"a":'.repeat(150_000) + '1' + '}'.repeat(150_000);
  for (const nested of [deep, keys, '['.repeat(900_000)]) {
    const api = server.api(await server.person('mallory'));
    refusal(await api.post('/api/messages', nested), 400, 'INVALID');
    refusal(await api.post('/chat', `{"agentId":${nested}}`), 400, 'INVALID');
    const link = await connected();
    link.send(`421["message:send",${nested}]`);
    await eventually('an end or an answer', () => link.socket.destroyed || link.socket.readableEnded || /431\[\{"ok":false/.test(link.received));
    link.destroy();
    const greet = await websocket(server.port);
    greet.send(`40${nested}`);
    await eventually('an end or a refusal', () => greet.socket.destroyed || greet.socket.readableEnded || /44\{/.test(greet.received), 12_000);
    greet.destroy();
  }
});

attack('a flood of events, known and unknown', async () => {
  const link = await connected();
  for (let i = 0; i < 20_000; i += 1) link.send(i % 2 ? '42["make:coffee",{}]' : `42["message:send",{"conversationId":"none","content":"x"}]`);
  await eventually('an end or an answer', async () => link.socket.destroyed || answers(link).then(() => true), 60_000);
  link.destroy();
});

attack('a flood of connections', async () => {
  const links = await Promise.all(range(300).map(async () => {
    const link = tcp(server.port);
    await link.open;
    return link;
  }));
  for (const link of links) link.write(`GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: x\r\n${Object.entries(upgradeHeaders()).map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n`);
  await undisturbed();
  for (const link of links) link.destroy();
});

attack('a member who does not read is closed alone', async () => {
  const [talker, listener] = await server.people('talker', 'listener');
  const stuckUser = await server.person('stuck', {});
  const group = await server.group(talker, [listener, stuckUser]);
  const stuck = await websocket(server.port);
  stuck.send(`40${JSON.stringify({ token: stuckUser.token, contract: 'conversations' })}`);
  await stuck.until(/40\{"sid"/);
  stuck.send(`421["conversation:join","${group.id}"]`);
  await stuck.until(/431\[/);
  stuck.socket.pause();
  const ears = await server.socket(listener, { contract: 'conversations' });
  await ears.ok('conversation:join', group.id);
  const mouth = await server.socket(talker, { contract: 'conversations' });
  // Well over the 1 MiB that may wait and all that the kernel holds for both sides.
  const count = 1500;
  for (let sent = 0; sent < count; sent += 50) await Promise.all(range(50).map(() => mouth.ok('message:send', { conversationId: group.id, content: 'x'.repeat(7900) })));
  const got = await ears.count('message:received', count, () => true, 20_000);
  shape.gapless(got, 1);
  stuck.socket.resume();
  await closes(stuck, 'the reader who does not read', 15_000);
  assert.deepEqual([ears.all('(disconnect)'), mouth.all('(disconnect)')], [[], []]);
});

attack('paths and bodies that no route knows', async () => {
  for (const path of ['/nope', '/chat/%00/messages', '/chat/..%2f..%2fetc/messages', '/chat/%ff/messages', '/api/chat/messages/', '/v1/users/', `/chat/${'x'.repeat(5000)}/messages`]) {
    const answer = await request(server.url, { path, headers: { authorization: `Bearer ${mint(unique('mallory'))}` } });
    assert.ok(answer.status >= 400 && answer.status < 500, `${path.slice(0, 40)}: ${answer.status}`);
  }
  for (const contentType of ['text/plain', 'application/xml', 'multipart/form-data', '', 'application/json; charset=utf-16']) {
    const answer = await server.api(await server.person('mallory')).post('/api/messages', '{"conversationId":"x","content":"y"}', { 'content-type': contentType });
    assert.ok(answer.status >= 400 && answer.status < 500, `${contentType}: ${answer.status}`);
  }
});

test('in the end the two have lost nothing', async () => {
  bystanders.running = false;
  await bystanders.chat;
  const { messages } = good(await server.api(bystanders.ann).get(`/api/messages?conversationId=${bystanders.id}`));
  assert.equal(messages.at(-1).seq, bystanders.sent);
  for (const socket of [bystanders.a, bystanders.b]) assert.deepEqual(socket.all('message:received').map((m) => m.seq), range(bystanders.sent).map((i) => i + 1));
  assert.ok(bystanders.slowest < 3000, `the slowest message took ${bystanders.slowest} ms`);
});

// Whoever is shut out while a request of theirs is still coming: nothing is made of it.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { Doorbell, eventually, good, mint, now, Rest, sleep, test, unique } from './support/doorbell.mjs';
import { filesBelow, formAround, png } from './support/media.mjs';

const folder = mkdtempSync(path.join(tmpdir(), 'doorbell-slow-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const keys = path.join(folder, 'keys');
const stays = 'a-key-that-stays-0123456789abcdef0123456789';
const goes = 'a-key-that-goes-0123456789abcdef0123456789';
writeFileSync(keys, `${stays}\n${goes}\n`);
const server = await Doorbell.forFile({ env: { DOORBELL_API_KEYS_FILE: keys } });
const at = server.at(0);

/** A request whose second half is sent by `finish()`, which gives its answer. */
async function begin(headers, method, path, type, body, more = {}) {
  const bytes = Buffer.from(body);
  const request = http.request(at.next() + path, { method, agent: false, headers: { ...headers, 'content-type': type, 'content-length': bytes.length, ...more } });
  const answer = new Promise((resolve, reject) => {
    request.on('error', reject);
    request.on('response', (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode, text }));
    });
  });
  const half = Math.floor(bytes.length / 2);
  await new Promise((resolve) => request.write(bytes.subarray(0, half), resolve));
  // The server has it, and knows who calls, before anything else happens.
  await sleep(300);
  return {
    finish() {
      request.end(bytes.subarray(half));
      return answer;
    },
  };
}
const bearer = (token) => ({ authorization: `Bearer ${token}` });

function textForm(fields, file) {
  const { type, head, end } = formAround('a.png');
  const boundary = type.split('boundary=')[1];
  const texts = Object.entries(fields).map(([name, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`);
  return [type, Buffer.concat([Buffer.from(texts.join('')), ...(file ? [head, file, end] : [Buffer.from(`--${boundary}--\r\n`)])])];
}

/** One of each kind, as its route takes it: [name, method, path, type, body, headers]. */
async function sends(user, id, other) {
  const json = (what, method, path, body) => [what, method, path, 'application/json', JSON.stringify(body)];
  const file = png(40, 40, unique('p'));
  return [
    json('conversations', 'POST', '/api/messages', { conversationId: id, content: 'too late' }),
    json('listing-chat', 'POST', '/api/messages', { conversationId: id, text: 'too late' }),
    json('property-chat', 'POST', `/chat/${id}/messages`, { content: 'too late' }),
    json('tenant-chat', 'POST', '/api/chat/messages', { recipientId: other.id, content: 'too late', type: 'text' }),
    ['media-chat', 'POST', '/api/messages', ...textForm({ conversationId: id, content: 'too late', type: 'text' })],
    ['media-chat, a file', 'POST', '/api/messages', ...textForm({ conversationId: id, type: 'image' }, file)],
    json('comments', 'POST', '/api/comments', { postId: id, text: 'too late' }),
    json('a group', 'POST', '/api/conversations', { title: 'too late', isGroup: true, participantIds: [other.id] }),
    json('read', 'PUT', '/api/messages', { conversationId: id }),
    json('property-chat, a conversation that is not theirs to see', 'POST', '/chat/none/messages', { content: 'too late' }),
  ];
}

async function uploads(user) {
  const file = png(40, 40, unique('p'));
  const begun = await at.api(user).call('POST', '/v1/uploads', undefined, { 'tus-resumable': '1.0.0', 'upload-length': String(file.length), 'upload-metadata': `filename ${Buffer.from('a.png').toString('base64')}` });
  assert.equal(begun.status, 201, begun.text);
  const tus = new URL(begun.headers.get('location')).pathname;
  return [
    ['an upload', 'POST', '/api/upload', ...textForm({}, file)],
    ['a resumable upload', 'PATCH', tus, 'application/offset+octet-stream', file, { 'tus-resumable': '1.0.0', 'upload-offset': '0' }],
  ];
}

const media = () => filesBelow(server.env.DOORBELL_MEDIA_URL ? new URL(server.env.DOORBELL_MEDIA_URL).pathname : path.join(server.env.DOORBELL_DATA_DIR, 'media'));

test('what somebody began to send before they were shut out is refused, by every route, and nothing is stored', { timeout: 60_000 }, async () => {
  const [user, other] = await server.people('mallory', 'ann');
  const { id } = await at.direct(user, other);
  await at.say(other, id, 'before');
  const stored = media();
  const requests = [...(await sends(user, id, other)), ...(await uploads(user))];
  const begun = await Promise.all(requests.map(([, ...request]) => begin(bearer(user.token), ...request)));
  assert.equal((await at.host.delete(`/v1/users/${user.id}/sessions`)).status, 204);
  // At once: what was ended is over when the host is told so.
  const answers = await Promise.all(begun.map((request) => request.finish()));
  for (const [n, { status, text }] of answers.entries()) {
    assert.equal(status, 401, `${requests[n][0]}: ${text}`);
    assert.equal(JSON.parse(text).code, 'UNAUTHENTICATED');
    assert.match(JSON.parse(text).error, /ended after it was issued/, requests[n][0]);
  }
  assert.deepEqual((await at.history(other, id)).map((message) => message.content), ['before']);
  assert.deepEqual(good(await at.api(other).get(`/api/comments?postId=${id}`)).comments, []);
  assert.equal(good(await at.api(other).get('/api/conversations')).conversations.length, 1);
  await eventually('no file is left', () => media().length === stored.length);
});

test('it does not matter at which node somebody is shut out', { timeout: 60_000 }, async () => {
  const [user, other] = await server.people('mallory', 'ann');
  const { id } = await at.direct(user, other);
  const begun = await begin(bearer(user.token), 'POST', '/api/messages', 'application/json', JSON.stringify({ conversationId: id, content: 'too late' }));
  assert.equal((await server.at(server.nodes.length - 1).host.delete(`/v1/users/${user.id}/sessions`)).status, 204);
  await eventually('this node knows', async () => (await at.api(user).get('/api/conversations')).status === 401, 5000);
  assert.equal((await begun.finish()).status, 401);
  assert.deepEqual(await at.history(other, id), []);
});

test('what a socket of long-polling began to send before its person was shut out is lost', { timeout: 60_000 }, async () => {
  const [user, other] = await server.people('mallory', 'ann');
  const { id } = await at.direct(user, other);
  const base = at.next();
  const open = await (await fetch(`${base}/socket.io/?EIO=4&transport=polling`)).text();
  const where = `/socket.io/?EIO=4&transport=polling&sid=${JSON.parse(open.slice(1)).sid}`;
  const post = (body) => fetch(base + where, { method: 'POST', headers: { 'content-type': 'text/plain' }, body });
  assert.equal((await post(`40${JSON.stringify({ token: user.token, contract: 'conversations' })}`)).status, 200);
  assert.match(await (await fetch(base + where)).text(), /^40\{"sid"/);
  const packet = (content) => `421["message:send",${JSON.stringify({ conversationId: id, content })}]`;
  assert.equal((await post(packet('in time'))).status, 200);
  await eventually('it is stored', async () => (await at.history(other, id)).length === 1);
  const begun = await begin({}, 'POST', where, 'text/plain', packet('too late'));
  assert.equal((await at.host.delete(`/v1/users/${user.id}/sessions`)).status, 204);
  await begun.finish().catch(() => {});
  await at.say(other, id, 'afterwards');
  assert.deepEqual((await at.history(other, id)).map((message) => message.content), ['in time', 'afterwards']);
});

test('a message whose token ended while it came is refused, and an upload is not lost for that', { timeout: 60_000 }, async () => {
  const [user, other] = await server.people('ann', 'bob');
  const { id } = await at.direct(user, other);
  const files = await uploads(user);
  // REST grants 30 seconds for clocks that differ: 3 of them are left.
  const exp = now() - 27;
  const brief = mint(user.id, { iat: exp - 900, exp });
  const messages = (await sends(user, id, other)).slice(0, 6);
  const begun = await Promise.all([...messages, ...files].map(([, ...request]) => begin(bearer(brief), ...request)));
  await eventually('the token has ended', () => now() > exp + 30, 8000);
  const answers = await Promise.all(begun.map((request) => request.finish()));
  for (const [n, { status, text }] of answers.slice(0, messages.length).entries()) {
    assert.equal(status, 401, `${messages[n][0]}: ${text}`);
    assert.match(JSON.parse(text).error, /expired/);
  }
  assert.deepEqual(answers.slice(messages.length).map(({ status }) => status), [201, 204]);
  assert.deepEqual(await at.history(other, id), []);
});

test('an upload of somebody who is shut out after their token has ended is refused all the same', { timeout: 60_000 }, async () => {
  const user = await server.person('mallory', {});
  const files = await uploads(user);
  const exp = now() - 28;
  const brief = mint(user.id, { iat: exp - 900, exp });
  const begun = await Promise.all(files.map(([, ...request]) => begin(bearer(brief), ...request)));
  await eventually('the token has ended', () => now() > exp + 30, 8000);
  assert.equal((await at.host.delete(`/v1/users/${user.id}/sessions`)).status, 204);
  const answers = await Promise.all(begun.map((request) => request.finish()));
  assert.deepEqual(answers.map(({ status }) => status), [401, 401]);
});

test('what came of a resumable upload before its owner was shut out waits for a good token', { timeout: 30_000 }, async () => {
  const user = await server.person('ann', {});
  const [, [, ...patch]] = await uploads(user);
  const begun = await begin(bearer(user.token), ...patch);
  assert.equal((await at.host.delete(`/v1/users/${user.id}/sessions`)).status, 204);
  assert.equal((await begun.finish()).status, 401);
  const second = now();
  await eventually('the next second', () => now() > second);
  const look = await at.api(mint(user.id)).call('HEAD', patch[1], undefined, { 'tus-resumable': '1.0.0' });
  assert.equal(look.status, 200);
  assert.ok(look.headers.get('upload-attachment'), 'it is whole, and an attachment');
});

test('what an API key began to write before it was taken back is refused', { timeout: 30_000 }, async () => {
  const id = unique('ann');
  const body = JSON.stringify({ name: 'too late' });
  const begun = await begin({ 'x-api-key': goes }, 'PUT', `/v1/users/${id}`, 'application/json', body);
  writeFileSync(keys, `${stays}\n`);
  await eventually('the key counts no longer', async () => (await new Rest(at.next(), { 'x-api-key': goes }).put(`/v1/users/${id}`, {})).status === 401, 8000);
  await sleep(1000);
  assert.equal((await begun.finish()).status, 401);
  const entry = good(await new Rest(at.next(), { 'x-api-key': stays }).put(`/v1/users/${id}`, {}));
  assert.equal(entry.name, null);
});

// Keys of the host application's servers: what each may do, and how they are replaced without a restart.
import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { API_KEY, Doorbell, eventually, good, refusal, Rest, test, unique } from './support/doorbell.mjs';

const folder = mkdtempSync(path.join(tmpdir(), 'doorbell-keys-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const file = path.join(folder, 'keys');
/** As a careful tool writes: the file is never there in part. */
const write = (text) => {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
};
const key = (scope) => `a-key-for-${scope}-0123456789abcdef0123456789`;
write(`# keys\n${key('all')}\ndirectory:${key('directory')}\nconversations:${key('conversations')}\ntokens:${key('tokens')}\nsessions:${key('sessions')}\ndirectory+sessions:${key('both')}\n`);
const server = await Doorbell.forFile({ env: { DOORBELL_API_KEYS_FILE: file } });
const as = (name) => new Rest(() => server.next(), { 'x-api-key': name });

test('a key does what its scopes say, and a refusal names the scope that it needs', async () => {
  const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
  const group = await server.group(ann, [bob]);
  const calls = {
    directory: [(rest) => rest.put(`/v1/users/${ann.id}`, { role: 'x' }), (rest) => rest.put(`/v1/listings/${unique('flat')}`, { title: 'x' })],
    conversations: [
      (rest) => rest.patch(`/v1/conversations/${group.id}`, { title: 'x' }),
      (rest) => rest.post(`/v1/conversations/${group.id}/participants`, { userId: cem.id }),
      (rest) => rest.delete(`/v1/conversations/${group.id}/participants/${cem.id}`),
    ],
    tokens: [(rest) => rest.post('/api/auth/socket-token', { userId: ann.id })],
    sessions: [(rest) => rest.delete(`/v1/users/${unique('nobody')}/sessions`)],
  };
  const scopes = { all: Object.keys(calls), both: ['directory', 'sessions'], ...Object.fromEntries(Object.keys(calls).map((scope) => [scope, [scope]])) };
  for (const [name, may] of Object.entries(scopes)) {
    for (const [scope, requests] of Object.entries(calls)) {
      for (const request of requests) {
        const answer = await request(as(key(name)));
        if (may.includes(scope)) assert.ok(answer.status < 300, `${name} for ${scope}: ${answer.status} ${answer.text}`);
        else assert.match(refusal(answer, 403, 'FORBIDDEN').error, new RegExp(`needs the scope ${scope}\\.`));
      }
    }
  }
  refusal(await as(`directory:${key('directory')}`).put(`/v1/users/${ann.id}`, {}), 401, 'UNAUTHENTICATED');
  refusal(await as(key('none')).put(`/v1/users/${ann.id}`, {}), 401, 'UNAUTHENTICATED');
  refusal(await as('').put(`/v1/users/${ann.id}`, {}), 401, 'UNAUTHENTICATED');
  refusal(await as(key('directory')).get('/api/conversations'), 403, 'FORBIDDEN');
});

test('keys are replaced while the server runs, and a file that is wrong locks nobody out', { timeout: 40_000 }, async () => {
  const id = unique('ann');
  const status = async (name) => Math.max(...(await Promise.all(server.nodes.map(({ url }) => new Rest(url, { 'x-api-key': name }).put(`/v1/users/${id}`, { role: 'x' })))).map((answer) => answer.status));
  assert.equal(await status(key('all')), 200);
  write(`${key('fresh')}\n`);
  for (const node of server.nodes) node.child.kill('SIGHUP');
  await eventually('the new key counts', async () => (await status(key('fresh'))) === 200, 1500);
  assert.equal(await status(key('all')), 401, 'the old one no longer');
  assert.equal(await status(API_KEY), 200, 'that of DOORBELL_API_KEY stays');
  write(`directory:${key('next')}\n`);
  await eventually('without a signal it takes a moment', async () => (await status(key('next'))) === 200, 6000);
  write(`directry:${key('hush')}\n`);
  await eventually('the log says so', () => server.nodes.every((node) => /API keys cannot be read again/.test(node.logs)), 6000);
  assert.equal(await status(key('next')), 200);
  rmSync(file);
  for (const node of server.nodes) node.child.kill('SIGHUP');
  await eventually('the log says so', () => server.nodes.every((node) => /cannot be read \(/.test(node.logs)), 6000);
  assert.equal(await status(key('next')), 200);
  assert.ok(!server.logs.includes('hush'), 'a key stands in no log');
  write('');
  await eventually('an empty file takes its keys away', async () => (await status(key('next'))) === 401, 6000);
  good(await server.host.put(`/v1/users/${id}`, { role: 'y' }));
});

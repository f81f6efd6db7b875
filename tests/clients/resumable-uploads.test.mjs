// Uploads by tus 1.0: they go on where they were, after a lost connection, a restart, at whichever node.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { Doorbell, eventually, good, range, refusal, test } from './support/doorbell.mjs';
import { filesBelow, form, mp4Head, png, video } from './support/media.mjs';

const MiB = 1024 * 1024;
const server = await Doorbell.forFile();
const TUS = { 'tus-resumable': '1.0.0' };
const b64 = (text) => Buffer.from(text).toString('base64');
const bytesOf = { ...TUS, 'content-type': 'application/offset+octet-stream' };

/** A client as the protocol wants it: each request goes to the node whose turn it is. */
class Tus {
  constructor(user, at = server) {
    this.api = at.api(user);
    this.at = at;
  }

  async begin(length, name = 'clip.mp4', headers = {}) {
    const answer = await this.api.post('/v1/uploads', undefined, { ...TUS, 'upload-length': String(length), 'upload-metadata': `filename ${b64(name)},filetype ${b64('video/mp4')}`, ...headers });
    if (answer.status === 201) this.path = new URL(answer.headers.get('location')).pathname;
    return answer;
  }

  look = () => this.api.call('HEAD', this.path, undefined, TUS);
  end = () => this.api.delete(this.path, TUS);
  add = (offset, bytes, headers = {}) => this.api.patch(this.path, bytes, { ...bytesOf, 'upload-offset': String(offset), ...headers });

  /** Sends some of the bytes and goes away. */
  async breakOff(offset, bytes) {
    const req = http.request(this.at.next() + this.path, { method: 'PATCH', agent: false, headers: { ...this.api.headers, ...bytesOf, 'upload-offset': String(offset), 'content-length': String(bytes.length + 1000) } });
    req.on('error', () => {});
    await new Promise((go) => req.write(bytes, go));
    const spooled = () => this.at.nodes.flatMap((node) => filesBelow(path.join(node.env.DOORBELL_DATA_DIR, 'uploads/resumable')).map((name) => path.join(node.env.DOORBELL_DATA_DIR, 'uploads/resumable', name)));
    const file = `${path.basename(this.path)}.bytes`;
    await eventually('the bytes have come', () => spooled().some((name) => name.endsWith(file) && statSync(name).size === offset + bytes.length));
    req.destroy();
  }
}

const offset = (answer) => Number(answer.headers.get('upload-offset'));
const status = (answer, wanted) => assert.equal(answer.status, wanted, answer.text.slice(0, 300));
const attachmentLink = async (user, id) => {
  const redirect = await server.api(user).get(`/v1/attachments/${id}`);
  assert.ok([302, 303].includes(redirect.status), `${redirect.status} ${redirect.text}`);
  const url = new URL(redirect.headers.get('location'));
  return server.next() + url.pathname + url.search;
};

test('a file comes in pieces, and is an attachment when it is whole', async () => {
  const ada = await server.person('ada');
  const tus = new Tus(ada);
  const clip = video(3 * MiB);
  const begun = await tus.begin(clip.length, 'Küche.mp4');
  status(begun, 201);
  assert.equal(begun.headers.get('tus-resumable'), '1.0.0');
  const expires = Date.parse(begun.headers.get('upload-expires')) - Date.now();
  assert.ok(Math.abs(expires - 24 * 3600_000) < 60_000, 'it is kept for a day');
  let at = 0;
  for (const size of [100, MiB, 1, MiB, clip.length]) {
    const piece = clip.subarray(at, at + size);
    const answer = await tus.add(at, piece);
    status(answer, 204);
    at += piece.length;
    assert.equal(offset(answer), at);
    assert.equal(answer.headers.has('upload-attachment'), at === clip.length);
  }
  const done = await tus.look();
  status(done, 200);
  assert.equal(offset(done), clip.length);
  assert.equal(done.headers.get('upload-length'), String(clip.length));
  assert.equal(done.headers.get('cache-control'), 'no-store');
  assert.equal(done.headers.get('upload-metadata'), `filename ${b64('Küche.mp4')},filetype ${b64('video/mp4')}`);
  const id = done.headers.get('upload-attachment');
  const served = await fetch(await attachmentLink(ada, id));
  assert.equal(served.headers.get('content-type'), 'video/mp4');
  assert.ok(Buffer.from(await served.arrayBuffer()).equals(clip));
});

test('who missed the last answer sends the end again and is told the same, until the upload expires', async () => {
  const ada = await server.person('ada');
  const tus = new Tus(ada);
  const clip = video(200_000);
  status(await tus.begin(clip.length), 201);
  const last = await tus.add(0, clip);
  status(last, 204);
  for (let turn = 0; turn < 2; turn += 1) {
    const again = await tus.add(clip.length, Buffer.alloc(0));
    status(again, 204);
    assert.deepEqual([offset(again), again.headers.get('upload-attachment'), again.headers.has('upload-expires')], [clip.length, last.headers.get('upload-attachment'), true]);
  }
  refusal(await tus.add(0, clip), 409, 'CONFLICT');
  refusal(await tus.add(clip.length, Buffer.from('more')), 400, 'INVALID');
  assert.equal(offset(await tus.look()), clip.length);
});

test('every answer names the version of the protocol, also to a method that is none', async () => {
  const ada = await server.person('ada');
  const tus = new Tus(ada);
  status(await tus.begin(1000), 201);
  for (const [method, at] of [['PUT', '/v1/uploads'], ['GET', tus.path], ['POST', tus.path]]) {
    const answer = await tus.api.call(method, at, undefined, TUS);
    assert.deepEqual([answer.status, answer.headers.get('tus-resumable')], [405, '1.0.0'], `${method} ${at}`);
    assert.ok(answer.headers.get('allow'), `${method} ${at}`);
  }
});

test('a lost connection and a killed server take nothing that had come', { timeout: 60_000 }, async () => {
  const ada = await server.person('ada');
  const tus = new Tus(ada);
  const clip = video(2 * MiB);
  status(await tus.begin(clip.length), 201);
  await tus.breakOff(0, clip.subarray(0, 700_000));
  const cut = await eventually('what has come is counted', async () => {
    const answer = await tus.look();
    return offset(answer) === 700_000 && answer;
  });
  status(cut, 200);
  await server.kill();
  await server.restart();
  const after = await eventually('it is there again', async () => {
    const answer = await tus.look();
    return answer.status === 200 && answer;
  }, 20_000);
  assert.equal(offset(after), 700_000);
  const last = await tus.add(700_000, clip.subarray(700_000));
  status(last, 204);
  assert.ok(Buffer.from(await (await fetch(await attachmentLink(ada, last.headers.get('upload-attachment')))).arrayBuffer()).equals(clip));
});

test('what a client gets wrong is refused, and the upload stays as it was', async () => {
  const [ada, ben] = await Promise.all(['ada', 'ben'].map((name) => server.person(name)));
  const tus = new Tus(ada);
  for (const [headers, wanted, code] of [
    [{ 'upload-length': undefined }, 400, 'INVALID'],
    [{ 'upload-length': '0' }, 400, 'INVALID'],
    [{ 'upload-length': '-1' }, 400, 'INVALID'],
    [{ 'upload-length': '1e3' }, 400, 'INVALID'],
    [{ 'upload-length': String(200 * MiB) }, 413, 'TOO_LARGE'],
    [{ 'upload-length': '9'.repeat(30) }, 400, 'INVALID'],
    [{ 'upload-metadata': 'filename ***' }, 400, 'INVALID'],
    [{ 'upload-metadata': `filename ${b64('x'.repeat(5000))}` }, 400, 'INVALID'],
  ]) refusal(await tus.begin(100, 'a.mp4', headers), wanted, code);
  const other = await tus.begin(100, 'a.mp4', { 'tus-resumable': '0.2.2' });
  assert.deepEqual([other.status, other.headers.get('tus-version')], [412, '1.0.0']);

  const clip = video(100_000);
  status(await tus.begin(clip.length), 201);
  status(await tus.add(0, clip.subarray(0, 50_000)), 204);
  refusal(await tus.add(0, clip.subarray(0, 50_000)), 409, 'CONFLICT');
  refusal(await tus.add(60_000, clip.subarray(60_000)), 409, 'CONFLICT');
  refusal(await tus.add(50_000, clip.subarray(50_000), { 'content-type': 'text/plain' }), 415, 'UNSUPPORTED_MEDIA');
  refusal(await tus.add(50_000, Buffer.concat([clip.subarray(50_000), Buffer.from('more')])), 400, 'INVALID');
  const strange = new Tus(ben);
  strange.path = tus.path;
  status(await strange.look(), 404);
  refusal(await strange.add(50_000, clip.subarray(50_000)), 404, 'NOT_FOUND');
  refusal(await strange.end(), 404, 'NOT_FOUND');
  const now = offset(await tus.look());
  status(await tus.add(now, clip.subarray(now)), 204);
  const never = new Tus(ada);
  never.path = `${tus.path.slice(0, -3)}abc`;
  assert.ok([404, 503].includes((await never.look()).status));
});

test('what cannot become an attachment ends as soon as its bytes show it, and leaves nothing', async () => {
  const ada = await server.person('ada');
  const html = Buffer.from(`<!doctype html>${'x'.repeat(10_000)}`);
  const page = new Tus(ada);
  status(await page.begin(1_000_000, 'a.png'), 201);
  refusal(await page.add(0, html), 415, 'UNSUPPORTED_MEDIA');
  status(await page.look(), 404);
  const large = new Tus(ada);
  status(await large.begin(50 * MiB, 'a.png'), 201);
  refusal(await large.add(0, Buffer.concat([png(50, 50), Buffer.alloc(8000)])), 413, 'TOO_LARGE');
  const broken = new Tus(ada);
  const cut = png(100, 100).subarray(0, 150);
  status(await broken.begin(cut.length, 'a.png'), 201);
  refusal(await broken.add(0, cut), 415, 'UNSUPPORTED_MEDIA');
  const ended = new Tus(ada);
  status(await ended.begin(1_000_000), 201);
  status(await ended.add(0, mp4Head(1_000_000)), 204);
  status(await ended.end(), 204);
  status(await ended.look(), 404);
  const left = server.nodes.flatMap((node) => filesBelow(path.join(node.env.DOORBELL_DATA_DIR, 'uploads/resumable')));
  const ids = [page, large, broken, ended].map((tus) => path.basename(tus.path));
  assert.deepEqual(left.filter((name) => ids.some((id) => name.startsWith(id))), []);
});

test('a refusal arrives although the bytes are still on their way, and the connection stays', async (t) => {
  const ada = await server.person('ada');
  const tus = new Tus(ada);
  const clip = video(3 * MiB);
  status(await tus.begin(clip.length), 201);
  for (const node of server.nodes) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    const ask = (method, headers, body) =>
      new Promise((resolve, reject) => {
        const req = http.request(node.url + tus.path, { method, agent, headers: { ...tus.api.headers, ...headers } }, (answer) => answer.resume().on('end', () => resolve([answer.statusCode, req.reusedSocket])));
        req.on('error', reject).end(body);
      });
    assert.deepEqual(await ask('PATCH', { ...bytesOf, 'upload-offset': '1', 'content-length': String(clip.length - 1) }, clip.subarray(1)), [409, false]);
    assert.deepEqual(await ask('HEAD', TUS), [200, true]);
  }
});

test('one request at a time writes to an upload, and a browser of an allowed page may use it', async () => {
  const ada = await server.person('ada');
  const tus = new Tus(ada);
  const clip = video(3 * MiB);
  status(await tus.begin(clip.length), 201);
  const answers = await Promise.all(range(8).map(() => tus.add(0, clip)));
  assert.equal(answers.filter(({ status: s }) => s === 204).length, 1, answers.map(({ status: s }) => s).join());
  // 423 from who came while another was at it, 409 from who came after: clients of tus try again after either.
  for (const answer of answers) if (answer.status !== 204) refusal(answer, answer.status === 423 ? 423 : 409, answer.status === 423 ? 'LOCKED' : 'CONFLICT');
  assert.ok(answers.some(({ status: s }) => s === 423), answers.map(({ status: s }) => s).join());

  const preflight = await fetch(`${server.next()}${tus.path}`, {
    method: 'OPTIONS',
    headers: { origin: 'http://localhost:3000', 'access-control-request-method': 'PATCH', 'access-control-request-headers': 'tus-resumable,upload-offset,content-type,authorization' },
  });
  assert.equal(preflight.status, 204);
  const allowed = preflight.headers.get('access-control-allow-headers').toLowerCase();
  for (const name of ['tus-resumable', 'upload-length', 'upload-offset', 'upload-metadata']) assert.ok(allowed.includes(name), allowed);
  const asked = await fetch(server.next() + tus.path, { method: 'HEAD', headers: { ...TUS, ...tus.api.headers, origin: 'http://localhost:3000' } });
  const exposed = asked.headers.get('access-control-expose-headers').toLowerCase();
  for (const name of ['location', 'upload-offset', 'upload-length', 'upload-attachment']) assert.ok(exposed.includes(name), exposed);
  const capabilities = await fetch(`${server.next()}/v1/uploads`, { method: 'OPTIONS' });
  assert.deepEqual([capabilities.status, capabilities.headers.get('tus-version'), capabilities.headers.get('tus-extension'), capabilities.headers.get('tus-max-size')], [204, '1.0.0', 'creation,termination,expiration', String(100 * MiB)]);
  good(await server.api(ada).get('/api/conversations'));
});

// Where there are several nodes, each counts what was begun at it, so all of it goes to one.
test('what is announced counts towards what one person may have, and is free again when it is given up', async (t) => {
  const small = await Doorbell.start({ env: { DOORBELL_MEDIA_QUOTA: '8MiB' } });
  t.after(() => small.stop());
  const at = small.at(0);
  const [ada, ben] = [await at.person('ada'), await at.person('ben')];
  const begin = async (user) => {
    const tus = new Tus(user, at);
    return { tus, answer: await tus.begin(3 * MiB) };
  };
  const first = await begin(ada);
  status(first.answer, 201);
  status((await begin(ada)).answer, 201);
  refusal((await begin(ada)).answer, 413, 'TOO_LARGE');
  status((await begin(ben)).answer, 201);
  status(await first.tus.end(), 204);
  status((await begin(ada)).answer, 201);
});

test('what is announced counts for uploads that begin at the same time, and for forms', async (t) => {
  const small = await Doorbell.start({ env: { DOORBELL_MEDIA_QUOTA: '300KiB' } });
  t.after(() => small.stop());
  const at = small.at(0);
  const [ada, ben] = [await at.person('ada'), await at.person('ben')];
  const begun = await Promise.all(Array.from({ length: 6 }, async () => {
    const tus = new Tus(ada, at);
    return { tus, answer: await tus.begin(140 * 1024) };
  }));
  assert.deepEqual(begun.map(({ answer }) => answer.status).sort(), [201, 201, 413, 413, 413, 413]);
  const sent = (user, length) => at.api(user).post('/api/upload', form({}, ['notes.txt', Buffer.alloc(length, 'x')]));
  refusal(await sent(ada, 30 * 1024), 413, 'TOO_LARGE');
  const taken = begun.filter(({ answer }) => answer.status === 201);
  status(await taken[0].tus.end(), 204);
  status(await sent(ada, 30 * 1024), 201);
  const refused = await new Tus(ben, at).begin(301 * 1024);
  refusal(refused, 413, 'TOO_LARGE');
  assert.match(refused.text, /more here than you may: 300 KiB/);
  const clip = video(140 * 1024);
  status(await taken[1].tus.add(0, clip), 204);
});

test('an upload that is ended when it is whole is an attachment no longer, unless a message names it', async () => {
  const [ada, ben] = [await server.person('ada'), await server.person('ben')];
  for (const isSent of [false, true]) {
    const tus = new Tus(ada);
    const clip = video(50_000);
    status(await tus.begin(clip.length), 201);
    const id = (await tus.add(0, clip)).headers.get('upload-attachment');
    if (isSent) good(await server.api(ada).post('/api/messages', { receiverId: ben.id, attachmentIds: [id] }), 201);
    status(await tus.end(), 204);
    status(await tus.look(), 404);
    assert.equal((await server.api(ada).get(`/v1/attachments/${id}`)).status, isSent ? 302 : 404);
  }
});

test('who has begun as many as may be finishes or deletes one first, and is not told to wait', { timeout: 60_000 }, async (t) => {
  const own = await Doorbell.start({ env: { DOORBELL_RATE_LIMITS: 'off' } });
  t.after(() => own.stop());
  const at = own.at(0);
  const ada = await at.person('ada');
  const begun = [];
  for (let turn = 0; turn < 50; turn += 1) {
    begun.push(new Tus(ada, at));
    status(await begun.at(-1).begin(1000), 201);
  }
  const refused = await new Tus(ada, at).begin(1000);
  refusal(refused, 400, 'INVALID');
  assert.match(refused.text, /begun 50 uploads .* finish or delete one first/);
  assert.equal(refused.headers.has('retry-after'), false);
  const metrics = await (await fetch(`${at.next()}/metrics`)).text();
  assert.match(metrics, /doorbell_over_limit_total\{kind="unfinished_uploads"\} 1\n/);
  status(await begun[0].end(), 204);
  status(await new Tus(ada, at).begin(1000), 201);
});

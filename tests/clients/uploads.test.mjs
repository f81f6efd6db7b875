// Files on their way in and out: what is taken and what is refused, how it is served, and what is left behind (nothing).
import assert from 'node:assert/strict';
import http from 'node:http';
import path from 'node:path';
import { Doorbell, eventually, good, has, range, refusal, run, test } from './support/doorbell.mjs';
import { filesBelow, form, formAround, mp4Head, noise, patternByte, png, readPng, video, videoPieces } from './support/media.mjs';
import { tcp } from './support/raw.mjs';
import { S3 } from './support/s3.mjs';
import { SmallDisk } from './support/small-disk.mjs';

const MiB = 1024 * 1024;
const server = await Doorbell.forFile();

const upload = (user, name, bytes, at = server) => at.api(user).post('/api/upload', form({}, [name, bytes]));
/** A link, at whichever node's turn it is. */
const here = (url, at = server) => at.next() + new URL(url).pathname + new URL(url).search;
const media = (node) => (node.env.DOORBELL_MEDIA_URL ? new URL(node.env.DOORBELL_MEDIA_URL).pathname : path.join(node.env.DOORBELL_DATA_DIR, 'media'));
const spool = (node) => filesBelow(path.join(node.env.DOORBELL_DATA_DIR, 'uploads'));

test('a picture is stored and served to whoever has its link, and to nobody without', async () => {
  const ada = await server.person('ada');
  const picture = png(1200, 800, 'ada');
  const stored = good(await upload(ada, 'Küche (2).png', picture), 201);
  assert.deepEqual(Object.keys(stored).sort(), ['fileName', 'fileSize', 'fileType', 'fileUrl', 'height', 'id', 'url', 'width']);
  has(stored, { fileName: 'Küche (2).png', fileType: 'image/png', width: 1200, height: 800, fileUrl: stored.url });
  const answer = await fetch(here(stored.url));
  assert.equal(answer.status, 200);
  const bytes = Buffer.from(await answer.arrayBuffer());
  assert.equal(bytes.length, stored.fileSize);
  assert.deepEqual(readPng(bytes), readPng(picture));
  for (const [name, value] of Object.entries({
    'content-type': 'image/png',
    'content-length': String(bytes.length),
    'x-content-type-options': 'nosniff',
    'content-security-policy': "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    'cross-origin-resource-policy': 'cross-origin',
    'accept-ranges': 'bytes',
    'content-disposition': "inline; filename=\"K_che (2).png\"; filename*=UTF-8''K%C3%BCche%20%282%29.png",
  })) assert.equal(answer.headers.get(name), value, name);
  const age = Number(/^private, max-age=(\d+), immutable$/.exec(answer.headers.get('cache-control'))?.[1]);
  assert.ok(age > 0 && age <= 24 * 3600, `max-age is ${age}`);

  const changed = [
    stored.url.replace(/\/media\/(.)/, (_, first) => `/media/${first === '0' ? '1' : '0'}`),
    stored.url.replace(/s=./, (at) => (at === 's=A' ? 's=B' : 's=A')),
    stored.url.replace('/file?', '/thumbnail?'),
    stored.url.replace(/e=\d+/, (at) => `e=${Number(at.slice(2)) + 3600}`),
    stored.url.split('?')[0],
  ];
  for (const link of changed) {
    const refused = await fetch(here(link));
    assert.equal(refused.status, 403, link);
    assert.equal((await refused.json()).code, 'FORBIDDEN');
  }
});

test('the type is judged by the bytes, and what is not on the list is refused', async () => {
  const ada = await server.person('ada');
  const html = Buffer.from('<!doctype html><script>alert(1)</script>');
  for (const [name, bytes] of [
    ['a.png', html],
    ['a.txt', html],
    ['a.svg', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')],
    ['a.png', Buffer.from('PK\x03\x04 an archive', 'latin1')],
    ['a.jpg', Buffer.from('MZ\x90\x00 a program', 'latin1')],
    ['cut.png', png(300, 300).subarray(0, 200)],
  ]) refusal(await upload(ada, name, bytes), 415, 'UNSUPPORTED_MEDIA');
  const text = good(await upload(ada, 'notes.exe', Buffer.from('Grüße, two keys\n')), 201);
  has(text, { fileType: 'text/plain', fileSize: 18, fileName: 'notes.exe' });
  const served = await fetch(here(text.url));
  assert.equal(served.headers.get('content-type'), 'text/plain; charset=utf-8');
  assert.match(served.headers.get('content-disposition'), /^attachment; /);
  assert.equal(await served.text(), 'Grüße, two keys\n');
});

test('a form that holds no file, or not as it should, is refused in a sentence', async () => {
  const ada = await server.person('ada');
  const api = server.api(ada);
  refusal(await upload(ada, 'empty.png', Buffer.alloc(0)), 400, 'INVALID');
  refusal(await api.post('/api/upload', form({ content: 'x' })), 400, 'INVALID');
  refusal(await api.post('/api/upload', { file: 'x' }), 400, 'INVALID');
  const raw = (...parts) => api.post('/api/upload', parts.map(([head, content]) => `--b\r\nContent-Disposition: form-data; ${head}\r\n\r\n${content}\r\n`).join('') + '--b--\r\n', { 'content-type': 'multipart/form-data; boundary=b' });
  const nothingChosen = await raw(['name="file"; filename=""', '']);
  refusal(nothingChosen, 400, 'INVALID');
  assert.match(nothingChosen.text, /No file was chosen/);
  const two = await raw(['name="file"; filename="a.txt"', 'one'], ['name="file"; filename="b.txt"', 'two']);
  refusal(two, 400, 'INVALID');
  assert.match(two.text, /more than one file;/);
  refusal(await api.post('/api/upload', form({}, ['a.png', png(4, 4)], ['b.png', png(4, 4)])), 400, 'INVALID');
  refusal(await api.post('/api/upload', form({ userId: 'somebody-else' }, ['a.png', png(4, 4)])), 403, 'FORBIDDEN');
  const elsewhere = new FormData();
  elsewhere.append('photo', new Blob([png(4, 4)]), 'a.png');
  refusal(await api.post('/api/upload', elsewhere), 400, 'INVALID');
  refusal(await server.api(null).post('/api/upload', form({}, ['a.png', png(4, 4)])), 401, 'UNAUTHENTICATED');
  refusal(await server.host.post('/api/upload', form({}, ['a.png', png(4, 4)])), 403, 'FORBIDDEN');
  const { type, head } = formAround('a.png');
  refusal(await api.post('/api/upload', Buffer.concat([head, png(40, 40)]), { 'content-type': type }), 400, 'INVALID');
});

test('whoever sends a file in a way that is none is told how to send it', async () => {
  const ada = await server.person('ada');
  const api = server.api(ada);
  const picture = png(4, 4);
  const told = async (body, type, sentence, at = '/api/upload') => {
    const answer = await api.post(at, body, { 'content-type': type });
    refusal(answer, 400, 'INVALID');
    assert.match(answer.text, sentence, `${type}: ${answer.text}`);
  };
  await told(picture, 'image/png', /There is no file: send a form/);
  await told('a=b', 'application/x-www-form-urlencoded', /There is no file: send a form/);
  await told('a=b', 'application/x-www-form-urlencoded', /of the type application\/x-www-form-urlencoded, .* send JSON/, '/api/messages');
  await told('--b--\r\n', 'multipart/form-data', /names no boundary/);
  await told('--b--\r\n', 'multipart/form-data', /names no boundary/, '/api/messages');
  await told('', 'application/json', /no body: send a JSON object/);
  const part = (head) => Buffer.concat([Buffer.from(`--b\r\nContent-Disposition: form-data; name="file"${head}\r\n\r\n`), picture, Buffer.from('\r\n--b--\r\n')]);
  await told(part(''), 'multipart/form-data; boundary=b', /The part called file has no file name/);
  const nameless = await server.host.post('/api/auth/socket-token', undefined);
  refusal(nameless, 400, 'INVALID');
  assert.match(nameless.text, /no body: send a JSON object/);
  // As form-data of Node writes bytes, and some libraries a name that is not ASCII.
  for (const [head, name] of [['\r\nContent-Type: application/octet-stream', 'file'], ["; filename*=UTF-8''K%C3%BCche.png", 'Küche.png']]) {
    const stored = good(await api.post('/api/upload', part(head), { 'content-type': 'multipart/form-data; boundary=b' }), 201);
    assert.deepEqual([stored.fileName, stored.fileType], [name, 'image/png']);
  }
  // JSON under a wrong name, as curl sends it.
  good(await api.post('/api/messages', JSON.stringify({ receiverId: (await server.person('ben')).id, content: 'hello' }), { 'content-type': 'application/x-www-form-urlencoded' }), 201);
});

test('ranges are answered as players ask for them', async () => {
  const ada = await server.person('ada');
  const clip = video(300_000);
  const { url, fileSize } = good(await upload(ada, 'clip.mp4', clip), 201);
  assert.equal(fileSize, clip.length);
  const ask = async (headers, method = 'GET') => {
    const answer = await fetch(here(url), { headers, method });
    return { status: answer.status, range: answer.headers.get('content-range'), length: answer.headers.get('content-length'), tag: answer.headers.get('etag'), bytes: Buffer.from(await answer.arrayBuffer()) };
  };
  const { tag } = await ask({});
  for (const [asked, first, last] of [
    ['bytes=0-', 0, 299_999],
    ['bytes=0-0', 0, 0],
    ['bytes=65535-65536', 65_535, 65_536],
    ['bytes=299999-', 299_999, 299_999],
    ['bytes=-500', 299_500, 299_999],
    ['bytes=1000-9999999', 1000, 299_999],
  ]) {
    const part = await ask({ range: asked });
    assert.deepEqual([part.status, part.range, part.length], [206, `bytes ${first}-${last}/300000`, String(last - first + 1)], asked);
    assert.ok(part.bytes.equals(clip.subarray(first, last + 1)), asked);
  }
  for (const asked of ['bytes=300000-', 'bytes=-0']) {
    const none = await ask({ range: asked });
    assert.deepEqual([none.status, none.range, none.bytes.length], [416, 'bytes */300000', 0], asked);
  }
  for (const asked of ['bytes=0-1,5-6', 'lines=1-2', 'bytes=5-1']) assert.equal((await ask({ range: asked })).bytes.length, 300_000, asked);
  assert.equal((await ask({ range: 'bytes=0-9', 'if-range': tag })).bytes.length, 10);
  assert.equal((await ask({ range: 'bytes=0-9', 'if-range': '"another"' })).bytes.length, 300_000);
  const head = await ask({}, 'HEAD');
  assert.deepEqual([head.status, head.length, head.bytes.length], [200, '300000', 0]);
  assert.equal((await ask({ 'if-none-match': tag })).status, 304);
});

test('a name of whatever characters is one name, and no header or folder', async () => {
  const ada = await server.person('ada');
  for (const [name, kept] of [
    ['../../etc/passwd', 'passwd'],
    ['C:\\temp\\plan.txt', 'plan.txt'],
    ['a"; filename="evil.html', 'a"; filename="evil.html'],
    ['x\r\nSet-Cookie: a=b.txt', 'xSet-Cookie: a=b.txt'],
    ['photo\u202egpj.exe', 'photogpj.exe'],
    ['日本語 🏠.txt', '日本語 🏠.txt'],
    ['.', 'file'],
    ['x'.repeat(1000) + '.txt', 'x'.repeat(196) + '.txt'],
  ]) {
    const stored = good(await upload(ada, name, Buffer.from('text')), 201);
    assert.equal(stored.fileName, kept);
    const { headers } = await fetch(here(stored.url), { method: 'HEAD' });
    assert.equal(headers.get('set-cookie'), null);
    const star = /filename\*=UTF-8''(.*)$/.exec(headers.get('content-disposition'));
    const plain = /filename="([^"]*)"/.exec(headers.get('content-disposition'));
    assert.equal(star ? decodeURIComponent(star[1]) : plain[1], kept.endsWith('.txt') ? kept : `${kept}.txt`);
  }
});

test('what is saved has an ending of its type, whatever its sender called it', async () => {
  const ada = await server.person('ada');
  const text = Buffer.from('text');
  for (const [name, bytes, saved] of [
    ['invoice.html', text, 'invoice.html.txt'],
    ['run.bat', text, 'run.bat.txt'],
    ['table.csv', text, 'table.csv'],
    ['a.html', png(8, 8), 'a.html.png'],
    ['a.PNG', png(8, 8), 'a.PNG'],
  ]) {
    const stored = good(await upload(ada, name, bytes), 201);
    assert.equal(stored.fileName, name, 'it is shown as it was called');
    const { headers } = await fetch(here(stored.url), { method: 'HEAD' });
    assert.equal(/filename="([^"]*)"/.exec(headers.get('content-disposition'))[1], saved);
  }
});

/** Sends a form piece by piece, without saying how long it will be, until it is answered. */
function stream(base, user, pieces, { name, headers } = {}) {
  const { type, head, end } = formAround(name);
  return new Promise((resolve, reject) => {
    const req = http.request(`${base}/api/upload`, { method: 'POST', agent: false, headers: { authorization: `Bearer ${user.token}`, 'content-type': type, ...headers } });
    let answered = false;
    req.on('response', (res) => {
      answered = true;
      let text = '';
      res.on('data', (chunk) => (text += chunk));
      res.on('end', () => {
        resolve({ status: res.statusCode, headers: res.headers, text, body: JSON.parse(text) });
        req.destroy();
      });
    });
    // A server that refuses may close before all was sent.
    req.on('error', (error) => setTimeout(() => answered || reject(error), 500));
    (async () => {
      const write = async (bytes) => {
        if (!req.write(bytes)) await new Promise((go) => { req.once('drain', go); req.once('close', go); });
      };
      await write(head);
      for (const piece of pieces) {
        if (answered || req.destroyed) return;
        await write(piece);
      }
      if (!answered && !req.destroyed) req.end(end);
    })().catch(reject);
  });
}

function* forever(piece) {
  for (;;) yield piece;
}

test('what is too large is refused as soon as it is, whatever was said of its length', { timeout: 60_000 }, async () => {
  const ada = await server.person('ada');
  const base = server.next();
  good(await upload(ada, 'just.png', noise(1800, 1900)), 201);
  const picture = Buffer.concat([png(10, 10), Buffer.alloc(11 * MiB)]);
  refusal(await stream(base, ada, [picture]), 413, 'TOO_LARGE');
  refusal(await stream(base, ada, forever(Buffer.alloc(64 * 1024, 'text '))), 413, 'TOO_LARGE');
  refusal(await stream(base, ada, (function* () { yield mp4Head(4_000_000_000); yield* forever(Buffer.alloc(64 * 1024)); })()), 413, 'TOO_LARGE');
  // Said beforehand: not a byte of it is asked for.
  const link = tcp(new URL(base).port);
  await link.open;
  link.write(`POST /api/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ada.token}\r\nContent-Type: ${formAround().type}\r\nExpect: 100-continue\r\nContent-Length: 200000000\r\n\r\n`);
  await eventually('a refusal', () => link.received.includes('TOO_LARGE'));
  assert.match(link.received, /^HTTP\/1\.1 413 /);
  link.destroy();
  for (const node of server.nodes) assert.deepEqual(spool(node), [], 'nothing is left');
});

test('a client that goes away midway leaves nothing', async () => {
  const ada = await server.person('ada');
  const node = server.nodes[0];
  const before = filesBelow(media(node));
  const { type, head } = formAround();
  const links = await Promise.all(range(5).map(async () => {
    const link = tcp(node.port);
    await link.open;
    link.write(`POST /api/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ada.token}\r\nContent-Type: ${type}\r\nContent-Length: 9000000\r\n\r\n`);
    link.write(head);
    link.write(video(500_000));
    return link;
  }));
  await eventually('the uploads are under way', () => spool(node).length === 5);
  for (const link of links) link.destroy();
  await eventually('they are gone', () => spool(node).length === 0);
  assert.deepEqual(filesBelow(media(node)), before);
  good(await upload(ada, 'after.png', png(20, 20)), 201);
});

test('a video of 100 MB goes up and down without being in memory', { timeout: 120_000 }, async () => {
  const alone = await Doorbell.start({ nodes: 1 });
  try {
    const ada = await alone.person('ada');
    const node = alone.nodes[0];
    good(await upload(ada, 'warm.mp4', video(2 * MiB), alone), 201);
    const size = 100 * 1000 * 1000;
    let most = 0;
    const before = node.residentBytes;
    const watch = setInterval(() => (most = Math.max(most, node.residentBytes - before)), 20);
    try {
      const stored = good(await stream(node.url, ada, videoPieces(size)), 201);
      has(stored, { fileSize: size, fileType: 'video/mp4' });
      // A reader that stops for a while, and then jumps, as a player does.
      const answer = await fetch(here(stored.url, alone));
      const reader = answer.body.getReader();
      let read = 0;
      while (read < MiB) read += (await reader.read()).value.length;
      await new Promise((go) => setTimeout(go, 300));
      await reader.cancel();
      for (const at of [0, 50_000_000, 99_999_990]) {
        const part = Buffer.from(await (await fetch(here(stored.url, alone), { headers: { range: `bytes=${at}-${at + 9}` } })).arrayBuffer());
        assert.equal(part.length, 10);
        if (at > 0) assert.deepEqual([...part], range(10).map((i) => patternByte(at + i)));
      }
      let all = 0;
      for await (const piece of (await fetch(here(stored.url, alone))).body) all += piece.length;
      assert.equal(all, size);
    } finally {
      clearInterval(watch);
    }
    assert.ok(most < 10 * MiB, `memory grew by ${(most / MiB).toFixed(1)} MiB`);
  } finally {
    await alone.stop();
  }
});

test('200 photos of 20 people at once are all there, each with its own thumbnail', { timeout: 180_000 }, async (t) => {
  const people = await Promise.all(range(20).map((i) => server.person(`p${i}`)));
  const thumbnail = async (person, { id }) => {
    const redirect = await server.api(person).get(`/v1/attachments/${id}?variant=thumbnail`);
    assert.equal(redirect.status, 302, redirect.text);
    const answer = await fetch(here(redirect.headers.get('location')));
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get('content-type'), /^image\//);
    return Buffer.from(await answer.arrayBuffer());
  };
  const begun = Date.now();
  const stored = await Promise.all(people.flatMap((person, p) => range(10).map(async (i) => {
    const picture = png(160 + p, 120 + i, `${p} ${i}`);
    const answer = good(await upload(person, `${p}-${i}.png`, picture), 201);
    return { answer, picture, person };
  })));
  t.diagnostic(`200 photos in ${Date.now() - begun} ms`);
  assert.equal(new Set(stored.map(({ answer }) => answer.id)).size, 200);
  await Promise.all(stored.map(async (one) => {
    const { width, height } = readPng(one.picture);
    has(one.answer, { width, height });
    const bytes = Buffer.from(await (await fetch(here(one.answer.url))).arrayBuffer());
    assert.deepEqual(readPng(bytes), readPng(one.picture));
    one.thumbnail = await thumbnail(one.person, one.answer);
  }));
  assert.equal(new Set(stored.map((one) => one.thumbnail.toString('base64'))).size, 200);
  // Alone, the same picture has the same thumbnail.
  for (const one of stored.filter((_, i) => i % 40 === 0)) {
    const alone = good(await upload(one.person, 'again.png', one.picture), 201);
    assert.ok((await thumbnail(one.person, alone)).equals(one.thumbnail));
  }
  for (const node of server.nodes) assert.deepEqual(spool(node), []);
});

test('with no room for files uploads are refused, messages go on, and it heals by itself', { timeout: 60_000 }, async (t) => {
  const disk = SmallDisk.mount('40m');
  const small = await Doorbell.start({ nodes: 1, env: { DOORBELL_DATA_DIR: disk.folder, DOORBELL_MEDIA_URL: undefined } });
  t.after(async () => {
    await small.stop();
    disk.remove();
  });
  const [ada, ben] = await small.people('ada', 'ben');
  const { id } = await small.direct(ada, ben);
  let refused;
  for (let tries = 0; !refused && tries < 40; tries += 1) {
    const answer = await upload(ada, 'v.mp4', video(3 * MiB), small);
    if (answer.status !== 201) refused = answer;
  }
  assert.ok(refused, 'the disk never was full');
  refusal(refused, 503, 'UNAVAILABLE');
  assert.deepEqual(filesBelow(path.join(disk.folder, 'uploads')), [], 'nothing is left');
  for (const number of range(200)) await small.say(ada, id, `still ${number} ${'m'.repeat(3000)}`);
  disk.grow('400m');
  await eventually('uploads are taken again', async () => (await upload(ada, 'v.mp4', video(3 * MiB), small)).status === 201, 10_000);
});

test('a place where no file can be stored is one sentence and exit code 2', async () => {
  for (const [env, words] of [
    [{ DOORBELL_MEDIA_URL: 'file:///dev/null/media' }, ['DOORBELL_MEDIA_URL', '/dev/null/media']],
    [{ DOORBELL_MEDIA_URL: 's3://photos/shop', AWS_ENDPOINT_URL: 'http://127.0.0.1:9', AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'hush-hush', AWS_REGION: 'x' }, ['s3://photos/shop', 'AWS_ENDPOINT_URL']],
    [{ DOORBELL_MEDIA_URL: 's3://Photos' }, ['DOORBELL_MEDIA_URL', 's3://bucket/prefix']],
    [{ DOORBELL_NODE_URL: 'http://10.0.0.5:5544', DOORBELL_DATABASE_URL: 'postgres://a@127.0.0.1:9/b' }, ['DOORBELL_MEDIA_SHARED', 'DOORBELL_NODE_URL']],
  ]) {
    const { code, output } = await run(['serve'], { DOORBELL_LISTEN: '127.0.0.1:0', DOORBELL_LOG: 'error', ...env }, { timeout: 40_000 });
    assert.equal(code, 2, output);
    for (const word of words) assert.ok(output.includes(word), output);
    assert.ok(!output.includes('hush-hush'), 'a secret is told to nobody');
    assert.equal(output.trim().split('\n').length, 1, output);
  }
});

test('files in an S3 bucket: up, down, in ranges, gone when refused, and a bucket that is away heals', { timeout: 120_000 }, async (t) => {
  const s3 = await S3.start();
  const alone = await Doorbell.start({ nodes: 1, env: s3.env });
  t.after(async () => {
    await alone.stop();
    await s3.stop();
  });
  const ada = await alone.person('ada');
  const picture = good(await upload(ada, 'a.png', png(1000, 700), alone), 201);
  const clip = video(12 * MiB);
  const stored = good(await upload(ada, 'clip.mp4', clip, alone), 201);
  const keys = await s3.keys();
  for (const { id } of [picture, stored]) assert.ok(keys.some((key) => key === `shop/media/${id.slice(0, 2)}/${id}.file`), keys.join());
  const part = await fetch(here(stored.url, alone), { headers: { range: 'bytes=6000000-7000000' } });
  assert.deepEqual([part.status, part.headers.get('content-range')], [206, `bytes 6000000-7000000/${clip.length}`]);
  assert.ok(Buffer.from(await part.arrayBuffer()).equals(clip.subarray(6_000_000, 7_000_001)));
  assert.ok(Buffer.from(await (await fetch(here(stored.url, alone))).arrayBuffer()).equals(clip));
  refusal(await upload(ada, 'cut.png', png(300, 300).subarray(0, 200), alone), 415, 'UNSUPPORTED_MEDIA');
  assert.deepEqual(await s3.keys(), keys, 'what is refused leaves nothing');
  await s3.stop();
  refusal(await upload(ada, 'a.png', png(30, 30), alone), 503, 'UNAVAILABLE');
  assert.equal((await fetch(here(stored.url, alone))).status, 503);
  assert.equal((await alone.api(ada).get('/api/conversations')).status, 200, 'messages go on');
  await s3.startAgain();
  good(await upload(ada, 'a.png', png(30, 30), alone), 201);
  assert.ok(!alone.logs.includes('AWS_SECRET'), 'no secret is logged');
});

test('a message and its files in one request, in whatever order the parts stand', async () => {
  const [ada, ben] = await server.people('ada', 'ben');
  const { id } = await server.direct(ada, ben);
  const api = server.api(ada);
  const socket = await server.socket(ben, { contract: 'conversations' });
  await socket.ok('conversation:join', id);
  const first = new FormData();
  first.append('file', new Blob([png(640, 480)]), 'flat.png');
  for (const [key, value] of Object.entries({ conversationId: id, senderId: ada.id, content: '', type: 'image' })) first.append(key, value);
  const { message } = good(await api.post('/api/messages', first), 201);
  has(message, { content: '', type: 'image', fileName: 'flat.png', fileType: 'image/png', senderId: ada.id });
  const pushed = await socket.once('message:received');
  has(pushed, { id: message.id, fileName: 'flat.png' });
  assert.equal(new URL(pushed.fileUrl).search, new URL(message.fileUrl).search, 'one link for all');
  const served = await fetch(here(message.fileUrl));
  assert.deepEqual(readPng(Buffer.from(await served.arrayBuffer())), readPng(png(640, 480)));

  const several = good(await api.post('/api/messages', form({ conversationId: id, content: 'three', type: 'image' }, ...range(3).map((i) => [`${i}.png`, png(100 + i, 90)]))), 201);
  assert.deepEqual(several.message.attachments.map(({ fileName, width }) => [fileName, width]), range(3).map((i) => [`${i}.png`, 100 + i]));
  refusal(await api.post('/api/messages', form({ conversationId: id, content: 'eleven' }, ...range(11).map((i) => [`${i}.png`, png(20, 20)]))), 400, 'INVALID');
  // A page's form sends its empty file input.
  good(await api.post('/api/messages', form({ conversationId: id, content: 'none', type: 'text' }, ['', Buffer.alloc(0)])), 201);
  good(await api.post('/api/messages', form({ receiverId: ben.id, content: 'by person' }, ['p.png', png(30, 30)])), 201);
});

test('files of a message that is refused are removed', async () => {
  const [ada, ben, cay] = await server.people('ada', 'ben', 'cay');
  const { id } = await server.direct(ben, cay);
  const own = await server.direct(ada, ben);
  const files = () => server.nodes.flatMap((node) => filesBelow(media(node)));
  const before = new Set(files());
  const api = server.api(ada);
  const picture = ['a.png', png(200, 200)];
  refusal(await api.post('/api/messages', form({ conversationId: id, content: 'x' }, picture)), 404, 'NOT_FOUND');
  const late = new FormData();
  late.append('file', new Blob([picture[1]]), 'a.png');
  late.append('conversationId', id);
  refusal(await api.post('/api/messages', late), 404, 'NOT_FOUND');
  refusal(await api.post('/api/messages', form({ conversationId: own.id, senderId: ben.id }, picture)), 403, 'FORBIDDEN');
  refusal(await api.post('/api/messages', form({ conversationId: own.id, type: 'poem' }, picture)), 400, 'INVALID');
  refusal(await api.post('/api/messages', form({ conversationId: own.id }, picture, ['b.png', Buffer.from('<html>')])), 415, 'UNSUPPORTED_MEDIA');
  await eventually('they are gone', () => files().every((file) => before.has(file)), 20_000);
});

test('a form that is sent again with its file is one message, and with another file a conflict', async () => {
  const [ada, ben] = await server.people('ada', 'ben');
  const { id } = await server.direct(ada, ben);
  const send = (picture, name = 'a.png', to = { conversationId: id }) => server.api(ada).post('/api/messages', form({ ...to, content: 'once', clientMessageId: 'the-first' }, [name, picture]));
  const { message } = good(await send(png(80, 60)), 201);
  for (const to of [{ conversationId: id }, { receiverId: ben.id }]) {
    const again = good(await send(png(80, 60), 'a.png', to), 200);
    assert.equal(again.message.id, message.id);
  }
  const both = await Promise.all(range(5).map(() => send(png(80, 60))));
  for (const answer of both) assert.equal(good(answer, 200).message.id, message.id);
  refusal(await send(png(80, 61)), 409, 'CONFLICT');
  refusal(await send(png(80, 60), 'b.png'), 409, 'CONFLICT');
  assert.equal((await server.history(ben, id)).length, 1);
});

/** As `form`, with the files before the fields, which then tell too late what is sent again. */
function filesFirst(fields, ...files) {
  const data = form({}, ...files);
  for (const [name, value] of Object.entries(fields)) data.append(name, value);
  return data;
}

test('a form that is sent again is never refused for the rate of uploads, wherever its files stand', async (t) => {
  for (const ordered of [form, filesFirst]) {
    const slow = await Doorbell.start({ env: { DOORBELL_RATE_LIMITS: 'uploads=2/h' } });
    t.after(() => slow.stop());
    const [ada, ben] = await slow.people('ada', 'ben');
    const { id } = await slow.direct(ada, ben);
    const fields = { conversationId: id, content: 'once' };
    const send = (more, headers) => slow.api(ada).post('/api/messages', ordered({ ...fields, ...more }, ['a.png', png(80, 60)]), headers);
    const { message } = good(await send({ clientMessageId: 'the-first' }), 201);
    for (const answer of await Promise.all(range(5).map(() => send({ clientMessageId: 'the-first' })))) assert.equal(good(answer, 200).message.id, message.id);
    good(await send({}, { 'idempotency-key': 'the-second' }), 201);
    good(await send({}, { 'idempotency-key': 'the-second' }), 200);
    const refused = refusal(await send({ clientMessageId: 'the-third' }), 429, 'RATE_LIMITED');
    assert.ok(refused.retryAfterMs > 0);
    refusal(await send({}), 429, 'RATE_LIMITED');
    good(await send({ clientMessageId: 'the-first' }), 200);
    assert.equal((await slow.history(ben, id)).length, 2);
  }
});

test('what a form tells after its files changes nothing about who it is, whom it is for, and what its files count', async (t) => {
  const slow = await Doorbell.start({ env: { DOORBELL_RATE_LIMITS: 'uploads=3/h' } });
  t.after(() => slow.stop());
  const [ada, ben, cay] = await slow.people('ada', 'ben', 'cay');
  const { id } = await slow.direct(ada, ben);
  const group = await slow.group(ada, [ben, cay]);
  const picture = ['a.png', png(80, 60)];
  const post = (body) => slow.api(ada).post('/api/messages', body);
  good(await post(form({ conversationId: id, clientMessageId: 'known' }, picture)), 201);
  // It begins like a repeat in the direct conversation, and ends as a new message to the group: so its file counts.
  const turned = () => {
    const data = form({ receiverId: ben.id, clientMessageId: 'known' }, picture);
    data.append('conversationId', group.id);
    return data;
  };
  good(await post(turned()), 201);
  good(await post(turned()), 200);
  // An upload is no message, whatever fields it has.
  const upload = () => slow.api(ada).post('/api/upload', form({ conversationId: id, clientMessageId: 'known' }, picture));
  good(await upload(), 201);
  refusal(await upload(), 429, 'RATE_LIMITED');
  refusal(await post(filesFirst({ conversationId: id, senderId: ben.id, clientMessageId: 'new' }, picture)), 403, 'FORBIDDEN');
  refusal(await post(filesFirst({ conversationId: (await slow.direct(ben, cay)).id, clientMessageId: 'new' }, picture)), 404, 'NOT_FOUND');
});

test('a form that is sent again is answered also when its sender has as much as they may, and leaves nothing', async (t) => {
  const small = await Doorbell.start({ env: { DOORBELL_MEDIA_QUOTA: '100KiB' } });
  t.after(() => small.stop());
  const [ada, ben] = await small.people('ada', 'ben');
  const { id } = await small.direct(ada, ben);
  const text = (letter) => Buffer.from(letter.repeat(60 * 1024));
  const send = (ordered, clientMessageId, letter = 'a') => small.api(ada).post('/api/messages', ordered({ conversationId: id, clientMessageId }, ['a.txt', text(letter)]));
  const { message } = good(await send(form, 'first'), 201);
  for (const ordered of [form, filesFirst]) {
    for (const answer of await Promise.all(range(3).map(() => send(ordered, 'first')))) assert.equal(good(answer, 200).message.id, message.id);
    refusal(await send(ordered, 'second'), 413, 'TOO_LARGE');
    refusal(await send(ordered, 'first', 'b'), 409, 'CONFLICT');
  }
  assert.equal((await small.history(ben, id)).length, 1);
  await eventually('the one file is left', () => new Set(small.nodes.flatMap((node) => filesBelow(media(node)))).size === 1 && small.nodes.every((node) => spool(node).length === 0), 20_000);
});

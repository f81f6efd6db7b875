// Files that were uploaded here: who may send one, what everybody sees of it, and for how long its links work.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Doorbell, eventually, good, has, range, refusal, test, unique } from './support/doorbell.mjs';
import * as shape from './support/shapes.mjs';
import { shaped } from './support/shapes.mjs';

// One address for all nodes: a link is one for everybody, whoever made it.
const server = await Doorbell.forFile({ env: { DOORBELL_PUBLIC_URL: 'https://chat.example.com' } });

// One red pixel, as PNG.
const PIXEL = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC', 'base64');
const PDF = Buffer.from('%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n');

async function upload(user, bytes = PIXEL, name = 'beach.png', at = server) {
  const form = new FormData();
  form.set('file', new Blob([bytes], { type: 'application/octet-stream' }), name);
  return good(await at.api(user).post('/api/upload', form), 201);
}

/** What a link answers, asked at each node and by nobody in particular. */
async function follow(link) {
  const { pathname, search } = new URL(link);
  const answers = await Promise.all(server.nodes.map((node) => fetch(node.url + pathname + search)));
  const bodies = await Promise.all(answers.map(async (answer) => Buffer.from(await answer.arrayBuffer())));
  return answers.map((answer, i) => ({ status: answer.status, type: answer.headers.get('content-type'), bytes: bodies[i] }));
}
const works = async (link) => (await follow(link)).every(({ status }) => status === 200);
const isRefused = async (link) => (await follow(link)).every(({ status }) => status === 403);
const fileOf = (message) => message.attachments[0].url;

async function pair() {
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  return { ann, bob, id, api: server.api(ann) };
}

test('a photo is uploaded, sent without words, and seen by the other side', async () => {
  const { ann, bob, id } = await pair();
  const photo = await upload(ann);
  assert.ok(await works(photo.url), 'the uploader has a link before it is sent');
  const [theirs, mine] = [await server.socket(bob, { contract: 'conversations' }), await server.socket(ann, { contract: 'conversations' })];
  await theirs.ok('conversation:join', id);
  const { message } = await mine.ok('message:send', { conversationId: id, content: '', attachmentIds: [photo.id] });
  has(shaped(shape.message, message), { content: '', type: 'image', fileName: 'beach.png', fileType: 'image/png' });
  const heard = await theirs.once('message:received');
  assert.deepEqual([heard.fileUrl, heard.attachments], [message.fileUrl, message.attachments], 'one link for all members');
  has(heard.attachments[0], { id: photo.id, url: heard.fileUrl, width: 1, height: 1, type: 'image' });
  for (const { status, type } of await follow(heard.fileUrl)) assert.deepEqual([status, type], [200, 'image/png']);
  assert.equal(good(await server.api(bob).get('/api/conversations')).conversations[0].lastMessage, 'Photo');
  const again = await theirs.ok('conversation:join', id);
  assert.equal(again.messages[0].fileUrl, heard.fileUrl, 'the same for hours');
});

test('a photo and a video come with what is shown before they are loaded', async () => {
  const { ann, bob, id, api } = await pair();
  const fixture = (name) => readFileSync(new URL(`../fixtures/media/${name}`, import.meta.url));
  const [photo, clip] = [await upload(ann, fixture('canvas.jpg'), 'photo.jpg'), await upload(ann, fixture('recorder-vp8.webm'), 'clip.webm')];
  good(await api.post('/api/messages', { conversationId: id, attachmentIds: [photo.id, clip.id] }), 201);
  const [message] = await server.history(bob, id);
  const [first, second] = shaped(shape.message, message).attachments;
  has(first, { type: 'image', fileType: 'image/jpeg', duration: null, posterUrl: null });
  assert.match(first.preview, /^data:image\/[a-z]+;base64,/);
  has(second, { type: 'video', fileType: 'video/webm', thumbnailUrl: null });
  assert.ok(second.duration > 0.1 && second.duration < 60, `${second.duration} seconds`);
  for (const link of [first.thumbnailUrl, second.posterUrl]) {
    for (const { status, type } of await follow(link)) assert.deepEqual([status, type.split('/')[0]], [200, 'image']);
  }
  for (const user of [ann, bob]) {
    const answer = await server.api(user).get(`/v1/attachments/${photo.id}?variant=thumbnail`);
    assert.equal(answer.status, 302);
    assert.ok(await works(answer.headers.get('location')));
    refusal(await server.api(user).get(`/v1/attachments/${photo.id}?variant=poster`), 404, 'NOT_FOUND');
  }
});

test('a fileUrl is sent in media-chat, in tenant-chat and over REST, and is the same file in all', async () => {
  const { ann, bob, id, api } = await pair();
  const photo = await upload(ann);
  const socket = await server.socket(ann, { contract: 'media-chat' });
  const sent = [
    (await socket.ok('send_message', { receiverId: bob.id, type: 'image', fileUrl: photo.fileUrl, fileName: 'told otherwise.exe' })).message,
    (await socket.ok('send_message', { recipientId: bob.id, content: '', type: 'image', fileUrl: photo.fileUrl })).message,
    good(await api.post('/api/messages', { conversationId: id, type: 'image', fileUrl: photo.fileUrl }), 201).message,
    good(await api.post('/api/chat/messages', { recipientId: bob.id, content: 'look', type: 'image', fileUrl: photo.fileUrl }), 201),
  ];
  for (const message of sent) has(message, { fileName: 'beach.png', fileType: 'image/png', type: 'image' });
  const read = await server.history(bob, id);
  assert.equal(read.length, sent.length);
  assert.equal(new Set(read.map(fileOf)).size, 1);
  assert.ok(read.every(({ attachments }) => attachments[0].id === photo.id));
});

test('a link of ours is known by its id: with another signature, host or age', async () => {
  const { ann, id, api } = await pair();
  const photo = await upload(ann);
  const { pathname } = new URL(photo.url);
  for (const fileUrl of [photo.url.replace(/s=.{4}/, 's=AAAA'), `https://old.example.com${pathname}`, pathname, `${server.url}/v1/attachments/${photo.id}`, photo.url.replace(/e=\d+/, 'e=1')]) {
    const { message } = good(await api.post('/api/messages', { conversationId: id, fileUrl }), 201);
    assert.equal(message.attachments[0].id, photo.id, fileUrl);
    assert.ok(await works(message.fileUrl));
  }
  assert.equal((await server.history(ann, id)).length, 5);
});

test('nobody sends somebody else\'s file, though they see it', async () => {
  const { ann, bob, id, api } = await pair();
  const photo = await upload(ann);
  const { message } = good(await api.post('/api/messages', { conversationId: id, attachmentIds: [photo.id] }), 201);
  const theirs = server.api(bob);
  refusal(await theirs.post('/api/messages', { conversationId: id, content: 'mine now', attachmentIds: [photo.id] }), 400, 'INVALID');
  refusal(await theirs.post('/api/messages', { conversationId: id, content: 'mine now', fileUrl: message.fileUrl }), 400, 'INVALID');
  refusal(await theirs.post('/api/chat/messages', { recipientId: ann.id, content: 'mine now', fileUrl: photo.url }), 400, 'INVALID');
  assert.equal((await server.history(bob, id)).length, 1);
});

test('ten files go in one message, in their order, and an eleventh does not', async () => {
  const { ann, bob, id, api } = await pair();
  const files = [];
  for (const n of range(11)) files.push(await upload(ann, n === 0 ? PDF : PIXEL, `${n}.${n === 0 ? 'pdf' : 'png'}`));
  const ids = files.map((file) => file.id);
  refusal(await api.post('/api/messages', { conversationId: id, attachmentIds: ids }), 400, 'INVALID');
  good(await api.post('/api/messages', { conversationId: id, content: 'all', attachmentIds: ids.slice(0, 10) }), 201);
  const [message] = await server.history(bob, id);
  assert.deepEqual(message.attachments.map((file) => file.id), ids.slice(0, 10));
  has(message, { type: 'file', fileName: '0.pdf', fileType: 'application/pdf', fileSize: PDF.length });
});

test('a retry names its file by another link and is the same message', async () => {
  const { ann, id, api } = await pair();
  const [one, other] = [await upload(ann), await upload(ann)];
  const draft = { conversationId: id, content: 'once', clientMessageId: unique('draft') };
  const first = good(await api.post('/api/messages', { ...draft, attachmentIds: [one.id] }), 201).message;
  const second = good(await api.post('/api/messages', { ...draft, fileUrl: one.url.replace(/e=\d+/, 'e=1') }), 200).message;
  assert.deepEqual(second, first);
  refusal(await api.post('/api/messages', { ...draft, attachmentIds: [other.id] }), 409, 'CONFLICT');
  refusal(await api.post('/api/messages', draft), 409, 'CONFLICT');
});

test('a link that was changed anywhere is refused', async () => {
  const { ann, id, api } = await pair();
  const [photo, other] = [await upload(ann), await upload(ann)];
  const { message } = good(await api.post('/api/messages', { conversationId: id, attachmentIds: [photo.id] }), 201);
  const link = message.fileUrl;
  for (const changed of [
    link.replace(photo.id, other.id), link.replace('/file?', '/thumbnail?'), link.replace(/v=\d+/, 'v=9'), link.replace(/e=\d+/, 'e=9999999999'), link.replace(/c=[^&]+&/, ''),
    link.replace(/&s=.*/, ''), link.replace(/s=.{2}/, 's=AA'), link.split('?')[0], `${link}&e=9999999999`,
    `${link}&x=1`, `${link}&`, link.replace('?', '?x=1&'), link.replace('e=', 'e=+'), link.replace('e=', 'e=0'), link.replace(/(v=\d+)/, '$1&$1'), link.replace(/(c=[^&]+)&(v=\d+)/, '$2&$1'),
  ]) {
    assert.notEqual(changed, link);
    assert.ok(await isRefused(changed), changed);
  }
  assert.ok(await works(link));
});

test('GET /v1/attachments leads to a fresh link, for those who see the message alone', async () => {
  const { ann, bob, id, api } = await pair();
  const stranger = await server.person('stranger');
  const photo = await upload(ann);
  const path = `/v1/attachments/${photo.id}`;
  refusal(await server.api(bob).get(path), 404, 'NOT_FOUND');
  good(await api.post('/api/messages', { conversationId: id, attachmentIds: [photo.id] }), 201);
  for (const user of [ann, bob]) {
    const answer = await server.api(user).get(path);
    assert.deepEqual([answer.status, answer.headers.get('cache-control')], [302, 'no-store']);
    assert.ok(await works(answer.headers.get('location')));
  }
  refusal(await server.api(stranger).get(path), 404, 'NOT_FOUND');
  refusal(await server.api().get(path), 401, 'UNAUTHENTICATED');
});

test('an unchanged history with files is a 304', async () => {
  const { ann, bob, id, api } = await pair();
  const photo = await upload(ann);
  good(await api.post('/api/messages', { conversationId: id, attachmentIds: [photo.id] }), 201);
  const reader = server.api(bob);
  for (const path of [`/api/messages?conversationId=${id}&markRead=false`, '/api/conversations', '/chat', '/api/chat/conversations']) {
    const etag = (await reader.get(path)).headers.get('etag');
    assert.equal((await reader.get(path, { 'if-none-match': etag })).status, 304, path);
  }
});

test('every link of a group dies at every node when somebody is removed, and is renewed by reading again', async () => {
  const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
  const [{ id }, other] = [await server.group(ann, [bob, cem]), await server.group(ann, [bob, cem])];
  const photo = await upload(ann);
  const send = async (conversationId) => good(await server.api(ann).post('/api/messages', { conversationId, attachmentIds: [photo.id] }), 201).message.fileUrl;
  const [link, elsewhere] = [await send(id), await send(other.id)];
  assert.ok((await works(link)) && (await works(elsewhere)));
  const before = Date.now();
  assert.equal((await server.at(0).api(ann).delete(`/v1/conversations/${id}/participants/${cem.id}`)).status, 204);
  const { pathname, search } = new URL(link);
  assert.equal((await fetch(server.nodes[0].url + pathname + search)).status, 403, 'at once where it was done');
  await eventually('the link is dead at every node', () => isRefused(link), 5_000);
  assert.ok(Date.now() - before < 5_000);
  assert.ok(await works(elsewhere), 'another conversation keeps its links');
  for (const user of [ann, bob, cem]) {
    const [message] = await server.history(user, id);
    assert.notEqual(message.fileUrl, link);
    assert.ok(await works(message.fileUrl), 'whoever still sees the message gets another link');
  }
  // What comes afterwards is nothing to cem.
  const later = await upload(ann);
  good(await server.api(ann).post('/api/messages', { conversationId: id, attachmentIds: [later.id] }), 201);
  refusal(await server.api(cem).get(`/v1/attachments/${later.id}`), 404, 'NOT_FOUND');
  assert.equal((await server.history(cem, id)).length, 1);
});

// Files on hosts that the deployment allows: what may be named, and what each contract shows of it.
import assert from 'node:assert/strict';
import { Doorbell, good, has, refusal, test, unique } from './support/doorbell.mjs';
import * as shape from './support/shapes.mjs';
import { shaped } from './support/shapes.mjs';

const HOST = 'images.example.com';
const server = await Doorbell.forFile({ env: { DOORBELL_MEDIA_HOSTS: `${HOST}, cdn.example.org` } });
const photo = (name = unique('photo')) => `https://${HOST}/listings/${name}.jpg`;

async function pair() {
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  return { ann, bob, id, api: server.api(ann) };
}

test('a photo without words is told and read in the words of every contract', async () => {
  const { ann, bob, id } = await pair();
  const events = { conversations: 'message:received', 'property-chat': 'new-message', 'media-chat': 'new_message', 'tenant-chat': 'receive_message' };
  const sockets = {};
  for (const contract of Object.keys(events)) {
    sockets[contract] = await server.socket(bob, { contract });
    for (const join of ['conversation:join', 'join-conversation', 'join_conversation']) await sockets[contract].ok(join, id);
  }
  const fileUrl = photo();
  const sender = await server.socket(ann, { contract: 'media-chat' });
  const file = { fileUrl, fileName: 'Kitchen.jpg', fileSize: 4321, fileType: 'image/jpeg' };
  const { message: sent } = await sender.ok('send_message', { receiverId: bob.id, type: 'image', ...file });
  has(shaped(shape.mediaMessage, sent), { content: '', type: 'image', ...file });
  const of = async (contract) => {
    const payload = await sockets[contract].once(events[contract]);
    return payload.message ?? payload;
  };
  const native = shaped(shape.message, await of('conversations'));
  has(native, { content: '', text: '', type: 'image', ...file });
  assert.equal(native.attachments.length, 1);
  has(native.attachments[0], { url: fileUrl, fileName: 'Kitchen.jpg', fileSize: 4321, fileType: 'image/jpeg', type: 'image', width: null, thumbnailUrl: null, preview: null });
  has(shaped(shape.propertyMessage, await of('property-chat')), { content: '', messageType: 'IMAGE', ...file });
  has(shaped(shape.mediaMessage, await of('media-chat')), { type: 'image', ...file });
  has(shaped(shape.tenantMessage, await of('tenant-chat')), { content: '', type: 'image', ...file });

  const api = server.api(bob);
  const [shared] = good(await api.get(`/api/messages?conversationId=${id}`)).messages;
  assert.deepEqual({ ...native, read: true, readAt: null }, { ...shared, read: true, readAt: null });
  has(shaped(shape.tenantMessage, good(await api.get(`/api/chat/messages/${id}`))[0]), { type: 'image', ...file });
  has(shaped(shape.propertyMessage, good(await api.get(`/chat/${id}/messages`))[0]), { messageType: 'IMAGE', ...file });
  const listed = good(await api.get('/api/conversations')).conversations.find((c) => c.id === id);
  has(shaped(shape.conversation, listed), { lastMessage: 'Photo' });
  has(good(await api.get('/api/messages/conversations')).conversations.find((c) => c.id === id).lastMessage, file);
  has(good(await api.get('/api/chat/conversations')).find((c) => c._id === id).lastMessage, file);
  has(good(await api.get('/chat')).find((c) => c.id === id).lastMessage, file);
  // A text carries none of it.
  const plain = await server.say(ann, id, 'that was the kitchen');
  assert.equal('attachments' in plain, false);
  has(plain, { type: 'text', fileUrl: null, fileName: null, fileSize: null, fileType: null });
  assert.equal('fileUrl' in good(await api.get(`/api/chat/messages/${id}`)).at(-1), false);
});

test('a video is a file in tenant-chat, and lists say Video and File', async () => {
  const { bob, id, api } = await pair();
  const preview = async () => good(await server.api(bob).get('/api/conversations')).conversations.find((c) => c.id === id).lastMessage;
  good(await api.post('/api/chat/messages', { recipientId: bob.id, type: 'file', fileUrl: `https://cdn.example.org/${unique('clip')}.mp4` }), 201);
  const [clip] = good(await server.api(bob).get(`/api/chat/messages/${id}`));
  has(clip, { type: 'file', content: '' });
  assert.equal(await preview(), 'Video');
  has(good(await server.api(bob).get(`/api/messages?conversationId=${id}`)).messages[0], { type: 'video' });
  good(await api.post('/api/messages', { conversationId: id, fileUrl: `https://cdn.example.org/${unique('plan')}.pdf` }), 201);
  assert.equal(await preview(), 'File');
  good(await api.post('/api/messages', { conversationId: id, content: 'the plan', fileUrl: `https://cdn.example.org/${unique('plan')}.pdf` }), 201);
  assert.equal(await preview(), 'the plan');
});

test('a form carries a fileUrl with its size as text', async () => {
  const { bob, api } = await pair();
  const form = new FormData();
  for (const [name, value] of Object.entries({ receiverId: bob.id, content: '', type: 'image', fileUrl: photo('form'), fileSize: '123', fileName: '' })) form.set(name, value);
  const { message } = good(await api.post('/api/messages', form), 201);
  has(message, { content: '', type: 'image', fileUrl: photo('form'), fileSize: 123, fileName: 'form.jpg' });
});

test('an address anywhere else is refused, and nothing is stored', async () => {
  const { bob, id, api, ann } = await pair();
  const socket = await server.socket(ann, { contract: 'media-chat' });
  for (const fileUrl of [
    'https://elsewhere.example/a.jpg', `http://${HOST}/a.jpg`, `https://${HOST}:8443/a.jpg`, `https://${HOST}@evil.example/a.jpg`, `https://me@${HOST}/a.jpg`,
    `https://${HOST}.evil.example/a.jpg`, `https://evil.example/${HOST}`, `//${HOST}/a.jpg`, 'javascript:alert(1)', 'data:image/png;base64,AAAA', '/etc/passwd',
    `https://evil.example\\${HOST}/a.jpg`, `https://${HOST}/${'x'.repeat(3000)}`, `${server.url}/media/0123456789abcdefghjkmnpqrs/file?e=1&s=x`,
  ]) {
    refusal(await api.post('/api/messages', { conversationId: id, content: 'x', fileUrl }), 400, 'INVALID');
    await socket.refused('INVALID', 'send_message', { receiverId: bob.id, content: 'x', type: 'image', fileUrl });
  }
  for (const attachmentIds of [['nothing'], ['0123456789abcdefghjkmnpqrs'], Array(11).fill('x'), [{}], 'x', [null]]) {
    refusal(await api.post('/api/messages', { conversationId: id, content: 'x', attachmentIds }), 400, 'INVALID');
  }
  for (const file of [{ fileSize: 'big' }, { fileSize: -1 }, { fileSize: {} }, { fileName: 7 }, { fileType: [] }]) {
    refusal(await api.post('/api/messages', { conversationId: id, content: 'x', fileUrl: photo(), ...file }), 400, 'INVALID');
  }
  refusal(await api.post('/api/messages', { conversationId: id, content: 'x', type: 'image' }), 400, 'INVALID');
  refusal(await api.post('/api/messages', { conversationId: id, content: '' }), 400, 'INVALID');
  assert.deepEqual(await server.history(ann, id), []);
});

test('what is told of a file elsewhere is cleaned before anybody sees it', async () => {
  const { id, api } = await pair();
  const { message } = good(await api.post('/api/messages', {
    conversationId: id, fileUrl: `https://IMAGES.example.com:443/a b/%E2%80%AEgpj.exe`, fileName: '..\\..\\ev\u202eil\u0000.jpg', fileType: 'text/html"><script>', fileSize: 2 ** 60,
  }), 201);
  has(message, { fileUrl: `https://${HOST}/a%20b/%E2%80%AEgpj.exe`, fileName: 'evil.jpg', fileType: null, fileSize: null, type: 'file' });
});

test('a retry with its file is the same message, and with another it is a CONFLICT', async () => {
  const { id, api, ann } = await pair();
  const draft = { conversationId: id, clientMessageId: unique('draft'), fileUrl: photo() };
  const { message } = good(await api.post('/api/messages', draft), 201);
  assert.deepEqual(good(await api.post('/api/messages', draft), 200).message, message);
  refusal(await api.post('/api/messages', { ...draft, fileUrl: photo() }), 409, 'CONFLICT');
  refusal(await api.post('/api/messages', { ...draft, fileUrl: undefined, content: 'x' }), 409, 'CONFLICT');
  assert.equal((await server.history(ann, id)).length, 1);
});

test('GET /v1/attachments leads those who see the message to the file, and nobody else', async () => {
  const { ann, bob, id, api } = await pair();
  const stranger = await server.person('stranger');
  const fileUrl = photo();
  const { message } = good(await api.post('/api/messages', { conversationId: id, fileUrl }), 201);
  const path = `/v1/attachments/${message.attachments[0].id}`;
  for (const user of [ann, bob]) {
    const answer = await server.api(user).get(path);
    assert.equal(answer.status, 302);
    assert.equal(answer.headers.get('location'), fileUrl);
    assert.equal(answer.headers.get('cache-control'), 'no-store');
  }
  const theirs = refusal(await server.api(stranger).get(path), 404, 'NOT_FOUND');
  const nobodys = refusal(await server.api(stranger).get('/v1/attachments/0123456789abcdefghjkmnpqrs'), 404, 'NOT_FOUND');
  assert.deepEqual(theirs, nobodys);
  refusal(await server.api(ann).get(`${path}?variant=original`), 404, 'NOT_FOUND');
  refusal(await server.api().get(path), 401, 'UNAUTHENTICATED');
});

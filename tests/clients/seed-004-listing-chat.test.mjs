// Seed 004: a front end without sockets. It polls messages every 3 seconds and conversations every 5.
import assert from 'node:assert/strict';
import { Doorbell, good, has, refusal, test, unique } from './support/doorbell.mjs';
import * as shape from './support/shapes.mjs';

const server = await Doorbell.forFile();

/** The pages' own calls, by fetch. */
function pages(user) {
  const headers = { Authorization: `Bearer ${user.token}`, 'Content-Type': 'application/json' };
  const call = async (path, method = 'GET', body) => {
    const response = await fetch(server.next() + path, { method, headers, body: body && JSON.stringify(body) });
    return { status: response.status, headers: response.headers, body: await response.json() };
  };
  return {
    contactOwner: (listingId, ownerId) => call('/api/conversations', 'POST', { listingId, ownerId }),
    conversations: () => call('/api/conversations'),
    messages: (id) => call(`/api/messages?conversationId=${id}`),
    send: (conversationId, text) => call('/api/messages', 'POST', { conversationId, text }),
    comments: (postId) => call(`/api/comments?postId=${postId}`),
    comment: (postId, text) => call('/api/comments', 'POST', { postId, text }),
  };
}

test('a renter contacts the owner of a listing, and both chat by polling', async () => {
  const [renter, owner] = await server.people('renter', 'owner');
  const listing = await server.listing({ ownerId: owner.id });
  const mine = pages(renter);
  const theirs = pages(owner);

  const created = await mine.contactOwner(listing.id, owner.id);
  assert.equal(created.status, 201);
  const { conversation } = created.body;
  shape.shaped(shape.conversation, conversation, 'Conversation');
  has(conversation, { isGroup: false, messages: [], lastMessage: null, unreadCount: 0 });
  assert.equal(conversation.id, conversation._id);
  has(conversation.listing, { id: listing.id, _id: listing.id, title: listing.title, image: listing.image, url: listing.url, price: 1200 });
  has(conversation.renter, { id: renter.id, _id: renter.id, name: renter.name });
  has(conversation.owner, { id: owner.id, name: owner.name, email: null });
  const again = await mine.contactOwner(listing.id, owner.id);
  assert.equal(again.status, 200);
  assert.equal(again.body.conversation._id, conversation._id);

  const sent = await mine.send(conversation._id, 'Is the flat quiet?');
  assert.equal(sent.status, 201);
  shape.shaped(shape.message, sent.body.message, 'Message');
  has(sent.body.message, { conversation: conversation._id, text: 'Is the flat quiet?', content: 'Is the flat quiet?', senderId: renter.id, read: false });
  has(sent.body.message.sender, { _id: renter.id, name: renter.name, image: renter.image });

  const inbox = (await theirs.conversations()).body.conversations;
  assert.equal(inbox.length, 1);
  has(inbox[0], { _id: conversation._id, lastMessage: 'Is the flat quiet?', lastMessageAt: sent.body.message.createdAt, unreadCount: 1 });
  assert.equal(inbox[0].listing.title, listing.title);

  const poll = await theirs.messages(conversation._id);
  shape.shaped(shape.messagesPage(shape.message), poll.body, 'messages');
  assert.deepEqual(poll.body.messages.map((m) => m.text), ['Is the flat quiet?']);
  await theirs.send(conversation._id, 'Very.');
  const seen = (await mine.messages(conversation._id)).body.messages;
  assert.deepEqual(seen.map((m) => [m.text, m.sender._id]), [['Is the flat quiet?', renter.id], ['Very.', owner.id]]);
  assert.equal(seen[0].read, true, 'the owner has polled it');
});

test('an unchanged poll is a 304, also after the poll that marked', async () => {
  const [renter, owner] = await server.people('renter', 'owner');
  const listing = await server.listing({ ownerId: owner.id });
  const { conversation } = (await pages(renter).contactOwner(listing.id, owner.id)).body;
  await pages(renter).send(conversation.id, 'hello');
  const api = server.api(owner);
  const path = `/api/messages?conversationId=${conversation.id}`;
  const first = await api.get(path);
  const etag = first.headers.get('etag');
  assert.ok(etag, 'a history carries an ETag');
  const unchanged = await api.get(path, { 'if-none-match': etag });
  assert.equal(unchanged.status, 304);
  assert.equal(unchanged.text, '');
  await pages(renter).send(conversation.id, 'still there?');
  const changed = await api.get(path, { 'if-none-match': etag });
  assert.equal(changed.status, 200);
  assert.equal(changed.body.messages.length, 2);
  const tail = good(await api.get(`${path}&after=${changed.body.messages[0].seq}`));
  assert.deepEqual(tail.messages.map((m) => m.text), ['still there?']);

  const list = await api.get('/api/conversations');
  assert.equal((await api.get('/api/conversations', { 'if-none-match': list.headers.get('etag') })).status, 304);
});

test('the owner cannot contact themselves, and nobody can name another owner', async () => {
  const [renter, owner, other] = await server.people('renter', 'owner', 'other');
  const listing = await server.listing({ ownerId: owner.id });
  refusal(await server.api(owner).post('/api/conversations', { listingId: listing.id, ownerId: owner.id }), 400, 'INVALID');
  refusal(await server.api(renter).post('/api/conversations', { listingId: listing.id, ownerId: other.id }), 400, 'INVALID');
  refusal(await server.api(renter).post('/api/conversations', { ownerId: 5.5, listingId: listing.id }), 400, 'INVALID');
  refusal(await server.api(null).post('/api/conversations', { listingId: listing.id, ownerId: owner.id }), 401, 'UNAUTHENTICATED');
});

test('people comment on a post', async () => {
  const [ada, ben] = await server.people('ada', 'ben');
  const postId = unique('post');
  const made = await pages(ada).comment(postId, 'Nice view');
  assert.equal(made.status, 201);
  assert.deepEqual(Object.keys(made.body), ['comment']);
  const comment = shape.shaped(shape.comment, made.body.comment, 'comment');
  assert.deepEqual(comment.author, { id: ada.id, name: ada.name, image: ada.image });
  has(comment, { postId, text: 'Nice view' });
  await pages(ben).comment(postId, 'Agreed');
  const read = await pages(ben).comments(postId);
  shape.list(shape.comment)(read.body.comments, 'comments');
  assert.deepEqual(read.body.comments.map((c) => c.text), ['Nice view', 'Agreed']);
});

// Comments of seed 004: on any post, for everyone who is signed in.
import assert from 'node:assert/strict';
import { Doorbell, good, has, range, refusal, test, unique } from './support/doorbell.mjs';
import * as shape from './support/shapes.mjs';

const server = await Doorbell.forFile();

test('comments are ascending, paged, and without a cursor the newest', async () => {
  const [ann, bob] = await server.people('ann', 'bob');
  const postId = unique('post');
  for (const i of range(12)) {
    const made = await server.api(i % 2 ? ann : bob).post('/api/comments', { postId, text: `comment ${i + 1}` });
    shape.shaped(shape.comment, good(made, 201).comment, 'comment');
  }
  const api = server.api(await server.person('passer-by'));
  const texts = (page) => page.comments.map((c) => Number(c.text.split(' ')[1]));
  const path = `/api/comments?postId=${postId}`;
  const all = good(await api.get(path));
  assert.deepEqual(texts(all), range(12).map((i) => i + 1));
  has(all, { hasMore: false, nextCursor: null });
  assert.deepEqual(Object.keys(all).sort(), ['comments', 'hasMore', 'nextCursor']);
  const newest = good(await api.get(`${path}&limit=5`));
  assert.deepEqual(texts(newest), [8, 9, 10, 11, 12]);
  assert.equal(newest.hasMore, true);
  const older = good(await api.get(`${path}&limit=5&cursor=${encodeURIComponent(newest.nextCursor)}`));
  assert.deepEqual(texts(older), [3, 4, 5, 6, 7]);
  const oldest = good(await api.get(`${path}&limit=5&cursor=${encodeURIComponent(older.nextCursor)}`));
  assert.deepEqual(texts(oldest), [1, 2]);
  assert.equal(oldest.hasMore, false);
  for (const query of ['limit=0', 'limit=x', 'cursor=rubbish']) refusal(await api.get(`${path}&${query}`), 400, 'INVALID');
});

test('an unchanged page of comments is a 304', async () => {
  const ann = await server.person('ann', {});
  const path = `/api/comments?postId=${unique('post')}`;
  const api = server.api(ann);
  const empty = await api.get(path);
  assert.deepEqual(good(empty).comments, []);
  const etag = empty.headers.get('etag');
  assert.equal((await api.get(path, { 'if-none-match': etag })).status, 304);
  good(await api.post('/api/comments', { postId: path.split('=')[1], text: 'news' }), 201);
  assert.equal((await api.get(path, { 'if-none-match': etag })).status, 200);
});

test('all of it needs a sign-in', async () => {
  refusal(await server.api(null).get('/api/comments?postId=p'), 401, 'UNAUTHENTICATED');
  refusal(await server.api(null).post('/api/comments', { postId: 'p', text: 'x' }), 401, 'UNAUTHENTICATED');
});

test('a comment has the limits of a message', async () => {
  const ann = await server.person('ann', {});
  const postId = unique('post');
  const post = (text, extra) => server.api(ann).post('/api/comments', { postId, text, ...extra });
  assert.equal(good(await post('  <b>a\u0000</b>\n '), 201).comment.text, '<b>a</b>');
  assert.equal(good(await post('😀'.repeat(8000)), 201).comment.text.length, 16_000);
  refusal(await post('x'.repeat(8001)), 413, 'TOO_LARGE');
  for (const text of ['', ' \n', '\u0007', 7, null, [], {}, undefined]) refusal(await post(text), 400, 'INVALID');
  refusal(await post('x', { postId: undefined }), 400, 'INVALID');
  refusal(await post('x', { postId: {} }), 400, 'INVALID');
  refusal(await server.api(ann).get('/api/comments'), 400, 'INVALID');
  refusal(await server.api(ann).post('/api/comments', '{"postId":"p","text":"a","text":"b"}'), 400, 'INVALID');
  assert.equal(good(await server.api(ann).get(`/api/comments?postId=${postId}`)).comments.length, 2);
});

test('comments on one post are not seen on another', async () => {
  const ann = await server.person('ann', {});
  const [one, two] = [unique('post'), unique('post')];
  good(await server.api(ann).post('/api/comments', { postId: one, text: 'here' }), 201);
  assert.deepEqual(good(await server.api(ann).get(`/api/comments?postId=${two}`)).comments, []);
});

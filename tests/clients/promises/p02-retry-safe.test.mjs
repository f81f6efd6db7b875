// P2: with a client's key, any number of retries, by REST, by socket, at another node, is one message.
import assert from 'node:assert/strict';
import { Doorbell, eventually, good, range, refusal, Rest, test, sleep, unique } from '../support/doorbell.mjs';
import { CUT, Proxy } from '../support/proxy.mjs';

const server = await Doorbell.forFile();
/** A node that is not the first, where there is one. */
const other = server.at(server.nodes.length - 1);

async function pair() {
  const [ann, bob] = await server.people('ann', 'bob');
  const { id } = await server.direct(ann, bob);
  return { ann, bob, id };
}

/** The first node behind a proxy that cuts the connection where an answer would pass, once armed. */
async function cutBeforeAnswers(t) {
  const proxy = await Proxy.start(server.nodes[0].port);
  t.after(() => proxy.stop());
  proxy.arm = () => {
    proxy.cuts = 0;
    proxy.toClient = () => {
      proxy.cuts += 1;
      return CUT;
    };
  };
  proxy.disarm = () => (proxy.toClient = (chunk) => chunk);
  return proxy;
}

test('a send over REST whose answer was lost is stored once, and its retry at another node is answered with it', async (t) => {
  const { ann, bob, id } = await pair();
  const watcher = await other.socket(bob, { contract: 'conversations' });
  await watcher.ok('conversation:join', id);
  const proxy = await cutBeforeAnswers(t);
  const through = new Rest(proxy.url, { authorization: `Bearer ${ann.token}` });
  const drafts = range(20).map((number) => ({ conversationId: id, content: `number ${number}`, clientMessageId: unique('draft') }));
  proxy.arm();
  for (const draft of drafts) await assert.rejects(through.post('/api/messages', draft), 'the answer is lost');
  assert.equal(proxy.cuts, drafts.length, 'each was cut where its answer passed, after the commit');
  for (const [number, draft] of drafts.entries()) {
    const answers = await Promise.all([server, other, server.at(0)].map((way) => way.api(ann).post('/api/messages', draft)));
    for (const answer of answers) assert.equal(good(answer, 200).message.seq, number + 1, '200: it was there already');
    assert.deepEqual(answers[1].body.message, answers[0].body.message);
  }
  assert.deepEqual((await server.history(bob, id)).map((m) => m.content), drafts.map((draft) => draft.content));
  await watcher.count('message:received', drafts.length);
  await server.say(ann, id, 'fence');
  await watcher.once('message:received', (m) => m.content === 'fence');
  assert.deepEqual(watcher.all('message:received').map((m) => m.seq), range(21).map((i) => i + 1), 'each was pushed once');
});

test('a send by socket whose acknowledgement was lost is stored once, and retried by socket or REST it is the same', async (t) => {
  const { ann, bob, id } = await pair();
  const proxy = await cutBeforeAnswers(t);
  const first = new Map();
  for (const number of range(12)) {
    proxy.disarm();
    const socket = await server.socket(ann, { contract: 'conversations', url: proxy.url });
    const draft = { conversationId: id, content: `number ${number}`, clientMessageId: unique('draft') };
    proxy.arm();
    let answered = false;
    socket.socket.emit('message:send', draft, () => (answered = true));
    await socket.once('(disconnect)');
    assert.equal(answered, false, 'the acknowledgement did not come through');
    const again = await other.socket(ann, { contract: 'conversations' });
    const { message } = await again.ok('message:send', draft);
    first.set(number, message);
    assert.deepEqual(good(await server.api(ann).post('/api/messages', draft), 200).message, message);
    again.close();
  }
  assert.deepEqual((await server.history(bob, id)).map((m) => m.id), range(12).map((number) => first.get(number).id));
});

test('a request that never arrived is stored by its retry, once', async (t) => {
  const { ann, bob, id } = await pair();
  const proxy = await Proxy.start(server.nodes[0].port, { toServer: () => CUT });
  t.after(() => proxy.stop());
  const draft = { conversationId: id, content: 'at last', clientMessageId: unique('draft') };
  await assert.rejects(new Rest(proxy.url, { authorization: `Bearer ${ann.token}` }).post('/api/messages', draft));
  good(await other.api(ann).post('/api/messages', draft), 201);
  good(await server.api(ann).post('/api/messages', draft), 200);
  assert.equal((await server.history(bob, id)).length, 1);
});

test('2,000 retries of 20 drafts, all at once and everywhere, are 20 messages and equal answers', { timeout: 60_000 }, async () => {
  const { ann, bob, id } = await pair();
  const sockets = await Promise.all(range(4).map(() => server.socket(ann, { contract: 'conversations' })));
  const drafts = range(20).map((number) => ({ conversationId: id, content: `number ${number}`, clientMessageId: unique('draft') }));
  // A busy store may ask for patience, and a connection that was kept too long be closed as it is used again; then a client
  // sends again, which is what this is about.
  const send = async (number) => {
    const draft = drafts[number % drafts.length];
    if (number % 5) {
      const answer = await sockets[number % 4].ack('message:send', draft);
      if (answer.error?.code === 'UNAVAILABLE') return null;
      assert.equal(answer.ok, true, JSON.stringify(answer));
      return answer.message;
    }
    const answer = await server.api(ann).post('/api/messages', draft).catch((error) => {
      if (error.message !== 'fetch failed') throw error;
    });
    return !answer || answer.status === 503 ? null : good(answer, 200, 201).message;
  };
  const answers = await Promise.all(range(2000).map(async (number) => {
    for (;;) {
      const message = await send(number);
      if (message) return message;
      await sleep(500);
    }
  }));
  answers.forEach((answer, number) => assert.deepEqual(answer, answers[number % drafts.length]));
  assert.equal((await server.history(bob, id)).length, drafts.length);
});

test('the same key with another text is a CONFLICT at every node, also after the first was retried', async () => {
  const { ann, bob, id } = await pair();
  const draft = { conversationId: id, content: 'as it was', clientMessageId: unique('draft') };
  good(await server.at(0).api(ann).post('/api/messages', draft), 201);
  for (const way of [server.at(0), other]) {
    refusal(await way.api(ann).post('/api/messages', { ...draft, content: 'otherwise' }), 409, 'CONFLICT');
    const socket = await way.socket(ann, { contract: 'conversations' });
    await socket.refused('CONFLICT', 'message:send', { ...draft, content: 'otherwise' });
    good(await way.api(ann).post('/api/messages', draft), 200);
  }
  assert.deepEqual((await server.history(bob, id)).map((m) => m.content), ['as it was']);
});

test('a key of before a kill -9 is known afterwards', async () => {
  const { ann, bob, id } = await pair();
  const draft = { conversationId: id, content: 'before', clientMessageId: unique('draft') };
  const { message } = good(await server.api(ann).post('/api/messages', draft), 201);
  await server.kill();
  await server.restart();
  await eventually('the retry is answered', async () => {
    const again = good(await server.api(ann).post('/api/messages', draft), 200);
    return again.message.id === message.id && again.message.seq === message.seq;
  });
  assert.equal((await server.history(bob, id)).length, 1);
});

// What is given to the outbox arrives, once, in order, whatever happens on the way.
import assert from 'node:assert/strict';
import { clientOf, Doorbell, eventually, memoryStorage, mint, online, Proxy, range, shows, sleep, statuses, test, texts, until } from './support.mjs';

const server = await Doorbell.forFile();

async function pair() {
  const [ana, ben] = await server.people('ana', 'ben');
  return { ana, ben, id: (await server.direct(ana, ben)).id };
}

const stored = async (person, id) => (await server.history(person, id)).map(({ content }) => content);

test('what is sent while the server is stopped arrives when it is back, in the order in which it was written', async () => {
  const own = await Doorbell.start();
  try {
    const [ana, ben] = await own.people('ana', 'ben');
    const { id } = await own.direct(ana, ben);
    const client = clientOf(own, ana);
    const timeline = client.conversation(id);
    timeline.open();
    await online(client);
    await own.terminate();
    await until(client.state, ({ status, retryAt }) => status === 'offline' && retryAt > Date.now() - 1000, 'offline, with the time of the next attempt');
    // The server's own word, until an attempt finds nobody there.
    assert.match(client.state.get().reason.code, /^(SHUTTING_DOWN|NETWORK)$/);
    const sent = range(5).map((n) => timeline.send({ text: `message ${n}` }));
    assert.deepEqual(statuses(timeline), Array(5).fill('queued'));
    await own.restart();
    await Promise.all(sent.map(({ done }) => done));
    await online(client);
    assert.deepEqual((await own.history(ben, id)).map(({ content }) => content), range(5).map((n) => `message ${n}`));
    await until(timeline.state, ({ messages }) => messages.every(({ status }) => status === 'sent'), 'all sent');
  } finally {
    await own.stop();
  }
});

test('a server that is killed between storing and answering has the message once', async () => {
  const own = await Doorbell.start();
  const proxy = await Proxy.start(own.port);
  try {
    const [ana, ben] = await own.people('ana', 'ben');
    const { id } = await own.direct(ana, ben);
    const client = clientOf({ url: proxy.url }, ana);
    const timeline = client.conversation(id);
    timeline.open();
    await online(client);
    await until(timeline.state, ({ isLoading }) => !isLoading);
    // The message gets through, and nothing comes back.
    proxy.toClient = () => null;
    const { done } = timeline.send({ text: 'once' });
    await eventually('stored', async () => (await own.history(ben, id)).length === 1);
    await own.kill();
    proxy.toClient = (chunk) => chunk;
    await own.restart();
    await done;
    assert.equal((await own.history(ben, id)).length, 1);
    await shows(timeline, 'once');
  } finally {
    await own.stop();
    await proxy.stop();
  }
});

test('a page that is closed in the middle of sending loses nothing: the next one sends it', async () => {
  const { ana, ben, id } = await pair();
  const proxy = await Proxy.start(server.port);
  const storage = memoryStorage();
  const first = clientOf({ url: proxy.url }, ana, { storage, userKey: ana.id });
  const before = first.conversation(id);
  before.open();
  await online(first);
  proxy.refuses = true;
  proxy.cut();
  const { clientMessageId } = before.send({ text: 'I was closed' });
  before.send({ text: 'and this, too' });
  await eventually('kept', async () => (await storage.entries('')).filter(([key]) => key.includes('outbox')).length === 2);
  await first.close();

  const second = clientOf({ url: proxy.url }, ana, { storage, userKey: ana.id });
  const after = second.conversation(id);
  after.open();
  await until(after.state, ({ messages }) => messages.length === 2, 'shown before there is a connection');
  assert.equal(after.state.get().messages[0].key, clientMessageId);
  proxy.refuses = false;
  second.connect();
  await until(after.state, ({ messages }) => messages.length === 2 && messages.every(({ status }) => status === 'sent'), 'sent');
  assert.deepEqual(await stored(ben, id), ['I was closed', 'and this, too']);
  await eventually('nothing is left', async () => (await storage.entries('')).every(([key]) => !key.includes('outbox')));
  await proxy.stop();
});

test('ten quick retries make one message', async () => {
  const { ana, ben, id } = await pair();
  const client = clientOf(server, ana);
  const timeline = client.conversation(id);
  timeline.open();
  await online(client);
  // Too long: refused for good, and failed.
  const { clientMessageId, done } = timeline.send({ text: 'x'.repeat(8001) });
  await until(timeline.state, ({ messages }) => messages[0]?.status === 'failed', 'failed');
  const [failed] = timeline.state.get().messages;
  assert.equal(failed.error.code, 'TOO_LARGE');
  assert.ok(failed.error.message.length > 10);
  for (const _ of range(10)) timeline.retry(clientMessageId);
  await until(timeline.state, ({ messages }) => messages[0]?.status === 'failed', 'failed again');
  timeline.discard(clientMessageId);
  await assert.rejects(done, { code: 'DISCARDED' });
  assert.deepEqual(texts(timeline), []);

  const good = timeline.send({ text: 'once' });
  for (const _ of range(10)) timeline.retry(good.clientMessageId);
  await good.done;
  assert.deepEqual(await stored(ben, id), ['once']);
});

test('a message that is refused for good does not hold up the next one', async () => {
  const { ana, ben, id } = await pair();
  const client = clientOf(server, ana);
  const timeline = client.conversation(id);
  timeline.open();
  timeline.send({ text: 'x'.repeat(8001) });
  await timeline.send({ text: 'fits' }).done;
  assert.deepEqual(await stored(ben, id), ['fits']);
  await until(timeline.state, ({ messages }) => messages.length === 2 && messages[1].status === 'failed', 'the failed one is last');
});

test('what is sent too fast waits as long as the server says, and keeps its order', async () => {
  const own = await Doorbell.start({ env: { DOORBELL_RATE_LIMITS: 'sends=5/s:5' } });
  try {
    const [ana, ben] = await own.people('ana', 'ben');
    const { id } = await own.direct(ana, ben);
    const client = clientOf(own, ana);
    const timeline = client.conversation(id);
    timeline.open();
    let refusals = 0;
    client.on('error', ({ code }) => (refusals += code === 'RATE_LIMITED'));
    const sent = range(15).map((n) => timeline.send({ text: `${n}` }));
    await Promise.all(sent.map(({ done }) => done));
    assert.deepEqual((await own.history(ben, id)).map(({ content }) => content), range(15).map(String));
    await until(timeline.state, ({ messages }) => messages.length === 15 && messages.every(({ status, error }) => status === 'sent' && !error), 'none failed');
    assert.ok(refusals > 0 && refusals <= 15, `${refusals} refusals`);
  } finally {
    await own.stop();
  }
});

test('nothing to send is said at once, and nothing is kept', async () => {
  const { ana, id } = await pair();
  const storage = memoryStorage();
  const client = clientOf(server, ana, { storage });
  const timeline = client.conversation(id);
  assert.throws(() => timeline.send({ text: ' \n ' }), { name: 'DoorbellError', code: 'INVALID' });
  assert.throws(() => timeline.send({ files: range(11).map(() => new Blob(['x'])) }), { code: 'INVALID' });
  assert.deepEqual(texts(timeline), []);
});

test('signing out forgets what was stored, and what was not sent', async () => {
  const { ana, ben, id } = await pair();
  const storage = memoryStorage();
  const proxy = await Proxy.start(server.port);
  const client = clientOf({ url: proxy.url }, ana, { storage });
  const timeline = client.conversation(id);
  timeline.open();
  await online(client);
  timeline.setDraft('half a sentence');
  await eventually('kept', async () => (await storage.entries('')).some(([key]) => key.includes('draft')));
  proxy.refuses = true;
  proxy.cut();
  timeline.send({ text: 'never' });
  await eventually('kept', async () => (await storage.entries('')).some(([key]) => key.includes('outbox')));
  await client.signOut();
  assert.equal(client.state.get().status, 'signed-out');
  assert.deepEqual(await storage.entries(''), []);
  assert.deepEqual(await stored(ben, id), []);
  await proxy.stop();
});

test('a draft is there again after a reload, for this sign-in alone', async () => {
  const { ana, ben, id } = await pair();
  const storage = memoryStorage();
  const first = clientOf(server, ana, { storage });
  first.conversation(id).setDraft('half a sentence');
  await eventually('kept', async () => (await storage.entries('')).some(([key]) => key.includes('draft')));
  await first.close();
  const again = clientOf(server, ana, { storage });
  await until(again.conversation(id).draft, (text) => text === 'half a sentence', 'draft');
  const other = clientOf(server, ben, { storage });
  await online(other);
  const { draft } = other.conversation(id);
  await sleep(200);
  assert.equal(draft.get(), '', 'nothing of another person comes');
  again.conversation(id).setDraft('');
  await eventually('gone', async () => (await storage.entries('')).every(([key]) => !key.includes('draft')));
});

test('storage that refuses is said once and loses no message', async () => {
  const { ana, ben, id } = await pair();
  const broken = async () => {
    throw new Error('QuotaExceededError');
  };
  const client = clientOf(server, { token: mint(ana.id) }, { storage: { get: broken, set: broken, delete: broken, entries: broken } });
  const errors = [];
  client.on('error', (error) => errors.push(error.code));
  const timeline = client.conversation(id);
  timeline.open();
  await timeline.send({ text: 'still sent' }).done;
  assert.deepEqual(await stored(ben, id), ['still sent']);
  assert.deepEqual([...new Set(errors)], ['STORAGE']);
  assert.equal(errors.length, 1);
});

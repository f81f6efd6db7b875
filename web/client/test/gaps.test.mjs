// A timeline has every message once and in order, whatever the line does.
import assert from 'node:assert/strict';
import { clientOf, Doorbell, eventually, online, Proxy, range, sleep, test, texts, until } from './support.mjs';

const server = await Doorbell.forFile();

async function pair() {
  const [ana, ben] = await server.people('ana', 'ben');
  return { ana, ben, id: (await server.direct(ana, ben)).id };
}

const seqs = (timeline) => timeline.state.get().messages.map(({ seq }) => seq);

test('a connection that is cut again and again shows every message once, in order', async () => {
  const { ana, ben, id } = await pair();
  const proxy = await Proxy.start(server.port);
  const client = clientOf({ url: proxy.url }, ana);
  const timeline = client.conversation(id);
  timeline.open();
  await online(client);
  const talk = (async () => {
    for (const n of range(120)) await server.say(ben, id, `${n}`);
  })();
  for (const _ of range(6)) {
    await sleep(150);
    proxy.cut();
  }
  await talk;
  await until(timeline.state, ({ messages }) => messages.length >= 120, 'all', 15_000);
  assert.deepEqual(seqs(timeline), range(120).map((n) => n + 1));
  assert.deepEqual(texts(timeline), range(120).map(String));
  await proxy.stop();
});

test('a push that is lost on the way is noticed with the next one, and fetched', async () => {
  const { ana, ben, id } = await pair();
  const proxy = await Proxy.start(server.port);
  let lost = 0;
  proxy.toClient = (chunk) => {
    // One frame of a WebSocket.
    const isIt = chunk[0] === 0x81 && chunk.includes('"message:received"') && chunk.includes('lose me');
    lost += isIt;
    return isIt ? null : chunk;
  };
  const client = clientOf({ url: proxy.url }, ana);
  const timeline = client.conversation(id);
  timeline.open();
  await until(timeline.state, ({ isLoading }) => !isLoading);
  await online(client);
  await server.say(ben, id, 'first');
  await until(timeline.state, ({ messages }) => messages.length === 1);
  await server.say(ben, id, 'lose me');
  await eventually('lost', () => lost === 1);
  await server.say(ben, id, 'third');
  await until(timeline.state, ({ messages }) => messages.length === 3);
  assert.deepEqual(texts(timeline), ['first', 'lose me', 'third']);
  await proxy.stop();
});

test('after an absence of 1,500 messages the newest are there, and the older ones on asking', async (t) => {
  // Without recovery: who was away for long is not sent what was missed.
  const own = await Doorbell.start({ env: { DOORBELL_RECOVERY_WINDOW: '1s' } });
  t.after(() => own.stop());
  const [ana, ben] = await own.people('ana', 'ben');
  const { id } = await own.direct(ana, ben);
  const proxy = await Proxy.start(own.port);
  const client = clientOf({ url: proxy.url }, ana, { polling: 'never' });
  const timeline = client.conversation(id);
  timeline.open();
  await online(client);
  await own.say(ben, id, 'before');
  await until(timeline.state, ({ messages }) => messages.length === 1);
  proxy.refuses = true;
  proxy.cut();
  await until(client.state, ({ status }) => status === 'offline', 'offline');
  for (const block of range(15)) await Promise.all(range(100).map((n) => own.say(ben, id, `${block}.${n}`)));
  proxy.refuses = false;
  client.connect();
  await until(timeline.state, ({ messages }) => messages.at(-1)?.seq === 1501, 'the newest', 15_000);
  const first = () => timeline.state.get().messages[0].seq;
  while (timeline.state.get().hasOlder) await timeline.loadOlder();
  assert.equal(first(), 1);
  assert.deepEqual(seqs(timeline), range(1501).map((n) => n + 1), 'no hole');
  await proxy.stop();
});

test('a long timeline holds a bounded number of messages, and goes both ways without a hole', async () => {
  const { ana, ben, id } = await pair();
  for (const block of range(24)) await Promise.all(range(100).map((n) => server.say(ben, id, `${block}.${n}`)));
  const client = clientOf(server, ana);
  const timeline = client.conversation(id);
  const close = timeline.open();
  await until(timeline.state, ({ isLoading, messages }) => !isLoading && messages.length > 0);
  const { state } = timeline;
  assert.equal(state.get().messages.at(-1).seq, 2400);
  while (state.get().hasOlder) {
    await timeline.loadOlder();
    assert.ok(state.get().messages.length <= 2000);
  }
  assert.equal(state.get().messages[0].seq, 1);
  assert.equal(state.get().hasNewer, true);
  // What comes now is not put after a hole.
  await server.say(ben, id, 'live');
  await until(client.inbox.list, ({ items }) => items[0]?.lastMessage === 'live', 'the list has it');
  assert.notEqual(state.get().messages.at(-1).content, 'live');
  while (state.get().hasNewer) await timeline.loadNewer();
  assert.equal(state.get().messages.at(-1).content, 'live');
  const [first] = seqs(timeline);
  assert.deepEqual(seqs(timeline), range(2401 - first + 1).map((n) => n + first), 'no hole');

  await timeline.jumpTo(700);
  if (first > 700) assert.ok(seqs(timeline).includes(700));
  await timeline.jumpTo(30);
  assert.ok(seqs(timeline).includes(30) && seqs(timeline).length < 100);
  close();
  const closeAgain = timeline.open();
  await until(state, ({ hasNewer, messages }) => !hasNewer && messages.at(-1).content === 'live', 'who comes back is at the end');
  closeAgain();
  timeline.open();
  await timeline.jumpTo(30);
  await timeline.send({ text: 'mine' }).done;
  await until(state, ({ hasNewer, messages }) => !hasNewer && messages.at(-1).content === 'mine' && messages.at(-1).seq === 2402, 'one\'s own is at the end');
});

test('a conversation that one may not see says so and does not ask for ever', async () => {
  const { ana } = await pair();
  const client = clientOf(server, ana);
  const timeline = client.conversation('no-such-conversation');
  timeline.open();
  const { error, isLoading } = await until(timeline.state, (state) => state.error, 'error');
  assert.equal(error.code, 'NOT_FOUND');
  assert.equal(isLoading, false);
});

test('a timeline that is opened before the server is there is loaded when it comes', async () => {
  const own = await Doorbell.start();
  try {
    const [ana, ben] = await own.people('ana', 'ben');
    const { id } = await own.direct(ana, ben);
    await own.say(ben, id, 'waiting');
    await own.terminate();
    const client = clientOf(own, ana);
    const timeline = client.conversation(id);
    timeline.open();
    await until(client.state, ({ status }) => status === 'offline', 'offline');
    assert.equal(timeline.state.get().isLoading, true);
    await own.restart();
    client.connect();
    await until(timeline.state, ({ messages }) => messages.length === 1, 'loaded');
    await until(client.inbox.list, ({ items }) => items.length === 1, 'list');
    await eventually('no error stays', () => !timeline.state.get().error && !client.inbox.list.get().error);
  } finally {
    await own.stop();
  }
});

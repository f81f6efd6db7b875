// Several tabs of one person have one connection, and nobody notices when the one that has it goes.
import assert from 'node:assert/strict';
import { clientOf, Doorbell, eventually, memoryStorage, online, Proxy, range, shows, sleep, test, texts, until } from './support.mjs';

const server = await Doorbell.forFile();

/** Tabs of one browser in this process: locks and lines as browsers have them. */
function browser() {
  const lines = new Map();
  const locks = new Map();
  return {
    channel(name) {
      const line = lines.get(name) ?? new Set();
      lines.set(name, line);
      const own = {
        onmessage: null,
        postMessage(message) {
          const data = structuredClone(message);
          for (const other of line) if (other !== own) queueMicrotask(() => other.onmessage?.({ data }));
        },
        close: () => line.delete(own),
        crash: () => line.delete(own),
      };
      line.add(own);
      return own;
    },
    async lock(name, signal, held) {
      const before = locks.get(name) ?? Promise.resolve();
      let release;
      locks.set(name, new Promise((resolve) => (release = resolve)));
      try {
        await Promise.race([before, new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))]);
        await held();
      } finally {
        release();
      }
    },
  };
}

/** How many sockets the server has. */
const sockets = async () => {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const counts = [...text.matchAll(/^doorbell_connections_open(?:\{[^}]*\})? (\d+)/gm)].map(([, count]) => Number(count));
  assert.ok(counts.length, 'the metric is there');
  return counts.reduce((sum, count) => sum + count, 0);
};

async function pair() {
  const [ana, ben] = await server.people('ana', 'ben');
  return { ana, ben, id: (await server.direct(ana, ben)).id };
}

test('five tabs have one connection, and each sees everything once', async () => {
  const { ana, ben, id } = await pair();
  const before = await sockets();
  const tabs = browser();
  const storage = memoryStorage();
  const clients = range(5).map(() => clientOf(server, ana, { tabs, storage }));
  const timelines = clients.map((client) => client.conversation(id));
  for (const timeline of timelines) timeline.open();
  await Promise.all(clients.map(online));
  assert.equal(await sockets(), before + 1);

  await Promise.all(timelines.map((timeline, n) => timeline.send({ text: `from tab ${n}` }).done));
  await server.say(ben, id, 'hello');
  for (const timeline of timelines) await until(timeline.state, ({ messages }) => messages.length === 6 && messages.every(({ seq }) => seq), 'all six');
  assert.equal((await server.history(ben, id)).length, 6);
  for (const timeline of timelines) assert.deepEqual(timeline.state.get().messages.map(({ seq }) => seq), [1, 2, 3, 4, 5, 6]);
  for (const client of clients) assert.equal(client.me.get().name, ana.name);

  timelines[3].markRead();
  for (const client of clients) await until(client.inbox.unread, (count) => count === 0, 'read in every tab');
  await Promise.all(clients.map((client) => client.close()));
});

test('when the tab that has the connection goes, another takes over in mid-send', async () => {
  const { ana, ben, id } = await pair();
  const tabs = browser();
  const storage = memoryStorage();
  const proxy = await Proxy.start(server.port);
  const [first, second, third] = range(3).map(() => clientOf({ url: proxy.url }, ana, { tabs, storage }));
  const [, atSecond, atThird] = [first, second, third].map((client) => client.conversation(id));
  atSecond.open();
  atThird.open();
  await Promise.all([first, second, third].map(online));
  // Nothing gets back to the tab that has the connection.
  proxy.toClient = () => null;
  const sent = range(3).map((n) => atSecond.send({ text: `${n}` }));
  await eventually('on its way', async () => (await server.history(ben, id)).length > 0);
  await first.close();
  proxy.toClient = (chunk) => chunk;
  await Promise.all(sent.map(({ done }) => done));
  assert.deepEqual((await server.history(ben, id)).map(({ content }) => content), ['0', '1', '2']);
  await online(second);
  await online(third);
  await server.say(ben, id, 'hello');
  await shows(atSecond, '0', '1', '2', 'hello');
  await shows(atThird, '0', '1', '2', 'hello');
  await Promise.all([second.close(), third.close()]);
  await proxy.stop();
});

test('a tab that comes later is told how things are', async () => {
  const { ana, ben, id } = await pair();
  const tabs = browser();
  const first = clientOf(server, ana, { tabs, storage: memoryStorage() });
  const other = clientOf(server, ben);
  await online(first);
  await online(other);
  await until(first.presence(ben.id), ({ status }) => status === 'online', 'there');
  const second = clientOf(server, ana, { tabs, storage: memoryStorage() });
  const absent = second.presence('somebody-absent');
  await online(second);
  await until(absent, ({ status }) => status === 'offline', 'who is not there is known not to be');
  await until(second.presence(ben.id), ({ status }) => status === 'online', 'there, also for the second tab');
  const [mine, his] = [second.conversation(id), other.conversation(id)];
  mine.open();
  his.open();
  await until(his.state, ({ isLoading }) => !isLoading);
  // Nobody promises that one of them is heard.
  const typing = setInterval(() => his.typing(true), 500);
  await until(mine.state, ({ typing }) => typing.length === 1, 'typing is heard in the second tab').finally(() => clearInterval(typing));
  // The server's refusal reaches the tab that asked.
  const { done } = mine.send({ text: 'x'.repeat(8001) });
  await until(mine.state, ({ messages }) => messages[0]?.error?.code === 'TOO_LARGE', 'refused');
  void done;
  await other.close();
  // Requests count as being there for 15 s.
  await until(second.presence(ben.id), ({ status }) => status === 'offline', 'gone', 30_000);
});

test('one tab of all gives notice of a message, once', async () => {
  const { ana, ben, id } = await pair();
  const tabs = browser();
  const notices = [];
  const clients = range(3).map(() => clientOf(server, ana, { tabs, storage: memoryStorage() }));
  for (const client of clients) client.on('notify', ({ message }) => notices.push(message.content));
  clients[1].conversation(id).open();
  await Promise.all(clients.map(online));
  await until(clients[0].inbox.list, ({ isLoading, items }) => !isLoading && items.length === 1, 'list');
  await server.say(ben, id, 'in an open conversation');
  const [cara] = await server.people('cara');
  const { id: other } = await server.direct(cara, ana);
  await server.say(cara, other, 'in a new one');
  await eventually('both', () => notices.length >= 2);
  await clients[2].conversation(id).send({ text: 'my own' }).done;
  await until(clients[1].conversation(id).state, ({ messages }) => messages.length === 2);
  assert.deepEqual(notices.sort(), ['in a new one', 'in an open conversation']);
});

test('a file of a tab that is gone is uploaded by another', async () => {
  const { ana, ben, id } = await pair();
  const tabs = browser();
  const storage = memoryStorage();
  const proxy = await Proxy.start(server.port);
  const first = clientOf({ url: proxy.url }, ana, { tabs, storage, userKey: ana.id });
  const at = first.conversation(id);
  at.open();
  await online(first);
  proxy.refuses = true;
  proxy.cut();
  at.send({ text: 'the plan', files: [new File(['a plan of the flat'], 'plan.txt', { type: 'text/plain' })] });
  await eventually('kept', async () => (await storage.entries('')).some(([key]) => key.includes('|outbox|')));
  await first.close();
  const second = clientOf({ url: proxy.url }, ana, { tabs, storage, userKey: ana.id });
  proxy.refuses = false;
  second.connect();
  await eventually('sent', async () => (await server.history(ben, id)).length === 1, 10_000);
  const [message] = await server.history(ben, id);
  assert.equal(message.attachments[0].fileName, 'plan.txt');
  await eventually('nothing is left', async () => (await storage.entries('')).every(([key]) => !/outbox|file/.test(key)));
  await second.close();
  await proxy.stop();
});

test('signing out in one tab signs out all', async () => {
  const { ana } = await pair();
  const tabs = browser();
  const clients = range(2).map(() => clientOf(server, ana, { tabs, storage: memoryStorage() }));
  await Promise.all(clients.map(online));
  await until(clients[0].inbox.list, ({ items }) => items.length === 1, 'a list');
  await clients[1].signOut();
  await until(clients[0].state, ({ status }) => status === 'signed-out', 'signed out there, too');
  for (const client of clients) {
    assert.equal(client.me.get(), null);
    assert.deepEqual(client.inbox.list.get().items, [], 'nothing of theirs stays in sight');
  }
});

test('after signing out in one tab no conversation stays in sight in any, and what is sent there is refused instead of lost', async () => {
  const { ana, ben, id } = await pair();
  await server.say(ben, id, 'hello');
  const tabs = browser();
  const clients = range(2).map(() => clientOf(server, ana, { tabs, storage: memoryStorage() }));
  const timelines = clients.map((client) => client.conversation(id));
  for (const timeline of timelines) timeline.open();
  await Promise.all(clients.map(online));
  await timelines[0].send({ text: 'mine' }).done;
  for (const timeline of timelines) await shows(timeline, 'hello', 'mine');
  for (const timeline of timelines) await until(timeline.state, ({ conversation }) => conversation);
  await clients[1].signOut();
  await until(clients[0].state, ({ status }) => status === 'signed-out', 'signed out there, too');
  for (const client of clients) {
    // Also what is opened only then, or tried again.
    for (const timeline of [...timelines, client.conversation(id), client.conversation('another')]) {
      timeline.open();
      await timeline.jumpTo('latest');
      const { messages, conversation, error, isLoading } = timeline.state.get();
      assert.deepEqual({ messages, conversation, isLoading, code: error?.code }, { messages: [], conversation: null, isLoading: false, code: 'SIGNED_OUT' });
      assert.throws(() => timeline.send({ text: 'too late' }), ({ code, message }) => code === 'SIGNED_OUT' && /sign in/i.test(message));
    }
    await sleep(300);
    assert.deepEqual(texts(client.conversation(id)), [], 'nor does anything come late');
  }
  assert.deepEqual((await server.history(ben, id)).map(({ content }) => content), ['hello', 'mine']);
});

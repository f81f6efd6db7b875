// Where sockets are blocked, the chat goes on by asking.
import assert from 'node:assert/strict';
import { CUT } from '../../../tests/clients/support/proxy.mjs';
import { clientOf, Doorbell, online, Proxy, shows, test, until } from './support.mjs';

const server = await Doorbell.forFile();

/** A network that lets no socket through, by whatever transport. */
async function blocked() {
  const proxy = await Proxy.start(server.port);
  proxy.isBlocking = true;
  proxy.toServer = (chunk) => (proxy.isBlocking && /^(GET|POST) \/api\/socketio/.test(chunk.toString('latin1', 0, 30)) ? CUT : chunk);
  return proxy;
}

test('messages, reads and the list go both ways without a socket, and a socket takes over when it gets through', async () => {
  const [ana, ben] = await server.people('ana', 'ben');
  const { id } = await server.direct(ana, ben);
  await server.say(ben, id, 'hello');
  const proxy = await blocked();
  const [a, b] = [clientOf({ url: proxy.url }, ana), clientOf(server, ben)];
  const [atAna, atBen] = [a.conversation(id), b.conversation(id)];
  atAna.open();
  atBen.open();
  await until(a.state, ({ status }) => status === 'polling', 'polling', 15_000);
  await shows(atAna, 'hello');
  assert.equal(a.inbox.unread.get(), 1);
  atAna.markRead();
  await until(atBen.state, ({ messages }) => messages[0]?.status === 'read', 'read by who polls');

  await atAna.send({ text: 'by asking' }).done;
  await shows(atBen, 'hello', 'by asking');
  atBen.send({ text: 'and back' });
  await shows(atAna, 'hello', 'by asking', 'and back');
  atBen.markRead();
  await until(atAna.state, ({ messages }) => messages[1]?.status === 'read', 'who polls sees that it was read', 12_000);
  assert.equal(a.presence(ben.id).get().status, 'unknown');
  assert.equal(a.me.get().name, ana.name);

  const [, , cara] = [0, 0, (await server.people('cara'))[0]];
  const other = await server.direct(ana, cara);
  await server.say(cara, other.id, 'somebody else');
  await until(a.inbox.list, ({ items }) => items.length === 2 && items[0].lastMessage === 'somebody else', 'the list', 12_000);

  proxy.isBlocking = false;
  a.connect();
  await online(a);
  await server.say(ben, id, 'live');
  await shows(atAna, 'hello', 'by asking', 'and back', 'live');
  await proxy.stop();
});

test('polling alone, where it is asked for, and offline when the server goes', async () => {
  const own = await Doorbell.start();
  try {
    const [ana, ben] = await own.people('ana', 'ben');
    const { id } = await own.direct(ana, ben);
    const client = clientOf(own, ana, { polling: 'always' });
    const timeline = client.conversation(id);
    timeline.open();
    await until(client.state, ({ status }) => status === 'polling', 'polling');
    await timeline.send({ text: 'one' }).done;
    await own.terminate();
    await until(client.state, ({ status }) => status === 'offline', 'offline', 15_000);
    const { done } = timeline.send({ text: 'kept' });
    await own.restart();
    await done;
    assert.equal(client.state.get().status, 'polling');
    await shows(timeline, 'one', 'kept');
  } finally {
    await own.stop();
  }
});

test('who is signed in is known from the first token, where the sign-in was named and no socket gets through', async () => {
  const [ana, ben] = await server.people('ana', 'ben');
  const { id } = await server.direct(ana, ben);
  await server.say(ana, id, 'mine');
  const proxy = await blocked();
  const client = clientOf({ url: proxy.url }, ana, { userKey: ana.id });
  const me = await until(client.me, (person) => person !== null, 'somebody', 2_000);
  assert.equal(me.id, ana.id);
  assert.notEqual(client.state.get().status, 'online');
  await until(client.me, (person) => person?.name === ana.name, 'her name, from the list', 4_000);
  await proxy.stop();
});

test('an unchanged conversation is asked for without being sent again', async () => {
  const [ana, ben] = await server.people('ana', 'ben');
  const { id } = await server.direct(ana, ben);
  const answers = [];
  const counting = async (...args) => {
    const response = await fetch(...args);
    answers.push([String(args[0]), response.status]);
    return response;
  };
  const client = clientOf(server, ana, { polling: 'always', fetch: counting });
  const timeline = client.conversation(id);
  timeline.open();
  const isUnchanged = (path) => answers.some(([url, status]) => url.includes(path) && status === 304);
  const seen = { get: () => isUnchanged('/api/messages') && isUnchanged('/api/conversations?'), subscribe: (listener) => { const timer = setInterval(listener, 50); return () => clearInterval(timer); } };
  await until(seen, Boolean, '304 for both', 15_000);
});

test('long-polling alone is a live connection', async () => {
  const [ana, ben] = await server.people('ana', 'ben');
  const { id } = await server.direct(ana, ben);
  const proxy = await Proxy.start(server.port);
  let upgrades = 0;
  proxy.toServer = (chunk) => {
    upgrades += /upgrade: websocket/i.test(chunk.toString('latin1'));
    return chunk;
  };
  const client = clientOf({ url: proxy.url }, ana, { transports: ['polling'] });
  const timeline = client.conversation(id);
  timeline.open();
  await online(client);
  await server.say(ben, id, 'hello');
  await shows(timeline, 'hello');
  await timeline.send({ text: 'yes' }).done;
  assert.equal(upgrades, 0);
});

test('where WebSockets alone are swallowed, long-polling takes over', async () => {
  const [ana, ben] = await server.people('ana', 'ben');
  const { id } = await server.direct(ana, ben);
  const proxy = await Proxy.start(server.port);
  // No error and no answer: the worst kind.
  proxy.toServer = (chunk) => (/upgrade: websocket/i.test(chunk.toString('latin1')) ? null : chunk);
  const client = clientOf({ url: proxy.url }, ana);
  const timeline = client.conversation(id);
  timeline.open();
  await until(client.state, ({ status }) => status === 'online', 'online', 20_000);
  await server.say(ben, id, 'hello');
  await shows(timeline, 'hello');
  await proxy.stop();
});

// P5: who comes back says what they have, and gets all that is missing, in order, and then what is new, without a hole.
import assert from 'node:assert/strict';
import { Doorbell, eventually, good, range, sleep, test } from '../support/doorbell.mjs';
import { Proxy } from '../support/proxy.mjs';

const RECONNECTS = Number(process.env.DOORBELL_SOAK_RECONNECTS ?? 150);
const server = await Doorbell.forFile();
const pause = () => sleep(5 + Math.random() * 60);

/** Two people who say 200 messages a second between them, until told to stop. Gives how many there were. */
async function stream(people, id) {
  const state = { running: true, sent: 0 };
  const sockets = await Promise.all(people.map((user) => server.socket(user, { contract: 'conversations' })));
  state.done = (async () => {
    const begun = Date.now();
    while (state.running) {
      const due = Math.floor((Date.now() - begun) / 5) - state.sent;
      await Promise.all(range(Math.min(Math.max(due, 0), 40)).map((i) => sockets[i % 2].ok('message:send', { conversationId: id, content: `number ${(state.sent += 1)}` })));
      await sleep(5);
    }
    return state.sent;
  })();
  state.stop = () => {
    state.running = false;
    return state.done;
  };
  return state;
}

test(`${RECONNECTS} times away at any moment of 200 messages a second: afterSeq leaves no hole and nothing twice`, { timeout: 60_000 + RECONNECTS * 1000 }, async (t) => {
  const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
  const { id } = await server.group(ann, [bob, cem]);
  const flow = await stream([ann, bob], id);
  // What is on the screen: the seqs in the order in which they came.
  const screen = [];
  let replayed = 0;
  for (let round = 1; round <= RECONNECTS; round += 1) {
    const socket = await server.socket(cem, { contract: 'conversations' });
    const afterSeq = screen.at(-1) ?? 0;
    const { messages, hasMore } = await socket.ok('conversation:join', { conversationId: id, afterSeq });
    screen.push(...messages.map((m) => m.seq));
    replayed += messages.length;
    if (hasMore) {
      // Too much for one answer: the rest is read by REST, up to what is pushed.
      await eventually('a push', () => socket.all('message:received').length > 0);
      const first = socket.all('message:received')[0].seq;
      screen.push(...(await server.history(cem, id, screen.at(-1))).map((m) => m.seq).filter((seq) => seq < first));
    }
    await pause();
    // In the middle of whatever it is being sent.
    socket.socket.io.engine.close();
    screen.push(...socket.all('message:received').map((m) => m.seq));
    await pause();
    const broken = screen.findIndex((seq, place) => seq !== place + 1);
    assert.equal(broken, -1, `round ${round}: after ${screen[broken - 1]} came ${screen[broken]} (afterSeq ${afterSeq}, ${messages.length} messages from ${messages[0]?.seq}, pushes from ${socket.all('message:received')[0]?.seq})`);
  }
  const sent = await flow.stop();
  screen.push(...(await server.history(cem, id, screen.length)).map((m) => m.seq));
  assert.deepEqual(screen, range(sent).map((i) => i + 1));
  assert.ok(replayed > RECONNECTS, `only ${replayed} messages were missed and sent again`);
  t.diagnostic(`${sent} messages, ${replayed} of them replayed in ${RECONNECTS} joins`);
});

test('a stock client that loses its line is put back and sent what it missed, with no code of its own', { timeout: 60_000 }, async (t) => {
  const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
  const { id } = await server.group(ann, [bob, cem]);
  const proxies = await Promise.all(server.nodes.map((node) => Proxy.start(node.port)));
  t.after(() => Promise.all(proxies.map((proxy) => proxy.stop())));
  const socket = await server.socket(cem, { contract: 'conversations', url: proxies[0].url, reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 60 });
  await socket.ok('conversation:join', id);
  const flow = await stream([ann, bob], id);
  let recovered = 0;
  for (const round of range(20)) {
    await sleep(40 + Math.random() * 120);
    const connects = socket.all('(connect)').length;
    // It comes back at another node, where there is one.
    if (proxies.length > 1) socket.socket.io.uri = proxies[(round + 1) % proxies.length].url;
    for (const proxy of proxies) proxy.cut();
    await eventually('it is connected again', () => socket.all('(connect)').length > connects);
    if (socket.socket.recovered) recovered += 1;
  }
  const sent = await flow.stop();
  await server.say(ann, id, 'fence');
  assert.equal(recovered, 20, 'each time the server knew it again');
  await socket.once('message:received', (m) => m.content === 'fence');
  assert.deepEqual(socket.all('message:received').map((m) => m.seq), range(sent + 1).map((i) => i + 1), 'each message once, in order');
});

test('somebody who was removed meanwhile is not put back', async (t) => {
  const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
  const { id } = await server.group(ann, [bob, cem]);
  const proxy = await Proxy.start(server.nodes[0].port);
  t.after(() => proxy.stop());
  const socket = await server.socket(cem, { contract: 'conversations', url: proxy.url, reconnection: true, reconnectionDelay: 300, reconnectionDelayMax: 400 });
  await socket.ok('conversation:join', id);
  await server.say(ann, id, 'before');
  await socket.once('message:received', (m) => m.content === 'before');
  proxy.refuses = true;
  proxy.cut();
  await socket.once('(disconnect)');
  assert.equal((await server.api(ann).delete(`/v1/conversations/${id}/participants/${cem.id}`)).status, 204);
  await server.say(ann, id, 'after');
  proxy.refuses = false;
  await eventually('it is connected again', () => socket.socket.connected);
  await server.say(ann, id, 'later');
  await socket.staysQuiet('message:received', (m) => m.content !== 'before', 600);
  await socket.refused('FORBIDDEN', 'message:send', { conversationId: id, content: 'still here' });
});

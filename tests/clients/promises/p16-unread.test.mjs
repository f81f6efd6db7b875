// P16: unread is what others wrote after one's mark; a mark only rises; all devices of a person agree within 2 seconds.
import assert from 'node:assert/strict';
import { Doorbell, eventually, good, range, test } from '../support/doorbell.mjs';

const server = await Doorbell.forFile();
const STEPS = 160;

/** The same numbers for the same seed, in [0, n). */
function numbers(seed) {
  let state = seed;
  return (n) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * n);
  };
}

for (const seed of [7, 20_261_121]) {
  test(`three devices, marks in any order, against a model of four lines (seed ${seed})`, { timeout: 60_000 }, async () => {
    const pick = numbers(seed);
    const [ann, bob, cem] = await server.people('ann', 'bob', 'cem');
    const conversations = [await server.direct(ann, bob), await server.group(ann, [bob, cem])];
    // The model: who wrote each message, and how far ann has read.
    const rooms = conversations.map(({ id }) => ({ id, messages: [], mark: 0, raised: [] }));
    const unread = (room) => room.messages.filter((m) => m.senderId !== ann.id && m.seq > room.mark).length;
    const devices = await Promise.all(range(3).map(() => server.socket(ann, { contract: 'conversations' })));
    const others = { bob: await server.socket(bob, { contract: 'conversations' }), cem: await server.socket(cem, { contract: 'conversations' }) };
    for (const device of devices) for (const { id } of rooms) await device.ok('conversation:join', id);

    const agree = (step) => eventually(`step ${step}: every list shows the model`, async () => {
      for (const node of server.nodes.keys()) {
        const rows = good(await server.at(node).api(ann).get('/api/conversations')).conversations;
        for (const room of rooms) assert.equal(rows.find((row) => row.id === room.id).unreadCount, unread(room), `node ${node}, ${room.id}`);
      }
      return true;
    }, 2000);

    /** The last message of others up to there: what one has written oneself is not read by a mark. */
    const lastOfOthers = (room, to) => room.messages.findLast((m) => m.senderId !== ann.id && m.seq <= to)?.seq ?? 0;
    const raise = (room, to) => {
      if (lastOfOthers(room, to) > lastOfOthers(room, room.mark)) room.raised.push(to);
      room.mark = Math.max(room.mark, to);
    };
    for (let step = 0; step < STEPS; step += 1) {
      const room = rooms[pick(2)];
      const device = devices[pick(3)];
      const action = pick(10);
      if (action < 5 || room.messages.length === 0) {
        const socket = action === 0 ? device : room === rooms[1] && action < 3 ? others.cem : others.bob;
        room.messages.push((await socket.ok('message:send', { conversationId: room.id, content: `step ${step}` })).message);
      } else if (action < 8) {
        // Any message, mostly one that is read already: marks come late and out of order.
        const message = room.messages[pick(room.messages.length)];
        await device.ok('message:read', { conversationId: room.id, messageId: message.id });
        raise(room, message.seq);
      } else if (action === 8) {
        const two = range(2).map(() => room.messages[pick(room.messages.length)]);
        await Promise.all(two.map((message, i) => devices[i].ok('message:read', { conversationId: room.id, messageId: message.id })));
        raise(room, Math.max(...two.map((message) => message.seq)));
      } else {
        good(await server.api(ann).put('/api/messages', { conversationId: room.id }));
        raise(room, room.messages.at(-1).seq);
      }
      if (step % 5 === 4) await agree(step);
    }
    await agree('last');

    for (const device of devices) {
      for (const room of rooms) {
        const says = (heard, to) => heard.some((seq) => seq <= to && seq >= lastOfOthers(room, to));
        await eventually('the device has heard of the last mark', () => {
          const heard = device.all('message:read_update', (e) => e.conversationId === room.id && e.userId === ann.id);
          return room.raised.length === 0 || says([heard.at(-1)?.seq ?? 0], room.raised.at(-1));
        }, 2000);
        const heard = device.all('message:read_update', (e) => e.conversationId === room.id && e.userId === ann.id).map((e) => e.seq);
        heard.forEach((seq, place) => assert.ok(place === 0 || seq > heard[place - 1], `marks only rise: ${heard.join(', ')}`));
        // Two at the same time may be heard as one or as two.
        for (const to of room.raised) assert.ok(says(heard, to), `nobody heard of the mark at ${to}: ${heard.join(', ')}`);
        assert.ok(heard.length <= room.raised.length * 2, 'a mark that changes nothing says nothing');
      }
    }
  });
}

// Two people talk: what each sees of the other, and how it looks while it happens.
import assert from 'node:assert/strict';
import { clientOf, Doorbell, online, shows, statuses, test, until } from './support.mjs';

const server = await Doorbell.forFile();

test('what one says the other reads, types and answers', async () => {
  const [ana, ben] = await server.people('ana', 'ben');
  const { id } = await server.direct(ana, ben);
  const [a, b] = [clientOf(server, ana), clientOf(server, ben)];
  const [atAna, atBen] = [a.conversation(id), b.conversation(id)];
  atAna.open();
  atBen.open();
  await Promise.all([online(a), online(b)]);
  await until(b.inbox.list, ({ isLoading }) => !isLoading, 'list');

  const outgoing = atAna.send({ text: 'Is the flat still free?' });
  assert.equal(statuses(atAna)[0], 'queued', 'shown before the network was asked');
  const key = atAna.state.get().messages[0].key;
  await shows(atBen, 'Is the flat still free?');
  const stored = await outgoing.done;
  assert.equal(stored.clientMessageId, outgoing.clientMessageId);
  await until(atAna.state, ({ messages }) => messages[0].status === 'sent', 'sent');
  assert.equal(atAna.state.get().messages[0].key, key, 'the same bubble');

  await until(b.inbox.unread, (count) => count === 1, 'one unread');
  atBen.markRead();
  assert.equal(b.inbox.unread.get(), 0, 'read at once');
  await until(atAna.state, ({ messages }) => messages[0].status === 'read', 'read');

  atBen.typing(true);
  const { typing } = await until(atAna.state, (state) => state.typing.length === 1, 'typing');
  assert.equal(typing[0].name, ben.name);
  atBen.send({ text: 'Yes.' });
  await shows(atAna, 'Is the flat still free?', 'Yes.');
  assert.deepEqual(atAna.state.get().typing, []);
  assert.equal(a.me.get().name, ana.name);
});

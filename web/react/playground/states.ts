import type { ConnectionState } from '@doorbell/client';
import { ana, ben, chloe, conversation, dario, many, me, message, ordinary, photo } from './fake/data.js';
import { fakeClient, type FakeClient, type FakeOptions } from './fake/client.js';
import { group, long, mixed, photos, rightToLeft } from './fake/histories.js';

export type View = 'inbox' | 'chat' | 'both' | 'nothing' | 'page';

interface State {
  view: View;
  conversationId?: string;
  options?: Omit<Partial<FakeOptions>, 'behaviour'> & { behaviour?: Partial<FakeOptions['behaviour']> };
  /** What happens after it is shown. */
  then?(client: FakeClient): void;
}

const connection = (status: ConnectionState['status'], message = ''): ConnectionState => ({ status, since: Date.now() - 10_000, ...(message && { reason: { code: 'FORBIDDEN', message } }) });
const jpeg = (name: string) => new File([new Uint8Array(80_000)], name, { type: 'image/jpeg' });

/** Every state that there is, by name: `?state=name`. */
export const STATES: Record<string, State> = {
  inbox: { view: 'inbox' },
  'inbox-empty': { view: 'inbox', options: { inbox: { items: [] } } },
  'inbox-loading': { view: 'inbox', options: { inbox: { items: [], isLoading: true } } },
  'inbox-error': { view: 'inbox', options: { inbox: { items: [], error: { code: 'UNAVAILABLE', message: 'The server cannot be reached.' } } } },
  'inbox-many': { view: 'inbox', options: { inbox: { items: many(5_000) } } },
  both: { view: 'both', conversationId: 'c-ana' },
  nothing: { view: 'nothing' },
  chat: { view: 'chat', conversationId: 'c-ana' },
  'chat-unread': { view: 'chat', conversationId: 'c-ana', options: { history: (id) => long(id, 120), behaviour: { pageSize: 120 } }, then: (client) => client.timeline('c-ana').set({ firstUnreadSeq: 70, reads: { [me.id]: 69 } }) },
  'chat-late': { view: 'chat', conversationId: 'c-ana', options: { history: (id) => long(id, 120), behaviour: { pageSize: 120 } }, then: (client) => client.timeline('c-ana').set({ conversation: null, reads: {} }) },
  'chat-far': {
    view: 'chat', conversationId: 'c-ana', options: { inbox: { items: ordinary().map((item) => (item.id === 'c-ana' ? { ...item, unreadCount: 900 } : item)) }, history: (id) => long(id, 60) },
    then: (client) => client.timeline('c-ana').set({ isUnreadKnown: false, hasNewer: true }),
  },
  'chat-new': { view: 'chat', conversationId: 'c-ana', options: { history: () => [] } },
  'chat-loading': { view: 'chat', conversationId: 'c-ana', then: (client) => client.timeline('c-ana').set({ messages: [], isLoading: true }) },
  'chat-error': { view: 'chat', conversationId: 'c-ana', then: (client) => client.timeline('c-ana').set({ messages: [], error: { code: 'UNAVAILABLE', message: 'The server cannot be reached.' } }) },
  'chat-not-found': { view: 'chat', conversationId: 'c-none', then: (client) => client.timeline('c-none').set({ conversation: null, messages: [], error: { code: 'NOT_FOUND', message: 'There is no such conversation.' } }) },
  'chat-malformed': { view: 'chat', conversationId: 'no id!', then: (client) => client.timeline('no id!').set({ conversation: null, messages: [], error: { code: 'INVALID', message: '"no id!" is not an id.' } }) },
  'chat-five': { view: 'chat', conversationId: 'c-ana', options: { history: (id) => [message(id, 1, ana, 'www.example.com/plan and anna@www.example.com', 9), message(id, 2, ana, '', 5, [1, 2, 3, 4, 5].map((number) => photo(number)))] } },
  'chat-failed': { view: 'chat', conversationId: 'c-ana', options: { behaviour: { fails: true, latency: 300 } }, then: (client) => void client.timeline('c-ana').send({ text: 'Shall I bring my papers?' }) },
  'chat-sending': { view: 'chat', conversationId: 'c-ana', options: { behaviour: { isSlow: true } }, then: (client) => void client.timeline('c-ana').send({ text: 'Shall I bring my papers?' }) },
  'chat-typing': { view: 'chat', conversationId: 'c-ana', then: (client) => client.timeline('c-ana').set({ typing: [ana] }) },
  'chat-offline': { view: 'chat', conversationId: 'c-ana', options: { connection: connection('offline') } },
  'chat-polling': { view: 'chat', conversationId: 'c-ana', options: { connection: connection('polling') } },
  'chat-refused': { view: 'chat', conversationId: 'c-ana', options: { connection: connection('refused', 'The token is for another site.') } },
  'chat-signed-out': { view: 'chat', conversationId: 'c-ana', options: { connection: connection('signed-out') } },
  'chat-group': { view: 'chat', conversationId: 'c-group', options: { history: group }, then: (client) => client.timeline('c-group').set({ typing: [ben, chloe], reads: { [ben.id]: 24, [chloe.id]: 23, [dario.id]: 10 } }) },
  'chat-left': {
    view: 'chat', conversationId: 'c-group', options: { history: group },
    then(client) {
      const left = conversation('c-group', [ben, chloe], null, null, 0, 'Flat share, Rua das Flores');
      client.timeline('c-group').set({ conversation: { ...left, participants: left.participants.map((one) => (one.userId === me.id ? { ...one, leftAt: new Date().toISOString() } : one)) } });
    },
  },
  'chat-uploading': { view: 'chat', conversationId: 'c-ana', options: { uploads: 'stuck' }, then: (client) => void client.timeline('c-ana').send({ text: 'Photos of my papers', uploads: [client.upload(jpeg('one.jpg')), client.upload(jpeg('two.jpg'))] }) },
  'chat-uploading-files': { view: 'chat', conversationId: 'c-ana', options: { uploads: 'stuck' }, then: (client) => {
    for (const names of [['rental-agreement.pdf'], ['plan.csv', 'a rather long name of a file that goes on its way.pdf', 'notes.md']]) client.timeline('c-ana').send({ uploads: names.map((name) => client.upload(new File(['text'], name))) });
  } },
  'chat-upload-failed': { view: 'chat', conversationId: 'c-ana', options: { uploads: 'fails' }, then: (client) => void client.timeline('c-ana').send({ uploads: [client.upload(jpeg('one.jpg'))] }) },
  'chat-refused-file': { view: 'chat', conversationId: 'c-ana', options: { uploads: 'refused' }, then: (client) => void client.timeline('c-ana').send({ text: 'My papers', uploads: [client.upload(jpeg('one.jpg')), client.upload(jpeg('refused.jpg'))] }) },
  'chat-long': { view: 'chat', conversationId: 'c-ana', options: { history: (id) => long(id, 50_000), behaviour: { pageSize: 50_000 } } },
  'chat-photos': { view: 'chat', conversationId: 'c-ana', options: { history: (id) => photos(id, 1_050), behaviour: { latency: 30 } } },
  'chat-rtl': { view: 'chat', conversationId: 'c-ana', options: { history: rightToLeft } },
  page: { view: 'page', conversationId: 'c-ana', options: { history: (id) => (id === 'c-new' ? [] : mixed(id)) } },
  'page-broken': { view: 'page', options: { behaviour: { fails: true } } },
};

export function clientFor({ options = {} }: State): FakeClient {
  return fakeClient({
    inbox: { items: ordinary(), ...options.inbox },
    history: options.history ?? ((id) => (id === 'c-group' ? group(id) : id === 'c-ana' ? mixed(id) : [message(id, 1, ana, 'Hello!', 30)])),
    connection: options.connection ?? { status: 'online', since: Date.now() },
    behaviour: { latency: 250, fails: false, isSlow: false, pageSize: 50, ...options.behaviour },
    uploads: options.uploads ?? 'normal',
    signedIn: options.signedIn ?? me,
  });
}

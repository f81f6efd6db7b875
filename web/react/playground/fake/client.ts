import type { ClientEvents, ConnectionState, Conversation, DoorbellClient, InboxState, Message, Person, Presence, Store } from '@doorbell/client';
import { conversation as makeConversation, ana, loft, me, message } from './data.js';
import { fakeTimeline, type Behaviour, type FakeTimeline } from './timeline.js';
import { fakeUpload } from './upload.js';
import { value } from './value.js';

export interface FakeOptions {
  inbox: Partial<InboxState>;
  history(conversationId: string): Message[];
  connection: ConnectionState;
  behaviour: Behaviour;
  uploads: 'normal' | 'stuck' | 'fails' | 'refused';
  signedIn: Person | null;
}

export type FakeClient = DoorbellClient & {
  timelines: Map<string, FakeTimeline>;
  timeline(id: string): FakeTimeline;
  receive(conversationId: string, text: string, sender?: Person): void;
  setInbox(part: Partial<InboxState>): void;
  setConnection(state: ConnectionState): void;
  emit<K extends keyof ClientEvents>(event: K, value: ClientEvents[K]): void;
};

/** A client without a server: it holds conversations in memory and answers by itself. */
export function fakeClient(options: FakeOptions): FakeClient {
  const list = value<InboxState>({ items: [], isLoading: false, hasMore: false, error: null, ...options.inbox });
  const total = (items: Conversation[]) => items.reduce((sum, { unreadCount }) => sum + unreadCount, 0);
  const unread = value(total(list.get().items));
  list.subscribe(() => unread.set(total(list.get().items)));
  const connection = value(options.connection);
  const presences = new Map<string, Store<Presence>>();
  const listeners = new Map<string, Set<(value: never) => void>>();
  const timelines = new Map<string, FakeTimeline>();

  const timeline = (id: string): FakeTimeline => {
    const known = timelines.get(id) ?? fakeTimeline(list.get().items.find((item) => item.id === id) ?? makeConversation(id, [ana], loft, null), options.history(id), options.behaviour);
    timelines.set(id, known);
    return known;
  };
  const emit: FakeClient['emit'] = (event, sent) => {
    for (const listener of listeners.get(event) ?? []) listener(sent as never);
  };

  return {
    state: connection,
    me: value<Person | null>(options.signedIn),
    inbox: { list, unread, loadMore: async () => {}, refresh: async () => {} },
    conversation: timeline,
    timeline,
    timelines,
    openConversation: async () => {
      await new Promise((resolve) => setTimeout(resolve, options.behaviour.latency));
      if (options.behaviour.fails) throw new Error('The server cannot be reached.');
      return timeline('c-new').state.get().conversation!;
    },
    presence(userId) {
      let presence = presences.get(userId);
      const isThere = userId === ana.id || userId === 'u-ben';
      if (!presence) presences.set(userId, (presence = value<Presence>({ userId, status: isThere ? 'online' : 'offline', lastSeenAt: new Date(Date.now() - 5_400_000).toISOString() })));
      return presence;
    },
    upload: (file) => fakeUpload(file, options.uploads),
    on(event, listener) {
      const known = listeners.get(event) ?? new Set();
      listeners.set(event, known);
      known.add(listener as (value: never) => void);
      return () => void known.delete(listener as (value: never) => void);
    },
    emit,
    receive(conversationId, text, sender = ana) {
      const received = message(conversationId, 1, sender, text, 0);
      timeline(conversationId).receive(received);
      emit('message', received);
      emit('notify', { conversationId, message: received });
    },
    setInbox: (part) => list.set({ ...list.get(), ...part }),
    setConnection: (state) => connection.set(state),
    connect: () => {},
    signOut: async () => {},
    close: async () => {},
  };
}

export { me };

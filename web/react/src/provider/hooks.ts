import type {
  ClientEvents, ConnectionState, Conversation, ConversationTarget, DoorbellClient, InboxState, Person, Presence, Timeline, TimelineState,
} from '@doorbell/client';
import { useCallback, useLayoutEffect, useMemo } from 'react';
import { useStore, useSurroundings } from './context.js';
import { value } from './value.js';

const NOTHING = value(null);

/** Who is signed in, and how the connection is. */
export function useSession(): { me: Person | null; state: ConnectionState; connect(): void; signOut(): Promise<void> } {
  const { client } = useSurroundings();
  const me = useStore(client.me);
  const state = useStore(client.state);
  return useMemo(() => ({ me, state, connect: () => client.connect(), signOut: () => client.signOut() }), [client, me, state]);
}

/** The connection, its events, and the client itself. */
export function useSocket(): { client: DoorbellClient; state: ConnectionState; isConnected: boolean; on: DoorbellClient['on'] } {
  const { client } = useSurroundings();
  const state = useStore(client.state);
  return useMemo(() => {
    const on = <K extends keyof ClientEvents>(event: K, listener: (value: ClientEvents[K]) => void) => client.on(event, listener);
    return { client, state, isConnected: state.status === 'online', on };
  }, [client, state]);
}

/** The list of conversations, newest activity first. */
export function useInbox(): InboxState & { loadMore(): Promise<void>; refresh(): Promise<void>; openConversation(target: ConversationTarget): Promise<Conversation> } {
  const { client } = useSurroundings();
  const list = useStore(client.inbox.list);
  return useMemo(
    () => ({
      ...list,
      loadMore: () => client.inbox.loadMore(),
      refresh: () => client.inbox.refresh(),
      openConversation: (target) => client.openConversation(target),
    }),
    [client, list],
  );
}

/** A conversation's timeline, kept loaded and live while the component is there; another `attempt` loads again what failed. */
export function useTimeline(conversationId: string, attempt = 0): Timeline {
  const { client } = useSurroundings();
  const timeline = useMemo(() => client.conversation(conversationId), [client, conversationId]);
  useLayoutEffect(() => timeline.open(), [timeline, attempt]);
  return timeline;
}

/** The messages of a conversation, and what can be done there. */
export function useConversation(conversationId: string): TimelineState & Pick<Timeline, 'loadOlder' | 'loadNewer' | 'jumpTo' | 'send' | 'retry' | 'discard' | 'markRead'> & { timeline: Timeline } {
  const timeline = useTimeline(conversationId);
  const state = useStore(timeline.state);
  return useMemo(
    () => ({
      ...state,
      timeline,
      loadOlder: () => timeline.loadOlder(),
      loadNewer: () => timeline.loadNewer(),
      jumpTo: (seq) => timeline.jumpTo(seq),
      send: (draft) => timeline.send(draft),
      retry: (clientMessageId) => timeline.retry(clientMessageId),
      discard: (clientMessageId) => timeline.discard(clientMessageId),
      markRead: (uptoSeq) => timeline.markRead(uptoSeq),
    }),
    [timeline, state],
  );
}

/** Who is typing in a conversation, and a function to tell the others that one is typing oneself. */
export function useTyping(conversationId: string): { people: Person[]; setTyping(isTyping: boolean): void } {
  const timeline = useTimeline(conversationId);
  const { typing } = useStore(timeline.state);
  const setTyping = useCallback((isTyping: boolean) => timeline.typing(isTyping), [timeline]);
  return useMemo(() => ({ people: typing, setTyping }), [typing, setTyping]);
}

/** Whether somebody is there; `null` without a user id. */
export function usePresence(userId: string | null | undefined): Presence | null {
  const { client } = useSurroundings();
  const store = useMemo(() => (userId ? client.presence(userId) : NOTHING), [client, userId]);
  return useStore<Presence | null>(store);
}

/** Unread messages in all conversations. */
export function useUnread(): number {
  const { client } = useSurroundings();
  return useStore(client.inbox.unread);
}

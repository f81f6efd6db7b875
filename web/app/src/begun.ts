import type { DoorbellClient, InboxState } from '@doorbell/client';

/**
 * The client, with a list of conversations that have begun. The server also lists to an owner what somebody has opened about
 * a home of theirs and not written in yet: that concerns nobody but whoever opened it. (In groups, and in chats about nothing
 * in particular, nothing says who that was.)
 */
export function withBegun(client: DoorbellClient): DoorbellClient {
  const { inbox, me } = client;
  let from: InboxState | null = null;
  let of: string | undefined;
  let shown: InboxState;
  const list = {
    get(): InboxState {
      const [all, myId] = [inbox.list.get(), me.get()?.id];
      if (from !== all || of !== myId) {
        [from, of] = [all, myId];
        shown = { ...all, items: all.items.filter(({ lastMessageAt, owner }) => lastMessageAt !== null || owner === null || owner.id !== myId) };
      }
      return shown;
    },
    subscribe(listener: () => void) {
      const stops = [inbox.list.subscribe(listener), me.subscribe(listener)];
      return () => stops.forEach((stop) => stop());
    },
  };
  return {
    state: client.state,
    me,
    inbox: { list, unread: inbox.unread, loadMore: () => inbox.loadMore(), refresh: () => inbox.refresh() },
    conversation: (id) => client.conversation(id),
    openConversation: (target) => client.openConversation(target),
    presence: (userId) => client.presence(userId),
    upload: (file, options) => client.upload(file, options),
    on: (event, listener) => client.on(event, listener),
    connect: () => client.connect(),
    signOut: () => client.signOut(),
    close: () => client.close(),
  };
}

import type { History } from './history.js';
import { UNREAD_PAGE_MESSAGES, UNREAD_SEARCH_PAGES } from './limits.js';
import { countBack, foreign } from './window.js';
import type { Conversation, Message } from './wire.js';

/** Loads what there is from the first unread message on or, if that is far back, what is around it, and gives that message. */
export async function findUnread(history: History, { unreadCount, isGroup, messages }: Conversation, me: string | null): Promise<Message | undefined> {
  const { window } = history;
  const others = () => foreign(window, me);
  if (unreadCount <= UNREAD_PAGE_MESSAGES) {
    for (let page = 0; page < UNREAD_SEARCH_PAGES && !window.hasNewer && window.hasOlder; page += 1) {
      await history.loadOlder(unreadCount - others().length + 1);
      const found = countBack(window, unreadCount, me);
      if (found) return found;
    }
    return others()[0];
  }
  // Messages are numbered without holes: so far back it is, but for messages of one's own that stand between.
  const seq = Math.max(1, Math.max(messages[0]?.seq ?? 0, window.last) - unreadCount + 1);
  await history.loadAround(seq);
  const guess = window.atOrAfter(seq);
  if (isGroup) return guess;
  // Of two people each message says whether the other has read it.
  const firstUnread = () => others().find(({ read }) => !read);
  for (let page = 0; page < UNREAD_SEARCH_PAGES && window.hasOlder && firstUnread() === others()[0]; page += 1) await history.loadOlder();
  return firstUnread() ?? guess;
}

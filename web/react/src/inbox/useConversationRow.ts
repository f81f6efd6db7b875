import type { Conversation, Listing, Person } from '@doorbell/client';
import { others, titleOf, useListing, useSurroundings } from '../provider/context.js';
import { usePresence, useSession } from '../provider/hooks.js';
import { exactTime, shortTime } from '../texts/times.js';
import { cappedCount, lastLine } from './wording.js';

/** What a row of the list says, in the reader's language: for rows of one's own look. */
export interface ConversationRow {
  /** A group's title, else the other person's name. */
  title: string;
  /** What it is about: the listing's title, or how many people are in the group. */
  about: string | null;
  listing: Listing | null;
  /** Everybody else who is in it now. */
  people: Person[];
  /** Whether the other person is there now; never of a group. */
  isOnline: boolean;
  /** The last message. `by`: "You:", in groups also the sender's first name, else empty. `text`: one line, "Photo" and the like for files, empty before the first message. */
  last: { by: string; text: string };
  unreadCount: number;
  /** The unread count as a badge shows it, "99+" at most; `null` without unread messages. */
  badge: string | null;
  /** The same in words, "2 unread"; `null` without unread messages. */
  unread: string | null;
  /** Of the last activity. `short`: "14:05", "Yesterday", ...; `exact`: date and time; `iso`: for `<time dateTime>`. */
  time: { short: string; exact: string; iso: string };
}

/** The texts of a conversation's row: the same that `<Inbox>` shows. */
export function useConversationRow(conversation: Conversation): ConversationRow {
  const { wording } = useSurroundings();
  const myId = useSession().me?.id;
  const listing = useListing(conversation);
  const people = others(conversation, myId);
  const { isGroup, unreadCount } = conversation;
  const isOnline = usePresence(isGroup ? null : people[0]?.id)?.status === 'online';
  const time = Date.parse(conversation.lastMessageAt ?? conversation.createdAt);
  return {
    title: titleOf(conversation, myId, wording),
    about: isGroup ? wording.say('groupSize', { count: people.length + 1 }) : listing?.title ?? null,
    listing,
    people,
    isOnline,
    last: lastLine(conversation, myId, wording),
    unreadCount,
    badge: unreadCount > 0 ? cappedCount(unreadCount, wording) : null,
    unread: unreadCount > 0 ? wording.say('unread', { count: unreadCount }) : null,
    time: { short: shortTime(wording, time), exact: exactTime(wording, time), iso: new Date(time).toISOString() },
  };
}

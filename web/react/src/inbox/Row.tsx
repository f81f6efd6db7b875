import type { Conversation, Person } from '@doorbell/client';
import { memo, type MouseEvent } from 'react';
import { nameOf, others, titleOf, useListing, useSurroundings } from '../provider/context.js';
import { usePresence } from '../provider/hooks.js';
import { exactTime, shortTime } from '../texts/times.js';
import { Avatar, AvatarPair, Picture } from './Avatar.js';
import { cappedCount, lastLine } from './wording.js';

interface RowProps {
  conversation: Conversation;
  myId: string | undefined;
  isCurrent: boolean;
  isTabStop: boolean;
  position: number;
  total: number;
  measure?: (row: HTMLElement | null) => void;
  onChoose(conversationId: string, event: MouseEvent): void;
}

export const Row = memo(function Row({ conversation, myId, isCurrent, isTabStop, position, total, measure, onChoose }: RowProps) {
  const { wording, hrefFor } = useSurroundings();
  const { id, unreadCount } = conversation;
  const listing = useListing(conversation);
  const title = titleOf(conversation, myId, wording);
  const line = lastLine(conversation, myId, wording);
  const time = Date.parse(conversation.lastMessageAt ?? conversation.createdAt);
  const people = others(conversation, myId);
  const isOnline = usePresence(conversation.isGroup ? null : people[0]?.id)?.status === 'online';
  const about = conversation.isGroup ? wording.say('groupSize', { count: people.length + 1 }) : listing?.title;
  const shared = {
    className: 'db-row',
    'aria-current': isCurrent ? ('true' as const) : undefined,
    tabIndex: isTabStop ? 0 : -1,
    'data-unread': unreadCount > 0 || undefined,
    'data-conversation': id,
    onClick: (event: MouseEvent) => onChoose(id, event),
  };
  const inside = (
    <>
      <Face conversation={conversation} people={people} />
      {/* In the order in which it is to be read out; where each stands is the style sheet's. */}
      <span className="db-row-text">
        <bdi className="db-row-name">{title}</bdi>
        <Pause>{isOnline && wording.texts.online}</Pause>
        {about && <><bdi className="db-row-listing">{about}</bdi><Pause /></>}
        <span className="db-row-last">{line.by && <bdi className="db-row-by">{line.by} </bdi>}<bdi className="db-row-line">{line.text || '\u00a0'}</bdi></span>
        <Pause>{unreadCount > 0 && wording.say('unread', { count: unreadCount })}</Pause>
        {unreadCount > 0 && <span className="db-badge" aria-hidden="true">{cappedCount(unreadCount, wording)}</span>}
        <time className="db-row-time" dateTime={new Date(time).toISOString()} title={exactTime(wording, time)}>{shortTime(wording, time)}</time>
      </span>
    </>
  );
  return (
    <li ref={measure} aria-setsize={total} aria-posinset={position}>
      {hrefFor ? <a {...shared} href={hrefFor(id)}>{inside}</a> : <button {...shared} type="button">{inside}</button>}
    </li>
  );
});

/** A comma for screen readers, and what they alone are told in between. */
const Pause = ({ children }: { children?: string | false }) => <span className="db-unseen">, {children && `${children}, `}</span>;

function Face({ conversation, people }: { conversation: Conversation; people: Person[] }) {
  const { wording } = useSurroundings();
  const listing = useListing(conversation);
  if (conversation.isGroup) {
    return (
      <span className="db-face" aria-hidden="true">
        <AvatarPair people={people} />
      </span>
    );
  }
  if (!listing?.image) return <span className="db-face"><Avatar person={people[0]} size="large" withPresence /></span>;
  return (
    <span className="db-face" title={nameOf(people[0], wording)}>
      <Picture className="db-face-listing" src={listing.image} fallback={<span className="db-face-listing db-face-blank" />} />
      <Avatar person={people[0]} size="small" withPresence />
    </span>
  );
}

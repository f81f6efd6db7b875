import type { Conversation, Listing, Person } from '@doorbell/client';
import { memo, type MouseEvent } from 'react';
import { nameOf, useSurroundings } from '../provider/context.js';
import { Avatar, AvatarPair, Picture } from './Avatar.js';
import { useConversationRow } from './useConversationRow.js';

interface RowProps {
  conversation: Conversation;
  isCurrent: boolean;
  isTabStop: boolean;
  position: number;
  total: number;
  measure?: (row: HTMLElement | null) => void;
  onChoose(conversationId: string, event: MouseEvent): void;
}

export const Row = memo(function Row({ conversation, isCurrent, isTabStop, position, total, measure, onChoose }: RowProps) {
  const { wording, hrefFor } = useSurroundings();
  const { id } = conversation;
  const { title, about, listing, people, isOnline, last, badge, unread, time } = useConversationRow(conversation);
  const shared = {
    className: 'db-row',
    'aria-current': isCurrent ? ('true' as const) : undefined,
    tabIndex: isTabStop ? 0 : -1,
    'data-unread': badge !== null || undefined,
    'data-conversation': id,
    onClick: (event: MouseEvent) => onChoose(id, event),
  };
  const inside = (
    <>
      <Face isGroup={conversation.isGroup} listing={listing} people={people} />
      {/* In the order in which it is to be read out; where each stands is the style sheet's. */}
      <span className="db-row-text">
        <bdi className="db-row-name">{title}</bdi>
        <Pause>{isOnline && wording.texts.online}</Pause>
        {about && <><bdi className="db-row-listing">{about}</bdi><Pause /></>}
        <span className="db-row-last">{last.by && <bdi className="db-row-by">{last.by} </bdi>}<bdi className="db-row-line">{last.text || '\u00a0'}</bdi></span>
        <Pause>{unread}</Pause>
        {badge && <span className="db-badge" aria-hidden="true">{badge}</span>}
        <time className="db-row-time" dateTime={time.iso} title={time.exact}>{time.short}</time>
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
const Pause = ({ children }: { children?: string | false | null }) => <span className="db-unseen">, {children && `${children}, `}</span>;

function Face({ isGroup, listing, people }: { isGroup: boolean; listing: Listing | null; people: Person[] }) {
  const { wording } = useSurroundings();
  if (isGroup) {
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

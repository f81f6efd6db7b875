import type { Conversation } from '@doorbell/client';
import type { ReactNode } from 'react';
import { Avatar, AvatarPair } from '../inbox/Avatar.js';
import { others, useListing, useSurroundings } from '../provider/context.js';
import { usePresence } from '../provider/hooks.js';
import { shortTime } from '../texts/times.js';
import { BackIcon, CloseIcon } from '../theme/icons.js';

interface HeaderProps {
  conversation: Conversation | null;
  myId: string | undefined;
  title: string;
  onBack?: () => void;
  onClose?: () => void;
  actions?: ReactNode;
}

/** Who it is, what it is about, and whether they are there. */
export function Header({ conversation, myId, title, onBack, onClose, actions }: HeaderProps) {
  const { wording, listingHref } = useSurroundings();
  const { texts } = wording;
  const people = conversation ? others(conversation, myId) : [];
  const person = conversation?.isGroup ? null : people[0];
  const presence = usePresence(person?.id);
  const listing = useListing(conversation);
  const href = listing && (listingHref ? listingHref(listing) : listing.url);
  const about = conversation?.isGroup ? wording.say('groupSize', { count: people.length + 1 }) : listing?.title;
  const there = presence?.status === 'online' ? texts.online
    : presence?.status === 'offline' && presence.lastSeenAt ? wording.say('lastSeen', { when: shortTime(wording, Date.parse(presence.lastSeenAt)) }) : null;
  return (
    <header className="db-header">
      {onBack && <button type="button" className="db-icon-button" aria-label={texts.back} onClick={onBack}><BackIcon /></button>}
      {conversation && (conversation.isGroup ? <AvatarPair people={people} /> : <Avatar person={person} withPresence />)}
      <div className="db-header-text">
        {title && <h2 className="db-header-name" dir="auto">{title}</h2>}
        <p className="db-header-about">
          {about && (href ? <a href={href} dir="auto">{about}</a> : <bdi>{about}</bdi>)}
          {about && there && <span aria-hidden="true"> · </span>}
          {there && <span className="db-header-presence" data-online={presence?.status === 'online' || undefined}>{there}</span>}
        </p>
      </div>
      {actions}
      {onClose && <button type="button" className="db-icon-button" aria-label={texts.closeChat} onClick={onClose}><CloseIcon /></button>}
    </header>
  );
}

import type { Conversation } from '@doorbell/client';
import { useConversationRow, type ConversationRow as Row } from '@doorbell/react';
import { MessageCircle, Users } from 'lucide-react';
import type { MouseEvent } from 'react';
import { Link } from 'wouter';
import { useWords } from '../language';
import { Avatar } from './avatar';

interface RowProps {
  conversation: Conversation;
  href: string;
  /** Instead of following the link. */
  onOpen?(conversationId: string): void;
  isOpen?: boolean;
}

/** A conversation in the dashboard: what it is about, what was said last, and the way into it. */
export function ConversationRow({ conversation, href, onOpen, isOpen = false }: RowProps) {
  const { title, about, listing, people, last, badge, unread, time } = useConversationRow(conversation);
  const { isGroup } = conversation;
  const words = useWords();
  return (
    <article aria-current={isOpen || undefined} className="flex items-center gap-4 rounded-3xl border border-line bg-card p-3.5 shadow-card aria-current:border-brand">
      {listing?.image ? <img src={listing.image} alt="" width={96} height={72} loading="lazy" className="h-18 w-24 shrink-0 rounded-2xl object-cover max-sm:hidden" />
        : <span className="grid h-18 w-24 shrink-0 place-items-center rounded-2xl bg-brand-wash text-brand max-sm:hidden" aria-hidden="true">{isGroup ? <Users className="size-7" /> : <MessageCircle className="size-7" />}</span>}
      {!isGroup && <Avatar person={people[0] ?? null} size={44} />}
      <div className="min-w-0 flex-1">
        <p className="flex items-baseline gap-2">
          <bdi className="truncate font-semibold">{title}</bdi>
          <time dateTime={time.iso} title={time.exact} className="shrink-0 text-xs text-soft">{time.short}</time>
        </p>
        {about && <p className="flex text-sm text-soft"><bdi className="truncate">{about}</bdi></p>}
        <LastLine last={last} isUnread={badge !== null} />
      </div>
      <UnreadBadge badge={badge} unread={unread} />
      <Link href={href} {...(onOpen && { onClick: (event: MouseEvent) => { event.preventDefault(); onOpen(conversation.id); } })} className="button button-plain shrink-0 px-4" aria-label={words.openChatWith(title)}>
        <MessageCircle className="size-4.5" aria-hidden="true" />
        <span className="max-sm:sr-only">{words.openChat}</span>
      </Link>
    </article>
  );
}

/** What was said last, and by whom. What is too long is cut at its own end, whichever side that is. */
export function LastLine({ last, isUnread }: { last: Row['last']; isUnread: boolean }) {
  const words = useWords();
  return (
    <span className={`flex gap-1 text-sm ${isUnread ? 'font-semibold text-ink' : 'text-soft'}`}>
      {last.text === '' ? words.nothingWritten : <>{last.by && <bdi className="shrink-0">{last.by} </bdi>}<bdi className="truncate">{last.text}</bdi></>}
    </span>
  );
}

/** How much is unread; nothing where nothing is. */
export function UnreadBadge({ badge, unread }: Pick<Row, 'badge' | 'unread'>) {
  if (badge === null) return null;
  return (
    <span className="grid h-6 min-w-6 shrink-0 place-items-center rounded-full bg-sun px-1.5 text-xs font-bold text-sun-ink tabular-nums">
      <span aria-hidden="true">{badge}</span>
      <span className="sr-only">{unread}</span>
    </span>
  );
}

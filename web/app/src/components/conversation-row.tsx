import type { Conversation } from '@doorbell/client';
import { useSession } from '@doorbell/react';
import { MessageCircle, Users } from 'lucide-react';
import { Link } from 'wouter';
import { ago, capped } from '../words';
import { Avatar } from './avatar';

/** A conversation in the dashboard: what it is about, what was said last, and the way into it. */
export function ConversationRow({ conversation, href, isOpen = false }: { conversation: Conversation; href: string; isOpen?: boolean }) {
  const { me } = useSession();
  const { listing, isGroup, unreadCount, lastMessageAt } = conversation;
  const other = conversation.participants?.find(({ userId }) => userId !== me?.id)?.user ?? null;
  const name = isGroup ? (conversation.title ?? 'Group') : (other?.name ?? 'Somebody');
  return (
    <article aria-current={isOpen || undefined} className="flex items-center gap-4 rounded-3xl border border-line bg-card p-3.5 shadow-card aria-current:border-brand">
      {listing?.image ? <img src={listing.image} alt="" width={96} height={72} loading="lazy" className="h-18 w-24 shrink-0 rounded-2xl object-cover max-sm:hidden" />
        : <span className="grid h-18 w-24 shrink-0 place-items-center rounded-2xl bg-brand-wash text-brand max-sm:hidden" aria-hidden="true">{isGroup ? <Users className="size-7" /> : <MessageCircle className="size-7" />}</span>}
      {!isGroup && <Avatar person={other} size={44} />}
      <div className="min-w-0 flex-1">
        <p className="flex items-baseline gap-2">
          <span className="truncate font-semibold">{name}</span>
          {lastMessageAt && <time dateTime={lastMessageAt} className="shrink-0 text-xs text-soft">{ago(lastMessageAt)}</time>}
        </p>
        {listing?.title && <p className="truncate text-sm text-soft">{listing.title}</p>}
        <p className={`truncate text-sm ${unreadCount > 0 ? 'font-semibold text-ink' : 'text-soft'}`}>{conversation.lastMessage ?? 'Nothing was written yet'}</p>
      </div>
      {unreadCount > 0 && <span className="grid h-6 min-w-6 shrink-0 place-items-center rounded-full bg-sun px-1.5 text-xs font-bold text-sun-ink tabular-nums">{capped(unreadCount)}<span className="sr-only"> unread</span></span>}
      <Link href={href} className="button button-plain shrink-0 px-4" aria-label={`Open Chat with ${name}`}>
        <MessageCircle className="size-4.5" aria-hidden="true" />
        <span className="max-sm:sr-only">Open Chat</span>
      </Link>
    </article>
  );
}

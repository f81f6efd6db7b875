import { useConversation, usePresence, useSession } from '@doorbell/react';
import { ExternalLink, ShieldCheck } from 'lucide-react';
import { Link } from 'wouter';
import { useSession as useOwnSession } from '../session';
import { ago } from '../words';
import { Avatar } from './avatar';
import { role } from './user-menu';

/** Beside a chat: the home that it is about, who the other is, and what to beware of. */
export function AboutConversation({ id }: { id: string }) {
  const { conversation } = useConversation(id);
  const { me } = useSession();
  const { user } = useOwnSession();
  // While there is no connection yet, the client does not know who is signed in.
  const myId = me?.id ?? user?.id;
  const others = (conversation?.participants ?? []).filter(({ userId, leftAt }) => userId !== myId && leftAt === null);
  if (!conversation) return null;
  const { listing } = conversation;
  return (
    <div className="grid gap-6 p-5">
      {listing && (
        <article className="overflow-hidden rounded-2xl border border-line">
          {listing.image && <img src={listing.image} alt="" width={320} height={200} className="aspect-[8/5] w-full object-cover" />}
          <div className="grid gap-1.5 p-4">
            <h2 className="text-base leading-snug">{listing.title}</h2>
            {listing.price !== null && <p className="font-display font-bold text-brand">{typeof listing.price === 'number' ? listing.price.toLocaleString() : listing.price}</p>}
            {listing.url && (
              <Link href={listing.url} className="mt-1 inline-flex min-h-9 items-center gap-1.5 text-sm font-semibold text-brand hover:underline">
                View listing<ExternalLink className="size-4" aria-hidden="true" />
              </Link>
            )}
          </div>
        </article>
      )}
      <section aria-label={conversation.isGroup ? 'Who is here' : 'The other person'} className="grid gap-3">
        {conversation.isGroup && <h2 className="text-base">{others.length + 1} people</h2>}
        {others.map(({ userId, user, role: part }) => (
          <div key={userId} className="flex items-center gap-3">
            <Avatar person={user} size={conversation.isGroup ? 36 : 52} />
            <div className="min-w-0">
              <p className="truncate font-semibold">{user?.name ?? userId}</p>
              <p className="text-sm text-soft">{part === 'admin' ? 'Made this group' : role(user?.role ?? null)}<Presence userId={userId} /></p>
            </div>
          </div>
        ))}
      </section>
      <section aria-label="Safety" className="flex gap-3 rounded-2xl bg-brand-wash p-4 text-sm text-pretty">
        <ShieldCheck className="size-5 shrink-0 text-brand" aria-hidden="true" />
        <p>See the place before you pay. Never send money or papers to somebody whom you have only met in a chat.</p>
      </section>
    </div>
  );
}

function Presence({ userId }: { userId: string }) {
  const presence = usePresence(userId);
  if (presence?.status === 'online') return <>, <span className="font-semibold text-brand">online</span></>;
  if (presence?.status === 'offline' && presence.lastSeenAt) return <>, seen {ago(presence.lastSeenAt)}</>;
  return null;
}

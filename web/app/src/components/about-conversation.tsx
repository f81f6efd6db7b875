import type { Participant, Person } from '@doorbell/client';
import { useConversation, usePresence, useSession } from '@doorbell/react';
import { ExternalLink, ShieldCheck } from 'lucide-react';
import { Link } from 'wouter';
import { useLanguage } from '../language';
import { isDemo } from '../server';
import { useSession as useOwnSession } from '../session';
import { Avatar } from './avatar';

/** The third column, where there is room for one. */
const COLUMN = 'min-h-0 overflow-y-auto border-line max-xl:hidden xl:w-80 xl:border-s';

/** Beside a chat: the home that it is about, who the other is, and what to beware of. */
export function AboutConversation({ id }: { id: string }) {
  const { words, role, number } = useLanguage();
  const { conversation, error } = useConversation(id);
  const { me } = useSession();
  const { user } = useOwnSession();
  // While there is no connection yet, the client does not know who is signed in.
  const myId = me?.id ?? user?.id;
  const others = (conversation?.participants ?? []).filter(({ userId, leftAt }) => userId !== myId && leftAt === null);
  const who = (person: Person | null) => ({ image: person?.image ?? null, name: person?.name || words.someone });
  /** In this conversation; what somebody is in general would mislead beside a listing that is not theirs. */
  const partOf = ({ userId, user, role: part }: Participant): string => {
    if (part === 'admin') return words.madeGroup;
    if (conversation?.listing && userId === conversation.owner?.id) return words.offersListing;
    if (conversation?.listing && userId === conversation.renter?.id) return words.asksAboutListing;
    return role(user?.role ?? null);
  };
  // While it is being loaded its room is kept, so that the chat does not move.
  if (!conversation) return error ? null : <section className={COLUMN} />;
  // Of a listing that the site has told nothing about there is nothing to show.
  const listing = conversation.listing?.title ? conversation.listing : null;
  return (
    <section aria-label={words.aboutConversation} className={`grid content-start gap-6 p-5 ${COLUMN}`}>
      {listing && (
        <article className="overflow-hidden rounded-2xl border border-line">
          {listing.image && <img src={listing.image} alt="" width={320} height={200} className="aspect-[8/5] w-full object-cover" />}
          <div className="grid gap-1.5 p-4">
            <h2 className="text-base leading-snug"><bdi>{listing.title}</bdi></h2>
            {listing.price !== null && <p className="font-display font-bold text-brand"><bdi>{typeof listing.price === 'number' ? number(listing.price) : listing.price}</bdi></p>}
            {listing.url && <ListingLink url={listing.url} />}
          </div>
        </article>
      )}
      <section aria-label={conversation.isGroup ? words.whoIsHere : words.otherPerson} className="grid gap-3">
        {conversation.isGroup && <h2 className="text-base">{words.people(others.length + 1)}</h2>}
        {others.map((other) => (
          <div key={other.userId} className="flex items-center gap-3">
            <Avatar person={who(other.user)} size={conversation.isGroup ? 36 : 52} />
            <div className="min-w-0">
              <p className="flex font-semibold"><bdi className="truncate">{who(other.user).name}</bdi></p>
              <p className="text-sm text-soft">{partOf(other)}<Presence userId={other.userId} /></p>
            </div>
          </div>
        ))}
      </section>
      <section aria-label={words.safety} className="flex gap-3 rounded-2xl bg-brand-wash p-4 text-sm text-pretty">
        <ShieldCheck className="size-5 shrink-0 text-brand" aria-hidden="true" />
        <p>{words.safetyHint}</p>
      </section>
    </section>
  );
}

/** Only the sample's homes are pages of this app. */
function ListingLink({ url }: { url: string }) {
  const { words } = useLanguage();
  const inside = <>{words.viewListing}<ExternalLink className="size-4" aria-hidden="true" /></>;
  const look = 'mt-1 inline-flex min-h-9 items-center gap-1.5 text-sm font-semibold text-brand hover:underline';
  return isDemo ? <Link href={url} className={look}>{inside}</Link> : <a href={url} className={look}>{inside}</a>;
}

function Presence({ userId }: { userId: string }) {
  const { words, ago } = useLanguage();
  const presence = usePresence(userId);
  if (presence?.status === 'online') return <> · <span className="font-semibold text-brand">{words.online}</span></>;
  if (presence?.status === 'offline' && presence.lastSeenAt) return <> · {words.seen(ago(presence.lastSeenAt))}</>;
  return null;
}

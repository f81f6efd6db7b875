import type { Conversation } from '@doorbell/client';
import { ContactOwner, useConversationRow, useInbox } from '@doorbell/react';
import { ArrowLeft, BedDouble, CalendarDays, Check, Euro, MapPin, MessageCircle, Ruler } from 'lucide-react';
import type { ReactNode } from 'react';
import { Link } from 'wouter';
import { Refused, useListing, type Details } from '../api';
import { Avatar } from '../components/avatar';
import { Comments } from '../components/comments';
import { LastLine, UnreadBadge } from '../components/conversation-row';
import { Gallery } from '../components/gallery';
import { placeOf, split } from '../components/listing-card';
import { Notice } from '../components/notice';
import { openSignIn } from '../components/sign-in';
import { useLanguage, useWords } from '../language';
import { useSession } from '../session';
import { useTitle } from '../title';

/** `/listing/:id` */
export function Listing({ id }: { id: string }) {
  const words = useWords();
  const { data: listing, error, reload } = useListing(id);
  useTitle(listing ? split(listing.title)[0] : words.home);
  if (error instanceof Refused && error.status === 404) {
    return <Notice title={words.homeGone} action={<Link href="/" className="button button-brand">{words.lookAtOthers}</Link>}>{words.homeGoneHint}</Notice>;
  }
  if (error && !listing) return <Notice title={words.homeFailed} action={<button type="button" className="button button-brand" onClick={reload}>{words.tryAgain}</button>}>{error.message}</Notice>;
  if (!listing) return <div className="wrap grid gap-6 py-8 lg:grid-cols-[1.6fr_1fr]"><div className="aspect-[8/5] animate-pulse rounded-3xl bg-sunk" /><div className="h-72 animate-pulse rounded-3xl bg-sunk" /></div>;
  return <Shown listing={listing} />;
}

function Shown({ listing }: { listing: Details }) {
  const { words, number } = useLanguage();
  const { user, client } = useSession();
  const [name] = split(listing.title);
  const isMine = user !== null && user.id === listing.owner?.id;
  return (
    <div className="wrap pt-5 pb-28">
      <Link href="/" className="inline-flex min-h-11 items-center gap-1.5 font-semibold text-soft hover:text-ink"><ArrowLeft className="size-4.5 rtl:-scale-x-100" aria-hidden="true" />{words.allHomes}</Link>
      <div className="mt-2 grid grid-cols-1 gap-x-10 gap-y-8 lg:grid-cols-[minmax(0,1.6fr)_minmax(0,1fr)]">
        <Gallery images={listing.images} />
        <div className="grid grid-cols-1 content-start gap-8 max-lg:order-last">
          <section aria-labelledby="about" className="grid max-w-2xl gap-3">
            <h2 id="about" className="text-2xl">{words.aboutHome}</h2>
            {listing.story.map((paragraph) => <p key={paragraph} lang="en" dir="ltr" className="text-lg leading-relaxed text-pretty">{paragraph}</p>)}
          </section>
          <section aria-labelledby="features" className="grid gap-3">
            <h2 id="features" className="text-2xl">{words.features}</h2>
            <ul className="grid gap-x-6 gap-y-2 sm:grid-cols-2">
              {listing.features.map((feature) => <li key={feature} className="flex items-center gap-2.5"><Check className="size-4.5 shrink-0 text-brand" aria-hidden="true" /><bdi lang="en">{feature}</bdi></li>)}
            </ul>
          </section>
          <Comments postId={listing.id} />
        </div>
        <div className="grid grid-cols-1 content-start gap-5 lg:sticky lg:top-22 lg:col-start-2 lg:row-span-2 lg:row-start-1 lg:self-start">
          <div>
            <p className="inline-block rounded-full bg-brand-wash px-2.5 py-1 text-sm font-bold text-brand">{words.terms[listing.terms]}</p>
            <h1 className="mt-3 text-[clamp(1.8rem,1.4rem+1.6vw,2.75rem)] leading-[1.05] font-bold"><bdi lang="en">{name}</bdi></h1>
            <p className="mt-2 flex items-center gap-1.5 text-soft"><MapPin className="size-4.5" aria-hidden="true" /><bdi lang="en">{placeOf(listing)}</bdi></p>
          </div>
          <dl className="grid grid-cols-2 gap-px overflow-hidden rounded-3xl border border-line bg-line">
            <Fact icon={<Euro />} label={words.price}><bdi lang="en">{listing.price}</bdi></Fact>
            <Fact icon={<Ruler />} label={words.size}><bdi>{number(listing.squareMetres)} m²</bdi></Fact>
            <Fact icon={<BedDouble />} label={words.sleeps}>{number(listing.sleeps)}</Fact>
            <Fact icon={<CalendarDays />} label={words.free}><bdi lang="en">{listing.available}</bdi></Fact>
          </dl>
          {isMine ? <YourListing listingId={listing.id} /> : <Owner listing={listing} />}
        </div>
      </div>
      {client && !isMine && listing.owner && (
        <ContactOwner listingId={listing.id} ownerId={listing.owner.id} placement="corner" />
      )}
    </div>
  );
}

function Fact({ icon, label, children }: { icon: ReactNode; label: string; children: ReactNode }) {
  return (
    <div className="bg-card p-4 [&_svg]:size-4.5">
      <dt className="flex items-center gap-1.5 text-sm text-soft">{icon}{label}</dt>
      <dd className="mt-0.5 font-semibold">{children}</dd>
    </div>
  );
}

function Owner({ listing }: { listing: Details }) {
  const { words, role } = useLanguage();
  const { user } = useSession();
  if (!listing.owner) return null;
  return (
    <div className="flex items-center gap-4 rounded-3xl border border-line bg-card p-5 shadow-card">
      <Avatar person={listing.owner} size={60} />
      <div className="min-w-0">
        <p className="text-sm text-soft">{role(listing.owner.role)}</p>
        <p className="font-display text-xl font-semibold"><bdi>{listing.owner.name}</bdi></p>
        {!user && (
          <button type="button" onClick={openSignIn} className="font-semibold text-brand underline underline-offset-4">{words.signInToWrite}</button>
        )}
      </div>
    </div>
  );
}

/** For its owner: who has asked about it. */
function YourListing({ listingId }: { listingId: string }) {
  const words = useWords();
  const { items } = useInbox();
  const asked = items.filter((conversation) => conversation.listing?.id === listingId);
  return (
    <section aria-labelledby="yours" className="grid grid-cols-1 gap-3 rounded-3xl border border-line bg-card p-5 shadow-card">
      <h2 id="yours" className="text-xl">{words.yourListing}</h2>
      {asked.length === 0 ? <p className="text-soft">{words.nobodyAsked}</p> : (
        <ul className="grid grid-cols-1 gap-1">
          {asked.map((conversation) => <li key={conversation.id}><Asked conversation={conversation} /></li>)}
        </ul>
      )}
      <Link href="/messages" className="button button-plain"><MessageCircle className="size-4.5" aria-hidden="true" />{words.allMessages}</Link>
    </section>
  );
}

function Asked({ conversation }: { conversation: Conversation }) {
  const { title, people, last, badge, unread, time } = useConversationRow(conversation);
  return (
    <Link href={`/messages/${conversation.id}`} className="-mx-2 flex items-center gap-3 rounded-2xl p-2 hover:bg-sunk">
      <Avatar person={people[0] ?? null} size={42} />
      <span className="min-w-0 flex-1">
        <span className="flex items-baseline justify-between gap-2">
          <bdi className="truncate font-semibold">{title}</bdi>
          <time dateTime={time.iso} title={time.exact} className="shrink-0 text-xs text-soft">{time.short}</time>
        </span>
        <LastLine last={last} isUnread={badge !== null} />
      </span>
      <UnreadBadge badge={badge} unread={unread} />
    </Link>
  );
}

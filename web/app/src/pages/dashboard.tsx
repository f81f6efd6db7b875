import { Chat, useInbox, useUnread } from '@doorbell/react';
import { House, LayoutDashboard, MessageCircle, Users } from 'lucide-react';
import { useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import { Link, useSearchParams } from 'wouter';
import { useListings } from '../api';
import { ConversationRow } from '../components/conversation-row';
import { UnreadCount } from '../components/header';
import { ListingCard } from '../components/listing-card';
import { NewGroup } from '../components/new-group';
import { Notice } from '../components/notice';
import { SafetyBar } from '../components/safety';
import { useWords } from '../language';
import { useClosedPopup } from '../popup';
import { useSession } from '../session';
import { useTitle } from '../title';
import { useTurns } from '../turns';

const TABS = [
  { id: 'overview', icon: LayoutDashboard },
  { id: 'homes', icon: House },
  { id: 'messages', icon: MessageCircle },
] as const;
type Tab = (typeof TABS)[number]['id'];

/** `/dashboard`: what concerns me. Which tab, and which chat, is part of the address. */
export function Dashboard() {
  const words = useWords();
  useTitle(words.dashboard);
  const [search, setSearch] = useSearchParams();
  const { user } = useSession();
  const asked = search.get('tab');
  const tab: Tab = TABS.find(({ id }) => id === asked)?.id ?? 'overview';
  const list = useRef<HTMLDivElement>(null);
  // A chat that has the screen for itself needs all of it: its field is at the end.
  const isChatting = tab === 'messages' && search.has('chat');

  function move(event: KeyboardEvent) {
    const at = TABS.findIndex(({ id }) => id === tab);
    const step = document.documentElement.dir === 'rtl' ? -1 : 1;
    const to = { ArrowRight: at + step, ArrowLeft: at - step, Home: 0, End: TABS.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = (to + TABS.length) % TABS.length;
    setSearch({ tab: TABS[next]!.id }, { replace: true });
    list.current?.querySelectorAll<HTMLElement>('[role=tab]')[next]?.focus();
  }

  return (
    <div className={`wrap py-7 ${isChatting ? 'max-lg:max-w-none max-lg:p-0' : ''}`}>
      <h1 className={`${isChatting ? 'max-lg:sr-only' : ''} text-[clamp(1.9rem,1.5rem+1.6vw,2.75rem)] leading-tight font-bold`}>{user?.name ? words.welcomeName(user.name.split(' ')[0]!) : words.welcome}</h1>
      <div ref={list} role="tablist" aria-label={words.dashboard} className={`relative mt-5 flex gap-1 overflow-x-auto border-b border-line p-1 pb-0 ${isChatting ? 'max-lg:hidden' : ''}`} onKeyDown={move}>
        {TABS.map(({ id, icon: Icon }) => (
          <button
            key={id}
            type="button"
            role="tab"
            id={`tab-${id}`}
            aria-selected={id === tab}
            aria-controls={`panel-${id}`}
            tabIndex={id === tab ? 0 : -1}
            onClick={() => setSearch({ tab: id })}
            className="-mb-px flex min-h-11 items-center gap-2 rounded-t-xl border-b-3 border-transparent px-4 font-semibold max-sm:px-2.5 max-sm:[&>svg]:hidden text-soft hover:text-ink aria-selected:border-brand aria-selected:text-ink"
          >
            <Icon className="size-4.5" aria-hidden="true" />
            {words[id]}
            {id === 'messages' && <UnreadCount />}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`panel-${tab}`} aria-labelledby={`tab-${tab}`} className={`pt-6 ${isChatting ? 'max-lg:pt-0' : ''}`}>
        {tab === 'overview' ? <Overview /> : tab === 'homes' ? <Homes /> : <MessagesTab />}
      </div>
    </div>
  );
}

function useMyHomes() {
  const { user } = useSession();
  const { data = [] } = useListings();
  return data.filter((card) => card.owner?.id === user?.id);
}

function Overview() {
  const words = useWords();
  const { items } = useInbox();
  const unread = useUnread();
  const homes = useMyHomes();
  return (
    <div className="grid grid-cols-1 gap-8">
      <dl className="grid gap-4 sm:grid-cols-3">
        <Figure label={words.unreadMessages} href="/dashboard?tab=messages">{unread}</Figure>
        <Figure label={words.conversations} href="/dashboard?tab=messages">{items.length}</Figure>
        <Figure label={words.homesOnOffer} href="/dashboard?tab=homes">{homes.length}</Figure>
      </dl>
      <section aria-labelledby="latest" className="grid grid-cols-1 gap-3">
        <h2 id="latest" className="text-2xl">{words.lately}</h2>
        {items.length === 0 ? <NoMessages /> : <ul className="grid grid-cols-1 gap-2.5">{items.slice(0, 4).map((conversation) => <li key={conversation.id}><ConversationRow conversation={conversation} href={hrefFor(conversation.id)} /></li>)}</ul>}
      </section>
    </div>
  );
}

function Figure({ label, href, children }: { label: string; href: string; children: ReactNode }) {
  return (
    <div className="relative flex flex-col-reverse rounded-3xl border border-line bg-card p-5 shadow-card hover:shadow-lift">
      <dt className="text-soft"><Link href={href} className="after:absolute after:inset-0 after:rounded-3xl">{label}</Link></dt>
      <dd className="font-display text-5xl font-bold text-brand tabular-nums">{children}</dd>
    </div>
  );
}

function Homes() {
  const words = useWords();
  const homes = useMyHomes();
  if (homes.length === 0) return <Notice title={words.noHomes} level="h2" action={<Link href="/" className="button button-brand">{words.lookForOne}</Link>}>{words.noHomesHint}</Notice>;
  return <ul className="grid grid-cols-[repeat(auto-fill,minmax(min(100%,17.5rem),1fr))] gap-5">{homes.map((card) => <li key={card.id} className="grid"><ListingCard card={card} isFirst /></li>)}</ul>;
}

/** Below it list and chat take turns. */
const NARROW = '(max-width: 1023px)';
const hrefFor = (id: string | null) => `/dashboard?tab=messages${id === null ? '' : `&chat=${id}`}`;

function MessagesTab() {
  const words = useWords();
  const { items, isLoading, error, refresh, hasMore, loadMore } = useInbox();
  const [search] = useSearchParams();
  const [isMakingGroup, setIsMakingGroup] = useState(false);
  const id = search.get('chat');
  const { list, chat, open, back, autoFocus } = useTurns<HTMLElement>({ id, hrefFor, narrow: NARROW });
  useClosedPopup();
  return (
    <div className={`grid grid-cols-1 items-start gap-5 ${id ? 'lg:grid-cols-[minmax(0,1fr)_minmax(0,1.1fr)]' : ''}`}>
      <section ref={list} tabIndex={-1} aria-label={words.conversations} className={`grid grid-cols-1 gap-3 outline-none ${id ? 'max-lg:hidden' : ''}`}>
        <div className="flex flex-wrap items-center justify-between gap-3">
          <h2 className="text-2xl">{words.yourConversations}</h2>
          <button type="button" className="button button-plain whitespace-nowrap" onClick={() => setIsMakingGroup(true)}><Users className="size-4.5" aria-hidden="true" />{words.newGroup}</button>
        </div>
        {error ? <Notice title={words.messagesFailed} level="h2" action={<button type="button" className="button button-brand" onClick={() => void refresh()}>{words.tryAgain}</button>}>{error.message}</Notice>
          : isLoading ? <div className="h-40 animate-pulse rounded-3xl bg-sunk" />
          : items.length === 0 ? <NoMessages />
          : <ul className="grid grid-cols-1 gap-2.5">{items.map((conversation) => <li key={conversation.id}><ConversationRow conversation={conversation} isOpen={conversation.id === id} href={hrefFor(conversation.id)} onOpen={open} /></li>)}</ul>}
        {hasMore && <button type="button" className="button button-plain" onClick={() => void loadMore()}>{words.showMore}</button>}
      </section>
      {id && (
        <section ref={chat} tabIndex={-1} aria-label={words.chat} className="flex h-[calc(100dvh-4rem-1px)] flex-col overflow-hidden bg-card outline-none lg:sticky lg:top-20 lg:h-[calc(100dvh-16.5rem)] lg:min-h-80 lg:rounded-3xl lg:border lg:border-line lg:shadow-card">
          <SafetyBar id={id} />
          <Chat conversationId={id} autoFocus={autoFocus} onBack={back} className="min-h-0 flex-1" />
        </section>
      )}
      {isMakingGroup && (
        <NewGroup
          onClose={() => setIsMakingGroup(false)}
          onMade={(conversation) => {
            setIsMakingGroup(false);
            open(conversation.id);
          }}
        />
      )}
    </div>
  );
}

function NoMessages() {
  const words = useWords();
  return (
    <Notice title={words.nobodyWrote} level="h2" action={<Link href="/" className="button button-brand">{words.lookAtHomes}</Link>}>
      {words.nobodyWroteHint}
    </Notice>
  );
}

import { AppWindow, Check, ChevronDown, Languages, LayoutDashboard, LogIn, LogOut, MessageCircle } from 'lucide-react';
import { useEffect, useId, useRef } from 'react';
import { Link, useLocation } from 'wouter';
import { usePeople } from '../api';
import { chooseLanguage, LANGUAGES, useLanguage } from '../language';
import { isDemo } from '../server';
import { openAs, signIn, signOut, useSession } from '../session';
import { Avatar } from './avatar';
import { UnreadCount } from './header';
import { openSignIn } from './sign-in';

/** Who is signed in, and how to be somebody else. */
export function UserMenu() {
  const { user, isOfTab } = useSession();
  const [path] = useLocation();
  const { tag, words, role } = useLanguage();
  const id = useId();
  const menu = useRef<HTMLDivElement>(null);
  const { data: everybody = [] } = usePeople();
  useEffect(() => menu.current?.hidePopover(), [path]);

  if (!isDemo) return null;
  if (!user) {
    return (
      <button type="button" onClick={openSignIn} className="button button-brand px-4">
        <LogIn className="size-4.5" aria-hidden="true" />
        {words.signIn}
      </button>
    );
  }
  const firstName = user.name?.split(' ')[0] ?? user.id;
  return (
    <>
      <button type="button" popoverTarget={id} aria-label={words.accountOf(user.name ?? user.id)} className="flex h-11 items-center gap-2 rounded-full border border-line bg-card py-1 ps-1 pe-2.5 font-semibold hover:bg-sunk">
        <Avatar person={user} size={34} />
        <span className="max-sm:sr-only"><bdi>{firstName}</bdi></span>
        <ChevronDown className="size-4 text-soft" aria-hidden="true" />
      </button>
      <div
        ref={menu}
        id={id}
        popover="auto"
        className="inset-auto top-[4.25rem] end-3 m-0 max-h-[calc(100dvh-5rem)] w-[min(21rem,calc(100vw-1.5rem))] overflow-y-auto rounded-2xl border border-line bg-card p-2 text-ink shadow-lift sm:end-6"
      >
        <div className="flex items-center gap-3 px-3 py-2.5">
          <Avatar person={user} size={44} />
          <div className="min-w-0">
            <p className="flex font-display text-lg leading-tight font-semibold"><bdi className="truncate">{user.name}</bdi></p>
            <p className="text-sm text-soft">{isOfTab ? words.inThisWindow(role(user.role)) : role(user.role)}</p>
          </div>
        </div>
        <nav aria-label={words.account} className="border-t border-line py-1.5">
          <MenuLink href="/messages" icon={<MessageCircle />} label={words.messages} badge={<UnreadCount />} />
          <MenuLink href="/dashboard" icon={<LayoutDashboard />} label={words.dashboard} />
        </nav>
        <div className="border-t border-line pt-2">
          <h2 className="px-3 pb-1 font-sans text-sm font-semibold text-soft">{words.beAnother}</h2>
          <ul>
            {everybody.map((person) => (
              <li key={person.id} className="flex items-center gap-1">
                <button
                  type="button"
                  onClick={() => {
                    menu.current?.hidePopover();
                    void signIn(person.id);
                  }}
                  aria-current={person.id === user.id || undefined}
                  className="flex min-h-11 min-w-0 flex-1 items-center gap-3 rounded-xl px-3 text-start hover:bg-sunk"
                >
                  <Avatar person={person} size={30} />
                  <bdi className="truncate">{person.name}</bdi>
                  {person.id === user.id && <Check className="ms-auto size-4 text-brand" aria-label={words.thisIsYou} />}
                </button>
                <button type="button" onClick={() => openAs(person.id)} aria-label={words.windowAs(person.name ?? person.id)} title={words.windowAs(person.name ?? person.id)} className="grid size-11 shrink-0 place-items-center rounded-xl text-soft hover:bg-sunk hover:text-ink">
                  <AppWindow className="size-4.5" aria-hidden="true" />
                </button>
              </li>
            ))}
          </ul>
        </div>
        <label className="mt-1.5 flex min-h-12 items-center gap-3 border-t border-line px-3 pt-1.5">
          <Languages className="size-4.5 text-soft" aria-hidden="true" />
          {words.language}
          <select value={tag} onChange={(event) => chooseLanguage(event.target.value)} className="field ms-auto min-h-9">
            {LANGUAGES.map(([value, name]) => <option key={value} value={value} lang={value}>{name}</option>)}
          </select>
        </label>
        <div className="border-t border-line pt-1.5">
          <button type="button" onClick={() => void signOut()} className="flex min-h-11 w-full items-center gap-3 rounded-xl px-3 hover:bg-sunk">
            <LogOut className="size-4.5 text-soft" aria-hidden="true" />
            {words.signOut}
          </button>
        </div>
      </div>
    </>
  );
}

function MenuLink({ href, label, icon, badge }: { href: string; label: string; icon: React.ReactNode; badge?: React.ReactNode }) {
  return (
    <Link href={href} className="flex min-h-11 items-center gap-3 rounded-xl px-3 hover:bg-sunk [&>svg]:size-4.5 [&>svg]:text-soft">
      {icon}
      {label}
      <span className="ms-auto">{badge}</span>
    </Link>
  );
}

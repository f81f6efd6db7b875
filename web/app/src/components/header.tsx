import { useUnread } from '@doorbell/react';
import { LayoutDashboard, MessageCircle, Moon, Search, Sun } from 'lucide-react';
import { Link, useLocation } from 'wouter';
import { useLanguage, useWords } from '../language';
import { isDemo, MARKETPLACE } from '../server';
import { useSession } from '../session';
import { chooseTheme, useTheme } from '../theme';
import { useName } from '../title';
import { Mark } from './logo';
import { UserMenu } from './user-menu';

/** Inside a link that says what is unread; nothing where nothing is. */
export function UnreadCount() {
  const unread = useUnread();
  const { words, number } = useLanguage();
  if (unread === 0) return null;
  return (
    <span className="grid h-5 min-w-5 place-items-center rounded-full bg-sun px-1.5 text-xs font-bold text-sun-ink tabular-nums" data-testid="unread">
      <span aria-hidden="true">{unread > 99 ? `${number(99)}+` : number(unread)}</span>
      <span className="sr-only">({words.unread(unread)})</span>
    </span>
  );
}

export function Header() {
  const { client } = useSession();
  const theme = useTheme();
  const [path] = useLocation();
  const words = useWords();
  const name = useName();
  return (
    <header className="sticky top-0 z-30 border-b border-line bg-page/90 backdrop-blur-md">
      <div className="wrap flex h-16 items-center gap-2 sm:gap-5">
        <Link href={isDemo ? '/' : '/messages'} className="flex items-center gap-2.5 rounded-xl pe-1 font-display text-xl font-bold tracking-tight" aria-label={isDemo ? words.start(MARKETPLACE) : undefined}>
          <Mark />
          <span className={isDemo ? 'max-[430px]:sr-only' : ''}>{name}</span>
        </Link>
        {isDemo && (
          <nav aria-label={words.mainMenu} className="ms-auto flex items-center gap-0.5 sm:gap-1">
            <NavLink href="/" isHere={path === '/' || path.startsWith('/listing/')} icon={<Search />} label={words.homes} />
            {client && <NavLink href="/messages" isHere={path.startsWith('/messages')} icon={<MessageCircle />} label={words.messages} badge={<UnreadCount />} />}
            {client && <NavLink href="/dashboard" isHere={path === '/dashboard'} icon={<LayoutDashboard />} label={words.dashboard} />}
          </nav>
        )}
        <div className={`flex items-center gap-1 ${isDemo ? '' : 'ms-auto'}`}>
          <button type="button" onClick={() => chooseTheme(theme === 'dark' ? 'light' : 'dark')} aria-label={theme === 'dark' ? words.useLight : words.useDark} className="grid size-11 place-items-center rounded-full text-soft hover:bg-sunk hover:text-ink max-[359px]:hidden">
            {theme === 'dark' ? <Sun className="size-5" aria-hidden="true" /> : <Moon className="size-5" aria-hidden="true" />}
          </button>
          <UserMenu />
        </div>
      </div>
    </header>
  );
}

function NavLink({ href, label, icon, isHere, badge }: { href: string; label: string; icon: React.ReactNode; isHere: boolean; badge?: React.ReactNode }) {
  return (
    <Link
      href={href}
      aria-current={isHere ? 'page' : undefined}
      className={`flex h-11 items-center gap-2 rounded-full px-3 font-semibold hover:bg-sunk sm:px-3.5 [&>svg]:size-5 ${isHere ? 'bg-sunk text-ink' : 'text-soft hover:text-ink'}`}
    >
      {icon}
      <span className="max-md:sr-only">{label}</span>
      {badge}
    </Link>
  );
}

import { createClient, type DoorbellClient, type Person } from '@doorbell/client';
import { useSyncExternalStore } from 'react';
import { navigate } from 'wouter/use-browser-location';
import { ask, Refused } from './api';
import { withBegun } from './begun';
import { isDemo } from './server';

/** Who uses this tab. */
export interface Session {
  /** `null`: nobody, or (in a hosted inbox) not known yet; then the client tells. */
  user: Person | null;
  /** `null`: nobody is signed in. */
  client: DoorbellClient | null;
  /** Somebody else than the browser's cookie says: so two people can sit side by side in one browser. */
  isOfTab: boolean;
}

interface SignedIn {
  user: Person;
  token: string;
  expiresAt: string;
}

/** In the storage of this tab: who it is, if it is somebody of its own. */
const TAB = 'latchkey:as';
/** In the storage of this tab: who was signed in here last. */
const LAST = 'latchkey:last';
/** In the storage of this tab: the chat at the corner, as @doorbell/react keeps it over reloads. */
const POPUP = 'doorbell:popup';
/** In the storage of the browser: written whenever the cookie has become somebody else's, which no tab hears of by itself. */
const COOKIE = 'latchkey:cookie';
const listeners = new Set<() => void>();
const NOBODY: Session = { user: null, client: null, isOfTab: false };
let session = NOBODY;
let hasStarted = false;

function become(next: Session) {
  void session.client?.close();
  if (next.user) greet(next.user.id);
  session = next;
  follow(next);
  for (const listener of listeners) listener();
}

/** What the one before had open in this tab is nothing for the next one, and would be refused to them. */
function greet(userId: string) {
  const last = sessionStorage.getItem(LAST);
  sessionStorage.setItem(LAST, userId);
  if (last === null || last === userId) return;
  sessionStorage.removeItem(POPUP);
  // An address that somebody has opened in another's name is what they asked for.
  if (!hasStarted) return;
  const { pathname, searchParams } = new URL(location.href);
  const isChat = pathname.startsWith('/messages/') || searchParams.has('chat');
  searchParams.delete('chat');
  const search = searchParams.size > 0 ? `?${searchParams}` : '';
  if (isChat) navigate(pathname.startsWith('/messages/') ? '/messages' : pathname + search, { replace: true });
}

/** A client that has been signed out by another tab is no use to this one: whoever this tab is now gets one of their own. */
function follow({ client }: Session) {
  if (!isDemo || !client) return;
  let wasUp = false;
  client.state.subscribe(() => {
    const { status } = client.state.get();
    wasUp ||= status === 'online' || status === 'polling';
    // Whoever is refused from the start would be so again.
    if (status === 'signed-out' && wasUp && session.client === client) void findOut();
  });
}

const tellTabs = () => localStorage.setItem(COOKIE, `${Date.now()} ${Math.random()}`);

export const useSession = (): Session =>
  useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, () => session);

/** `cookie`: for all tabs of this browser, not for this one alone. */
const signInAs = (userId: string, cookie: boolean) => ask<SignedIn>('/api/demo/sign-in', { body: { userId, cookie } });

let kept: SignedIn | null = null;

/** A token for this tab, renewed some time before it ends. */
export async function tokenOf(userId: string): Promise<string> {
  const isGood = kept?.user.id === userId && Date.parse(kept.expiresAt) - Date.now() > 60_000;
  if (!isGood) kept = await signInAs(userId, false);
  return kept!.token;
}

function clientFor(user: Person): DoorbellClient {
  return withBegun(createClient({ userKey: user.id, token: () => tokenOf(user.id) }));
}

/** Finds out who this tab is, before anything is shown. */
export async function startSession(): Promise<void> {
  if (!isDemo) {
    become({ user: null, client: withBegun(createClient({})), isOfTab: false });
    return;
  }
  const address = new URL(location.href);
  const asked = address.searchParams.get('as');
  if (asked !== null) {
    sessionStorage.setItem(TAB, asked);
    address.searchParams.delete('as');
    history.replaceState(history.state, '', address);
  }
  await identify();
  hasStarted = true;
  addEventListener('storage', ({ key }) => {
    if (key === COOKIE && !session.isOfTab) void findOut();
  });
}

async function identify(): Promise<void> {
  const before = session;
  const ofTab = sessionStorage.getItem(TAB);
  if (ofTab !== null) {
    try {
      kept = await signInAs(ofTab, false);
      if (session === before) become({ user: kept.user, client: clientFor(kept.user), isOfTab: true });
      return;
    } catch (fault) {
      // A name that nobody has: the tab is then whoever the cookie says.
      if (!(fault instanceof Refused) || fault.status === 0) throw fault;
      sessionStorage.removeItem(TAB);
    }
  }
  const { user } = await ask<{ user: Person | null }>('/api/demo/session');
  // Somebody has signed in or out meanwhile.
  if (session === before) become({ user, client: user && clientFor(user), isOfTab: false });
}

/** Finds out anew who this tab is. Until that is known it is nobody: the one before is to be seen no more. */
async function findOut(): Promise<void> {
  // A new one each time, so that a slower answer to an earlier question is told from the last.
  become({ ...NOBODY });
  // Without an answer it stays nobody, who can sign in.
  await identify().catch(() => {});
}

/** Becomes one of the sample people, in this browser. */
export async function signIn(userId: string): Promise<void> {
  kept = await signInAs(userId, true);
  sessionStorage.removeItem(TAB);
  tellTabs();
  become({ user: kept.user, client: clientFor(kept.user), isOfTab: false });
}

export async function signOut(): Promise<void> {
  const { client, isOfTab } = session;
  if (!isOfTab) {
    await ask('/api/demo/sign-out', { method: 'POST', body: {} });
    tellTabs();
  }
  sessionStorage.removeItem(TAB);
  kept = null;
  // Before it is closed, so that it still tells the other tabs.
  void client?.signOut();
  become(NOBODY);
}

/** The same page, as somebody else, beside this one. Without an opener: a tab of its own memory. */
export function openAs(userId: string, path: string = location.pathname): void {
  const width = Math.min(720, Math.round(screen.availWidth / 2));
  window.open(`${path}?as=${encodeURIComponent(userId)}`, '_blank', `noopener,width=${width},height=${screen.availHeight}`);
}

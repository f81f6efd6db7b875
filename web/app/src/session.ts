import { createClient, type DoorbellClient, type Person } from '@doorbell/client';
import { useSyncExternalStore } from 'react';
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

const TAB = 'latchkey:as';
const listeners = new Set<() => void>();
let session: Session = { user: null, client: null, isOfTab: false };

function become(next: Session) {
  void session.client?.close();
  session = next;
  for (const listener of listeners) listener();
}

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
  const ofTab = sessionStorage.getItem(TAB);
  if (ofTab !== null) {
    try {
      kept = await signInAs(ofTab, false);
      become({ user: kept.user, client: clientFor(kept.user), isOfTab: true });
      return;
    } catch (fault) {
      // A name that nobody has: the tab is then whoever the cookie says.
      if (!(fault instanceof Refused) || fault.status === 0) throw fault;
      sessionStorage.removeItem(TAB);
    }
  }
  const { user } = await ask<{ user: Person | null }>('/api/demo/session');
  become({ user, client: user && clientFor(user), isOfTab: false });
}

/** Becomes one of the sample people, in this browser. */
export async function signIn(userId: string): Promise<void> {
  kept = await signInAs(userId, true);
  sessionStorage.removeItem(TAB);
  become({ user: kept.user, client: clientFor(kept.user), isOfTab: false });
}

export async function signOut(): Promise<void> {
  const { client, isOfTab } = session;
  if (!isOfTab) await ask('/api/demo/sign-out', { method: 'POST', body: {} });
  sessionStorage.removeItem(TAB);
  kept = null;
  void client?.signOut();
  become({ user: null, client: null, isOfTab: false });
}

/** The same page, as somebody else, beside this one. Without an opener: a tab of its own memory. */
export function openAs(userId: string, path: string = location.pathname): void {
  const width = Math.min(720, Math.round(screen.availWidth / 2));
  window.open(`${path}?as=${encodeURIComponent(userId)}`, '_blank', `noopener,width=${width},height=${screen.availHeight}`);
}

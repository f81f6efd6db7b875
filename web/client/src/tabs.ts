/** A line to the other tabs. What is posted does not come back to who posted it. */
export interface TabChannel {
  postMessage(message: unknown): void;
  onmessage: ((event: { data: unknown }) => void) | null;
  close(): void;
}

/** What lets tabs find each other and agree on one. Browsers have it; others may bring their own. */
export interface TabsEnvironment {
  channel(name: string): TabChannel;
  /** Waits for the lock, holds it until `held` has ended. `signal` ends the waiting. */
  lock(name: string, signal: AbortSignal, held: () => Promise<void>): Promise<void>;
}

/** Web Locks and BroadcastChannel, where they exist. */
export function browserTabs(): TabsEnvironment | null {
  if (typeof document === 'undefined' || typeof BroadcastChannel === 'undefined' || !globalThis.navigator?.locks) return null;
  return {
    channel: (name) => new BroadcastChannel(name) as TabChannel,
    lock: (name, signal, held) => navigator.locks.request(name, { signal }, held),
  };
}

import { useEffect, useMemo, useSyncExternalStore } from 'react';

/** What was asked of the server under a name, kept while the page lives. */
interface Entry {
  data: unknown;
  error: Error | null;
  isAsking: boolean;
  askedAt: number;
}

export interface Remote<T> {
  data: T | undefined;
  error: Error | null;
  /** Asks again. */
  reload(): void;
  /** Shows this from now on: what a change was answered with, say. */
  put(data: T): void;
}

const FRESH_MS = 60_000;
const NOTHING: Entry = { data: undefined, error: null, isAsking: false, askedAt: 0 };
const entries = new Map<string, Entry>();
const listeners = new Set<() => void>();

function set(name: string, change: Partial<Entry>) {
  entries.set(name, { ...(entries.get(name) ?? NOTHING), ...change });
  for (const listener of listeners) listener();
}

async function load(name: string, ask: () => Promise<unknown>) {
  if (entries.get(name)?.isAsking) return;
  set(name, { isAsking: true, error: null, askedAt: Date.now() });
  try {
    set(name, { data: await ask(), isAsking: false });
  } catch (error) {
    // The next one who looks asks again.
    set(name, { error: error instanceof Error ? error : new Error(String(error)), isAsking: false, askedAt: 0 });
  }
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/**
 * Shows what `ask` answers, and asks once for all who look at the same name within a minute. `null`: there is nothing to
 * ask. A handful of questions is all that these pages have; a library for it would weigh as much as the pages.
 */
export function useRemote<T>(name: string | null, ask: () => Promise<T>): Remote<T> {
  const entry = useSyncExternalStore(subscribe, () => (name === null ? NOTHING : (entries.get(name) ?? NOTHING)));
  useEffect(() => {
    if (name !== null && Date.now() - (entries.get(name)?.askedAt ?? 0) > FRESH_MS) void load(name, ask);
    // A name stands for its question.
  }, [name]);
  return useMemo(
    () => ({
      data: entry.data as T | undefined,
      error: entry.error,
      reload: () => void (name !== null && load(name, ask)),
      put: (data) => name !== null && set(name, { data }),
    }),
    [entry, name],
  );
}

import type { Store } from '@doorbell/client';

/** A store that its owner sets. */
export function value<T>(current: T): Store<T> & { set(next: T): void } {
  const listeners = new Set<() => void>();
  return {
    get: () => current,
    set(next) {
      current = next;
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

import type { Store } from '@doorbell/client';

/** A value that can be watched. */
export class Value<T> implements Store<T> {
  readonly #listeners = new Set<() => void>();
  constructor(private current: T) {}
  readonly get = () => this.current;
  readonly subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };
  set(next: T): void {
    this.current = next;
    for (const listener of [...this.#listeners]) listener();
  }
}

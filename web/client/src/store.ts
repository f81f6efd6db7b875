/** A value that changes. Fits React's `useSyncExternalStore`: the same value is the same object until it changes. */
export interface Store<T> {
  get(): T;
  /** Calls back after each change, until the returned function is called. */
  subscribe(listener: () => void): () => void;
}

/** Calls listeners, each whatever becomes of the others: what is wrong in one of them must not cost another a message. */
export function callAll(listeners: Iterable<() => void>): void {
  for (const listener of [...listeners]) {
    try {
      listener();
    } catch (error) {
      if (typeof reportError === 'function') reportError(error);
      else
        queueMicrotask(() => {
          throw error;
        });
    }
  }
}

/** A store that its owner sets. */
export class Value<T> implements Store<T> {
  #value: T;
  readonly #listeners = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get = (): T => this.#value;

  subscribe = (listener: () => void): (() => void) => {
    // One function subscribed twice must be two subscriptions: each is ended by itself.
    const own = () => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  };

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    callAll(this.#listeners);
  }

  get isWatched(): boolean {
    return this.#listeners.size > 0;
  }
}

/** Changes parts of a value; nobody is told where nothing is different. */
export function patch<T extends object>(value: Value<T>, change: Partial<T>): void {
  const before = value.get();
  if ((Object.keys(change) as (keyof T)[]).some((key) => change[key] !== before[key])) value.set({ ...before, ...change });
}

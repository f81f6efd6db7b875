import { callAll } from './store.js';

/** Typed events. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(value: never) => void>>();

  on<K extends keyof Events>(event: K, listener: (value: Events[K]) => void): () => void {
    let listeners = this.#listeners.get(event);
    if (!listeners) this.#listeners.set(event, (listeners = new Set()));
    const own = (value: Events[K]) => listener(value);
    listeners.add(own);
    return () => void listeners.delete(own);
  }

  emit<K extends keyof Events>(event: K, value: Events[K]): void {
    callAll([...(this.#listeners.get(event) ?? [])].map((listener) => () => (listener as (value: Events[K]) => void)(value)));
  }
}

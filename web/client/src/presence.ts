import type { Hub, Push } from './hub.js';
import { PRESENCES } from './limits.js';
import { Value, type Store } from './store.js';
import type { Presence } from './wire.js';

/** Who is there. */
export class Presences {
  readonly #known = new Map<string, Value<Presence>>();

  constructor(private readonly hub: Hub) {
    hub.pushes.on('presence:update', (presence) => this.#value(presence.userId).set(presence));
    // After a connection is made the server tells who is online, and nobody else.
    hub.pushes.on('up', () => this.#setAll(this.#silence()));
    hub.state.subscribe(() => {
      if (hub.state.get().status !== 'online') this.#setAll('unknown');
      else for (const value of this.#known.values()) if (value.get().status === 'unknown') value.set({ ...value.get(), status: 'offline' });
    });
  }

  of(userId: string): Store<Presence> {
    return this.#value(userId);
  }

  snapshot(): Push[] {
    return [...this.#known.values()].filter((value) => value.get().status === 'online').map((value) => ['presence:update', value.get()]);
  }

  /** What it means not to have heard of somebody. */
  #silence(): Presence['status'] {
    return this.hub.state.get().status === 'online' ? 'offline' : 'unknown';
  }

  #setAll(status: Presence['status']): void {
    for (const value of this.#known.values()) if (value.get().status !== status) value.set({ ...value.get(), status });
  }

  #value(userId: string): Value<Presence> {
    let value = this.#known.get(userId);
    if (value) return value;
    for (const [id, known] of this.#known) {
      if (this.#known.size < PRESENCES) break;
      if (!known.isWatched) this.#known.delete(id);
    }
    value = new Value<Presence>({ userId, status: this.#silence(), lastSeenAt: null });
    this.#known.set(userId, value);
    return value;
  }
}

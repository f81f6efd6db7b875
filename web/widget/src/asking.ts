import { DoorbellError, type DoorbellClient, type Reason, type Store } from '@doorbell/client';
import type { ListingTarget } from './settings.js';
import { Value } from './store.js';

/** A conversation that was asked for and is not open yet. */
export interface Asked {
  target: ListingTarget;
  /** Why it could not be opened. */
  problem: Reason | null;
}

/** Kept in the tab: who goes off to sign in comes back to what they asked for. */
const ASKED_KEY = 'doorbell:asked';

/** Opens conversations about listings, and remembers which one is wanted meanwhile. */
export class Asking {
  readonly #asked = new Value<Asked | null>(restored());
  readonly state: Store<Asked | null> = this.#asked;

  constructor(
    private readonly client: DoorbellClient,
    private readonly onOpen: (conversationId: string) => void,
  ) {}

  ask(target: ListingTarget): void {
    this.#set({ target, problem: null });
    void this.#open(target);
  }

  /** Again, what was asked for before. */
  again(): void {
    const asked = this.#asked.get();
    if (asked) this.ask(asked.target);
  }

  forget(): void {
    if (this.#asked.get()) this.#set(null);
  }

  async #open(target: ListingTarget): Promise<void> {
    const isWanted = () => this.#asked.get()?.target === target;
    try {
      const { id } = await this.client.openConversation({ listingId: target.listingId, ownerId: target.ownerId });
      if (!isWanted()) return;
      this.#set(null);
      this.onOpen(id);
    } catch (thrown) {
      if (!isWanted()) return;
      // Whoever asks about a listing of their own looks for those who have asked about it: they are in the list.
      if (this.client.me.get()?.id === target.ownerId) this.#set(null);
      else this.#set({ target, problem: thrown instanceof DoorbellError ? { code: thrown.code, message: thrown.message } : { code: 'NETWORK', message: String(thrown) } });
    }
  }

  #set(asked: Asked | null): void {
    this.#asked.set(asked);
    try {
      if (asked) sessionStorage.setItem(ASKED_KEY, JSON.stringify(asked.target));
      else sessionStorage.removeItem(ASKED_KEY);
    } catch {
      // Without storage a reload forgets what was asked for, and nothing else.
    }
  }
}

function restored(): Asked | null {
  try {
    const target = JSON.parse(sessionStorage.getItem(ASKED_KEY) ?? 'null') as Partial<ListingTarget> | null;
    return target && typeof target.listingId === 'string' && typeof target.ownerId === 'string' ? { target: target as ListingTarget, problem: null } : null;
  } catch {
    return null;
  }
}

import { TYPING_EXPIRES, TYPING_REPEAT, TYPING_STOPS } from './limits.js';
import { Timer } from './timing.js';
import type { Person, TypingUpdate } from './wire.js';

/** Who else is typing in a conversation. */
export class Typists {
  people: Person[] = [];
  readonly #timers = new Map<string, Timer>();

  constructor(private readonly onChange: () => void) {}

  note({ userId, user, isTyping }: TypingUpdate): void {
    if (!isTyping) return this.remove(userId);
    const timer = this.#timers.get(userId) ?? new Timer();
    this.#timers.set(userId, timer);
    // What says that it stopped may be lost with a connection.
    timer.set(TYPING_EXPIRES, () => this.remove(userId));
    if (this.people.some(({ id }) => id === userId)) return;
    this.people = [...this.people, user ?? { id: userId, _id: userId, name: null, email: null, image: null, role: null }];
    this.onChange();
  }

  remove(userId: string): void {
    this.#timers.get(userId)?.clear();
    if (!this.#timers.delete(userId)) return;
    this.people = this.people.filter(({ id }) => id !== userId);
    this.onChange();
  }

  clear(): void {
    for (const userId of [...this.#timers.keys()]) this.remove(userId);
  }
}

/** One's own typing, told as seldom as it takes. */
export class OwnTyping {
  readonly #stop = new Timer();
  #toldAt = 0;

  constructor(private readonly tell: (isTyping: boolean) => void) {}

  set(isTyping: boolean): void {
    if (!isTyping) {
      this.#stop.clear();
      if (this.#toldAt) this.tell(false);
      this.#toldAt = 0;
      return;
    }
    this.#stop.set(TYPING_STOPS, () => this.set(false));
    if (Date.now() - this.#toldAt < TYPING_REPEAT) return;
    this.#toldAt = Date.now();
    this.tell(true);
  }
}

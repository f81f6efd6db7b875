import { WINDOW_MESSAGES } from './limits.js';
import type { Message } from './wire.js';

/** What became of a message that was put in. */
export type Put = 'added' | 'replaced' | 'known' | 'gap' | 'beyond';

/** A part of a conversation without holes in it, ascending by `seq`, of bounded length. */
export class MessageWindow {
  messages: Message[] = [];
  hasOlder = true;
  /** There are newer ones that are not here: live messages are not added then. */
  hasNewer = false;
  /** Whether older pages were asked for last: then the newest ones go first when there are too many. */
  isReadingOld = false;

  get first(): number {
    return this.messages[0]?.seq ?? 0;
  }

  get last(): number {
    return this.messages.at(-1)?.seq ?? 0;
  }

  get(seq: number): Message | undefined {
    const at = this.#find(seq);
    const found = this.messages[at];
    return found?.seq === seq ? found : undefined;
  }

  atOrBefore(seq: number): Message | undefined {
    return this.messages[this.#find(seq + 1) - 1];
  }

  atOrAfter(seq: number): Message | undefined {
    return this.messages[this.#find(seq)];
  }

  reset(messages: Message[], hasOlder: boolean, hasNewer: boolean): void {
    this.messages = [...messages];
    this.hasOlder = hasOlder;
    this.hasNewer = hasNewer;
    this.isReadingOld = hasNewer;
  }

  /** The page just before. */
  addOlder(messages: Message[], hasOlder: boolean): void {
    this.messages = [...messages.filter((message) => message.seq < this.first || !this.messages.length), ...this.messages];
    this.hasOlder = hasOlder;
    this.isReadingOld = true;
    this.#trim();
  }

  /** The page just after: what is between is known not to exist. */
  addNewer(messages: Message[], hasNewer: boolean): void {
    for (const message of messages) if (this.#place(message) === 'gap') this.messages.push(message);
    this.hasNewer = hasNewer;
    this.#trim();
  }

  /** A message that has come by itself. `gap`: some before it are missing, and it was not added. */
  put(message: Message): Put {
    if (this.hasNewer && message.seq > this.last) return 'beyond';
    const put = this.#place(message);
    if (put === 'added') this.#trim();
    return put;
  }

  #place(message: Message): Exclude<Put, 'beyond'> {
    const at = this.#find(message.seq);
    const there = this.messages[at];
    if (there?.seq === message.seq) {
      if (there.updatedAt === message.updatedAt && there.readAt === message.readAt && there.fileUrl === message.fileUrl) return 'known';
      this.messages[at] = message;
      return 'replaced';
    }
    if (at < this.messages.length) {
      // Of before the window there is a page to load; inside it nothing is missing.
      return 'known';
    }
    // Also in an empty one: the first message may be on its way behind this one.
    if (message.seq !== this.last + 1) return 'gap';
    this.messages.push(message);
    return 'added';
  }

  /** Where this `seq` is or would be. */
  #find(seq: number): number {
    let low = 0;
    let high = this.messages.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.messages[middle]!.seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #trim(): void {
    const excess = this.messages.length - WINDOW_MESSAGES;
    if (excess <= 0) return;
    if (this.isReadingOld) {
      this.messages = this.messages.slice(0, WINDOW_MESSAGES);
      this.hasNewer = true;
    } else {
      this.messages = this.messages.slice(excess);
      this.hasOlder = true;
    }
  }
}

/** The messages of others after this one. */
export function foreign(window: MessageWindow, me: string | null, after = 0): Message[] {
  return window.messages.filter(({ seq, senderId }) => seq > after && senderId !== me);
}

/** The first of so many unread messages, counted from the end, if all of them are loaded. */
export function countBack(window: MessageWindow, unreadCount: number, me: string | null): Message | undefined {
  if (window.hasNewer) return undefined;
  const others = foreign(window, me);
  return others.at(-unreadCount) ?? (window.hasOlder ? undefined : others[0]);
}

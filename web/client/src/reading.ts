import { asError } from './errors.js';
import type { History } from './history.js';
import type { Hub } from './hub.js';
import type { ConversationList } from './inbox.js';
import { READ_DELAY } from './limits.js';
import { Timer } from './timing.js';
import { findUnread } from './unread.js';
import { countBack, foreign } from './window.js';
import type { Message } from './wire.js';

/** Up to where oneself has read a conversation, and where the unread messages begin. */
export class OwnReading {
  /** The first message that was unread when the conversation was opened. */
  firstUnreadSeq: number | null = null;
  isPlaced = false;
  readonly #timer = new Timer();
  #finding: Promise<Message | undefined> | null = null;
  #read = 0;
  /** Up to where the server was told. */
  #told = 0;

  constructor(
    private readonly id: string,
    private readonly hub: Hub,
    private readonly inbox: ConversationList,
    private readonly history: History,
    private readonly me: () => string | null,
  ) {}

  /** Finds where the unread messages begin, and loads what is there. */
  async place(): Promise<void> {
    if (this.isPlaced) return;
    const conversation = this.inbox.get(this.id);
    if (!conversation || !this.inbox.isCurrent) return;
    const { unreadCount } = conversation;
    const first = unreadCount === 0 ? undefined : countBack(this.history.window, unreadCount, this.me()) ?? (await (this.#finding ??= findUnread(this.history, conversation, this.me()).finally(() => (this.#finding = null))));
    if (this.isPlaced) return;
    this.isPlaced = true;
    this.firstUnreadSeq = first?.seq ?? null;
    if (first) {
      this.#told = Math.max(this.#told, first.seq - 1);
      this.#read = Math.max(this.#read, this.#told);
    }
    // Nothing is unread; unless that is so only because it was marked here a moment ago.
    else if (this.#read <= this.#told) this.#read = this.#told = this.history.window.last;
  }

  mark(uptoSeq: number): void {
    const { window } = this.history;
    const upto = Math.min(uptoSeq, window.last);
    if (upto === window.last) window.isReadingOld = false;
    if (upto <= this.#read) return;
    const before = this.#read;
    this.#read = upto;
    this.#count(before);
    this.#timer.setOnce(READ_DELAY, () => void this.tell());
  }

  /** In another tab, or on another device. */
  markedElsewhere(seq: number): void {
    this.#told = Math.max(this.#told, seq);
    const before = this.#read;
    this.#read = Math.max(this.#read, seq);
    this.#count(before);
  }

  /** Tells the server what it has not been told. */
  async tell(): Promise<void> {
    const message = this.history.window.atOrBefore(this.#read);
    if (!message || !this.hub.isUp || message.seq <= this.#told) return;
    const told = this.#told;
    this.#told = message.seq;
    await this.hub.request('message:read', { conversationId: this.id, messageId: message.id }).catch((thrown) => {
      // It is told again with the next connection.
      if (!asError(thrown).isFinal) this.#told = told;
    });
  }

  stop(): void {
    this.#timer.clear();
  }

  #foreign(after: number): Message[] {
    return foreign(this.history.window, this.me(), after);
  }

  #count(before: number): void {
    const left = this.#foreign(this.#read).length;
    // What is not loaded is counted by what was told.
    const unread = this.history.window.hasNewer ? Math.max(left, (this.inbox.get(this.id)?.unreadCount ?? 0) - (this.#foreign(before).length - left)) : left;
    this.inbox.setUnread(this.id, unread);
  }
}

import { asError } from './errors.js';
import type { History } from './history.js';
import type { Hub } from './hub.js';
import type { ConversationList } from './inbox.js';
import { READ_DELAY, UNREAD_PAGE_MESSAGES } from './limits.js';
import { Timer } from './timing.js';
import type { Message } from './wire.js';

/** Up to where oneself has read a conversation, and where the unread messages begin. */
export class OwnReading {
  /** The first message that was unread when the conversation was opened. */
  firstUnreadSeq: number | null = null;
  isPlaced = false;
  readonly #timer = new Timer();
  #read = 0;
  /** Up to where the server was told. */
  #told = 0;

  constructor(
    private readonly id: string,
    private readonly hub: Hub,
    private readonly inbox: ConversationList,
    private readonly history: History,
    private readonly me: () => string | null,
    private readonly reachBack: () => void,
  ) {}

  /** Finds where the unread messages begin: counted from the end. */
  place(): void {
    const conversation = this.inbox.get(this.id);
    const { hasNewer, hasOlder, messages, last } = this.history.window;
    if (!conversation || hasNewer) return;
    const foreign = this.#foreign(0);
    // How many are unread was not known when the first page was asked for.
    if (conversation.unreadCount > foreign.length && hasOlder && messages.length < UNREAD_PAGE_MESSAGES) return this.reachBack();
    this.isPlaced = true;
    const first = conversation.unreadCount ? foreign.at(-conversation.unreadCount) ?? foreign[0] : undefined;
    this.firstUnreadSeq = first?.seq ?? null;
    // Unless that is so only because it was marked here a moment ago.
    if (!first && this.#read <= this.#told) this.#read = this.#told = last;
  }

  mark(uptoSeq: number): void {
    const { window } = this.history;
    const upto = Math.min(uptoSeq, window.last);
    if (upto === window.last) window.isReadingOld = false;
    if (upto <= this.#read) return;
    this.#read = upto;
    this.#count();
    this.#timer.setOnce(READ_DELAY, () => void this.tell());
  }

  /** In another tab, or on another device. */
  markedElsewhere(seq: number): void {
    this.#told = Math.max(this.#told, seq);
    this.#read = Math.max(this.#read, seq);
    this.#count();
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
    return this.history.window.messages.filter((message) => message.seq > after && message.senderId !== this.me());
  }

  #count(): void {
    if (!this.history.window.hasNewer) this.inbox.setUnread(this.id, this.#foreign(this.#read).length);
  }
}

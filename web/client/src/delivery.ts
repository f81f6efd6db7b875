import { asError } from './errors.js';
import type { Hub } from './hub.js';
import type { Outbox, OutboxEntry } from './outbox.js';
import { backoff, Timer } from './timing.js';

/** Sends what is in the outbox, in the leading tab alone: in each conversation one after the other, in the order written. */
export class Delivery {
  readonly #active = new Set<string>();
  readonly #waiting = new Map<string, Timer>();
  readonly #failures = new Map<string, number>();

  constructor(
    private readonly hub: Hub,
    private readonly outbox: Outbox,
  ) {
    outbox.events.on('change', (conversationId) => void this.#deliver(conversationId));
    hub.events.on('leading', () => this.#deliverAll());
    hub.onUp(() => this.#deliverAll());
  }

  stop(): void {
    for (const timer of this.#waiting.values()) timer.clear();
  }

  #deliverAll(): void {
    for (const timer of this.#waiting.values()) timer.clear();
    for (const conversationId of new Set(this.outbox.entries().map((entry) => entry.conversationId))) void this.#deliver(conversationId);
  }

  async #deliver(conversationId: string): Promise<void> {
    if (this.#active.has(conversationId) || this.#waiting.get(conversationId)?.isSet) return;
    this.#active.add(conversationId);
    try {
      for (let entry = this.#next(conversationId); entry; entry = this.#next(conversationId)) {
        if (!(await this.#send(entry))) break;
      }
    } finally {
      this.#active.delete(conversationId);
    }
  }

  /** What is still being uploaded does not hold up what was written after it. */
  #next(conversationId: string): OutboxEntry | undefined {
    if (!this.hub.isLeader || !this.hub.isUp) return undefined;
    return this.outbox.entries(conversationId).find((entry) => !entry.failed && entry.files.every((file) => file.attachment));
  }

  /** Whether to go on with the next one. */
  async #send(entry: OutboxEntry): Promise<boolean> {
    const { clientMessageId, conversationId, content, files } = entry;
    await this.outbox.isKept(clientMessageId);
    if (!this.outbox.get(clientMessageId)) return true;
    const attachmentIds = files.flatMap(({ attachment }) => attachment?.id ?? []);
    this.outbox.tellSending(clientMessageId, true);
    try {
      const { message } = await this.hub.request('message:send', { conversationId, content, clientMessageId, ...(attachmentIds.length && { attachmentIds }) });
      this.#failures.delete(conversationId);
      this.outbox.stored(message);
      return true;
    } catch (thrown) {
      const error = asError(thrown);
      this.outbox.tellSending(clientMessageId, false);
      if (error.isFinal) {
        this.outbox.fail(clientMessageId, error);
        return true;
      }
      const failures = (this.#failures.get(conversationId) ?? 0) + 1;
      this.#failures.set(conversationId, failures);
      // Later ones wait, too: they must not overtake it.
      const timer = this.#waiting.get(conversationId) ?? new Timer();
      this.#waiting.set(conversationId, timer);
      timer.set(error.retryAfterMs ?? backoff(failures), () => void this.#deliver(conversationId));
      return false;
    }
  }
}

import type { Conversation, Message, ReadUpdate } from './wire.js';

/** Up to where each participant has read. Marks only rise. */
export class Receipts {
  reads: Record<string, number> = {};
  /** Up to where at least one other participant has read, as far as the server has said so. */
  byOthers = 0;

  /** What the server tells of a reader. */
  note({ userId, seq }: Pick<ReadUpdate, 'userId' | 'seq'>): void {
    this.byOthers = Math.max(this.byOthers, seq);
    this.#raise(userId, seq);
  }

  /**
   * What can be gathered from a conversation and its messages. It tells when each participant has read, not what: in a
   * group that is taken to be all that was there by then. Of two people the messages say it.
   */
  gather(conversation: Conversation, messages: Message[], me: string | null): void {
    for (const { userId, lastReadAt } of conversation.participants) {
      if (!lastReadAt || userId === me) continue;
      const isRead = (message: Message) => (conversation.isGroup ? message.createdAt <= lastReadAt : message.senderId === me && message.read);
      this.#raise(userId, messages.reduce((seq, message) => (isRead(message) ? message.seq : seq), 0));
    }
  }

  #raise(userId: string, seq: number): void {
    if (seq > (this.reads[userId] ?? 0)) this.reads = { ...this.reads, [userId]: seq };
  }
}

/** When another participant has read last; `null`: nobody has. */
export function lastReadByOthers(conversation: Conversation, me: string | null): string | null {
  return conversation.participants.reduce<string | null>((last, { userId, lastReadAt }) => (userId !== me && lastReadAt && (!last || lastReadAt > last) ? lastReadAt : last), null);
}

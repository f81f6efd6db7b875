import type { Conversation, Message, ReadUpdate } from './wire.js';

/** Up to where each participant has read. Marks only rise. */
export class Receipts {
  reads: Record<string, number> = {};

  /** Whether something is new. */
  note({ userId, seq }: Pick<ReadUpdate, 'userId' | 'seq'>): boolean {
    if (seq <= (this.reads[userId] ?? 0)) return false;
    this.reads = { ...this.reads, [userId]: seq };
    return true;
  }

  /**
   * A conversation tells when each participant has read, not what. All that was there by then, is the answer, unless the
   * messages say otherwise: `readAt` of each is when the first other participant had read it.
   */
  noteConversation(conversation: Conversation, messages: Message[], me: string | null): boolean {
    const unread = messages.find((message) => message.senderId === me && !message.read);
    let isNew = false;
    for (const { userId, lastReadAt } of conversation.participants) {
      if (!lastReadAt || userId === me) continue;
      let seq = 0;
      for (const message of messages) {
        if (message.createdAt > lastReadAt || message === unread) break;
        seq = message.seq;
      }
      isNew = this.note({ userId, seq }) || isNew;
    }
    return isNew;
  }

  /** Up to where at least one other participant has read. */
  byOthers(me: string | null): number {
    let most = 0;
    for (const [userId, seq] of Object.entries(this.reads)) if (userId !== me && seq > most) most = seq;
    return most;
  }
}

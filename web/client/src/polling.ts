import { asError, type DoorbellError } from './errors.js';
import { PAGE_CONVERSATIONS, POLL_LIST, POLL_MESSAGES } from './limits.js';
import type { OnPush, Page, RequestName, Requests } from './link.js';
import { historyPath, type Rest } from './rest.js';
import { Timer } from './timing.js';
import type { Conversation, Message } from './wire.js';

/** Hidden pages ask a fifth as often. */
const pace = () => (typeof document !== 'undefined' && document.hidden ? 5 : 1);

/** By a promise: a bundle can keep what polls in a file of its own. */
export async function makePoller(...given: ConstructorParameters<typeof Poller>): Promise<Poller> {
  return new Poller(...given);
}

/** Asks over REST for what sockets would have pushed. Nobody's typing and presence are known then. */
export class Poller {
  readonly #joined = new Map<string, { after: number; etag: string | null }>();
  readonly #activity = new Map<string, string>();
  readonly #messages = new Timer();
  readonly #list = new Timer();
  #etag: string | null = null;
  #isStopped = false;

  constructor(
    private readonly rest: Rest,
    private readonly push: OnPush,
    /** After each round: `null`, or why it failed. */
    private readonly onRound: (error: DoorbellError | null) => void,
  ) {}

  start(): void {
    this.#messages.set(POLL_MESSAGES * pace(), () => void this.#pollMessages());
    void this.#pollList();
  }

  stop(): void {
    this.#isStopped = true;
    this.#messages.clear();
    this.#list.clear();
  }

  async request<K extends RequestName>(event: K, payload: Requests[K][0]): Promise<Requests[K][1]> {
    const { conversationId } = payload;
    switch (event) {
      case 'conversation:join': {
        const { afterSeq } = payload as Requests['conversation:join'][0];
        const page = await this.rest.get<Page>(historyPath(conversationId, `after=${afterSeq}&limit=200`));
        this.#joined.set(conversationId, { after: page.messages.at(-1)?.seq ?? afterSeq, etag: null });
        return page;
      }
      case 'conversation:leave':
        this.#joined.delete(conversationId);
        return {};
      case 'message:send':
        return this.rest.send<{ message: Message }>('POST', '/api/messages', payload);
      case 'message:read':
        return this.rest.send('PUT', '/api/messages', payload);
      default:
        return {};
    }
  }

  async #pollMessages(): Promise<void> {
    await this.#round(async () => {
      for (const [conversationId, place] of this.#joined) {
        const path = historyPath(conversationId, `after=${place.after}&limit=200`);
        const { body, etag } = await this.rest.call<Page>('GET', path, undefined, place.etag);
        place.etag = etag;
        for (const message of body?.messages ?? []) {
          place.after = Math.max(place.after, message.seq);
          place.etag = null;
          if (!this.#isStopped) this.push('message:received', message);
        }
      }
    });
    if (!this.#isStopped) this.#messages.set(POLL_MESSAGES * pace(), () => void this.#pollMessages());
  }

  async #pollList(): Promise<void> {
    await this.#round(async () => {
      const path = `/api/conversations?limit=${PAGE_CONVERSATIONS}`;
      const { body, etag } = await this.rest.call<{ conversations: Conversation[] }>('GET', path, undefined, this.#etag);
      const isFirst = !this.#etag;
      this.#etag = etag;
      for (const conversation of body?.conversations ?? []) {
        // What changes in a row: its activity, who has read it, who is in it.
        const { updatedAt, lastMessageAt, unreadCount, title } = conversation;
        const participants = conversation.participants.map(({ userId, lastReadAt, leftAt }) => [userId, lastReadAt, leftAt]);
        const activity = JSON.stringify([updatedAt, lastMessageAt, unreadCount, title, participants]);
        if (this.#activity.get(conversation.id) === activity) continue;
        this.#activity.set(conversation.id, activity);
        if (!isFirst && !this.#isStopped) this.push('conversation:updated', { conversation });
      }
    });
    if (!this.#isStopped) this.#list.set(POLL_LIST * pace(), () => void this.#pollList());
  }

  async #round(ask: () => Promise<void>): Promise<void> {
    let error: DoorbellError | null = null;
    try {
      await ask();
    } catch (thrown) {
      error = asError(thrown);
    }
    if (!this.#isStopped) this.onRound(error);
  }
}

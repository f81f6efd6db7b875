import type { Inbox, InboxState } from './api.js';
import { asError, plain } from './errors.js';
import type { Hub } from './hub.js';
import { GROUP_REREAD, INBOX_CONVERSATIONS, INBOX_SAVE_DELAY, PAGE_CONVERSATIONS } from './limits.js';
import type { Rest } from './rest.js';
import type { Shelf } from './storage.js';
import { patch, Value } from './store.js';
import { backoff, Timer } from './timing.js';
import type { Conversation, Message } from './wire.js';

interface ListPage {
  conversations: Conversation[];
  hasMore: boolean;
  nextCursor: string | null;
}

const SHELF = 'inbox';
const WORDS = { text: '', image: 'Photo', video: 'Video', file: 'File' };
const activity = (conversation: Conversation) => conversation.lastMessageAt ?? conversation.createdAt;
const byActivity = (a: Conversation, b: Conversation) => (activity(a) < activity(b) ? 1 : activity(a) > activity(b) ? -1 : 0);
const path = (cursor?: string) => `/api/conversations?limit=${PAGE_CONVERSATIONS}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`;

/** The list of conversations: what was stored at once, then what the server has, then what it pushes. */
export class ConversationList implements Inbox {
  readonly list = new Value<InboxState>({ items: [], isLoading: true, hasMore: false, error: null });
  readonly unread = new Value(0);
  /** Called with each conversation that is new or has changed. */
  onChange: (conversation: Conversation) => void = () => {};
  readonly #items = new Map<string, Conversation>();
  #cursor: string | null = null;
  #etag: string | null = null;
  #isLoaded = false;
  #more: Promise<void> | null = null;
  #refreshing: Promise<void> | null = null;
  #failures = 0;
  #hasLoaded!: () => void;
  /** Resolves when the server has told the list: what was stored before may be of long ago. */
  readonly ready = new Promise<void>((resolve) => (this.#hasLoaded = resolve));
  readonly #save = new Timer();
  readonly #again = new Timer();
  readonly #reread = new Timer();

  constructor(
    private readonly rest: Rest,
    private readonly shelf: Shelf,
    private readonly hub: Hub,
    private readonly me: () => string | null,
  ) {
    hub.pushes.on('conversation:updated', ({ conversation }) => {
      const known = this.get(conversation.id);
      const isQuiet = known?.messages[0]?.seq === conversation.messages[0]?.seq && known?.unreadCount === conversation.unreadCount;
      this.put([conversation]);
      // Who is in a group the push does not say; the list does. A push without a new message may be of somebody who came or left.
      if (conversation.isGroup && !conversation.participants?.length && (isQuiet || !known?.participants.length)) this.#reread.setOnce(GROUP_REREAD, () => void Promise.resolve(this.#refreshing).then(() => this.refresh()));
    });
    hub.pushes.on('message:received', (message) => this.#received(message));
    hub.pushes.on('up', ({ isRecovered }) => {
      if (isRecovered && this.#isLoaded) return;
      // An answer that is on its way may be of before the connection.
      void Promise.resolve(this.#refreshing).then(() => this.refresh());
    });
  }

  /** Paints what was stored, then asks. */
  async start(): Promise<void> {
    const stored = await this.shelf.get<Conversation[]>(SHELF);
    if (stored && !this.#isLoaded) {
      this.#keep(stored);
      this.#show({ isLoading: false, items: this.#placed(stored) });
    }
    await this.refresh();
  }

  stop(): void {
    this.#save.clear();
    this.#again.clear();
    this.#reread.clear();
  }

  /** Has the server told the list? */
  get isCurrent(): boolean {
    return this.#isLoaded;
  }

  /** After signing out. */
  forget(): void {
    this.#items.clear();
    this.#cursor = null;
    patch(this.list, { items: [], hasMore: false, isLoading: false });
    this.unread.set(0);
  }

  get(id: string): Conversation | null {
    return this.#items.get(id) ?? null;
  }

  /** The conversation, also if it is far down the list. `null`: it is not in it. */
  async find(id: string): Promise<Conversation | null> {
    while (!this.get(id)) {
      if (!this.#isLoaded) await this.refresh();
      if (!this.#isLoaded || this.get(id) || !this.#cursor) break;
      await this.loadMore();
    }
    return this.get(id);
  }

  refresh(): Promise<void> {
    return (this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = null)));
  }

  loadMore(): Promise<void> {
    if (!this.#cursor) return Promise.resolve();
    return (this.#more ??= this.#loadMore(this.#cursor).finally(() => (this.#more = null)));
  }

  /** Whether a message is newer than what is known of its conversation. */
  isNews(message: Message): boolean {
    const conversation = this.get(message.conversationId);
    if (conversation) return (conversation.messages[0]?.seq ?? 0) < message.seq;
    // One that is not loaded is news if it belongs at the top.
    const [newest] = this.list.get().items;
    return !newest || message.createdAt >= activity(newest);
  }

  /** Takes conversations as the server has them now. */
  put(conversations: Conversation[]): void {
    const changed = this.#keep(conversations);
    if (!changed.length) return;
    this.#show({ items: this.#placed(changed) });
    for (const conversation of changed) this.onChange(conversation);
  }

  /** What is unread there, as a timeline knows better. */
  setUnread(id: string, unreadCount: number): void {
    const conversation = this.get(id);
    if (conversation && conversation.unreadCount !== unreadCount) this.put([{ ...conversation, unreadCount }]);
  }

  async #refresh(): Promise<void> {
    this.#again.clear();
    try {
      const { body, etag } = await this.rest.call<ListPage>('GET', path(), undefined, this.#etag);
      this.#etag = etag;
      if (body) await this.#took(body);
      this.#failures = 0;
      this.#show({ isLoading: false, error: null });
    } catch (thrown) {
      const error = asError(thrown);
      // What is painted stays; without a connection the state of that says enough.
      this.#show({ error: plain(error), ...(error.isFinal && { isLoading: false }) });
      if (!error.isFinal && this.hub.isUp) this.#again.set(error.retryAfterMs ?? backoff((this.#failures += 1)), () => void this.refresh());
    }
  }

  async #took(first: ListPage): Promise<void> {
    if (!this.#isLoaded) this.#items.clear(); // what was stored may be of long ago
    let page = first;
    while (this.#isLoaded && page.hasMore && page.nextCursor && this.#items.size < INBOX_CONVERSATIONS) {
      // After an absence: more may have changed than one page holds.
      const isAllNew = page.conversations.every((conversation) => this.get(conversation.id)?.updatedAt !== conversation.updatedAt);
      this.put(page.conversations);
      if (!isAllNew) break;
      page = await this.rest.get<ListPage>(path(page.nextCursor));
    }
    if (!this.#isLoaded) this.#cursor = page.hasMore ? page.nextCursor : null;
    this.#isLoaded = true;
    this.put(page.conversations);
    this.#hasLoaded();
  }

  async #loadMore(cursor: string): Promise<void> {
    try {
      const page = await this.rest.get<ListPage>(path(cursor));
      this.#cursor = page.hasMore && this.#items.size < INBOX_CONVERSATIONS ? page.nextCursor : null;
      this.put(page.conversations);
      this.#show({ error: null });
    } catch (thrown) {
      this.#show({ error: plain(asError(thrown)) });
      throw thrown;
    }
  }

  #keep(conversations: Conversation[]): Conversation[] {
    return conversations.flatMap((given) => {
      const known = this.#items.get(given.id);
      // Pushes of a group leave out who is in it.
      const conversation = given.participants?.length ? given : { ...given, participants: known?.participants ?? [] };
      if (known && JSON.stringify(known) === JSON.stringify(conversation)) return [];
      this.#items.set(conversation.id, conversation);
      return [conversation];
    });
  }

  /** Of a conversation that is open, the row changes with its messages: the server tells the row of the others alone. */
  #received(message: Message): void {
    const conversation = this.get(message.conversationId);
    if (!conversation) return void this.find(message.conversationId).catch(() => {});
    if ((conversation.messages[0]?.seq ?? 0) >= message.seq) return;
    this.put([
      {
        ...conversation,
        messages: [message],
        lastMessage: message.content || WORDS[message.type],
        lastMessageAt: message.createdAt,
        updatedAt: message.createdAt,
        unreadCount: conversation.unreadCount + (message.senderId === this.me() ? 0 : 1),
      },
    ]);
  }

  /** The list with these in their places. A long list is not sorted anew for each message. */
  #placed(changed: Conversation[]): Conversation[] {
    const { items } = this.list.get();
    if (changed.length > 10) return [...this.#items.values()].sort(byActivity);
    const ids = new Set(changed.map(({ id }) => id));
    const rest = items.filter(({ id }) => this.#items.has(id) && !ids.has(id));
    for (const conversation of changed) {
      const at = rest.findIndex((other) => byActivity(conversation, other) < 0);
      rest.splice(at < 0 ? rest.length : at, 0, conversation);
    }
    return rest;
  }

  #show(change: Partial<InboxState>): void {
    patch(this.list, { ...change, hasMore: this.#cursor !== null });
    if (!change.items) return;
    this.unread.set(change.items.reduce((sum, { unreadCount }) => sum + unreadCount, 0));
    this.#save.setOnce(INBOX_SAVE_DELAY, () => void this.shelf.set(SHELF, this.list.get().items.slice(0, PAGE_CONVERSATIONS)));
  }
}

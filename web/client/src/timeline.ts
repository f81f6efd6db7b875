import type { Draft, OutgoingMessage, Timeline, TimelineMessage, TimelineState } from './api.js';
import type { Drafts } from './drafts.js';
import { asError, plain, SIGNED_OUT } from './errors.js';
import { History } from './history.js';
import type { Hub } from './hub.js';
import type { ConversationList } from './inbox.js';
import { LEAVE_DELAY } from './limits.js';
import type { Outbox } from './outbox.js';
import { pendingView, storedView } from './message-view.js';
import { OwnReading } from './reading.js';
import { lastReadByOthers, Receipts } from './receipts.js';
import type { Rest } from './rest.js';
import { patch, Value, type Store } from './store.js';
import { backoff, Timer } from './timing.js';
import { OwnTyping, Typists } from './typing.js';
import type { Conversation, Message, Person, ReadUpdate } from './wire.js';

/** What a timeline needs of its client. */
export interface TimelineHost {
  hub: Hub;
  rest: Rest;
  inbox: ConversationList;
  outbox: Outbox;
  drafts: Drafts;
  me: Store<Person | null>;
}

const EMPTY: TimelineState = {
  conversation: null, messages: [], isLoading: true, hasOlder: false, isLoadingOlder: false, hasNewer: false, isLoadingNewer: false,
  typing: [], firstUnreadSeq: null, isUnreadKnown: false, reads: {}, error: null,
};

/** Of somebody who has signed out. */
const ENDED: TimelineState = { ...EMPTY, isLoading: false, error: SIGNED_OUT };

/** One conversation's messages, kept live while somebody has it open. */
export class ConversationTimeline implements Timeline {
  readonly state = new Value<TimelineState>(EMPTY);
  readonly draft: Store<string>;
  readonly #history: History;
  readonly #reading: OwnReading;
  readonly #receipts = new Receipts();
  readonly #typists: Typists;
  readonly #ownTyping: OwnTyping;
  readonly #leave = new Timer();
  readonly #again = new Timer();
  readonly #loading: { isLoadingOlder?: Promise<void>; isLoadingNewer?: Promise<void> } = {};
  #opened = 0;
  #isJoined = false;
  #syncing: Promise<void> | null = null;
  #failures = 0;
  /** When others had read last, as of the last time that the messages were asked about it. */
  #readsAsked: string | null = null;
  readonly #stops: (() => void)[];

  constructor(
    readonly id: string,
    private readonly host: TimelineHost,
  ) {
    const { hub, outbox, inbox } = host;
    this.draft = host.drafts.of(id);
    this.#history = new History(id, host.rest, hub, () => this.#compose(), (messages) => this.#took(messages));
    this.#reading = new OwnReading(id, hub, inbox, this.#history, () => this.#me);
    this.#typists = new Typists(() => this.#show({ typing: this.#typists.people }));
    this.#ownTyping = new OwnTyping((isTyping) => {
      if (hub.isUp) hub.request(isTyping ? 'typing:start' : 'typing:stop', { conversationId: id }).catch(() => {});
    });
    const here = (value: { conversationId: string }) => value.conversationId === id;
    this.#stops = [
      hub.pushes.on('message:received', (message) => here(message) && this.#received(message)),
      hub.pushes.on('message:read_update', (update) => here(update) && this.#readBy(update)),
      hub.pushes.on('typing:update', (update) => here(update) && update.userId !== this.#me && this.#typists.note(update)),
      hub.onUp(() => {
        this.#isJoined = false;
        if (this.#opened) void this.#sync();
      }),
      outbox.events.on('change', (changed) => changed === id && this.#compose()),
      outbox.events.on('stored', (message) => here(message) && this.#history.received(message)),
      inbox.list.subscribe(() => {
        const conversation = inbox.get(id);
        if (!conversation || conversation === this.state.get().conversation) return;
        this.#show({ conversation });
        if (!this.#history.isLoaded) return;
        this.#placeUnread();
        this.#gatherReads(conversation);
      }),
    ];
    void inbox.ready.then(() => this.#history.isLoaded && this.#placeUnread());
    this.#compose();
  }

  get isOpen(): boolean {
    return this.#opened > 0;
  }

  get #me(): string | null {
    return this.host.me.get()?.id ?? null;
  }

  open(): () => void {
    this.#leave.clear();
    this.#opened += 1;
    if (this.#opened === 1) {
      this.#reading.isPlaced = false;
      this.#show({ isUnreadKnown: false });
      // Who comes back begins at the end, wherever they have left.
      if (this.#history.window.hasNewer) this.#history.isLoaded = false;
      if (this.#history.isLoaded) this.#placeUnread();
      void this.#sync();
    }
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      this.#opened -= 1;
      if (!this.#opened) this.#leave.set(LEAVE_DELAY, () => this.#left());
    };
  }

  async loadOlder(): Promise<void> {
    await this.#load('isLoadingOlder', () => this.#history.loadOlder());
  }

  async loadNewer(): Promise<void> {
    await this.#load('isLoadingNewer', () => this.#history.loadNewer());
  }

  async jumpTo(seq: number | 'latest'): Promise<void> {
    const { window } = this.#history;
    if (seq === 'latest' ? !window.hasNewer : window.get(seq)) return;
    await this.#load('isLoadingNewer', () => (seq === 'latest' ? this.#history.loadNewest().then(() => this.#history.catchUp()) : this.#history.loadAround(seq)));
  }

  send(draft: Draft): OutgoingMessage {
    const outgoing = this.host.outbox.add(this.id, draft);
    this.#ownTyping.set(false);
    this.#reading.firstUnreadSeq = null;
    this.#show({ firstUnreadSeq: null });
    // Own messages are shown at the end, so the end must be there.
    if (this.#history.window.hasNewer) void this.jumpTo('latest').catch(() => {});
    return outgoing;
  }

  retry(clientMessageId: string): void {
    this.host.outbox.retry(clientMessageId);
  }

  discard(clientMessageId: string): void {
    this.host.outbox.discard(clientMessageId);
  }

  markRead(uptoSeq = Infinity): void {
    this.#reading.mark(uptoSeq);
  }

  typing(isTyping: boolean): void {
    this.#ownTyping.set(isTyping);
  }

  setDraft(text: string): void {
    this.host.drafts.set(this.id, text);
  }

  /** Ends it for good. */
  dispose(): void {
    for (const stop of this.#stops) stop();
    this.#left();
    this.#reading.stop();
    this.#show({});
  }

  #left(): void {
    this.#leave.clear();
    this.#again.clear();
    this.#ownTyping.set(false);
    this.#typists.clear();
    if (this.#isJoined && this.host.hub.isUp) this.host.hub.request('conversation:leave', { conversationId: this.id }).catch(() => {});
    this.#isJoined = false;
  }

  /** Loads what is not loaded, and joins where it is not joined. */
  #sync(): Promise<void> {
    return (this.#syncing ??= this.#syncOnce().finally(() => (this.#syncing = null)));
  }

  async #syncOnce(): Promise<void> {
    const { hub, inbox } = this.host;
    this.#again.clear();
    try {
      if (!this.#history.isLoaded) await this.#history.loadNewest((inbox.get(this.id)?.unreadCount ?? 0) + 10);
      this.#show({ isLoading: false, error: null });
      if (!inbox.get(this.id)) void inbox.find(this.id).catch(() => {});
      while (hub.isUp && this.#opened && !this.#isJoined) {
        this.#isJoined = true;
        await this.#history.catchUp();
        void this.#reading.tell();
      }
      this.#failures = 0;
    } catch (thrown) {
      this.#isJoined = false;
      const error = asError(thrown);
      // Who has left a group may still read what was said before.
      if (this.#history.isLoaded && error.code === 'FORBIDDEN') return;
      this.#show({ error: plain(error), isLoading: !error.isFinal && !this.#history.isLoaded });
      if (!error.isFinal && hub.isUp && this.#opened) this.#again.set(error.retryAfterMs ?? backoff((this.#failures += 1)), () => void this.#sync());
    }
  }

  /** One at a time in each direction: who asks again waits for the same page. */
  #load(flag: 'isLoadingOlder' | 'isLoadingNewer', load: () => Promise<void>): Promise<void> {
    return (this.#loading[flag] ??= this.#loadOnce(flag, load).finally(() => delete this.#loading[flag]));
  }

  async #loadOnce(flag: 'isLoadingOlder' | 'isLoadingNewer', load: () => Promise<void>): Promise<void> {
    this.#show({ [flag]: true });
    try {
      await load();
      this.#show({ [flag]: false, error: null });
    } catch (thrown) {
      this.#show({ [flag]: false, error: plain(asError(thrown)) });
    }
  }

  #received(message: Message): void {
    this.#typists.remove(message.senderId);
    if (message.senderId === this.#me) this.host.outbox.stored(message);
    this.#history.received(message);
  }

  /** Messages were loaded. */
  #took(messages: Message[]): void {
    for (const message of messages) if (message.senderId === this.#me) this.host.outbox.stored(message);
    const conversation = this.host.inbox.get(this.id);
    if (conversation) this.#gatherReads(conversation);
    this.#placeUnread();
  }

  #gatherReads(conversation: Conversation): void {
    const me = this.#me;
    this.#receipts.gather(conversation, this.#history.window.messages, me);
    this.#compose();
    // Where the reading itself was not told, as while polling, the messages are read again: they say which it was.
    const at = lastReadByOthers(conversation, me);
    if (!at || at === this.#readsAsked || !this.#opened) return;
    this.#readsAsked = at;
    const isOpen = this.state.get().messages.some(({ senderId, status, createdAt }) => senderId === me && status === 'sent' && createdAt <= at);
    if (isOpen) void this.#history.refresh().catch(() => (this.#readsAsked = null));
  }

  #readBy(update: ReadUpdate): void {
    if (update.userId === this.#me) {
      this.#reading.markedElsewhere(update.seq);
    } else {
      this.#receipts.note(update);
      this.#compose();
    }
  }

  /** Once for each opening. */
  #placeUnread(): void {
    void this.#reading.place().catch(() => {
      // The next thing that is loaded leads here again.
    }).then(() => {
      const { isPlaced, firstUnreadSeq } = this.#reading;
      if (isPlaced) this.#show({ firstUnreadSeq, isUnreadKnown: true });
    });
  }

  #compose(): void {
    const { outbox, me } = this.host;
    const { window } = this.#history;
    const own = this.#me;
    const readUpTo = this.#receipts.byOthers;
    const messages: TimelineMessage[] = window.messages.map((message) => storedView(message, own, readUpTo));
    const stored = new Set(window.messages.flatMap(({ senderId, clientMessageId }) => (senderId === own && clientMessageId ? clientMessageId : [])));
    for (const entry of outbox.entries(this.id)) {
      if (!stored.has(entry.clientMessageId)) messages.push(pendingView(entry, me.get(), outbox.isSending(entry.clientMessageId), outbox.uploadsOf(entry)));
    }
    const { hasOlder, hasNewer } = window;
    this.#show({ messages, hasOlder: this.#history.isLoaded && hasOlder, hasNewer, reads: this.#receipts.reads });
  }

  #show(change: Partial<TimelineState>): void {
    patch(this.state, this.host.outbox.hasEnded ? ENDED : { conversation: this.host.inbox.get(this.id), ...change });
  }
}

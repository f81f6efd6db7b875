import type { ClientEvents, ClientOptions, ConversationTarget, DoorbellClient, UploadOptions } from './api.js';
import { Connection } from './connection.js';
import { Delivery } from './delivery.js';
import { Drafts } from './drafts.js';
import { Emitter } from './emitter.js';
import { asError, DoorbellError, plain } from './errors.js';
import { Hub, type Push } from './hub.js';
import { ConversationList } from './inbox.js';
import { IDLE_TIMELINES } from './limits.js';
import { giveNotice } from './notices.js';
import { Outbox } from './outbox.js';
import { Presences } from './presence.js';
import { Rest } from './rest.js';
import { Session } from './session.js';
import { defaultStorage, memoryStorage, Shelf } from './storage.js';
import { Value, type Store } from './store.js';
import { browserTabs } from './tabs.js';
import { ConversationTimeline } from './timeline.js';
import { backoff, Timer } from './timing.js';
import { UploadLine, UploadTask, type UploadBegun } from './upload.js';
import type { Conversation, Message, Person, Presence } from './wire.js';

/** Makes a client and connects it. */
export function createClient(options: ClientOptions = {}): DoorbellClient {
  return new Client(options);
}

function addressOf(url: string | undefined): string {
  try {
    const { protocol, href } = new URL(url ?? '');
    if (/^https?:$/.test(protocol)) return href.replace(/\/$/, '');
  } catch {
    // said below
  }
  throw new DoorbellError('INVALID', `"${url ?? ''}" is no address of a server. Write url: 'https://...', with scheme and host.`);
}

const personOf = (id: string): Person => ({ id, _id: id, name: null, email: null, image: null, role: null });

class Client implements DoorbellClient {
  readonly state: Store<DoorbellClient['state'] extends Store<infer T> ? T : never>;
  readonly me = new Value<Person | null>(null);
  readonly inbox: ConversationList;
  readonly #events = new Emitter<ClientEvents>();
  readonly #session: Session;
  readonly #rest: Rest;
  readonly #shelf: Shelf;
  readonly #hub: Hub;
  readonly #outbox: Outbox;
  readonly #delivery: Delivery;
  readonly #drafts: Drafts;
  readonly #presences: Presences;
  readonly #line: UploadLine;
  readonly #timelines = new Map<string, ConversationTimeline>();
  readonly #beginAgain = new Timer();
  #hasBegun = false;
  #isClosed = false;
  #failures = 0;

  constructor(private readonly options: ClientOptions) {
    const base = addressOf(options.url ?? globalThis.location?.origin);
    const fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
    this.#session = new Session(base, fetch, options.token);
    this.#rest = new Rest(this.#session, fetch);
    const storage = options.storage === null ? memoryStorage() : options.storage ?? defaultStorage();
    this.#shelf = new Shelf(storage, () => this.#events.emit('error', { code: 'STORAGE', message: 'Nothing can be kept here: what is not sent is lost when the page is closed.' }));
    const tabs = options.shareTabs === false ? null : options.tabs ?? browserTabs();
    this.#hub = new Hub((onState, push) => new Connection(this.#session, this.#rest, options, onState, push), tabs);
    this.state = this.#hub.state;
    const mine = () => this.me.get()?.id ?? null;
    giveNotice(this.#hub, {
      isNews: (message) => this.inbox.isNews(message),
      isOwn: (message) => message.senderId === mine(),
      tell: (notice) => this.#events.emit('notify', notice),
    });
    this.inbox = new ConversationList(this.#rest, this.#shelf, this.#hub, mine);
    this.#line = new UploadLine(this.#session, this.#hub, fetch);
    this.#outbox = new Outbox(this.#hub, this.#shelf, (file, begun) => this.#upload(file, begun));
    this.#delivery = new Delivery(this.#hub, this.#outbox);
    this.#drafts = new Drafts(this.#shelf);
    this.#presences = new Presences(this.#hub);
    this.#listen();
    void this.#begin();
  }

  conversation(id: string): ConversationTimeline {
    let timeline = this.#timelines.get(id);
    if (timeline) this.#timelines.delete(id); // to the end: the one used last
    else timeline = new ConversationTimeline(id, { hub: this.#hub, rest: this.#rest, inbox: this.inbox, outbox: this.#outbox, drafts: this.#drafts, me: this.me });
    this.#timelines.set(id, timeline);
    const idle = [...this.#timelines.values()].filter((one) => one !== timeline && !one.isOpen && !one.state.isWatched);
    for (const one of idle.slice(0, Math.max(0, idle.length - IDLE_TIMELINES))) {
      one.dispose();
      this.#timelines.delete(one.id);
    }
    return timeline;
  }

  async openConversation(target: ConversationTarget): Promise<Conversation> {
    const body = 'participantIds' in target ? { ...target, isGroup: true } : target;
    const { conversation } = await this.#rest.send<{ conversation: Conversation }>('POST', '/api/conversations', body);
    this.inbox.put([conversation]);
    return conversation;
  }

  presence(userId: string): Store<Presence> {
    return this.#presences.of(userId);
  }

  upload(file: File | Blob, options: UploadOptions = {}): UploadTask {
    return this.#upload(file, options);
  }

  on<K extends keyof ClientEvents>(event: K, listener: (value: ClientEvents[K]) => void): () => void {
    return this.#events.on(event, listener);
  }

  connect(): void {
    if (this.#isClosed) return;
    if (this.#hasBegun) this.#hub.connectNow();
    else void this.#begin();
  }

  async signOut(): Promise<void> {
    this.#hub.tellSignedOut();
    await this.#end();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#beginAgain.clear();
    for (const timeline of this.#timelines.values()) timeline.dispose();
    this.inbox.stop();
    this.#delivery.stop();
    this.#session.stop();
    this.#hub.stop();
  }

  async #end(): Promise<void> {
    // Nothing of this person stays in sight, in whatever tab.
    this.#outbox.end();
    this.inbox.forget();
    await this.close();
    this.me.set(null);
    if (this.#hasBegun) await this.#shelf.clear();
    this.#hub.show({ status: 'signed-out', since: Date.now() });
  }

  #upload(file: Blob, options: UploadOptions & UploadBegun): UploadTask {
    return new UploadTask(this.#line, file, options);
  }

  /** Finds out who is signed in, takes up what is stored for them, and connects. */
  async #begin(): Promise<void> {
    this.#beginAgain.clear();
    let key: string;
    try {
      key = this.options.userKey ?? (await this.#session.key());
    } catch (thrown) {
      const error = asError(thrown);
      if (this.#isClosed || this.#hasBegun) return;
      const since = Date.now();
      if (error.isFinal || error.code === 'SIGNED_OUT') {
        this.#hub.show({ status: error.isFinal ? 'refused' : 'signed-out', since, reason: plain(error) });
        return;
      }
      const wait = error.retryAfterMs ?? backoff((this.#failures += 1));
      this.#beginAgain.set(wait, () => void this.#begin());
      this.#hub.show({ status: 'offline', since, reason: plain(error), retryAt: since + wait });
      return;
    }
    if (this.#isClosed || this.#hasBegun) return;
    this.#hasBegun = true;
    this.#hub.show({ status: 'connecting', since: Date.now() });
    const name = `${this.#session.base}|${key}`;
    this.#shelf.open(name);
    if (this.#session.userId) this.#identify(this.#session.userId);
    void this.inbox.start();
    void this.#shelf.get<Person>('me').then((me) => me && !this.me.get()?.name && (this.#session.userId ?? me.id) === me.id && this.me.set(me));
    await this.#outbox.load();
    if (!this.#isClosed) this.#hub.start(name);
  }

  /** A token says who it is; their name comes from the list, or with the connection. */
  #identify(userId: string): void {
    if (this.me.get()?.id !== userId) this.me.set(personOf(userId));
  }

  #know(me: Person): void {
    this.me.set(me);
    void this.#shelf.set('me', me);
  }

  #listen(): void {
    // Where the sign-in was named (`userKey`), nothing waits for the token: who it is comes with the first request.
    this.#session.onUser = (userId) => this.#hasBegun && this.#identify(userId);
    const { pushes, events, state } = this.#hub;
    pushes.on('connection:success', ({ userId, user }) => {
      this.#know(user ?? personOf(userId));
    });
    // While polling nobody says who one is, but the list does.
    this.inbox.onChange = (conversation) => {
      const me = this.me.get();
      const user = me && me.name === null && conversation.participants.find(({ userId }) => userId === me.id)?.user;
      if (user) this.#know(user);
      this.#events.emit('conversation', conversation);
    };
    pushes.on('message:received', (message) => {
      if (message.senderId === this.me.get()?.id) this.#outbox.stored(message);
      this.#events.emit('message', message);
    });
    pushes.on('message:read_update', (update) => this.#events.emit('read', update));
    pushes.on('typing:update', (update) => this.#events.emit('typing', update));
    pushes.on('presence:update', (presence) => this.#events.emit('presence', presence));
    pushes.on('error', (error) => this.#events.emit('error', error));
    state.subscribe(() => this.#events.emit('state', state.get()));
    events.on('signedOut', () => void this.#end());
    this.#hub.snapshot = (): Push[] => {
      const me = this.me.get();
      return [...(me ? [['connection:success', { userId: me.id, user: me }] as Push] : []), ...this.#presences.snapshot()];
    };
  }
}

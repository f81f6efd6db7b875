import type { ConnectionState, Reason } from './api.js';
import type { Connection } from './connection.js';
import { Emitter } from './emitter.js';
import { asError, DoorbellError } from './errors.js';
import { ANSWER_TIMEOUT, ROLL_CALL, ROLL_CALL_ANSWERS } from './limits.js';
import type { Ask, OnPush, PushName, Pushes, RequestName, Requests } from './link.js';
import { Value } from './store.js';
import type { TabChannel, TabsEnvironment } from './tabs.js';
import { Timer, uniqueId } from './timing.js';

export type Push = { [K in PushName]: [event: K, payload: Pushes[K]] }[PushName];

type Post =
  | { kind: 'hello' }
  | { kind: 'welcome'; to: string; state: ConnectionState; pushes: Push[] }
  | { kind: 'state'; state: ConnectionState }
  | { kind: 'push'; push: Push }
  | { kind: 'request'; id: string; event: RequestName; payload: Requests[RequestName][0] }
  | { kind: 'answer'; to: string; id: string; answer?: unknown; error?: Reason & { retryAfterMs?: number | undefined } }
  | { kind: 'roll-call' }
  | { kind: 'present' }
  | { kind: 'bye' }
  | { kind: 'connect' }
  | { kind: 'signed-out' }
  | { kind: 'outbox'; change: unknown };

const isDown = ({ status }: ConnectionState) => status === 'connecting' || status === 'offline';

interface Waiting {
  resolve(answer: unknown): void;
  reject(error: DoorbellError): void;
  timer: Timer;
}

interface HubEvents {
  /** A change of the outbox in another tab. */
  outbox: unknown;
  /** This tab has the connection from now on. */
  leading: undefined;
  /** Which tabs are there, this one included. */
  tabs: Set<string>;
  signedOut: undefined;
}

/**
 * What all tabs of one sign-in have in common: one of them leads and has the connection, the others reach it through the
 * leader. When the leader goes, the next one takes over.
 */
export class Hub {
  readonly tab = uniqueId();
  readonly state = new Value<ConnectionState>({ status: 'connecting', since: Date.now() });
  readonly pushes = new Emitter<Pushes>();
  readonly events = new Emitter<HubEvents>();
  /** What a tab that has just come must be told. */
  snapshot: () => Push[] = () => [];
  #connection: Connection | null = null;
  #channel: TabChannel | null = null;
  readonly #leadership = new AbortController();
  #resign: () => void = () => {};
  readonly #waiting = new Map<string, Waiting>();
  /** Of the leader: who has joined which conversation. */
  readonly #joins = new Map<string, Set<string>>();
  #present = new Set<string>();
  readonly #rollCall = new Timer();

  constructor(
    private readonly connect: (onState: (state: ConnectionState) => void, push: OnPush) => Connection,
    private readonly tabs: TabsEnvironment | null,
  ) {}

  get isLeader(): boolean {
    return this.#connection !== null;
  }

  /** `name`: of the sign-in; tabs of the same name share a connection. */
  start(name: string): void {
    if (!this.tabs) return this.#lead();
    this.#channel = this.tabs.channel(`doorbell|${name}`);
    this.#channel.onmessage = ({ data }) => this.#hear(data as Post & { from: string });
    this.#post({ kind: 'hello' });
    this.tabs
      .lock(`doorbell|${name}`, this.#leadership.signal, () => {
        this.#lead();
        return new Promise<void>((resolve) => (this.#resign = resolve));
      })
      .catch(() => {
        // The waiting was ended, by `stop`. Browsers that refuse locks altogether leave each tab its own connection.
        if (!this.#leadership.signal.aborted) this.#lead();
      });
  }

  stop(): void {
    this.#leadership.abort();
    this.#rollCall.clear();
    this.#connection?.stop();
    this.#connection = null;
    this.#post({ kind: 'bye' });
    this.#resign();
    this.#abandon();
    if (this.#channel) this.#channel.onmessage = null;
    this.#channel?.close();
    this.#channel = null;
  }

  request: Ask = (event, payload) => {
    if (this.isLeader) return this.#serve(this.tab, event, payload);
    const id = uniqueId();
    return new Promise((resolve, reject) => {
      const timer = new Timer();
      // Longer than the leader's own waiting: its answer says more.
      timer.set(ANSWER_TIMEOUT * 1.5, () => {
        this.#waiting.delete(id);
        reject(new DoorbellError('TIMEOUT', 'The tab that has the connection did not answer.'));
      });
      this.#waiting.set(id, { resolve: resolve as (answer: unknown) => void, reject, timer });
      this.#post({ kind: 'request', id, event, payload });
    });
  };

  /** Being without a connection is one state, however often it is tried to get one. */
  show(state: ConnectionState): void {
    const before = this.state.get();
    this.state.set(isDown(before) && isDown(state) ? { ...state, since: before.since } : state);
  }

  connectNow(): void {
    if (this.#connection) this.#connection.retryNow();
    else this.#post({ kind: 'connect' });
  }

  tellOutbox(change: unknown): void {
    this.#post({ kind: 'outbox', change });
  }

  tellSignedOut(): void {
    this.#post({ kind: 'signed-out' });
  }

  #lead(): void {
    if (this.#leadership.signal.aborted) return;
    this.#connection = this.connect(
      (state) => {
        this.show(state);
        this.#post({ kind: 'state', state: this.state.get() });
      },
      (event, payload) => {
        this.#post({ kind: 'push', push: [event, payload] as Push });
        this.pushes.emit(event, payload);
      },
    );
    this.#abandon();
    this.#connection.start();
    this.events.emit('leading', undefined);
    this.#callRoll();
  }

  /** Nobody will answer what the former leader was asked. */
  #abandon(): void {
    for (const [id, waiting] of this.#waiting) this.#settle(id, waiting, undefined, { code: 'NETWORK', message: 'The connection was lost.' });
  }

  get isUp(): boolean {
    const { status } = this.state.get();
    return status === 'online' || status === 'polling';
  }

  /** Calls back whenever the server can be asked again after it could not, or in another way than before. */
  onUp(listener: () => void): () => void {
    let last = this.state.get().status;
    return this.state.subscribe(() => {
      const { status } = this.state.get();
      if (status === last) return;
      last = status;
      if (this.isUp) listener();
    });
  }

  /** Of the leader: makes a tab's request. */
  async #serve<K extends RequestName>(tab: string, event: K, payload: Requests[K][0]): Promise<Requests[K][1]> {
    if (!this.#connection) throw new DoorbellError('NETWORK', 'There is no connection.');
    const { conversationId } = payload;
    if (event === 'conversation:join') {
      const joins = this.#joins.get(conversationId) ?? new Set();
      this.#joins.set(conversationId, joins.add(tab));
    }
    if (event === 'conversation:leave' && !this.#dropJoin(conversationId, tab)) return {};
    return this.#connection.request(event, payload);
  }

  /** Whether nobody is left there. */
  #dropJoin(conversationId: string, tab: string): boolean {
    const joins = this.#joins.get(conversationId);
    if (!joins?.delete(tab) || joins.size > 0) return false;
    return this.#joins.delete(conversationId);
  }

  #callRoll(): void {
    this.#present = new Set([this.tab]);
    this.#post({ kind: 'roll-call' });
    this.#rollCall.set(this.#channel ? ROLL_CALL_ANSWERS : 0, () => {
      for (const [conversationId, tabs] of this.#joins) for (const tab of tabs) if (!this.#present.has(tab)) this.#left(conversationId, tab);
      this.events.emit('tabs', this.#present);
      if (this.#channel) this.#rollCall.set(ROLL_CALL, () => this.#callRoll());
    });
  }

  #left(conversationId: string, tab: string): void {
    if (this.#dropJoin(conversationId, tab)) this.#connection?.request('conversation:leave', { conversationId }).catch(() => {});
  }

  #post(post: Post): void {
    this.#channel?.postMessage({ ...post, from: this.tab });
  }

  #hear(post: Post & { from: string }): void {
    switch (post.kind) {
      case 'outbox':
        return this.events.emit('outbox', post.change);
      case 'signed-out':
        return this.events.emit('signedOut', undefined);
      case 'answer': {
        const waiting = post.to === this.tab && this.#waiting.get(post.id);
        if (waiting) this.#settle(post.id, waiting, post.answer, post.error);
        return;
      }
      case 'roll-call':
        return this.#post({ kind: 'present' });
    }
    if (this.isLeader) this.#hearAsLeader(post);
    else if (post.kind === 'state' || (post.kind === 'welcome' && post.to === this.tab)) {
      this.state.set(post.state);
      if (post.kind === 'welcome') for (const push of post.pushes) this.#emit(push);
    } else if (post.kind === 'push') this.#emit(post.push);
  }

  #hearAsLeader(post: Post & { from: string }): void {
    switch (post.kind) {
      case 'hello':
        this.#present.add(post.from);
        return this.#post({ kind: 'welcome', to: post.from, state: this.state.get(), pushes: this.snapshot() });
      case 'connect':
        return this.connectNow();
      case 'present':
        this.#present.add(post.from);
        return;
      case 'bye':
        this.#present.delete(post.from);
        for (const conversationId of [...this.#joins.keys()]) this.#left(conversationId, post.from);
        return this.events.emit('tabs', this.#present);
      case 'request':
        this.#present.add(post.from);
        this.#serve(post.from, post.event, post.payload).then(
          (answer) => this.#post({ kind: 'answer', to: post.from, id: post.id, answer }),
          (thrown) => {
            const { code, message, retryAfterMs } = asError(thrown);
            this.#post({ kind: 'answer', to: post.from, id: post.id, error: { code, message, retryAfterMs } });
          },
        );
    }
  }

  #settle(id: string, waiting: Waiting, answer: unknown, error?: Reason & { retryAfterMs?: number | undefined }): void {
    this.#waiting.delete(id);
    waiting.timer.clear();
    if (error) waiting.reject(new DoorbellError(error.code, error.message, error.retryAfterMs));
    else waiting.resolve(answer);
  }

  #emit([event, payload]: Push): void {
    this.pushes.emit(event, payload as never);
  }
}

import { Manager, type Socket } from 'socket.io-client';
import type { ClientOptions, ConnectionState, Reason } from './api.js';
import { asError, DoorbellError, plain } from './errors.js';
import { ANSWER_TIMEOUT, ATTEMPTS_BEFORE_POLLING, CONNECT_TIMEOUT, POLLING_PROBE } from './limits.js';
import { SERVER_EVENTS, type Ask, type OnPush } from './link.js';
import { makePoller, type Poller } from './polling.js';
import type { Rest } from './rest.js';
import type { Session } from './session.js';
import { backoff, Timer } from './timing.js';

/** What Socket.IO and Engine.IO tell of a failed attempt. */
interface ConnectError extends Error {
  /** Of a server that has judged the handshake. */
  data?: { code?: string };
  code?: string;
  /** The status of an answer by HTTP, where there was one. */
  description?: unknown;
  context?: { getResponseHeader?(name: string): string | null };
}

/** Reasons for which the server ends a connection and would not take the same token again. */
const SESSION_ENDS = ['TOKEN_EXPIRED', 'SESSIONS_ENDED'];
const TOKEN_CODES = ['TOKEN_MISSING', 'TOKEN_EXPIRED', 'TOKEN_INVALID', 'UNAUTHENTICATED'];

/** The one live connection to the server: a socket, or polling where sockets are blocked. */
export class Connection {
  readonly #socket: Socket;
  readonly #retry = new Timer();
  #transports: ('websocket' | 'polling')[];
  #poller: Poller | null = null;
  /** In a row. */
  #failures = 0;
  /** Of these, how often it looked as if sockets were blocked. */
  #blocked = 0;
  #hasOpened = false;
  readonly #late = new Timer();
  /** Why the server is about to end the connection. */
  #told: Reason | null = null;
  #pollingFailures = 0;
  #token = '';
  #isAttempting = false;
  #isStopped = false;
  /** A token that the server refused is renewed once; refused again, it is the session that is refused. */
  #hasRenewed = false;

  constructor(
    private readonly session: Session,
    private readonly rest: Rest,
    private readonly options: ClientOptions,
    private readonly onState: (state: ConnectionState) => void,
    private readonly push: OnPush,
  ) {
    this.#transports = [...(options.transports ?? ['websocket', 'polling'])];
    const { origin, pathname } = new URL(session.base);
    const manager = new Manager(origin, {
      path: `${pathname.replace(/\/$/, '')}/api/socketio`,
      autoConnect: false,
      // Attempts are made here, so that it can be told when the next one is and why the last one failed.
      reconnection: false,
      timeout: CONNECT_TIMEOUT,
    });
    this.#socket = manager.socket('/', { auth: (answer: (auth: object) => void) => answer({ token: this.#token, contract: 'conversations' }) });
    this.#socket.io.on('open', () => (this.#hasOpened = true));
    this.#socket.on('connect', () => this.#connected());
    this.#socket.on('connect_error', (error: ConnectError) => this.#failed(error));
    this.#socket.on('disconnect:reason', (reason: Reason) => (this.#told = reason));
    this.#socket.on('disconnect', (reason) => {
      if (reason !== 'io client disconnect') this.#lost();
    });
    for (const event of SERVER_EVENTS) this.#socket.on(event, (payload) => this.push(event, payload));
  }

  start(): void {
    this.session.onRenewed = (token) => void this.#renewed(token);
    if (typeof window !== 'undefined') window.addEventListener('online', this.retryNow);
    if (typeof document !== 'undefined') document.addEventListener('visibilitychange', this.#seen);
    this.#tell('connecting');
    void this.#attempt();
  }

  stop(): void {
    this.#isStopped = true;
    this.#retry.clear();
    this.#late.clear();
    this.#poller?.stop();
    this.session.onRenewed = () => {};
    if (typeof window !== 'undefined') window.removeEventListener('online', this.retryNow);
    if (typeof document !== 'undefined') document.removeEventListener('visibilitychange', this.#seen);
    this.#socket.disconnect();
  }

  /** Instead of waiting, or after something that does not get better by waiting. */
  retryNow = (): void => {
    if (this.#socket.connected || this.#isAttempting || this.#isStopped) return;
    this.#hasRenewed = false;
    if (!this.#poller) this.#tell('connecting');
    void this.#attempt();
  };

  request: Ask = async (event, payload) => {
    if (!this.#socket.connected) {
      if (this.#poller) return this.#poller.request(event, payload);
      throw new DoorbellError('NETWORK', 'There is no connection.');
    }
    const answer = await this.#socket.timeout(ANSWER_TIMEOUT).emitWithAck(event, payload).catch(() => {
      if (!this.#socket.connected) throw new DoorbellError('NETWORK', 'The connection was lost.');
      // A line on which nothing comes back would be noticed by the next missing ping only.
      this.#reconnect();
      throw new DoorbellError('TIMEOUT', 'The server did not answer in time.');
    });
    if (answer?.ok) return answer;
    const { code = 'INVALID', message = 'The server refused it.', retryAfterMs } = answer?.error ?? {};
    throw new DoorbellError(code, message, retryAfterMs);
  };

  async #attempt(): Promise<void> {
    this.#retry.clear();
    this.#isAttempting = true;
    try {
      if (this.options.polling === 'always') return await this.#poll();
      this.#token = await this.session.token();
    } catch (thrown) {
      return this.#failed(asError(thrown));
    }
    if (this.#isStopped) return;
    // Some networks swallow WebSockets without an error: every other attempt begins with the other transport. By either
    // way the last error is that of the transport that tells a status.
    const isOther = this.#failures % 2 > 0;
    Object.assign(this.#socket.io.opts, { transports: isOther ? [...this.#transports].reverse() : this.#transports, tryAllTransports: !isOther });
    this.#hasOpened = false;
    // A transport that opens and then swallows what is said would be waited for without end.
    this.#late.set(CONNECT_TIMEOUT * 1.5, () => this.#reconnect());
    this.#socket.connect();
  }

  #connected(): void {
    this.#isAttempting = false;
    this.#failures = this.#blocked = 0;
    this.#late.clear();
    this.#hasRenewed = false;
    this.#leavePolling();
    this.#tell('online');
    this.push('up', { isRecovered: this.#socket.recovered });
  }

  #lost(): void {
    const { code, message } = this.#told ?? { code: 'NETWORK', message: 'The connection was lost.' };
    this.#told = null;
    if (SESSION_ENDS.includes(code)) this.session.refuse(this.#token);
    this.#failed(Object.assign(new Error(message), { code }));
  }

  #failed(error: ConnectError): void {
    this.#isAttempting = false;
    this.#late.clear();
    if (this.#isStopped) return;
    const code = error.data?.code ?? error.code ?? 'NETWORK';
    if (error.data?.code || (error instanceof DoorbellError && (error.isFinal || code === 'SIGNED_OUT'))) {
      return this.#refused({ code, message: error.message });
    }
    this.#failures += 1;
    if (this.#poller) {
      this.#retry.set(POLLING_PROBE, () => void this.#attempt());
      return;
    }
    // Sockets are not blocked where the server itself says that it is too busy for one.
    const isBusy = error.description === 429 || error.description === 503;
    const asked = isBusy ? Number(error.context?.getResponseHeader?.('retry-after')) * 1000 : error instanceof DoorbellError && error.retryAfterMs;
    const wait = Math.max(asked || 0, backoff(this.#failures));
    this.#retry.set(wait, () => void this.#attempt());
    const message = isBusy ? 'The server is too busy.' : error.code ? error.message : 'The server cannot be reached.';
    this.#tell('offline', { code: isBusy ? 'UNAVAILABLE' : code, message }, Date.now() + wait);
    // So it may be where a transport opens and is closed again, but more often the server does that when it is busy.
    if (!isBusy) this.#blocked += this.#hasOpened ? 0.5 : 1;
    if (this.#blocked >= ATTEMPTS_BEFORE_POLLING && this.options.polling !== 'never') void this.#tryPolling();
  }

  #refused(reason: Reason): void {
    const isToken = TOKEN_CODES.includes(reason.code);
    if (isToken && !this.#hasRenewed) {
      this.#hasRenewed = true;
      this.session.refuse(this.#token);
      void this.#attempt();
      return;
    }
    this.#leavePolling();
    this.#tell(reason.code === 'SIGNED_OUT' || reason.code === 'TOKEN_EXPIRED' ? 'signed-out' : 'refused', reason);
  }

  async #tryPolling(): Promise<void> {
    try {
      await this.rest.get('/api/conversations?limit=1');
      await this.#poll();
    } catch {
      // Then the next failed attempt asks again.
    }
  }

  async #poll(): Promise<void> {
    const poller = await makePoller(this.rest, this.push, (error) => this.#polled(error));
    this.#isAttempting = false;
    if (this.#isStopped || this.#socket.connected || this.#poller) return;
    this.#pollingFailures = 0;
    this.#poller = poller;
    if (this.options.polling !== 'always') this.#retry.set(POLLING_PROBE, () => void this.#attempt());
    this.#tell('polling');
    this.push('up', { isRecovered: false });
    this.#poller.start();
  }

  #polled(error: DoorbellError | null): void {
    this.#pollingFailures = error ? this.#pollingFailures + 1 : 0;
    if (error?.code === 'SIGNED_OUT' || error?.code === 'UNAUTHENTICATED') return this.#refused(plain(error));
    // One lost round is nothing to speak of.
    if (!error || this.#pollingFailures < 2) return;
    this.#leavePolling();
    this.#failed(error);
  }

  #leavePolling(): void {
    this.#poller?.stop();
    this.#poller = null;
  }

  async #renewed(token: string): Promise<void> {
    this.#token = token;
    if (!this.#socket.connected) return;
    // A server that does not know the event takes the new token at a new connection.
    const answer = await this.#socket.timeout(ANSWER_TIMEOUT).emitWithAck('auth:refresh', { token }).catch(() => null);
    if (!answer?.ok && !this.#isStopped) this.#reconnect();
  }

  /** Ends the transport, not the session: what comes meanwhile is recovered. */
  #reconnect(): void {
    this.#socket.io.engine?.close();
  }

  #seen = (): void => {
    if (!document.hidden && this.#retry.isSet && !this.#poller) this.retryNow();
  };

  #tell(status: ConnectionState['status'], reason?: Reason, retryAt?: number): void {
    this.onState({ status, since: Date.now(), ...(reason && { reason }), ...(retryAt && { retryAt }) });
  }
}

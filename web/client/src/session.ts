import type { ClientOptions } from './api.js';
import { asError, DoorbellError, refusal } from './errors.js';
import { Timer } from './timing.js';

interface Claims {
  sub?: unknown;
  userId?: unknown;
  id?: unknown;
  iat?: number;
  exp?: number;
}

function claimsOf(token: string): Claims | null {
  try {
    const body = token.split('.')[1] ?? '';
    const bytes = Uint8Array.from(atob(body.replace(/-/g, '+').replace(/_/g, '/')), (letter) => letter.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) as Claims;
  } catch {
    return null; // an encrypted session of the site: only the server can read it
  }
}

function idOf(claims: Claims | null): string | null {
  const id = claims?.sub ?? claims?.userId ?? claims?.id ?? null;
  return id === null ? null : String(id);
}

/** The same text for the same token, and nothing that would give it away. */
function fingerprint(token: string): string {
  let hash = 0;
  for (let at = 0; at < token.length; at += 1) hash = (Math.imul(hash, 31) + token.charCodeAt(at)) | 0;
  return `token-${hash >>> 0}`;
}

/** Who is signed in, and a token that shows it. */
export class Session {
  /** Called with a new token shortly before the old one ends. */
  onRenewed: (token: string) => void = () => {};
  /** Called with the user's id as soon as a token tells it. */
  onUser: (userId: string) => void = () => {};
  #token: string | null = null;
  #pending: Promise<string> | null = null;
  #refused: string | null = null;
  #first: string | null = null;
  #renewal = new Timer();

  constructor(
    readonly base: string,
    private readonly fetch: typeof globalThis.fetch,
    private readonly source: ClientOptions['token'],
  ) {}

  /** The user's id as the token has it, or `null` if it cannot be read. */
  get userId(): string | null {
    return this.#first;
  }

  /** A name for this sign-in, to keep what is stored apart. */
  async key(): Promise<string> {
    const token = await this.token();
    return this.userId ?? fingerprint(token);
  }

  /**
   * A token that the server has not refused.
   * @throws DoorbellError `SIGNED_OUT` when nobody is signed in.
   */
  token(): Promise<string> {
    if (this.#token) return Promise.resolve(this.#token);
    this.#pending ??= this.#get().then((token) => this.#take(token)).finally(() => (this.#pending = null));
    return this.#pending;
  }

  /** The server did not take this token: the next one must be another. */
  refuse(token: string): void {
    if (this.#token !== token) return;
    this.#refused = token;
    this.#token = null;
  }

  stop(): void {
    this.#renewal.clear();
  }

  #take(token: string): string {
    const claims = claimsOf(token);
    const id = idOf(claims);
    // What is stored and shown is the first person's: it must not be sent as somebody else's.
    if (id !== null && this.#first !== null && id !== this.#first) throw new DoorbellError('SIGNED_OUT', 'Somebody else is signed in now.');
    const isFirst = this.#first === null && id !== null;
    this.#first ??= id;
    this.#token = token;
    if (isFirst) this.onUser(id);
    if (claims?.exp && typeof this.source !== 'string') {
      // This machine's clock may be wrong; a lifetime is not.
      const byClock = claims.exp * 1000 - Date.now();
      const lifetime = (claims.exp - (claims.iat ?? claims.exp)) * 1000;
      const left = byClock > 0 && (lifetime <= 0 || byClock < lifetime) ? byClock : lifetime;
      if (left > 0) this.#renewal.set(left - Math.min(60_000, left / 5), () => void this.#renew());
    }
    return token;
  }

  async #renew(): Promise<void> {
    try {
      const token = await this.#get();
      if (token === this.#token) return;
      this.onRenewed(this.#take(token));
    } catch (thrown) {
      // The old one holds for a while; when it has ended, the connection ends and says why.
      if (asError(thrown).code !== 'SIGNED_OUT') this.#renewal.set(5_000, () => void this.#renew());
    }
  }

  async #get(): Promise<string> {
    const token = await this.#fromSource();
    if (!token) throw new DoorbellError('SIGNED_OUT', 'Nobody is signed in.');
    if (token === this.#refused) throw new DoorbellError('SIGNED_OUT', 'The session has ended. Sign in again.');
    return token;
  }

  async #fromSource(): Promise<string | null> {
    if (typeof this.source === 'string') return this.source;
    if (this.source) return this.source();
    const response = await this.fetch(`${this.base}/api/auth/socket-token`, { method: 'POST', credentials: 'include' });
    if (response.status === 401) return null;
    const body = await response.text();
    if (!response.ok) throw refusal(response.status, body, response.headers.get('retry-after'));
    return (JSON.parse(body) as { token: string }).token;
  }
}

import { asError, DoorbellError, refusal } from './errors.js';
import { ANSWER_TIMEOUT } from './limits.js';
import type { Session } from './session.js';

export interface RestAnswer<T> {
  /** `null`: nothing has changed since the tag that was sent. */
  body: T | null;
  etag: string | null;
}

/** The server's REST routes, as the signed-in person. */
export class Rest {
  constructor(
    private readonly session: Session,
    private readonly fetch: typeof globalThis.fetch,
  ) {}

  get base(): string {
    return this.session.base;
  }

  async get<T>(path: string): Promise<T> {
    return (await this.call<T>('GET', path)).body as T;
  }

  async send<T>(method: 'POST' | 'PUT', path: string, payload: unknown): Promise<T> {
    return (await this.call<T>(method, path, payload)).body as T;
  }

  /** @throws DoorbellError with the server's code, or `NETWORK` or `TIMEOUT`. */
  async call<T>(method: string, path: string, payload?: unknown, etag?: string | null): Promise<RestAnswer<T>> {
    for (let attempt = 1; ; attempt += 1) {
      const token = await this.session.token().catch((thrown) => Promise.reject(asError(thrown)));
      const response = await this.#fetch(method, path, token, payload, etag);
      if (response.status === 304) return { body: null, etag: etag ?? null };
      const text = await response.text().catch((thrown) => Promise.reject(asError(thrown)));
      if (response.ok) return { body: (text ? JSON.parse(text) : null) as T, etag: response.headers.get('etag') };
      if (response.status === 401) {
        this.session.refuse(token);
        if (attempt === 1) continue;
      }
      throw refusal(response.status, text, response.headers.get('retry-after'));
    }
  }

  async #fetch(method: string, path: string, token: string, payload: unknown, etag: string | null | undefined): Promise<Response> {
    const headers: Record<string, string> = { authorization: `Bearer ${token}` };
    if (payload !== undefined) headers['content-type'] = 'application/json';
    if (etag) headers['if-none-match'] = etag;
    const late = AbortSignal.timeout(ANSWER_TIMEOUT);
    try {
      // The tags are compared here: the browser's cache would hide a 304.
      return await this.fetch(this.base + path, { method, headers, cache: 'no-store', signal: late, ...(payload === undefined ? {} : { body: JSON.stringify(payload) }) });
    } catch (thrown) {
      if (late.aborted) throw new DoorbellError('TIMEOUT', 'The server did not answer in time.');
      throw new DoorbellError('NETWORK', 'The server cannot be reached.');
    }
  }
}

/** Where a page of history is. It marks nothing as read: histories of listings would otherwise. */
export function historyPath(conversationId: string, query: string): string {
  return `/api/messages?conversationId=${encodeURIComponent(conversationId)}&markRead=false&${query}`;
}

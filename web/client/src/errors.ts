import type { Reason } from './api.js';

/** Why nothing is shown or sent any more. */
export const SIGNED_OUT: Reason = { code: 'SIGNED_OUT', message: 'You have signed out. Sign in again.' };

/** What is not refused for good: the same may succeed later. */
const PASSING = new Set(['UNAVAILABLE', 'LOCKED', 'RATE_LIMITED', 'NETWORK', 'TIMEOUT', 'UNAUTHENTICATED', 'SIGNED_OUT', 'ABORTED']);
const CODES: Record<number, string> = {
  400: 'INVALID', 401: 'UNAUTHENTICATED', 403: 'FORBIDDEN', 404: 'NOT_FOUND', 409: 'CONFLICT',
  413: 'TOO_LARGE', 415: 'UNSUPPORTED_MEDIA', 423: 'LOCKED', 429: 'RATE_LIMITED',
};

/** Why a call did not work. `code` is the server's, or `NETWORK`, `TIMEOUT`, `ABORTED`, `SIGNED_OUT`, `DISCARDED`, `OUTBOX_FULL`, `STORAGE`. */
export class DoorbellError extends Error implements Reason {
  override readonly name = 'DoorbellError';
  constructor(
    readonly code: string,
    message: string,
    /** How long to wait before trying again, if the server said so. */
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }

  /** Trying again will not help. */
  get isFinal(): boolean {
    return !PASSING.has(this.code);
  }
}

/** What was thrown, as a `DoorbellError`. */
export function asError(thrown: unknown): DoorbellError {
  if (thrown instanceof DoorbellError) return thrown;
  const { name, message } = thrown instanceof Error ? thrown : { name: '', message: String(thrown) };
  return name === 'AbortError' ? new DoorbellError('ABORTED', 'It was stopped.') : new DoorbellError('NETWORK', message || 'The server cannot be reached.');
}

/** An error as plain data: errors lose their fields on the way to another tab. */
export const plain = ({ code, message }: Reason): Reason => ({ code, message });

/** The error in a server's refusal over REST. `body`: its text. */
export function refusal(status: number, body: string, retryAfter: string | null): DoorbellError {
  let told: { error?: string; code?: string; retryAfterMs?: number } = {};
  try {
    told = JSON.parse(body) ?? {};
  } catch {
    // A proxy's own page: its status says enough.
  }
  const code = told.code ?? CODES[status] ?? (status >= 500 ? 'UNAVAILABLE' : 'INVALID');
  const seconds = Number(retryAfter);
  return new DoorbellError(code, told.error ?? `The server answered ${status}.`, told.retryAfterMs ?? (seconds > 0 ? seconds * 1000 : undefined));
}

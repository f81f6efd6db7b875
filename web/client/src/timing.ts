import { RETRY_FIRST, RETRY_MOST } from './limits.js';

/** How long to wait after so many failures in a row (1, 2, ...): doubled each time, half of it by chance. */
export function backoff(failures: number, most = RETRY_MOST): number {
  const full = Math.min(most, RETRY_FIRST * 2 ** (failures - 1));
  return full / 2 + (Math.random() * full) / 2;
}

// A longer timer would fire at once.
const LONGEST_TIMER = 2 ** 31 - 1;

/** At most one timer at a time. It does not keep a Node process running. */
export class Timer {
  #handle: ReturnType<typeof setTimeout> | undefined;

  get isSet(): boolean {
    return this.#handle !== undefined;
  }

  /** Replaces what was set before. */
  set(ms: number, run: () => void): void {
    this.clear();
    this.#handle = setTimeout(() => {
      this.#handle = undefined;
      run();
    }, Math.min(ms, LONGEST_TIMER));
    (this.#handle as { unref?: () => void }).unref?.();
  }

  /** Keeps what was set before. */
  setOnce(ms: number, run: () => void): void {
    if (!this.isSet) this.set(ms, run);
  }

  clear(): void {
    clearTimeout(this.#handle);
    this.#handle = undefined;
  }
}

/** An id that nobody else has. Pages without TLS have no `randomUUID`. */
export function uniqueId(): string {
  if (crypto.randomUUID) return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

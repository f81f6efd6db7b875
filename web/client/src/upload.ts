import type { Upload, UploadOptions, UploadProgress } from './api.js';
import { asError, DoorbellError, plain } from './errors.js';
import type { Hub } from './hub.js';
import { UPLOAD_ATTEMPTS, UPLOADS_AT_ONCE } from './limits.js';
import { removeMetadata } from './metadata.js';
import { forgetFile, sendFile } from './sending-file.js';
import type { Session } from './session.js';
import { patch, Value } from './store.js';
import { backoff, Timer, uniqueId } from './timing.js';
import type { Attachment } from './wire.js';

/** What uploads share. */
export class UploadLine {
  #running = 0;
  readonly #queue = new Set<() => void>();

  constructor(
    readonly session: Session,
    readonly hub: Hub,
    readonly fetch: typeof globalThis.fetch,
  ) {}

  /** Waits for a turn; the returned function gives it back, once. */
  async turn(signal: AbortSignal): Promise<() => void> {
    while (this.#running >= UPLOADS_AT_ONCE && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#queue.add(resolve);
        signal.addEventListener('abort', () => {
          this.#queue.delete(resolve);
          resolve();
        });
      });
    }
    this.#running += 1;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#running -= 1;
      const [next] = this.#queue;
      if (next) this.#queue.delete(next);
      next?.();
    };
  }
}

export interface UploadBegun {
  id?: string;
  /** Where a resumable upload was begun. */
  location?: string | null;
}

export class UploadTask implements Upload {
  readonly id: string;
  readonly fileName: string;
  readonly progress: Value<UploadProgress>;
  /** Called with where a resumable upload goes on. */
  onLocation: (location: string | null) => void = () => {};
  location: string | null;
  #done!: Promise<Attachment>;
  #settle!: { resolve(attachment: Attachment): void; reject(error: DoorbellError): void };
  #prepared: Blob | null = null;
  #stop = new AbortController();
  #wake: () => void = () => {};

  constructor(
    private readonly line: UploadLine,
    readonly file: Blob,
    private readonly options: UploadOptions & UploadBegun = {},
  ) {
    this.id = options.id ?? uniqueId();
    this.location = options.location ?? null;
    this.fileName = options.fileName ?? ((file as Partial<File>).name || 'file');
    this.progress = new Value<UploadProgress>({ status: 'preparing', loaded: 0, total: file.size, fraction: 0, metadataRemoved: false, error: null, isRefused: false, attachment: null });
    this.#begin();
  }

  get done(): Promise<Attachment> {
    return this.#done;
  }

  cancel(): void {
    const { status, attachment } = this.progress.get();
    if (status === 'cancelled' || attachment) return;
    this.#stop.abort();
    this.#show({ status: 'cancelled', error: null, isRefused: false });
    this.#settle.reject(new DoorbellError('ABORTED', 'The upload was cancelled.'));
    if (this.location) void this.#forget(this.location);
  }

  retry(): void {
    const { status } = this.progress.get();
    if (status === 'waiting') return this.#wake();
    if (status === 'failed' || status === 'cancelled') this.#begin();
  }

  #begin(): void {
    this.#stop = new AbortController();
    this.#done = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    // Who does not look at `done` sees `progress`.
    this.#done.catch(() => {});
    this.#show({ status: 'preparing', loaded: 0, fraction: 0, error: null, isRefused: false });
    void this.#run(this.#stop.signal);
  }

  async #run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    for (let attempts = 0; ; ) {
      const release = await this.line.turn(signal);
      try {
        if (signal.aborted) return;
        const file = await this.#prepare();
        this.#show({ status: 'uploading', total: file.size });
        const attachment = await this.#send(file, signal);
        if (signal.aborted) return;
        this.#show({ status: 'done', loaded: file.size, fraction: 1, attachment });
        return this.#settle.resolve(attachment);
      } catch (thrown) {
        if (signal.aborted) return;
        const error = asError(thrown);
        failures += 1;
        // While there is no connection it is not the file's fault.
        if (this.line.hub.isUp && error.code === 'NETWORK') attempts += 1;
        if (error.isFinal || attempts >= UPLOAD_ATTEMPTS) {
          this.#show({ status: 'failed', error: plain(error), isRefused: error.isFinal });
          return this.#settle.reject(error);
        }
        this.#show({ status: 'waiting', error: plain(error) });
        release();
        await this.#wait(error.retryAfterMs ?? backoff(failures), signal);
      } finally {
        release();
      }
    }
  }

  /** For this long, until there is a connection again, or until `retry()`. */
  #wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const timer = new Timer();
      const end = () => {
        timer.clear();
        stopListening();
        resolve();
      };
      const stopListening = this.line.hub.onUp(end);
      this.#wake = end;
      signal.addEventListener('abort', end);
      timer.set(ms, end);
    });
  }

  async #prepare(): Promise<Blob> {
    if (this.#prepared) return this.#prepared;
    const { file, isRemoved } = this.options.removeMetadata === false ? { file: this.file, isRemoved: false } : await removeMetadata(this.file);
    this.#show({ metadataRemoved: isRemoved, total: file.size });
    return (this.#prepared = file);
  }

  #send(file: Blob, signal: AbortSignal): Promise<Attachment> {
    const { session, fetch } = this.line;
    return sendFile({
      session, fetch, file, signal,
      fileName: this.fileName,
      location: this.location,
      onLocation: (location) => this.#locate(location),
      onProgress: (sent) => {
        if (!signal.aborted) this.#show({ loaded: sent, fraction: file.size ? sent / file.size : 1 });
      },
    });
  }

  /** What was begun would lie there for a day and count as one of the person's unfinished uploads. */
  async #forget(url: string): Promise<void> {
    this.#locate(null);
    await forgetFile({ ...this.line, url }).catch(() => {});
  }

  #locate(location: string | null): void {
    this.location = location;
    this.onLocation(location);
  }

  #show(change: Partial<UploadProgress>): void {
    patch(this.progress, change);
  }
}

import type { Upload, UploadOptions, UploadProgress } from './api.js';
import { asError, DoorbellError, plain } from './errors.js';
import type { Hub } from './hub.js';
import { RESUMABLE_BYTES, UPLOAD_ATTEMPTS, UPLOADS_AT_ONCE } from './limits.js';
import { removeMetadata } from './metadata.js';
import { resume } from './resumable.js';
import type { Session } from './session.js';
import { patch, Value } from './store.js';
import { backoff, Timer, uniqueId } from './timing.js';
import { good, type Transfer, type TransferAnswer, type TransferRequest } from './transfer.js';
import type { Attachment } from './wire.js';

/** What uploads share. */
export class UploadLine {
  #running = 0;
  readonly #queue = new Set<() => void>();

  constructor(
    readonly session: Session,
    readonly hub: Hub,
    readonly transfer: Transfer,
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
    this.progress = new Value<UploadProgress>({ status: 'preparing', loaded: 0, total: file.size, fraction: 0, metadataRemoved: false, error: null, attachment: null });
    this.#begin();
  }

  get done(): Promise<Attachment> {
    return this.#done;
  }

  cancel(): void {
    const { status, attachment } = this.progress.get();
    if (status === 'cancelled' || attachment) return;
    this.#stop.abort();
    this.#show({ status: 'cancelled', error: null });
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
    this.#show({ status: 'preparing', loaded: 0, fraction: 0, error: null });
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
          this.#show({ status: 'failed', error: plain(error) });
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

  async #send(file: Blob, signal: AbortSignal): Promise<Attachment> {
    const { base } = this.line.session;
    const onProgress = (loaded: number) => {
      // A form has a few bytes more than its file.
      const sent = Math.min(loaded, file.size);
      if (!signal.aborted) this.#show({ loaded: sent, fraction: file.size ? sent / file.size : 1 });
    };
    const send = (request: Omit<TransferRequest, 'signal'>) => this.#authorised({ ...request, signal });
    if (file.size > RESUMABLE_BYTES) {
      const onLocation = (location: string | null) => {
        this.location = location;
        this.onLocation(location);
      };
      const id = await resume({ base, file, fileName: this.fileName, location: this.location, send, onLocation, onProgress });
      return this.#attachment({ id, url: `${base}/v1/attachments/${id}`, fileName: this.fileName, fileSize: file.size, fileType: file.type || null });
    }
    const form = new FormData();
    form.append('file', file, this.fileName);
    const answer = good(await send({ method: 'POST', url: `${base}/api/upload`, headers: {}, body: form, onProgress }));
    return this.#attachment(JSON.parse(answer.text) as Partial<Attachment> & { id: string; url: string });
  }

  async #authorised(request: TransferRequest): Promise<TransferAnswer> {
    const token = await this.line.session.token();
    const answer = await this.line.transfer({ ...request, headers: { ...request.headers, authorization: `Bearer ${token}` } });
    if (answer.status === 401) this.line.session.refuse(token);
    return answer;
  }

  #attachment({ id, url, fileName, fileSize, fileType, width, height }: Partial<Attachment> & { id: string; url: string }): Attachment {
    const kind = fileType?.split('/')[0];
    const type = kind === 'image' || kind === 'video' ? kind : 'file';
    return {
      id, url, type,
      fileName: fileName ?? this.fileName, fileSize: fileSize ?? null, fileType: fileType ?? null,
      width: width ?? null, height: height ?? null, duration: null, thumbnailUrl: null, posterUrl: null, preview: null,
    };
  }

  /** What was begun would lie there for a day and count as one of the person's unfinished uploads. */
  async #forget(location: string): Promise<void> {
    this.location = null;
    this.onLocation(null);
    await this.#authorised({ method: 'DELETE', url: location, headers: { 'tus-resumable': '1.0.0' }, signal: AbortSignal.timeout(5_000) }).catch(() => {});
  }

  #show(change: Partial<UploadProgress>): void {
    patch(this.progress, change);
  }
}

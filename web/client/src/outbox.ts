import type { Draft, OutgoingMessage, Reason, Upload } from './api.js';
import { Emitter } from './emitter.js';
import { DoorbellError, plain, SIGNED_OUT } from './errors.js';
import type { Hub } from './hub.js';
import { FILES_A_MESSAGE, OUTBOX_MESSAGES } from './limits.js';
import type { Shelf } from './storage.js';
import { uniqueId } from './timing.js';
import type { UploadTask } from './upload.js';
import type { Attachment, Message } from './wire.js';

/** A file of a message that is not sent yet. Its bytes are stored beside, under its id. */
export interface OutboxFile {
  id: string;
  fileName: string;
  attachment: Attachment | null;
  /** Where a resumable upload goes on. */
  location: string | null;
}

/** A message that is not known to be stored by the server. Never changed in place. */
export interface OutboxEntry {
  clientMessageId: string;
  conversationId: string;
  content: string;
  createdAt: string;
  /** Sorts entries as they were written. */
  order: string;
  files: OutboxFile[];
  /** The tab that uploads the files. */
  tab: string;
  failed: Reason | null;
}

export type OutboxChange =
  | { kind: 'put'; entry: OutboxEntry }
  | { kind: 'gone'; clientMessageId: string; message?: Message | undefined; reason?: Reason | undefined }
  | { kind: 'sending'; clientMessageId: string; isSending: boolean };

interface OutboxEvents {
  /** Something of this conversation has changed. */
  change: string;
  /** The server has stored it. */
  stored: Message;
}

type Promised = { resolve(message: Message): void; reject(error: DoorbellError): void };

const ENTRY = 'outbox|';
const FILE = 'file|';

/** The messages that are not stored yet: the same in all tabs, and kept across reloads. */
export class Outbox {
  readonly events = new Emitter<OutboxEvents>();
  #entries = new Map<string, OutboxEntry>();
  readonly #sending = new Set<string>();
  readonly #uploads = new Map<string, UploadTask>();
  readonly #promised = new Map<string, Promised>();
  readonly #saved = new Map<string, Promise<unknown>>();
  /** Has this person signed out? */
  hasEnded = false;
  #count = 0;

  constructor(
    private readonly hub: Hub,
    private readonly shelf: Shelf,
    private readonly upload: (file: Blob, options: { id?: string; fileName?: string; location?: string | null; removeMetadata?: boolean }) => UploadTask,
  ) {
    hub.events.on('outbox', (change) => this.#apply(change as OutboxChange));
    hub.events.on('tabs', (tabs) => void this.#adopt(tabs));
  }

  /** Takes up what an earlier page has left. */
  async load(): Promise<void> {
    for (const entry of await this.shelf.values<OutboxEntry>(ENTRY)) {
      if (!this.#entries.has(entry.clientMessageId)) this.#apply({ kind: 'put', entry });
    }
  }

  /** In the order in which they were written. */
  entries(conversationId?: string): OutboxEntry[] {
    const found = [...this.#entries.values()].filter((entry) => conversationId === undefined || entry.conversationId === conversationId);
    return found.sort((a, b) => (a.order < b.order ? -1 : 1));
  }

  get(clientMessageId: string): OutboxEntry | undefined {
    return this.#entries.get(clientMessageId);
  }

  isSending(clientMessageId: string): boolean {
    return this.#sending.has(clientMessageId);
  }

  /** The uploads of an entry that run in this tab. */
  uploadsOf(entry: OutboxEntry): Upload[] {
    return entry.files.flatMap(({ id }) => this.#uploads.get(id) ?? []);
  }

  /** Gives up all, and takes nothing more: nobody would send it. */
  end(): void {
    this.hasEnded = true;
    for (const { clientMessageId } of this.entries()) this.discard(clientMessageId);
  }

  add(conversationId: string, draft: Draft): OutgoingMessage {
    if (this.hasEnded) throw new DoorbellError(SIGNED_OUT.code, SIGNED_OUT.message);
    const content = (draft.text ?? '').trim();
    const begun = (draft.uploads ?? []) as UploadTask[];
    const files = draft.files ?? [];
    const count = begun.length + files.length;
    if (!content && !count) throw new DoorbellError('INVALID', 'There is nothing to send.');
    if (count > FILES_A_MESSAGE) throw new DoorbellError('INVALID', `A message has at most ${FILES_A_MESSAGE} files.`);
    if (this.#entries.size >= OUTBOX_MESSAGES) throw new DoorbellError('OUTBOX_FULL', `There are ${OUTBOX_MESSAGES} messages waiting already.`);
    const uploads = [...begun, ...files.map((file) => this.upload(file, {}))];
    const clientMessageId = uniqueId();
    const now = new Date();
    const entry: OutboxEntry = {
      clientMessageId,
      conversationId,
      content,
      createdAt: now.toISOString(),
      order: `${now.toISOString()}|${String((this.#count += 1)).padStart(6, '0')}|${clientMessageId}`,
      files: uploads.map((task) => ({ id: task.id, fileName: task.fileName, attachment: task.progress.get().attachment, location: task.location })),
      tab: this.hub.tab,
      failed: null,
    };
    const done = new Promise<Message>((resolve, reject) => this.#promised.set(clientMessageId, { resolve, reject }));
    done.catch(() => {}); // whoever does not wait sees the message's status
    // The bytes first: an entry must never name a file that is not there.
    const bytes = Promise.all(uploads.map((task) => this.shelf.set(FILE + task.id, task.file)));
    this.#saved.set(clientMessageId, bytes);
    for (const task of uploads) this.#follow(clientMessageId, task);
    this.#put(entry);
    // Some may have ended before they were given to a message.
    for (const task of uploads) this.#ended(clientMessageId, task);
    return { clientMessageId, done };
  }

  /** Resolves when the entry is kept, whatever happens to this page. */
  async isKept(clientMessageId: string): Promise<void> {
    await this.#saved.get(clientMessageId);
  }

  retry(clientMessageId: string): void {
    const entry = this.#entries.get(clientMessageId);
    if (!entry?.failed) return;
    const isRefused = ({ id }: OutboxFile) => this.#uploads.get(id)?.progress.get().isRefused ?? false;
    const refused = entry.files.filter(isRefused);
    if (refused.length && (entry.content || refused.length < entry.files.length)) {
      for (const { id } of refused) this.#uploads.get(id)?.cancel();
      // That alone has mended it, unless something else is wrong, too.
      return this.retry(clientMessageId);
    }
    for (const { id } of entry.files) this.#uploads.get(id)?.retry();
    const isUploaded = entry.failed.code === 'INVALID' || entry.failed.code === 'NOT_FOUND';
    // An upload that no message named in time is gone: what the server did not know is uploaded again.
    const files = isUploaded ? entry.files.map((file) => ({ ...file, attachment: null, location: null })) : entry.files;
    this.#put({ ...entry, files, failed: null, tab: this.hub.tab });
    void this.#resume(this.#entries.get(clientMessageId)!);
  }

  discard(clientMessageId: string): void {
    const entry = this.#entries.get(clientMessageId);
    if (!entry) return;
    for (const { id, attachment } of entry.files) if (!attachment) this.#uploads.get(id)?.cancel();
    this.#remove(clientMessageId, undefined, { code: 'DISCARDED', message: 'The message was given up.' });
  }

  fail(clientMessageId: string, reason: Reason): void {
    const entry = this.#entries.get(clientMessageId);
    if (entry) this.#put({ ...entry, failed: plain(reason) });
  }

  /** The server has it. Called by whoever sees that first: the sender's answer, a push, a page of history. */
  stored(message: Message): void {
    const id = message.clientMessageId;
    if (id && this.#entries.has(id)) this.#remove(id, message);
  }

  tellSending(clientMessageId: string, isSending: boolean): void {
    const change: OutboxChange = { kind: 'sending', clientMessageId, isSending };
    this.#apply(change);
    this.hub.tellOutbox(change);
  }

  #put(entry: OutboxEntry): void {
    const change: OutboxChange = { kind: 'put', entry };
    const before = this.#saved.get(entry.clientMessageId);
    const saved = Promise.resolve(before).then(() => {
      // Meanwhile it may have been sent or given up.
      if (this.#entries.get(entry.clientMessageId) === entry) return this.shelf.set(ENTRY + entry.order, entry);
    });
    this.#saved.set(entry.clientMessageId, saved);
    this.#apply(change);
    void saved.then(() => this.hub.tellOutbox(change));
  }

  #remove(clientMessageId: string, message?: Message, reason?: Reason): void {
    const entry = this.#entries.get(clientMessageId);
    if (!entry) return;
    const saved = this.#saved.get(clientMessageId);
    const change: OutboxChange = { kind: 'gone', clientMessageId, message, reason };
    this.#apply(change);
    this.hub.tellOutbox(change);
    void Promise.resolve(saved).then(async () => {
      await this.shelf.delete(ENTRY + entry.order);
      for (const { id } of entry.files) await this.shelf.delete(FILE + id);
    });
  }

  #apply(change: OutboxChange): void {
    if (change.kind === 'put') {
      this.#entries.set(change.entry.clientMessageId, change.entry);
      this.events.emit('change', change.entry.conversationId);
      return;
    }
    const { clientMessageId } = change;
    const entry = this.#entries.get(clientMessageId);
    if (!entry) return;
    if (change.kind === 'sending') {
      if (change.isSending) this.#sending.add(clientMessageId);
      else this.#sending.delete(clientMessageId);
    } else {
      this.#entries.delete(clientMessageId);
      this.#sending.delete(clientMessageId);
      this.#saved.delete(clientMessageId);
      for (const { id } of entry.files) this.#uploads.delete(id);
      const promised = this.#promised.get(clientMessageId);
      this.#promised.delete(clientMessageId);
      if (change.message) {
        promised?.resolve(change.message);
        this.events.emit('stored', change.message);
      } else promised?.reject(new DoorbellError(change.reason?.code ?? 'DISCARDED', change.reason?.message ?? 'The message was given up.'));
    }
    this.events.emit('change', entry.conversationId);
  }

  /** Writes down what becomes of a file. */
  #follow(clientMessageId: string, task: UploadTask): void {
    this.#uploads.set(task.id, task);
    const change = (part: Partial<OutboxFile>) => {
      const entry = this.#entries.get(clientMessageId);
      if (entry) this.#put({ ...entry, files: entry.files.map((file) => (file.id === task.id ? { ...file, ...part } : file)) });
    };
    task.onLocation = (location) => change({ location });
    let last = task.progress.get().status;
    task.progress.subscribe(() => {
      const { status, attachment } = task.progress.get();
      if (status === last) return;
      last = status;
      if (status === 'done') change({ attachment });
      else if (status === 'preparing') this.#unfail(clientMessageId);
      else this.#ended(clientMessageId, task);
    });
  }

  #ended(clientMessageId: string, task: UploadTask): void {
    const { status, error } = task.progress.get();
    if (status === 'failed' && error) this.fail(clientMessageId, { code: error.code, message: `${task.fileName}: ${error.message}` });
    if (status === 'cancelled') this.#dropFile(clientMessageId, task.id);
  }

  #unfail(clientMessageId: string): void {
    const entry = this.#entries.get(clientMessageId);
    if (entry?.failed) this.#put({ ...entry, failed: null });
  }

  #dropFile(clientMessageId: string, id: string): void {
    const entry = this.#entries.get(clientMessageId);
    if (!entry) return;
    const files = entry.files.filter((file) => file.id !== id);
    this.#uploads.delete(id);
    if (!files.length && !entry.content) return this.discard(clientMessageId);
    const isMended = entry.failed && !files.some((file) => this.#uploads.get(file.id)?.progress.get().status === 'failed');
    this.#put({ ...entry, files, failed: isMended ? null : entry.failed });
    void this.shelf.delete(FILE + id);
  }

  /** Of the leader: goes on with what tabs that are gone were uploading. */
  async #adopt(tabs: Set<string>): Promise<void> {
    for (const entry of this.entries()) {
      if (entry.failed || tabs.has(entry.tab) || entry.files.every((file) => file.attachment)) continue;
      this.#put({ ...entry, tab: this.hub.tab });
      await this.#resume(this.#entries.get(entry.clientMessageId)!);
    }
  }

  /** Begins all together: also a file that waits for its turn is seen, and can be cancelled. */
  async #resume({ clientMessageId, conversationId, files }: OutboxEntry): Promise<void> {
    const due = files.filter(({ id, attachment }) => !attachment && this.#uploads.get(id)?.progress.get().attachment !== null);
    const bytes = await Promise.all(due.map(({ id }) => this.#uploads.get(id)?.file ?? this.shelf.get<Blob>(FILE + id)));
    if (!this.#entries.has(clientMessageId)) return; // given up meanwhile
    for (const [at, { id, fileName, location }] of due.entries()) {
      const file = bytes[at];
      if (file) this.#follow(clientMessageId, this.upload(file, { id, fileName, location }));
      else this.fail(clientMessageId, { code: 'STORAGE', message: 'The file is no longer there. Attach it again.' });
    }
    this.events.emit('change', conversationId);
  }
}

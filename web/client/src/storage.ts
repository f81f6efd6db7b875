import { writeAhead, writtenAhead } from './write-ahead.js';

/** Where the client keeps what must outlive the page. Values are plain data and Blobs. */
export interface StorageLike {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown): Promise<void>;
  delete(key: string): Promise<void>;
  /** All entries whose key begins so, ascending by key. */
  entries(prefix: string): Promise<[key: string, value: unknown][]>;
}

/** Keeps things as long as the process lives. */
export function memoryStorage(): StorageLike {
  const values = new Map<string, unknown>();
  return {
    get: async (key) => values.get(key),
    set: async (key, value) => void values.set(key, value),
    delete: async (key) => void values.delete(key),
    entries: async (prefix) => [...values].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1)),
  };
}

const STORE = 'values';

const result = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** Keeps things in the browser's IndexedDB. */
export function indexedDbStorage(name = 'doorbell'): StorageLike {
  let opened: Promise<IDBDatabase> | null = null;
  const open = () =>
    (opened ??= new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(name, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE);
      request.onerror = () => reject(request.error);
      request.onsuccess = () => {
        // The browser may close it, for a newer version or when it clears data: it is opened again then.
        request.result.onclose = () => (opened = null);
        request.result.onversionchange = () => {
          request.result.close();
          opened = null;
        };
        resolve(request.result);
      };
    }).catch((error) => {
      opened = null;
      throw error;
    }));
  const write = async (key: string, value?: unknown) => {
    const written = writeAhead(name, key, value);
    // Strict: a message that the reader was shown as kept must outlive the machine's sudden end, too.
    const transaction = (await open()).transaction(STORE, 'readwrite', { durability: 'strict' });
    await new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
      const store = transaction.objectStore(STORE);
      if (value === undefined) store.delete(key);
      else store.put(value, key);
      // Not left to the browser, which waits until the page has seen that it is written.
      transaction.commit();
    });
    written();
  };
  const entries = async (prefix: string): Promise<[string, unknown][]> => {
    // Read first: what the database gets meanwhile is in both then, not in neither.
    const ahead = writtenAhead(name, prefix);
    const store = (await open()).transaction(STORE).objectStore(STORE);
    const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
    const [keys, values] = await Promise.all([result(store.getAllKeys(range)), result(store.getAll(range))]);
    const found = new Map<string, unknown>([...keys.map((key, at) => [key, values[at]] as [string, unknown]), ...ahead]);
    return [...found].filter(([, value]) => value !== undefined).sort(([a], [b]) => (a < b ? -1 : 1));
  };
  return {
    get: async (key) => new Map(await entries(key)).get(key),
    set: write,
    delete: write,
    entries,
  };
}

export const defaultStorage = (): StorageLike => (typeof indexedDB === 'undefined' ? memoryStorage() : indexedDbStorage());

/** What is stored for one sign-in at one server. Reads and writes wait until it is known who that is. */
export class Shelf {
  #ready!: (prefix: string) => void;
  readonly #prefix = new Promise<string>((resolve) => (this.#ready = resolve));
  #isCleared = false;
  #isBroken = false;

  constructor(
    private readonly storage: StorageLike,
    private readonly onError: (error: unknown) => void,
  ) {}

  open(prefix: string): void {
    this.#ready(`${prefix}|`);
  }

  async get<T>(key: string): Promise<T | undefined> {
    const prefix = await this.#prefix;
    return this.#guard(() => this.storage.get(prefix + key), undefined) as Promise<T | undefined>;
  }

  async set(key: string, value: unknown): Promise<void> {
    const prefix = await this.#prefix;
    // After signing out, a late save must not bring back what was forgotten.
    if (!this.#isCleared) await this.#guard(() => this.storage.set(prefix + key, value), undefined);
  }

  async delete(key: string): Promise<void> {
    const prefix = await this.#prefix;
    await this.#guard(() => this.storage.delete(prefix + key), undefined);
  }

  async values<T>(under: string): Promise<T[]> {
    const prefix = await this.#prefix;
    const entries = await this.#guard(() => this.storage.entries(prefix + under), []);
    return entries.map(([, value]) => value as T);
  }

  async clear(): Promise<void> {
    const prefix = await this.#prefix;
    this.#isCleared = true;
    await this.#guard(async () => {
      for (const [key] of await this.storage.entries(prefix)) await this.storage.delete(key);
    }, undefined);
  }

  /** Private windows and full disks refuse storage: the chat goes on without, and says so once. */
  async #guard<T>(act: () => Promise<T>, otherwise: T): Promise<T> {
    try {
      return await act();
    } catch (error) {
      if (!this.#isBroken) this.onError(error);
      this.#isBroken = true;
      return otherwise;
    }
  }
}

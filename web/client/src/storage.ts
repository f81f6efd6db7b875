/** Where the client keeps what must outlive the page. Values are plain data and Blobs. */
export interface StorageLike {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown): Promise<void>;
  delete(key: string): Promise<void>;
  /** All entries whose key begins so, ascending by key. */
  entries(prefix: string): Promise<[key: string, value: unknown][]>;
}

export { createClient } from './client.js';
export type * from './api.js';
export type * from './wire.js';
export type { StorageLike } from './storage.js';
export type { Store } from './store.js';

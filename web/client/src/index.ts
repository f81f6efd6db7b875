export { createClient } from './client.js';
export { DoorbellError } from './errors.js';
export { indexedDbStorage, memoryStorage } from './storage.js';
export type * from './api.js';
export type * from './wire.js';
export type { StorageLike } from './storage.js';
export type { Store } from './store.js';
export type { TabChannel, TabsEnvironment } from './tabs.js';

import type { ClientOptions, DoorbellClient } from './api.js';

/** Makes a client and connects it. */
export function createClient(_options: ClientOptions = {}): DoorbellClient {
  throw new Error('The client cannot connect yet.');
}

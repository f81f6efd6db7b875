import type { Reason } from './api.js';
import type { Conversation, Message, Person, Presence, ReadUpdate, TypingUpdate } from './wire.js';

/** What the server tells unasked, and `up`: from here on it does. */
export interface Pushes {
  'message:received': Message;
  'message:read_update': ReadUpdate;
  'typing:update': TypingUpdate;
  'presence:update': Presence;
  'conversation:updated': { conversation: Conversation };
  'connection:success': { userId: string; user: Person };
  error: Reason & { event?: string; clientMessageId?: string };
  /** `isRecovered`: what was missed follows by itself. */
  up: { isRecovered: boolean };
}

export type PushName = keyof Pushes;
export type OnPush = <K extends PushName>(event: K, payload: Pushes[K]) => void;

export const SERVER_EVENTS: PushName[] = [
  'message:received', 'message:read_update', 'typing:update', 'presence:update', 'conversation:updated', 'connection:success', 'error',
];

export interface Page {
  messages: Message[];
  hasMore: boolean;
}

/** What the server is asked, and what it answers. */
export interface Requests {
  'conversation:join': [{ conversationId: string; afterSeq: number }, Page];
  'conversation:leave': [{ conversationId: string }, unknown];
  'message:send': [{ conversationId: string; content: string; clientMessageId: string; attachmentIds?: string[] }, { message: Message }];
  'message:read': [{ conversationId: string; messageId: string }, unknown];
  'typing:start': [{ conversationId: string }, unknown];
  'typing:stop': [{ conversationId: string }, unknown];
}

export type RequestName = keyof Requests;

/** Makes a request. Rejects with a `DoorbellError`: the server's refusal, or `NETWORK` or `TIMEOUT`, after which it may be made again. */
export type Ask = <K extends RequestName>(event: K, payload: Requests[K][0]) => Promise<Requests[K][1]>;

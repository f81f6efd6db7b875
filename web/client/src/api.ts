import type { Attachment, Conversation, Message, Person, Presence, ReadUpdate, TypingUpdate } from './wire.js';
import type { StorageLike } from './storage.js';
import type { Store } from './store.js';
import type { TabsEnvironment } from './tabs.js';

/** How to reach the server, and as whom. */
export interface ClientOptions {
  /** Base address of the server. Default: the page's origin. */
  url?: string;
  /**
   * A token, or what gets a fresh one (`null`: nobody is signed in); it is called again before a token ends.
   * Without it the session cookie gets one: `POST /api/auth/socket-token`.
   */
  token?: string | (() => Promise<string | null>);
  /**
   * Separates what is stored for different sign-ins. Default: the user id in the token. Give it where you know
   * who is signed in, and the list of conversations is painted from storage before the network has answered.
   */
  userKey?: string;
  /** Engine.IO transports, in the order to try. Default: `websocket`, then `polling`. */
  transports?: ('websocket' | 'polling')[];
  /** Asking over REST every few seconds where sockets are blocked: `auto` (default), `always`, `never`. */
  polling?: 'auto' | 'always' | 'never';
  /** Where outbox, drafts and the list are kept. Default: IndexedDB in browsers, memory elsewhere. `null`: memory. */
  storage?: StorageLike | null;
  /** One live connection for all tabs of a browser. Default: true where Web Locks and BroadcastChannel exist. */
  shareTabs?: boolean;
  /** How tabs find each other, where that is not a browser. */
  tabs?: TabsEnvironment;
  /** Instead of the global one. */
  fetch?: typeof fetch;
}

/** Why something was refused or did not work, as the server or the client says it. */
export interface Reason {
  /** `INVALID`, `FORBIDDEN`, `TOKEN_EXPIRED`, `NETWORK`, ... */
  code: string;
  /** A sentence for people. */
  message: string;
}

/** How the connection is. */
export interface ConnectionState {
  /**
   * - `connecting`: the first attempt, or one after `connect()`.
   * - `online`: live.
   * - `polling`: sockets are blocked here; asks every few seconds. No typing and no presence.
   * - `offline`: lost; tries again by itself at `retryAt`. What is sent is kept.
   * - `signed-out`: nobody is signed in, or the session has ended. `connect()` tries again.
   * - `refused`: will not get better by waiting; `reason` says why. `connect()` tries again.
   */
  status: 'connecting' | 'online' | 'polling' | 'offline' | 'signed-out' | 'refused';
  /** Since when, in milliseconds as `Date.now()`; of `connecting` and `offline`: since when there is no connection, however often it was tried. */
  since: number;
  reason?: Reason;
  /** When it tries again, in milliseconds as `Date.now()`. */
  retryAt?: number;
}

/** The list of conversations, newest activity first. */
export interface InboxState {
  items: Conversation[];
  /** Nothing to show yet. */
  isLoading: boolean;
  hasMore: boolean;
  error: Reason | null;
}

export interface Inbox {
  readonly list: Store<InboxState>;
  /** Unread messages in all conversations that are loaded. */
  readonly unread: Store<number>;
  /** The next page, if there is one. */
  loadMore(): Promise<void>;
  /** Asks the server again. It is not needed for what comes in: that is pushed. */
  refresh(): Promise<void>;
}

/** How far a message of one's own is; messages of others are `sent`. */
export type MessageStatus = 'queued' | 'sending' | 'sent' | 'read' | 'failed';

/** A message in a timeline. Until the server has it, `seq` is 0 and `id` the `clientMessageId`. */
export type TimelineMessage = Message & {
  status: MessageStatus;
  /** Stays the same when the server has answered. */
  key: string;
  /** Why it failed. */
  error?: Reason;
  /** Its files while they are on their way. */
  uploads?: Upload[];
};

export interface TimelineState {
  conversation: Conversation | null;
  /** Ascending by `seq`; own messages that are not stored yet are last. */
  messages: TimelineMessage[];
  /** Nothing to show yet. */
  isLoading: boolean;
  hasOlder: boolean;
  isLoadingOlder: boolean;
  /** Newer pages were unloaded, or not loaded yet: `loadNewer()`, or `jumpTo('latest')`. */
  hasNewer: boolean;
  isLoadingNewer: boolean;
  /** Who is typing now, without oneself. */
  typing: Person[];
  /** The first message that was unread when the timeline was opened. */
  firstUnreadSeq: number | null;
  /**
   * Whether it is known what was unread when the timeline was opened. Before that nothing should be marked as read, and whoever
   * opens at the first unread message waits.
   */
  isUnreadKnown: boolean;
  /** Up to which `seq` each participant has read. */
  reads: Record<string, number>;
  error: Reason | null;
}

export interface Draft {
  text?: string;
  files?: (File | Blob)[];
  /** Uploads that were begun before, from `client.upload()`. */
  uploads?: Upload[];
}

/** A message that was just given to the outbox. */
export interface OutgoingMessage {
  readonly clientMessageId: string;
  /** The stored message; rejects with a `DoorbellError` when it has failed for good or was discarded. */
  readonly done: Promise<Message>;
}

/** The messages of one conversation. */
export interface Timeline {
  readonly id: string;
  readonly state: Store<TimelineState>;
  /** What is being written, kept across reloads. */
  readonly draft: Store<string>;
  /** Loads it and keeps it live, until the returned function is called. May be opened several times. */
  open(): () => void;
  /** The page before. Pages far away on the other side are unloaded then (`hasNewer`). */
  loadOlder(): Promise<void>;
  loadNewer(): Promise<void>;
  /** Loads the pages around a message, or the newest. Messages in view already stay. */
  jumpTo(seq: number | 'latest'): Promise<void>;
  /**
   * Shows the message at once and sends it as soon as that is possible, also after a reload. Throws a `DoorbellError`
   * `INVALID` if there is nothing in it.
   */
  send(draft: Draft): OutgoingMessage;
  /** Sends a failed message again: the same message, however often; without the files that the server has refused, if anything is left then. */
  retry(clientMessageId: string): void;
  /** Gives up a message that is not stored yet. */
  discard(clientMessageId: string): void;
  /** Marks as read up to this message, or all that is loaded. */
  markRead(uptoSeq?: number): void;
  /** Call it at each key: the others are told seldom enough, and 6 s after the last call that it stopped. */
  typing(isTyping: boolean): void;
  setDraft(text: string): void;
}

export interface UploadProgress {
  status: 'preparing' | 'uploading' | 'waiting' | 'done' | 'failed' | 'cancelled';
  /** Bytes sent. */
  loaded: number;
  /** Bytes in all. */
  total: number;
  /** `loaded / total`, 0 to 1. */
  fraction: number;
  /** Place, camera and other details were taken out of the picture before it left the device. */
  metadataRemoved: boolean;
  error: Reason | null;
  /** Failed for good: the server does not take this file, and trying again does not help. */
  isRefused: boolean;
  attachment: Attachment | null;
}

/** A file on its way. */
export interface Upload {
  readonly id: string;
  readonly file: Blob;
  readonly fileName: string;
  readonly progress: Store<UploadProgress>;
  /** Rejects with a `DoorbellError` when it fails or is cancelled; `retry()` makes a new one. */
  readonly done: Promise<Attachment>;
  cancel(): void;
  /** Tries again after a failure; large files go on where they stopped. */
  retry(): void;
}

export interface UploadOptions {
  /** Default: the file's own. */
  fileName?: string;
  /** Take place and camera out of pictures before they leave the device. Default: true. */
  removeMetadata?: boolean;
}

/** Whom or what to talk to: a listing's owner, a person, or a new group. */
export type ConversationTarget =
  | { listingId: string; ownerId: string }
  | { otherUserId: string }
  | { title: string; participantIds: string[] };

/** What `client.on` tells. */
export interface ClientEvents {
  /** A message has come in, one's own included, in an open conversation. */
  message: Message;
  read: ReadUpdate;
  typing: TypingUpdate;
  presence: Presence;
  /** A conversation is new or has changed. */
  conversation: Conversation;
  state: ConnectionState;
  /** Something was refused or went wrong that no call has answered. */
  error: Reason & { event?: string; clientMessageId?: string };
  /** A message of somebody else, in whatever conversation; in one tab of all. For sounds and notifications. */
  notify: { conversationId: string; message: Message };
}

export interface DoorbellClient {
  readonly state: Store<ConnectionState>;
  /** Who is signed in. */
  readonly me: Store<Person | null>;
  readonly inbox: Inbox;
  /** The timeline of a conversation: the same object each time while it is in use. */
  conversation(id: string): Timeline;
  /** Finds or makes a conversation. */
  openConversation(target: ConversationTarget): Promise<Conversation>;
  presence(userId: string): Store<Presence>;
  /** Begins to upload a file, to be given to `send({ uploads })`. */
  upload(file: File | Blob, options?: UploadOptions): Upload;
  on<K extends keyof ClientEvents>(event: K, listener: (value: ClientEvents[K]) => void): () => void;
  /** Tries to connect now: after `refused` and `signed-out`, or instead of waiting for `retryAt`. */
  connect(): void;
  /** Forgets all that is stored for this sign-in, in every tab, and closes. What is not sent yet is lost. */
  signOut(): Promise<void>;
  /** Closes this client; what is not sent yet stays stored. */
  close(): Promise<void>;
}

import type { Settings, Target } from './settings.js';

/** What a page can listen to. */
export interface WidgetEvents {
  /** The number of unread messages. */
  unread: number;
  open: { conversationId: string | null };
  close: undefined;
  /** A message has come in, one's own included, in an open conversation. */
  message: { conversationId: string; senderId: string; content: string };
  /** Something is wrong with how the widget is set up, or with the server. */
  error: { code: string; message: string };
}

/** `window.doorbell`. A page may have put `getToken` and `onSignIn` there before the script came. */
export interface WidgetApi {
  /** A token for whoever is signed in at the site, or `null`. Instead of `data-token-url`. */
  getToken?(): string | null | Promise<string | null>;
  /** What "Sign in" does. Instead of `data-sign-in-url`. */
  onSignIn?(): void;
  /** Opens the conversation about a listing, one that is known by its id, or (without a target) the list. */
  open(target?: Target): Promise<void>;
  close(): void;
  /** The returned function stops it. */
  on<K extends keyof WidgetEvents>(event: K, listener: (value: WidgetEvents[K]) => void): () => void;
  /** Takes everything off the page. The next script tag begins anew. */
  destroy(): void;
}

// A loader may be older than the panel that it starts, so what follows is added to and never changed.

/** What the loader gives to the panel. */
export interface Surroundings {
  settings: Settings;
  api: WidgetApi;
  /** Where the panel is drawn. */
  root: ShadowRoot;
  emit<K extends keyof WidgetEvents>(event: K, value: WidgetEvents[K]): void;
}

/** What the panel gives back. */
export interface Panel {
  open(target: Target, opener: Element | null): void;
  close(): void;
  destroy(): void;
}

/** What the panel's module exports. */
export interface PanelModule {
  start(surroundings: Surroundings): Promise<Panel>;
}

/** Where the React package keeps what its popup shows; read here to know whether it is open. */
export const POPUP_KEY = 'doorbell:popup';
/** Set once a conversation was opened here: then it is worth counting what is unread. */
export const RETURNING_KEY = 'doorbell:returning';

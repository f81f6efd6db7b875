import type { Store } from '@doorbell/client';
import type { BrowserStore } from './context.js';
import { value } from './value.js';

export interface PopupState {
  isOpen: boolean;
  /** `null`: the list of conversations. */
  conversationId: string | null;
}

/** A popup that another person has left open in this tab is not this one's. */
type Kept = PopupState & { userId: string | null };

/** The one chat at the corner of the page: what it shows, kept over reloads of this tab. */
export interface Popup {
  readonly state: BrowserStore<PopupState>;
  open(conversationId: string | null, opener?: Element | null): void;
  /** Has somebody opened it, or is it open from before a reload? Then it must not take the focus. */
  readonly isAsked: boolean;
  close(): void;
  /** Goes back to what opened it: not before it is gone, since a full screen lets no focus out. */
  leave(): void;
  /** Who is signed in, as soon as that is known. */
  belongsTo(userId: string): void;
  /** How many `<ChatPopup>` the page has placed itself. */
  readonly hosts: Store<number>;
  addHost(): () => void;
}

const CLOSED: PopupState = { isOpen: false, conversationId: null };
const NOBODYS: Kept = { ...CLOSED, userId: null };

export function createPopup(storageKey: string): Popup {
  let opener: Element | null = null;
  let isAsked = false;
  const kept = read(storageKey);
  let owner = kept.userId;
  const state = value<PopupState>({ isOpen: kept.isOpen, conversationId: kept.conversationId });
  const hosts = value(0);
  const change = (next: PopupState) => {
    state.set(next);
    try {
      sessionStorage.setItem(storageKey, JSON.stringify({ ...next, userId: owner } satisfies Kept));
    } catch {
      // Storage that is full or forbidden costs the popup its memory, nothing else.
    }
  };
  return {
    state: { ...state, getOnServer: () => CLOSED },
    hosts,
    get isAsked() {
      return isAsked;
    },
    open(conversationId, from) {
      isAsked = true;
      if (from) opener = from;
      change({ isOpen: true, conversationId });
    },
    close() {
      change({ ...state.get(), isOpen: false });
    },
    leave() {
      if (state.get().isOpen) return;
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
      opener = null;
    },
    belongsTo(userId) {
      const isOthers = owner !== null && owner !== userId;
      owner = userId;
      if (isOthers) change(CLOSED);
    },
    addHost() {
      hosts.set(hosts.get() + 1);
      return () => hosts.set(hosts.get() - 1);
    },
  };
}

function read(storageKey: string): Kept {
  try {
    const kept = JSON.parse(sessionStorage.getItem(storageKey) ?? 'null') as Partial<Kept> | null;
    if (!kept || typeof kept.isOpen !== 'boolean') return NOBODYS;
    const text = (value: unknown) => (typeof value === 'string' ? value : null);
    return { isOpen: kept.isOpen, conversationId: text(kept.conversationId), userId: text(kept.userId) };
  } catch {
    return NOBODYS;
  }
}

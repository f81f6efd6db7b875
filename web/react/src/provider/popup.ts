import type { Store } from '@doorbell/client';

export interface PopupState {
  isOpen: boolean;
  /** `null`: the list of conversations. */
  conversationId: string | null;
}

/** The one chat at the corner of the page: what it shows, kept over reloads of this tab. */
export interface Popup {
  readonly state: Store<PopupState>;
  open(conversationId: string | null, opener?: Element | null): void;
  /** Goes back to what opened it. */
  close(): void;
  /** How many `<ChatPopup>` the page has placed itself. */
  readonly hosts: Store<number>;
  addHost(): () => void;
}

const CLOSED: PopupState = { isOpen: false, conversationId: null };

export function createPopup(storageKey: string): Popup {
  let opener: Element | null = null;
  const state = value(read(storageKey));
  const hosts = value(0);
  const change = (next: PopupState) => {
    state.set(next);
    try {
      sessionStorage.setItem(storageKey, JSON.stringify(next));
    } catch {
      // Storage that is full or forbidden costs the popup its memory, nothing else.
    }
  };
  return {
    state,
    hosts,
    open(conversationId, from) {
      if (from) opener = from;
      change({ isOpen: true, conversationId });
    },
    close() {
      change({ ...state.get(), isOpen: false });
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
      opener = null;
    },
    addHost() {
      hosts.set(hosts.get() + 1);
      return () => hosts.set(hosts.get() - 1);
    },
  };
}

function read(storageKey: string): PopupState {
  try {
    const kept = JSON.parse(sessionStorage.getItem(storageKey) ?? 'null') as Partial<PopupState> | null;
    if (!kept || typeof kept.isOpen !== 'boolean') return CLOSED;
    return { isOpen: kept.isOpen, conversationId: typeof kept.conversationId === 'string' ? kept.conversationId : null };
  } catch {
    return CLOSED;
  }
}

function value<T>(current: T): Store<T> & { set(next: T): void } {
  const listeners = new Set<() => void>();
  return {
    get: () => current,
    set(next) {
      current = next;
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

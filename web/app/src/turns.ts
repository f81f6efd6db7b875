import { useEffect, useRef } from 'react';
import { useLocation } from 'wouter';
import { useHistoryState } from 'wouter/use-browser-location';
import { useMedia } from './media';

/** How one came to a conversation, in the state of its entry in the browser's history. */
interface Opened {
  /** The list is the entry before. */
  isFromList: boolean;
  isByKeyboard: boolean;
}

interface Places {
  /** The conversation that is open. */
  id: string | null;
  /** The address of a conversation; of the list: `null`. */
  hrefFor(id: string | null): string;
  /** The media query that says that there is no room for both. */
  narrow: string;
}

/**
 * List and chat, which take turns where there is no room for both. The list is then a place of its own in the browser's
 * history, and the focus goes to and fro, because what had it is hidden.
 */
export function useTurns<E extends HTMLElement>({ id, hrefFor, narrow }: Places) {
  const [, navigate] = useLocation();
  const isNarrow = useMedia(narrow);
  const opened = useHistoryState<Partial<Opened> | null>();
  const list = useRef<E>(null);
  const chat = useRef<E>(null);
  const before = useRef(id);
  useEffect(() => {
    const left = before.current;
    before.current = id;
    if (!isNarrow || left === id) return;
    if (id === null) (list.current?.querySelector<HTMLElement>(`a[href="${CSS.escape(hrefFor(left))}"]`) ?? list.current)?.focus();
    else if (!chat.current?.contains(document.activeElement)) chat.current?.focus();
  }, [id, isNarrow, hrefFor]);
  return {
    isNarrow,
    /** For the elements that list and chat stand in; they need a `tabIndex` of -1. */
    list,
    chat,
    open(chosen: string) {
      // A tap must not bring up the keyboard of a phone.
      const isByKeyboard = document.activeElement?.matches(':focus-visible') ?? false;
      navigate(hrefFor(chosen), { state: { isFromList: id === null, isByKeyboard } satisfies Opened });
    },
    back() {
      if (opened?.isFromList) history.back();
      else navigate(hrefFor(null), { replace: true });
    },
    /** For the chat. */
    autoFocus: isNarrow && (opened?.isByKeyboard ?? false),
  };
}

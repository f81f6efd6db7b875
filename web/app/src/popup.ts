import { usePopup } from '@doorbell/react';
import { useEffect, useLayoutEffect } from 'react';
import { useHistoryState } from 'wouter/use-browser-location';
import { useMedia } from './media';
import { useSession } from './session';

/** Where the popup takes the whole screen, as in its styles. */
const FULL_SCREEN = '(max-width: 480px)';
/** In the state of the history's entry: the conversation that the popup shows in front of this page. `null`: the list. */
const KEY = 'popup';
/** Beside it: whose conversation that is. Somebody else, who comes upon the entry in this tab, must not ask for it. */
const OF = 'popupOf';
type Entry = Record<string, unknown> | null;

/**
 * A popup that takes the whole screen is a place in the browser's history: Back closes it, and leads here again from a page
 * that one went to from it.
 */
export function usePopupInHistory(): void {
  const { isOpen, conversationId, open, close } = usePopup();
  const isFull = useMedia(FULL_SCREEN);
  const entry = useHistoryState<Entry>();
  const isShown = isOpen && isFull;
  const myId = useSession().user?.id ?? null;
  const isMarked = (of: Entry): of is { [KEY]: string | null } => of !== null && KEY in of && of[OF] === myId;
  useEffect(() => {
    const now = history.state as Entry;
    if (!isShown) {
      if (isMarked(now)) history.back();
      return;
    }
    const next = { ...now, [KEY]: conversationId, [OF]: myId };
    if (!isMarked(now)) history.pushState(next, '');
    else if (now[KEY] !== conversationId) history.replaceState(next, '');
  }, [isShown, conversationId]);
  // After the one above, so that an entry that was just made is seen here.
  useEffect(() => {
    const now = history.state as Entry;
    if (!isFull) return;
    if (isOpen && !isMarked(now)) close();
    else if (!isOpen && isMarked(now)) open(now[KEY]);
  }, [entry]);
}

/** Where the page itself is the chat, the popup would stand on its buttons. */
export function useClosedPopup(): void {
  const { isOpen, close } = usePopup();
  useLayoutEffect(() => {
    if (isOpen) close();
  }, [isOpen]);
}

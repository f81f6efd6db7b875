import { useMemo } from 'react';
import { useStore, useSurroundings } from '../provider/context.js';
import type { PopupState } from '../provider/popup.js';

/** The popup's state, and ways to open it (`null`: with the list) and to close it. */
export function usePopup(): PopupState & { open(conversationId: string | null, opener?: Element | null): void; close(): void } {
  const { popup } = useSurroundings();
  const state = useStore(popup.state);
  return useMemo(() => ({ ...state, open: popup.open, close: popup.close }), [state, popup]);
}

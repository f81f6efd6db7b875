import { useEffect, useLayoutEffect, useRef, type KeyboardEvent, type ReactNode } from 'react';
import { Chat } from '../chat/Chat.js';
import { Inbox } from '../inbox/Inbox.js';
import { useStore, useSurroundings } from '../provider/context.js';
import { useMedia } from '../provider/focus.js';
import { CloseIcon } from '../theme/icons.js';

export interface ChatPopupProps {
  className?: string;
  /** Shown in place of list and chat, while there is neither: a sentence for whoever is not signed in, say. */
  children?: ReactNode;
  /** Above list and chat: what concerns the whole page. */
  banner?: ReactNode;
  /** @internal The provider places one where the page has none. */
  isAutomatic?: boolean;
}

/** Under this width the popup takes the whole screen, and the page behind it waits. */
const SMALL = '(max-width: 480px)';

/** The chat at the corner of the page, opened by `<ContactOwner>` or `popup.open()`. */
export function ChatPopup({ className = '', children, banner, isAutomatic = false }: ChatPopupProps) {
  const { popup, root, wording } = useSurroundings();
  const { isOpen, conversationId } = useStore(popup.state);
  useLayoutEffect(() => (isAutomatic ? undefined : popup.addHost()), [popup, isAutomatic]);
  const isSmall = useMedia(SMALL);
  const dialog = useRef<HTMLDialogElement>(null);
  const { texts } = wording;
  const left = useRef<string | null>(null);

  useLayoutEffect(() => {
    const element = dialog.current;
    if (!element) return;
    if (element.open) element.close();
    if (isSmall) element.showModal();
    // Shown like that it does not take the focus.
    else if (!popup.isAsked) element.open = true;
    else element.show();
    return () => {
      element.close();
      popup.leave();
    };
  }, [isOpen, isSmall]);

  // What is behind a full screen must not scroll with it.
  useEffect(() => {
    if (!isOpen || !isSmall) return;
    const { style } = document.documentElement;
    const before = style.overflow;
    style.overflow = 'hidden';
    return () => void (style.overflow = before);
  }, [isOpen, isSmall]);

  if (!isOpen) return null;
  const press = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || event.defaultPrevented || event.nativeEvent.isComposing) return;
    event.preventDefault();
    event.stopPropagation();
    popup.close();
  };
  // Browsers close a full screen by themselves, without asking, where nobody has touched the page since it opened.
  const closed = () => {
    if (dialog.current?.open === false) popup.close();
  };
  const show = (id: string | null) => popup.open(id);
  return (
    <dialog ref={dialog} className={`db-root db-popup ${className}`} {...root} aria-label={texts.messages} onKeyDown={press}
      onCancel={(event) => { event.preventDefault(); popup.close(); }} onClose={closed}>
      {banner}
      {children ?? (conversationId === null ? (
        <Inbox onOpen={show} focusId={left.current} header={(
          <header className="db-header">
            <h2 className="db-header-name db-header-text">{texts.messages}</h2>
            <button type="button" className="db-icon-button" aria-label={texts.closeChat} onClick={() => popup.close()}><CloseIcon /></button>
          </header>
        )} />
      ) : <Chat conversationId={conversationId} autoFocus={popup.isAsked} onBack={() => { left.current = conversationId; show(null); }} onClose={() => popup.close()} />)}
    </dialog>
  );
}

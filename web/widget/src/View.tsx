import type { Reason, Store } from '@doorbell/client';
import { ChatPopup, usePopup, useSession } from '@doorbell/react';
import { useEffect, useLayoutEffect, useRef, useSyncExternalStore, type ReactNode } from 'react';
import { part as inbox } from 'loading:inbox';
import type { Asking } from './asking.js';
import { isOutdated } from './later.js';
import type { Settings } from './settings.js';
import type { PanelTexts } from './texts/en.js';

type Popup = ReturnType<typeof usePopup>;

interface ViewProps {
  settings: Settings;
  texts: PanelTexts;
  asking: Asking;
  /** What is wrong with the way to the server, if that is known. */
  diagnosis: Store<Reason | null>;
  onSignIn?: () => void;
  /** Gives the popup to who is outside of the tree. */
  onPopup(popup: Popup): void;
}

const useStore = <T,>(store: Store<T>): T => useSyncExternalStore(store.subscribe, store.get);

/** The popup, with what there is to see before a conversation is open. */
export function View({ settings, texts, asking, diagnosis, onSignIn, onPopup }: ViewProps) {
  const popup = usePopup();
  const { state, connect } = useSession();
  const asked = useStore(asking.state);
  const unreachable = useStore(diagnosis);
  const outdated = useStore(isOutdated);
  useLayoutEffect(() => onPopup(popup), [onPopup, popup]);

  const { conversationId, close } = popup;
  const isBefore = conversationId === null;
  const title = asked?.target.title ?? texts.messages;
  const isSignedOut = state.status === 'signed-out' || asked?.problem?.code === 'SIGNED_OUT';
  const reason = unreachable ?? asked?.problem ?? (state.status === 'refused' ? state.reason : undefined);
  const again = () => {
    connect();
    asking.again();
  };
  const renewal = { text: texts.reload, run: () => void reload(settings.server) };
  const view = !isBefore ? undefined
    : isSignedOut ? <Sentence text={texts.signedOut} action={onSignIn && { text: texts.signIn, run: onSignIn }} />
      : reason && (asked || unreachable) ? <Sentence text={`${texts.contactFailed} ${reason.message}`} action={{ text: texts.tryAgain, run: again }} />
        : asked ? <div className="db-skeletons db-skeleton-chat db-fill" role="status" aria-label={texts.loading}>{[56, 38, 64].map((width, at) => <span key={width} className="db-bone db-bone-bubble" data-mine={at % 2 === 1 || undefined} style={{ inlineSize: `${width}%` }} aria-hidden="true" />)}</div>
          : outdated && !inbox.components ? <Sentence text={texts.outdated} action={renewal} />
            : undefined;
  const isAbove = settings.launcher === settings.panel;
  return (
    <ChatPopup className={`dbw-${settings.panel} ${isAbove ? 'dbw-above' : ''}`} banner={outdated && !view && (
      <div className="db-connection" role="alert">
        <span>{texts.outdated}</span>
        <button type="button" className="db-link" onClick={renewal.run}>{renewal.text}</button>
      </div>
    )}>
      {view && (
        <section className="dbw-state" aria-label={title}>
          <header className="db-header">
            <h2 className="db-header-name db-header-text"><bdi>{title}</bdi></h2>
            <CloseButton label={texts.closeChat} onClose={close} />
          </header>
          {view}
        </section>
      )}
    </ChatPopup>
  );
}

/** Drafts are stored this long after the last key. */
const DRAFTS_MILLISECONDS = 400;

async function reload(server: string): Promise<void> {
  await Promise.all([
    // Browsers keep the old loader for minutes, also over a reload, and it would bring the old panel again. Asked for as the
    // tag does, it is the same entry of their cache.
    fetch(`${server}/widget.js`, { mode: 'no-cors', credentials: 'include', cache: 'reload' }).catch(() => {}),
    new Promise((resolve) => setTimeout(resolve, DRAFTS_MILLISECONDS)),
  ]);
  location.reload();
}

function CloseButton({ label, onClose }: { label: string; onClose(): void }) {
  const button = useRef<HTMLButtonElement>(null);
  // The popup has nothing to write in yet: the focus goes to what closes it.
  useEffect(() => button.current?.focus({ preventScroll: true }), []);
  return (
    <button ref={button} type="button" className="db-icon-button" aria-label={label} onClick={onClose}>
      <svg className="db-icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d="m6 6 12 12M18 6 6 18" /></svg>
    </button>
  );
}

function Sentence({ text, action }: { text: string; action?: { text: string; run(): void } }): ReactNode {
  return (
    <div className="db-blank" role="alert">
      <p>{text}</p>
      {action && <button type="button" className="db-button db-button-primary" onClick={action.run}>{action.text}</button>}
    </div>
  );
}

import { useEffect, useLayoutEffect, useRef, useState, type ReactNode } from 'react';
import { Composer } from '../composer/Composer.js';
import { NotifyAsk } from '../composer/NotifyAsk.js';
import type { FileLimits } from '../composer/refusals.js';
import { useFiles } from '../composer/useFiles.js';
import { hasLeft, titleOf, useStore, useSurroundings } from '../provider/context.js';
import { useSession, useTimeline } from '../provider/hooks.js';
import { AttachIcon } from '../theme/icons.js';
import { TimelineView, type TimelineHandle } from '../timeline/TimelineView.js';
import { ConnectionBar } from './ConnectionBar.js';
import { Header } from './Header.js';
import { NewChat } from './NewChat.js';
import { TypingLine } from './TypingLine.js';
import { useDrop } from './useDrop.js';

export interface ChatProps {
  conversationId: string;
  /** Shows a back button: on phones, say, where list and chat take turns. */
  onBack?: () => void;
  onClose?: () => void;
  /** Puts the cursor into the message field. Default: false. */
  autoFocus?: boolean;
  /** Beside the name. */
  actions?: ReactNode;
  /** Default: Doorbell's own. The server judges again. */
  fileLimits?: FileLimits;
  className?: string;
}

/** A conversation: header, messages, and the field to write in. */
export function Chat(props: ChatProps) {
  // Nothing of one conversation may be left in another: scroll position, chosen files, the "New" line.
  return <OneChat key={props.conversationId} {...props} />;
}

function OneChat({ conversationId, onBack, onClose, autoFocus = false, actions, fileLimits, className = '' }: ChatProps) {
  const { client, wording, root } = useSurroundings();
  const { texts } = wording;
  const [attempt, setAttempt] = useState(0);
  const timeline = useTimeline(conversationId, attempt);
  // What a timeline says of the first unread message is of now only when it is open.
  const [isOpen, setOpen] = useState(false);
  useLayoutEffect(() => setOpen(true), []);
  const state = useStore(timeline.state);
  const myId = useSession().me?.id;
  const files = useFiles(client, conversationId, fileLimits);
  const field = useRef<HTMLTextAreaElement>(null);
  const view = useRef<TimelineHandle>(null);
  const [hasSent, setSent] = useState(false);
  const { conversation, messages, isLoading, hasOlder, isUnreadKnown, error } = state;
  const title = conversation ? titleOf(conversation, myId, wording) : '';
  const isReadOnly = conversation !== null && hasLeft(conversation, myId);
  const isNew = conversation !== null && messages.length === 0 && !isLoading && !hasOlder && !error;
  // What is unread is looked for: what is at the end would be shown for a moment, and then something else.
  const wasShown = useRef(false);
  const isPlacing = !isUnreadKnown && !error && !wasShown.current && (conversation?.unreadCount ?? 0) > 0;
  const isWaiting = !isOpen || isPlacing || (isLoading && messages.length === 0);
  useEffect(() => void (wasShown.current ||= !isWaiting));
  // Trying again would not help: there is none of this id, or it is none, or it is other people's.
  const isGone = messages.length === 0 && ['NOT_FOUND', 'FORBIDDEN', 'INVALID'].includes(error?.code ?? '');
  const drop = useDrop(isReadOnly || isGone ? null : (dropped) => {
    files.add(dropped);
    field.current?.focus();
  });

  useEffect(() => {
    if (autoFocus) field.current?.focus({ preventScroll: true });
  }, [autoFocus]);

  return (
    <section className={`db-root db-chat ${className}`} {...root} aria-label={title ? wording.say('chatLabel', { name: title }) : texts.messages} aria-busy={isWaiting} {...drop.handlers}>
      <Header conversation={conversation} myId={myId} title={title} onBack={onBack} onClose={onClose} actions={actions} />
      <ConnectionBar />
      {error && messages.length === 0 ? (
        <div className="db-problem db-fill" role="group">
          {isGone ? <p>{texts.conversationGone}</p> : error.code === 'SIGNED_OUT' ? <p>{texts.signedOut}</p> : (
            <>
              <p>{texts.historyError} {error.message}</p>
              <button type="button" className="db-button" onClick={() => setAttempt(attempt + 1)}>{texts.tryAgain}</button>
            </>
          )}
        </div>
      ) : isWaiting ? <SkeletonMessages label={texts.loading} />
        : isNew ? (
          <NewChat conversation={conversation} myId={myId} title={title} onSuggest={(text) => {
            timeline.setDraft(text);
            field.current?.focus();
          }} />
        ) : (
          <TimelineView timeline={timeline} state={state} conversation={conversation} myId={myId} title={title} handle={view}
            beginning={<p className="db-beginning">{texts.historyStart}</p>} />
        )}
      <TypingLine people={state.typing} />
      {hasSent && <NotifyAsk name={title} />}
      {isGone ? null : isReadOnly ? <p className="db-read-only">{texts.readOnlyLeft}</p> : (
        <Composer timeline={timeline} files={files} name={title || texts.someone} field={field} onSend={({ text, uploads }) => {
          timeline.send({ text, uploads });
          setSent(true);
          view.current?.showLatest();
        }} />
      )}
      {drop.isOver && <div className="db-drop" aria-hidden="true"><span><AttachIcon />{texts.dropHere}</span></div>}
    </section>
  );
}

function SkeletonMessages({ label }: { label: string }) {
  return (
    <div className="db-skeletons db-skeleton-chat db-fill" role="status" aria-label={label}>
      {[56, 38, 64, 30, 48].map((width, index) => <span key={width} className="db-bone db-bone-bubble" data-mine={index % 2 === 1 || undefined} style={{ inlineSize: `${width}%` }} aria-hidden="true" />)}
    </div>
  );
}

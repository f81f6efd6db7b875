import { useCallback, useEffect, useMemo, useRef, useState, type KeyboardEvent, type MouseEvent, type ReactNode } from 'react';
import { ConnectionBar } from '../chat/ConnectionBar.js';
import { useSurroundings } from '../provider/context.js';
import { useInbox, useSession } from '../provider/hooks.js';
import { ChooseDrawing, EmptyDrawing } from '../theme/drawings.js';
import { icon } from '../theme/icons.js';
import { Row } from './Row.js';
import { useRows } from './useRows.js';
import { heldOrder, matches } from './wording.js';

const SearchIcon = icon(<><circle cx="10.5" cy="10.5" r="6" /><path d="m15 15 5 5" /></>);

export interface InboxProps {
  /** The conversation that is open beside the list. */
  activeId?: string | null;
  /** Whose row has the focus when the list is shown: that of the conversation one comes back from. */
  focusId?: string | null;
  /** Instead of the provider's. */
  onOpen?(conversationId: string): void;
  /** Above the search field, a heading say. */
  header?: ReactNode;
  className?: string;
}

const SEARCHED_FROM = 4;

/** The list of conversations: search, unread counts, and empty, slow and broken states. */
export function Inbox({ activeId = null, focusId = null, onOpen, header, className = '' }: InboxProps) {
  const { wording, root, popup, ...site } = useSurroundings();
  const { items, isLoading, hasMore, error, loadMore, refresh } = useInbox();
  const { state } = useSession();
  // Nothing comes then until somebody does something, which the bar above says.
  const isShut = state.status === 'signed-out' || state.status === 'refused';
  const { texts } = wording;
  const [query, setQuery] = useState('');
  const [held, setHeld] = useState<string[] | null>(null);
  const [focusedId, setFocusedId] = useState<string | null>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const focusNext = useRef(focusId);

  const ordered = useMemo(() => heldOrder(items, held), [items, held]);
  const shown = useMemo(() => (query.trim() ? ordered.filter((item) => matches(item, query)) : ordered), [ordered, query]);
  const { start, end, before, after, measure, reveal } = useRows(shown.length, scroller);

  // The list is searched here, so all of it has to be here; and whoever comes near its end goes on reading.
  const isNearEnd = end >= shown.length - 10;
  useEffect(() => {
    if (hasMore && !error && !isLoading && isNearEnd) void loadMore();
  }, [hasMore, error, isLoading, isNearEnd, items.length, loadMore]);

  // At once where the row is there: the next key must not come before. Else when it is rendered.
  const focusRow = (id: string | null) => {
    const row = id && scroller.current?.querySelector<HTMLElement>(`[data-conversation="${CSS.escape(id)}"]`);
    focusNext.current = row ? null : id;
    if (row) row.focus({ preventScroll: true });
  };
  useEffect(() => focusRow(focusNext.current));

  const choose = useCallback(
    (id: string, event: MouseEvent) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      const open = onOpen ?? site.onOpen ?? (site.hrefFor ? null : (chosen: string) => popup.open(chosen, event.currentTarget));
      if (!open) return;
      event.preventDefault();
      open(id);
    },
    [onOpen, site.onOpen, site.hrefFor, popup],
  );

  const tabStop = shown.some(({ id }) => id === focusedId) ? focusedId : shown.some(({ id }) => id === activeId) ? activeId : shown[0]?.id;
  const move = (event: KeyboardEvent) => {
    const at = shown.findIndex(({ id }) => id === (event.target as HTMLElement).dataset.conversation);
    const last = shown.length - 1;
    const to = { ArrowDown: Math.min(last, at + 1), ArrowUp: Math.max(0, at - 1), Home: 0, End: last }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    setFocusedId(shown[to]!.id);
    reveal(to);
    focusRow(shown[to]!.id);
  };

  const rows = shown.slice(start, end);
  return (
    <section className={`db-root db-inbox ${className}`} {...root} aria-label={texts.inboxLabel}>
      {header}
      {activeId === null && <ConnectionBar />}
      {(items.length >= SEARCHED_FROM || query !== '') && (
        <label className="db-search">
          <SearchIcon />
          <input type="search" value={query} placeholder={texts.searchLabel} aria-label={texts.searchLabel} onChange={(event) => setQuery(event.target.value)} />
        </label>
      )}
      <div ref={scroller} className="db-inbox-scroller" tabIndex={-1}
        onPointerEnter={(event) => event.pointerType === 'mouse' && setHeld(ordered.map(({ id }) => id))}
        onPointerLeave={() => setHeld(null)}>
        {shown.length > 0 && (
          <ul className="db-rows" style={{ paddingBlockStart: before, paddingBlockEnd: after }} onKeyDown={move}
            onFocus={(event) => setFocusedId((event.target as HTMLElement).dataset.conversation ?? null)}>
            {rows.map((conversation, index) => (
              <Row key={conversation.id} conversation={conversation} isCurrent={conversation.id === activeId}
                isTabStop={conversation.id === tabStop} position={start + index + 1} total={hasMore && !query ? -1 : shown.length}
                measure={index === 0 ? measure : undefined} onChoose={choose} />
            ))}
          </ul>
        )}
        {isLoading && !isShut && items.length === 0 && <SkeletonRows label={texts.loading} />}
        {error && (
          <div className="db-problem" role="group">
            <p>{texts.inboxError} {error.message}</p>
            <button type="button" className="db-button" onClick={() => void refresh()}>{texts.tryAgain}</button>
          </div>
        )}
        {!isLoading && !error && !isShut && items.length === 0 && <NoConversations />}
        {shown.length === 0 && query.trim() !== '' && items.length > 0 && (
          <div className="db-blank" role="status">
            <ChooseDrawing />
            <p className="db-blank-title">{wording.say('searchNothing', { query: query.trim() })}</p>
            <p>{hasMore ? texts.searchMore : texts.searchWhere}</p>
          </div>
        )}
      </div>
    </section>
  );
}

function NoConversations() {
  const { wording: { texts }, browse } = useSurroundings();
  return (
    <div className="db-blank">
      <EmptyDrawing />
      <p className="db-blank-title">{texts.inboxEmptyTitle}</p>
      <p>{texts.inboxEmpty}</p>
      {browse && (browse.href
        ? <a className="db-button db-button-primary" href={browse.href} onClick={browse.onClick && ((event) => { event.preventDefault(); browse.onClick?.(); })}>{texts.inboxEmptyAction}</a>
        : <button type="button" className="db-button db-button-primary" onClick={browse.onClick}>{texts.inboxEmptyAction}</button>)}
    </div>
  );
}

/** Shown only where loading takes noticeably long; that wait is in the style sheet. */
function SkeletonRows({ label }: { label: string }) {
  return (
    <div className="db-skeletons" role="status" aria-label={label}>
      {Array.from({ length: 7 }, (_, index) => (
        <div key={index} className="db-skeleton-row" aria-hidden="true"><span className="db-bone db-bone-face" /><span className="db-bone-lines"><span className="db-bone" /><span className="db-bone" /><span className="db-bone" /></span></div>
      ))}
    </div>
  );
}

/** What stands in the place of the chat while none is chosen. */
export function NothingSelected() {
  const { wording: { texts }, root } = useSurroundings();
  return (
    <div className="db-root db-blank db-nothing-selected" {...root}>
      <ChooseDrawing />
      <p className="db-blank-title">{texts.nothingSelectedTitle}</p>
      <p>{texts.nothingSelected}</p>
    </div>
  );
}

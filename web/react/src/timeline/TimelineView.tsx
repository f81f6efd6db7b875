import type { Conversation, Timeline, TimelineState } from '@doorbell/client';
import { useCallback, useImperativeHandle, useMemo, useRef, useState, type FocusEvent, type KeyboardEvent, type ReactNode, type Ref } from 'react';
import { Lightbox } from '../media/Lightbox.js';
import { nameOf, others, useSurroundings } from '../provider/context.js';
import { dayName } from '../texts/times.js';
import { DownIcon } from '../theme/icons.js';
import { AnchoredScroller } from './AnchoredScroller.js';
import { daysOf } from './groups.js';
import { MessageRow } from './MessageRow.js';
import { useNews } from './useNews.js';
import { usePosition } from './usePosition.js';
import { useReadMarks } from './useReadMarks.js';

export interface TimelineHandle {
  showLatest(): void;
}

interface TimelineViewProps {
  timeline: Timeline;
  state: TimelineState;
  conversation: Conversation | null;
  myId: string | undefined;
  title: string;
  /** What stands before the first message of all. */
  beginning: ReactNode;
  handle: Ref<TimelineHandle>;
}

export function TimelineView({ timeline, state, conversation, myId, title, beginning, handle }: TimelineViewProps) {
  const { wording } = useSurroundings();
  const { texts } = wording;
  const { messages, reads, hasOlder, isLoadingOlder, hasNewer, isUnreadKnown, error } = state;
  const scroller = useRef<AnchoredScroller>(null);
  const frame = useRef<HTMLDivElement>(null);
  const { start, end, isAtEnd, isLatest, isReady, move, showLatest } = usePosition(timeline, state, scroller);
  const isLineInView = useCallback(() => {
    const line = frame.current?.querySelector('.db-new-line')?.getBoundingClientRect();
    const view = frame.current?.getBoundingClientRect();
    return !!line && !!view && line.bottom > view.top && line.top < view.bottom;
  }, []);
  const news = useNews(state, myId, isAtEnd && isReady && isUnreadKnown, isLineInView);
  // What is not loaded is counted by the list.
  const newsCount = hasNewer && !isAtEnd ? Math.max(news.count, conversation?.unreadCount ?? 0) : news.count;
  const [activeKey, setActiveKey] = useState<string | null>(null);
  const [openMedia, setOpenMedia] = useState<string | null>(null);
  const isGroup = conversation?.isGroup ?? false;

  useImperativeHandle(handle, () => ({
    showLatest() {
      news.clear();
      showLatest();
    },
  }));

  const days = useMemo(() => daysOf(messages, start, end, news.lineSeq), [messages, start, end, news.lineSeq]);
  useReadMarks(timeline, frame, (myId && reads[myId]) || 0, days, conversation !== null && isUnreadKnown, news.see);

  const people = useMemo(() => (conversation ? others(conversation, myId) : []), [conversation, myId]);
  const readersOf = (seq: number) => people.filter(({ id }) => (reads[id] ?? 0) >= seq).map((person) => nameOf(person, wording));

  const press = (event: KeyboardEvent) => {
    const rows = [...frame.current!.querySelectorAll<HTMLElement>('[data-key]')];
    const at = rows.findIndex((row) => row.contains(event.target as Node));
    if (at >= 0 && event.target !== rows[at] && event.key !== 'Escape') return;
    const to = { ArrowUp: at < 0 ? rows.length - 1 : at - 1, ArrowDown: at < 0 ? -1 : at + 1 }[event.key];
    if (event.key === 'End') {
      event.preventDefault();
      showLatest();
    }
    const row = to === undefined ? undefined : rows[to];
    if (!row) return;
    event.preventDefault();
    scroller.current?.focusRow(row.dataset.key!);
  };
  const focus = (event: FocusEvent) => setActiveKey((event.target as HTMLElement).closest<HTMLElement>('[data-key]')?.dataset.key ?? null);
  const openOne = useCallback((attachmentId: string) => setOpenMedia(attachmentId), []);

  return (
    <div className="db-timeline" ref={frame}>
      <AnchoredScroller ref={scroller} label={wording.say('historyLabel', { name: title })} isLatest={isLatest} onMove={move} onKeyDown={press} onFocus={focus}>
        {!hasOlder && start === 0 && messages.length > 0 && beginning}
        {(hasOlder || isLoadingOlder) && start === 0 && (
          <p className="db-older">
            {error && !isLoadingOlder ? <>{texts.historyError} <button type="button" className="db-link" onClick={() => void timeline.loadOlder()}>{texts.tryAgain}</button></> : texts.loadingOlder}
          </p>
        )}
        {days.map((day) => (
          <section key={day.key} className="db-day" aria-label={dayName(wording, day.time)}>
            <p className="db-day-name" aria-hidden="true"><span>{dayName(wording, day.time)}</span></p>
            <ol>
              {day.rows.flatMap(({ message, isFirst, isLast, isNew }) => [
                isNew && <li key="new" className="db-new-line"><span>{texts.newMessages}</span></li>,
                <MessageRow key={message.key} message={message} isMine={message.senderId === myId} isFirst={isFirst} isLast={isLast} isGroup={isGroup}
                  isTabStop={message.key === activeKey} readers={isGroup && isLast && message.senderId === myId ? readersOf(message.seq) : null} timeline={timeline} onOpenMedia={openOne} />,
              ])}
            </ol>
          </section>
        ))}
      </AnchoredScroller>
      {!isAtEnd && (
        <button type="button" className="db-to-latest" data-news={newsCount > 0 || undefined} onClick={showLatest}>
          <span className={newsCount > 0 ? undefined : 'db-unseen'}>{newsCount > 0 ? wording.say('jumpToNew', { count: newsCount }) : texts.jumpToLatest}</span>
          <DownIcon />
        </button>
      )}
      {openMedia && <Lightbox messages={messages} startId={openMedia} myId={myId} onClose={() => setOpenMedia(null)} />}
    </div>
  );
}

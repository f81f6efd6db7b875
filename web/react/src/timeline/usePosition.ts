import type { Timeline, TimelineState } from '@doorbell/client';
import { useCallback, useEffect, useLayoutEffect, useRef, useState, type RefObject } from 'react';
import type { AnchoredScroller } from './AnchoredScroller.js';
import { earlier, indexOfSeq, later, latestRange, rangeAround, shownIndexes, type Range } from './range.js';

/** So few rows left before the first one: the page before is asked for. */
const LOAD_AHEAD_ROWS = 30;
/** Where the first unread message stands when a conversation is opened: with the "New" line above it under the sticky day. */
const NEW_LINE_PIXELS = 100;

interface Move {
  isAtEnd: boolean;
  isNearStart: boolean;
  isNearEnd: boolean;
}

/** Which messages are shown, and where the reader is. */
export function usePosition(timeline: Timeline, state: TimelineState, scroller: RefObject<AnchoredScroller | null>) {
  const { messages, hasOlder, isLoadingOlder, hasNewer, isLoadingNewer, firstUnreadSeq } = state;
  const [range, setRange] = useState<Range | null>(null);
  const [isAtEnd, setAtEnd] = useState(true);
  const [isNear, setNear] = useState({ start: false, end: false });
  const pending = useRef<{ seq: number; distance: number } | null>(null);
  const isOpened = useRef(false);
  const wasPlaced = useRef(false);
  const hasMoved = useRef(false);

  const showSeq = useCallback(
    (seq: number, distance: number) => {
      pending.current = { seq, distance };
      setAtEnd(false);
      setRange(rangeAround(timeline.state.get().messages, seq));
    },
    [timeline],
  );

  // The first messages decide where reading begins: at the first unread one, or at the end.
  const isReady = messages.length > 0;
  useLayoutEffect(() => {
    if (!isReady || isOpened.current) return;
    isOpened.current = true;
    if (firstUnreadSeq !== null) wasPlaced.current = true;
    if (firstUnreadSeq === null) return setRange(latestRange(messages));
    if (messages[0]!.seq > firstUnreadSeq && hasOlder) {
      setRange(latestRange(messages));
      void timeline.jumpTo(firstUnreadSeq).then(() => showSeq(firstUnreadSeq, NEW_LINE_PIXELS), () => {});
    } else showSeq(firstUnreadSeq, NEW_LINE_PIXELS);
  });

  // Where one learns only later what was unread (a link right to a conversation, say), it is still opened there: unless
  // somebody has begun to read.
  useLayoutEffect(() => {
    if (firstUnreadSeq === null || wasPlaced.current || !isOpened.current) return;
    wasPlaced.current = true;
    if (!hasMoved.current) showSeq(firstUnreadSeq, NEW_LINE_PIXELS);
  }, [firstUnreadSeq, showSeq]);

  let [start, end] = range ? shownIndexes(messages, range, isAtEnd) : [0, 0];
  // What was shown was unloaded for something far away, after a long time without connection: the newest is what is left.
  if (range && start === end && messages.length > 0) [start, end] = shownIndexes(messages, latestRange(messages), true);
  const isLatest = range !== null && end === messages.length && !hasNewer;

  useLayoutEffect(() => {
    const wanted = pending.current;
    if (!wanted || !range) return;
    const current = timeline.state.get().messages;
    const message = current[indexOfSeq(current, wanted.seq)];
    if (!message) return;
    pending.current = null;
    scroller.current?.show(message.key, wanted.distance);
  }, [range, timeline, scroller]);

  const showLatest = useCallback(() => {
    const go = () => {
      setAtEnd(true);
      setRange(latestRange(timeline.state.get().messages));
      scroller.current?.stick();
    };
    go();
    if (timeline.state.get().hasNewer) void timeline.jumpTo('latest').then(go, () => {});
  }, [timeline, scroller]);

  const now = useRef({ start, end });
  now.current = { start, end };
  const move = useCallback(
    ({ isAtEnd: atEnd, isNearStart, isNearEnd }: Move) => {
      const current = timeline.state.get();
      const shown: [number, number] = [now.current.start, now.current.end];
      if (!atEnd) hasMoved.current = true;
      const atLatest = atEnd && shown[1] === current.messages.length && !current.hasNewer;
      setAtEnd(atLatest);
      setNear((before) => (before.start === isNearStart && before.end === isNearEnd ? before : { start: isNearStart, end: isNearEnd }));
      // Before, then after: a list so short that both ends are near grows to one side at a time.
      const next = (isNearStart && earlier(current.messages, shown)) || (isNearEnd && later(current.messages, shown));
      if (next) setRange(next);
    },
    [timeline],
  );

  // Both ask again after each page, until there is enough.
  const needsOlder = range !== null && isNear.start && hasOlder && !isLoadingOlder && !state.error && start < LOAD_AHEAD_ROWS;
  useEffect(() => {
    if (needsOlder) void timeline.loadOlder();
  }, [needsOlder, timeline, messages.length]);
  const needsNewer = range !== null && isNear.end && hasNewer && !isLoadingNewer && !state.error && messages.length - end < LOAD_AHEAD_ROWS;
  useEffect(() => {
    if (needsNewer) void timeline.loadNewer();
  }, [needsNewer, timeline, messages.length]);

  return { start, end, isAtEnd, isLatest, isReady: range !== null, move, showLatest, showSeq };
}

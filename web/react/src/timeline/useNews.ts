import type { TimelineState } from '@doorbell/client';
import { useCallback, useEffect, useRef, useState } from 'react';
import { isAttentive } from '../provider/focus.js';
import { indexOfSeq } from './range.js';

/**
 * The "New" line, and how many messages below what was seen nobody has seen. A line that is in view stays where it is: it
 * says where one has left off, and taking it away would move what is read.
 */
export function useNews({ messages, firstUnreadSeq }: TimelineState, myId: string | undefined, isAtEnd: boolean, isLineInView: () => boolean) {
  const [lineSeq, setLineSeq] = useState<number | null>(null);
  /** The last message when one was at the end last; `see`: up to where messages were on the screen. */
  const [endSeq, setEndSeq] = useState<number | null>(null);
  const [seenSeq, setSeenSeq] = useState(0);
  const see = useCallback((seq: number) => setSeenSeq((before) => Math.max(before, seq)), []);
  const lastSeq = messages[indexOfSeq(messages, Infinity) - 1]?.seq ?? 0;
  const known = useRef<number | null>(null);

  useEffect(() => {
    if (firstUnreadSeq !== null) setLineSeq((line) => line ?? firstUnreadSeq);
  }, [firstUnreadSeq]);

  useEffect(() => {
    const before = known.current;
    known.current = lastSeq;
    if (before === null || lastSeq <= before || (isAtEnd && isAttentive())) return;
    const first = messages.slice(indexOfSeq(messages, before + 1)).find(({ seq, senderId }) => seq > 0 && senderId !== myId);
    if (first && !isLineInView()) setLineSeq((line) => (line !== null && line > (endSeq ?? 0) ? line : first.seq));
  }, [messages, lastSeq, myId, isAtEnd, endSeq, isLineInView]);

  useEffect(() => {
    if (isAtEnd && lastSeq > 0) setEndSeq(lastSeq);
  }, [isAtEnd, lastSeq]);

  const from = Math.max(seenSeq, endSeq ?? (firstUnreadSeq === null ? lastSeq : firstUnreadSeq - 1));
  let count = 0;
  for (let index = messages.length - 1; !isAtEnd && index >= 0; index -= 1) {
    const { seq, senderId } = messages[index]!;
    if (seq > 0 && seq <= from) break;
    if (seq > 0 && senderId !== myId) count += 1;
  }
  return { lineSeq, count, see, clear: () => setLineSeq(null) };
}

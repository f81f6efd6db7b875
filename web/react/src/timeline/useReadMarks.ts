import type { Timeline } from '@doorbell/client';
import { useEffect, useRef, type RefObject } from 'react';
import { isAttentive, onAttention } from '../provider/focus.js';

/** A long message counts as seen when this much of it was on the screen. */
const ENOUGH_PIXELS = 160;

/**
 * Marks as read what somebody has seen: on the screen (not merely in the list), while the page has the focus. Rows of
 * others are elements with `data-seen-seq`. Nothing is marked before it is known what was unread.
 */
export function useReadMarks(timeline: Timeline, container: RefObject<HTMLElement | null>, readSeq: number, rendered: unknown, isKnown: boolean, onSeen: (seq: number) => void): void {
  const visible = useRef(new Map<Element, number>());
  const marked = useRef(0);
  const observer = useRef<IntersectionObserver>(undefined);
  const known = useRef(new WeakSet<Element>());
  const mark = useRef(() => {});
  mark.current = () => {
    if (!isAttentive()) return;
    const seq = Math.max(0, ...visible.current.values());
    if (seq <= Math.max(readSeq, marked.current)) return;
    marked.current = seq;
    timeline.markRead(seq);
    onSeen(seq);
  };

  useEffect(() => {
    visible.current.clear();
    marked.current = 0;
    known.current = new WeakSet();
    if (!isKnown) return;
    observer.current = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting, intersectionRatio, intersectionRect } of entries) {
          if (isIntersecting && (intersectionRatio >= 0.6 || intersectionRect.height >= ENOUGH_PIXELS)) visible.current.set(target, Number((target as HTMLElement).dataset.seenSeq));
          else visible.current.delete(target);
        }
        mark.current();
      },
      { threshold: [0, 0.3, 0.6, 1] },
    );
    const stop = onAttention(() => mark.current());
    return () => {
      stop();
      observer.current?.disconnect();
    };
  }, [timeline, isKnown]);

  useEffect(() => {
    if (!isKnown) return;
    for (const row of container.current?.querySelectorAll('[data-seen-seq]') ?? []) {
      if (known.current.has(row)) continue;
      known.current.add(row);
      observer.current?.observe(row);
    }
    for (const row of visible.current.keys()) if (!row.isConnected) visible.current.delete(row);
  }, [timeline, container, rendered, isKnown]);
}

import { useCallback, useLayoutEffect, useRef, useState, type RefObject } from 'react';

const OVERSCAN_ROWS = 6;
/** Before the first row is measured. */
const GUESSED_HEIGHT = 84;

/** Which of many rows of one height are in the document. The height is measured: text may be of any size. */
export function useRows(count: number, scroller: RefObject<HTMLElement | null>) {
  const [height, setHeight] = useState(GUESSED_HEIGHT);
  const [first, setFirst] = useState(0);
  const [room, setRoom] = useState(12);
  const observed = useRef<ResizeObserver>(undefined);

  const place = useCallback(() => {
    const element = scroller.current;
    if (!element) return;
    setFirst(Math.floor(element.scrollTop / height));
    setRoom(Math.ceil(element.clientHeight / height) + 1);
  }, [scroller, height]);

  useLayoutEffect(() => {
    place();
    const element = scroller.current;
    if (!element) return;
    const observer = new ResizeObserver(place);
    observer.observe(element);
    element.addEventListener('scroll', place, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', place);
    };
  }, [scroller, place]);

  const measure = useCallback((row: HTMLElement | null) => {
    observed.current?.disconnect();
    if (!row) return;
    observed.current = new ResizeObserver(() => {
      if (row.offsetHeight > 0) setHeight(row.getBoundingClientRect().height);
    });
    observed.current.observe(row);
  }, []);

  const start = Math.max(0, Math.min(first - OVERSCAN_ROWS, count - room));
  const end = Math.min(count, first + room + OVERSCAN_ROWS);
  /** Brings a row into view, so that it is in the document at the next render. */
  const reveal = useCallback(
    (index: number) => {
      const element = scroller.current;
      if (!element) return;
      const top = index * height;
      if (top < element.scrollTop) element.scrollTop = top;
      else if (top + height > element.scrollTop + element.clientHeight) element.scrollTop = top + height - element.clientHeight;
      place();
    },
    [scroller, height, place],
  );
  return { start, end, before: start * height, after: Math.max(0, count - end) * height, measure, reveal };
}

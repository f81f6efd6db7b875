// Which of the loaded messages are in the document. Told by seq, not by index: pages that are put before or taken away
// move indexes, and must not move what is read.

export interface Range {
  /** The first seq that is shown. */
  from: number;
  /** The last one; `Infinity` follows what comes in. */
  to: number;
}

/** Rows in the document at most. A few screens; with all else they keep a step under a frame. */
export const MOST_ROWS = 120;
export const FIRST_ROWS = 50;
export const STEP_ROWS = 30;

interface Numbered {
  seq: number;
}

/** Messages that are not stored yet have seq 0 and stand last. */
const place = (message: Numbered) => message.seq || Infinity;

/** The index of the first message with this seq or a higher one. */
export function indexOfSeq(messages: readonly Numbered[], seq: number): number {
  let low = 0;
  let high = messages.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (place(messages[middle]!) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The shown messages as indexes, from `start` to before `end`; never more than `MOST_ROWS`. */
export function shownIndexes(messages: readonly Numbered[], range: Range, isAtEnd: boolean): [start: number, end: number] {
  const start = indexOfSeq(messages, range.from);
  const end = range.to === Infinity ? messages.length : indexOfSeq(messages, range.to + 1);
  if (end - start <= MOST_ROWS) return [start, end];
  return isAtEnd && range.to === Infinity ? [end - MOST_ROWS, end] : [start, start + MOST_ROWS];
}

function rangeOf(messages: readonly Numbered[], start: number, end: number): Range {
  const first = messages[Math.max(0, start)];
  const last = messages[end - 1];
  return { from: first ? place(first) : 0, to: end >= messages.length || !last ? Infinity : place(last) };
}

export const latestRange = (messages: readonly Numbered[]): Range => rangeOf(messages, messages.length - FIRST_ROWS, messages.length);

export function rangeAround(messages: readonly Numbered[], seq: number): Range {
  const index = indexOfSeq(messages, seq);
  return rangeOf(messages, index - FIRST_ROWS / 2, Math.min(messages.length, index + FIRST_ROWS));
}

/** Some rows more before; `null` if all of them are shown. */
export function earlier(messages: readonly Numbered[], [start, end]: [number, number]): Range | null {
  if (start === 0) return null;
  const from = Math.max(0, start - STEP_ROWS);
  return rangeOf(messages, from, Math.min(end, from + MOST_ROWS));
}

/** Some rows more after; `null` if all of them are shown. */
export function later(messages: readonly Numbered[], [start, end]: [number, number]): Range | null {
  if (end >= messages.length) return null;
  const to = Math.min(messages.length, end + STEP_ROWS);
  return rangeOf(messages, Math.max(start, to - MOST_ROWS), to);
}

export interface Anchor {
  key: string;
  /** Distance of the row's upper edge from the scroller's, in pixels. */
  top: number;
}

interface Box {
  top: number;
  bottom: number;
}

interface Measured {
  dataset: DOMStringMap;
  getBoundingClientRect(): Box;
}

/** More than one: the first may be the one that is removed. */
const ANCHORS = 6;

/**
 * The rows by which a position is remembered, best first: those that begin in view, since what grows inside a row
 * grows downwards. `rows` in the order of the document.
 */
export function anchorsAt(rows: readonly Measured[], view: Box): Anchor[] {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle]!.getBoundingClientRect().bottom <= view.top) low = middle + 1;
    else high = middle;
  }
  const anchors = rows.slice(low, low + ANCHORS).map((row) => ({ key: row.dataset.key!, top: row.getBoundingClientRect().top - view.top }));
  const inView = anchors.filter(({ top }) => top >= 0 && top < view.bottom - view.top);
  return [...inView, ...anchors.filter((anchor) => !inView.includes(anchor))];
}

/** By how much to scroll so that the best anchor that is still there is where it was. */
export function correction(anchors: readonly Anchor[], viewTop: number, row: (key: string) => { getBoundingClientRect(): Box } | null): number {
  for (const { key, top } of anchors) {
    const element = row(key);
    if (element) return element.getBoundingClientRect().top - viewTop - top;
  }
  return 0;
}

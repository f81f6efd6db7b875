import { Component, createRef, type KeyboardEventHandler, type FocusEventHandler, type ReactNode } from 'react';
import { anchorsAt, correction, type Anchor } from './anchor.js';

interface AnchoredScrollerProps {
  label: string;
  /** Is the last row the newest message? Only then the end is kept in view. */
  isLatest: boolean;
  /** Rows are elements with `data-key`. */
  children: ReactNode;
  onMove(position: { isAtEnd: boolean; isNearStart: boolean; isNearEnd: boolean }): void;
  onKeyDown: KeyboardEventHandler;
  onFocus: FocusEventHandler;
}

/** So near an end more rows are put there. More than a fast turn of the wheel. */
const NEAR_PIXELS = 1_200;
const AT_END_PIXELS = 12;

/**
 * A scrolling list in which the message that is read stays where it is, whatever changes around it: anchored on
 * rows, not on the height of the list, which says nothing about where a change was. A class, because only
 * `getSnapshotBeforeUpdate` sees the document as it was just before a change.
 */
export class AnchoredScroller extends Component<AnchoredScrollerProps> {
  private readonly scroller = createRef<HTMLDivElement>();
  private readonly content = createRef<HTMLDivElement>();
  private anchors: Anchor[] = [];
  private isSticking = true;
  /** Where this class has last seen or put the position: another one is the reader's doing. */
  private known = 0;
  private pendingReport = 0;
  private observer: ResizeObserver | undefined;

  override componentDidMount() {
    this.restore();
    this.observer = new ResizeObserver(() => this.restore());
    this.observer.observe(this.scroller.current!);
    this.observer.observe(this.content.current!);
    this.report();
  }

  override componentWillUnmount() {
    this.observer?.disconnect();
    cancelAnimationFrame(this.pendingReport);
  }

  override getSnapshotBeforeUpdate() {
    this.captureIfMoved();
    const focused = (this.scroller.current!.getRootNode() as Document | ShadowRoot).activeElement;
    return focused && this.content.current!.contains(focused) ? focused : null;
  }

  override componentDidUpdate(_before: AnchoredScrollerProps, _state: unknown, focused: Element | null) {
    this.restore();
    // A row with the focus that is no longer shown must not drop it to the top of the page.
    if (focused && !focused.isConnected) this.scroller.current!.focus({ preventScroll: true });
    this.report();
  }

  /** Keeps the newest message in view from now on. */
  stick() {
    this.isSticking = true;
    this.restore();
    this.report();
  }

  /** Puts a row at a distance from the upper edge, as far as there is something to scroll. */
  show(key: string, distance: number) {
    this.isSticking = false;
    this.anchors = [{ key, top: distance }];
    this.restore();
    this.capture();
    this.report();
  }

  /** Brings a row into view by the shortest way, and gives it the focus. */
  focusRow(key: string) {
    const row = this.row(key);
    if (!row) return;
    row.focus({ preventScroll: true });
    const { top, bottom } = row.getBoundingClientRect();
    const view = this.scroller.current!.getBoundingClientRect();
    const headroom = 48;
    if (top < view.top + headroom) this.scroller.current!.scrollTop -= view.top + headroom - top;
    else if (bottom > view.bottom) this.scroller.current!.scrollTop += bottom - view.bottom + 8;
    this.captureIfMoved();
    this.report();
  }

  private row = (key: string) => this.content.current!.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`);

  private captureIfMoved() {
    if (Math.abs(this.scroller.current!.scrollTop - this.known) >= 0.5) this.capture();
  }

  private capture() {
    const scroller = this.scroller.current!;
    if (scroller.clientHeight === 0) return;
    const rows = [...this.content.current!.querySelectorAll<HTMLElement>('[data-key]')];
    this.known = scroller.scrollTop;
    // Before the first rows are there, nobody has scrolled away from the end.
    if (rows.length === 0) return;
    this.isSticking = this.props.isLatest && scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop < AT_END_PIXELS;
    this.anchors = anchorsAt(rows, scroller.getBoundingClientRect());
  }

  private restore() {
    const scroller = this.scroller.current!;
    if (scroller.clientHeight === 0) return;
    if (this.isSticking && this.props.isLatest) {
      scroller.scrollTop = scroller.scrollHeight;
      this.anchors = [];
    } else {
      if (this.anchors.length === 0) this.capture();
      const by = correction(this.anchors, scroller.getBoundingClientRect().top, this.row);
      if (Math.abs(by) >= 0.5) scroller.scrollTop += by;
    }
    this.known = scroller.scrollTop;
  }

  private onScroll = () => {
    this.captureIfMoved();
    this.report();
  };

  // In a frame of its own: what follows from it (more rows) is a task by itself.
  private report() {
    if (this.pendingReport) return;
    this.pendingReport = requestAnimationFrame(() => {
      this.pendingReport = 0;
      const scroller = this.scroller.current;
      if (!scroller || scroller.clientHeight === 0) return;
      const after = scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;
      this.props.onMove({ isAtEnd: after < AT_END_PIXELS, isNearStart: scroller.scrollTop < NEAR_PIXELS, isNearEnd: after < NEAR_PIXELS });
    });
  }

  override render() {
    const { label, children, onKeyDown, onFocus } = this.props;
    return (
      <div ref={this.scroller} className="db-history" role="log" aria-live="off" aria-label={label} tabIndex={0}
        onScroll={this.onScroll} onKeyDown={onKeyDown} onFocus={onFocus}>
        <div ref={this.content} className="db-history-content">{children}</div>
      </div>
    );
  }
}

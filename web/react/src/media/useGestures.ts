import { useLayoutEffect, useRef, type MouseEvent, type PointerEvent, type RefObject, type WheelEvent } from 'react';

const SWIPE_PIXELS = 50;
const MOST_ZOOM = 6;

interface Gestures {
  /** 1: towards the next; -1: towards the one before (as the fingers move, left and right). */
  onSwipe(towards: 1 | -1): void;
  onPullDown(): void;
  /** Another one starts without zoom. */
  key: string;
}

/** Swipe, pinch, double tap and wheel on a picture. */
export function useGestures({ onSwipe, onPullDown, key }: Gestures) {
  const target = useRef<HTMLImageElement>(null);
  const view = useRef({ scale: 1, x: 0, y: 0 });
  const fingers = useRef(new Map<number, { x: number; y: number }>());
  const start = useRef({ x: 0, y: 0, distance: 0, scale: 1, viewX: 0, viewY: 0, wasPinch: false });

  const show = () => {
    const { scale, x, y } = view.current;
    if (target.current) target.current.style.transform = scale === 1 && x === 0 && y === 0 ? '' : `translate(${x}px, ${y}px) scale(${scale})`;
  };
  const zoomTo = (scale: number) => {
    view.current.scale = Math.min(MOST_ZOOM, Math.max(1, scale));
    if (view.current.scale === 1) view.current = { scale: 1, x: 0, y: 0 };
    show();
  };
  useLayoutEffect(() => zoomTo(1), [key]);

  const begin = () => {
    const [one, other] = [...fingers.current.values()];
    start.current = {
      x: one?.x ?? 0, y: one?.y ?? 0, distance: one && other ? Math.hypot(one.x - other.x, one.y - other.y) : 0,
      scale: view.current.scale, viewX: view.current.x, viewY: view.current.y, wasPinch: start.current.wasPinch || fingers.current.size > 1,
    };
  };
  const end = (event: PointerEvent) => {
    const finger = fingers.current.get(event.pointerId);
    if (!fingers.current.delete(event.pointerId) || !finger) return;
    if (fingers.current.size > 0) return begin();
    const { wasPinch } = start.current;
    start.current.wasPinch = false;
    if (wasPinch || view.current.scale > 1) return;
    const [x, y] = [event.clientX - start.current.x, event.clientY - start.current.y];
    view.current = { scale: 1, x: 0, y: 0 };
    show();
    if (event.type === 'pointercancel') return;
    if (Math.abs(x) > SWIPE_PIXELS && Math.abs(x) > Math.abs(y)) onSwipe(x < 0 ? 1 : -1);
    else if (y > SWIPE_PIXELS * 1.5 && y > Math.abs(x)) onPullDown();
  };
  const handlers = {
    onPointerDown(event: PointerEvent) {
      if (event.pointerType === 'mouse' && event.button !== 0) return;
      fingers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
      begin();
    },
    onPointerMove(event: PointerEvent) {
      if (!fingers.current.has(event.pointerId)) return;
      fingers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
      const [one, other] = [...fingers.current.values()];
      const from = start.current;
      if (one && other && from.distance > 0) return zoomTo((from.scale * Math.hypot(one.x - other.x, one.y - other.y)) / from.distance);
      const [x, y] = [event.clientX - from.x, event.clientY - from.y];
      view.current = { ...view.current, ...(view.current.scale > 1 ? { x: from.viewX + x, y: from.viewY + y } : { x, y: 0 }) };
      show();
    },
    onPointerUp: end,
    onPointerCancel: end,
    onDoubleClick: (event: MouseEvent) => event.target === target.current && zoomTo(view.current.scale > 1 ? 1 : 2.5),
    onWheel: (event: WheelEvent) => (event.ctrlKey || view.current.scale > 1) && zoomTo(view.current.scale * Math.exp(-event.deltaY / 300)),
  };
  /** A click at the end of a drag means nothing by itself. */
  const wasDrag = ({ clientX, clientY }: MouseEvent) => Math.hypot(clientX - start.current.x, clientY - start.current.y) > 8;
  return { target: target as RefObject<HTMLImageElement | null>, handlers, wasDrag };
}

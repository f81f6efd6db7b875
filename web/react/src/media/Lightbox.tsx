import type { Attachment, TimelineMessage } from '@doorbell/client';
import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import { nameOf, useSurroundings } from '../provider/context.js';
import { clockTime } from '../texts/times.js';
import { BackIcon, CloseIcon } from '../theme/icons.js';
import { DownloadIcon, NextIcon } from './icons.js';
import { PlayingVideo } from './MessageMedia.js';
import { useGestures } from './useGestures.js';

interface Item {
  attachment: Attachment;
  /** Alternative text. */
  label: string;
}

interface LightboxProps {
  messages: TimelineMessage[];
  myId: string | undefined;
  startId: string;
  onClose(): void;
}

/** All pictures and videos of a conversation, one at a time, over everything. */
export function Lightbox({ messages, myId, startId, onClose }: LightboxProps) {
  const { wording } = useSurroundings();
  const items = useMemo(
    () =>
      messages.flatMap((message): Item[] => {
        const values = { name: message.senderId === myId ? wording.texts.you : nameOf(message.sender, wording), when: clockTime(wording, Date.parse(message.createdAt)) };
        return (message.attachments ?? []).filter(({ type }) => type !== 'file').map((attachment) => ({
          attachment,
          label: wording.say(attachment.type === 'image' ? 'photoFrom' : 'videoFrom', values),
        }));
      }),
    [messages, wording, myId],
  );
  const { texts, direction } = wording;
  const [currentId, setCurrentId] = useState(startId);
  const dialog = useRef<HTMLDialogElement>(null);
  const index = Math.max(0, items.findIndex(({ attachment }) => attachment.id === currentId));
  const current = items[index];

  useEffect(() => {
    const element = dialog.current!;
    const opener = (element.getRootNode() as Document | ShadowRoot).activeElement;
    if (!element.open) element.showModal();
    // Not on the download, which is the first in the bar.
    element.querySelector<HTMLElement>('[data-close]')?.focus();
    return () => {
      element.close();
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus({ preventScroll: true });
    };
  }, []);

  useEffect(() => {
    for (const neighbour of [items[index - 1], items[index + 1]]) if (neighbour?.attachment.type === 'image') new Image().src = neighbour.attachment.url;
  }, [items, index]);

  const go = (by: number) => {
    const next = items[index + by];
    if (next) setCurrentId(next.attachment.id);
  };
  const forward = direction === 'rtl' ? -1 : 1;
  const gestures = useGestures({ onSwipe: (towards) => go(towards * forward), onPullDown: onClose, key: currentId });
  const press = (event: KeyboardEvent) => {
    if (event.key === 'ArrowRight') go(forward);
    else if (event.key === 'ArrowLeft') go(-forward);
    else if (event.key === 'Home') setCurrentId(items[0]!.attachment.id);
    else if (event.key === 'End') setCurrentId(items.at(-1)!.attachment.id);
    else if (event.key === 'Escape') onClose();
    else if (event.key === 'Tab') return keepInside(event, dialog.current!);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  if (!current) return null;
  const { attachment, label } = current;

  return (
    <dialog ref={dialog} className="db-lightbox" aria-label={texts.lightboxLabel} onKeyDown={press}
      onCancel={(event) => { event.preventDefault(); event.stopPropagation(); onClose(); }}>
      <div className="db-lightbox-bar">
        <span className="db-lightbox-position" role="status" aria-label={label}>{wording.say('lightboxPosition', { index: index + 1, total: items.length })}</span>
        <bdi className="db-lightbox-label">{label}</bdi>
        <a className="db-icon-button" href={attachment.url} download={attachment.fileName} target="_blank" rel="noopener" aria-label={texts.download}><DownloadIcon /></a>
        <button type="button" className="db-icon-button" data-close="" aria-label={texts.close} onClick={onClose}><CloseIcon /></button>
      </div>
      <div className="db-lightbox-stage" {...gestures.handlers} onClick={(event) => event.target === event.currentTarget && !gestures.wasDrag(event) && onClose()}>
        {attachment.type === 'video'
          ? <div key={attachment.id} className="db-lightbox-video"><PlayingVideo src={attachment.url} poster={attachment.posterUrl} label={label} /></div>
          : <img key={attachment.id} ref={gestures.target} className="db-lightbox-picture" src={attachment.url} alt={label} draggable={false}
              width={attachment.width ?? undefined} height={attachment.height ?? undefined}
              style={attachment.preview ? { backgroundImage: `url("${attachment.preview}")` } : undefined} />}
      </div>
      {items.length > 1 && (
        <>
          <button type="button" className="db-icon-button db-lightbox-back" aria-label={texts.previousPhoto} disabled={index === 0} onClick={() => go(-1)}><BackIcon /></button>
          <button type="button" className="db-icon-button db-lightbox-next" aria-label={texts.nextPhoto} disabled={index === items.length - 1} onClick={() => go(1)}><NextIcon /></button>
        </>
      )}
    </dialog>
  );
}

// A modal dialog lets Tab out into the browser's own bars; people who navigate pictures want to stay.
function keepInside(event: KeyboardEvent, dialog: HTMLDialogElement): void {
  const stops = [...dialog.querySelectorAll<HTMLElement>('a[href], button:not(:disabled), video[controls]')];
  const active = (dialog.getRootNode() as Document | ShadowRoot).activeElement;
  const end = event.shiftKey ? stops[0] : stops.at(-1);
  if (active !== end) return;
  event.preventDefault();
  (event.shiftKey ? stops.at(-1) : stops[0])?.focus();
}

import type { Attachment } from '@doorbell/client';
import { useEffect, useRef, useState, type CSSProperties, type ReactNode } from 'react';
import { useSurroundings } from '../provider/context.js';
import { boxOf, clock, mayCrop } from './box.js';
import { FileIcon, PlayIcon } from './icons.js';
import { localPictureOf } from './local.js';

interface MessageMediaProps {
  attachments: Attachment[];
  senderName: string;
  when: string;
  isTabStop: boolean;
  onOpen(attachmentId: string): void;
}

/** The files of a message: pictures and videos in a grid, then files. */
export function MessageMedia({ attachments, senderName, when, isTabStop, onOpen }: MessageMediaProps) {
  const pictures = attachments.filter(({ type }) => type !== 'file');
  const files = attachments.filter(({ type }) => type === 'file');
  const tabIndex = isTabStop ? 0 : -1;
  return (
    <>
      {pictures.length > 0 && (
        <MediaGrid count={pictures.length}>
          {pictures.map((attachment) => attachment.type === 'image'
            ? <PhotoTile key={attachment.id} {...{ attachment, senderName, when, tabIndex, onOpen }} isAlone={pictures.length === 1} />
            : <VideoTile key={attachment.id} {...{ attachment, senderName, when, tabIndex }} isAlone={pictures.length === 1} />)}
        </MediaGrid>
      )}
      {files.map((attachment) => <FileCard key={attachment.id} attachment={attachment} tabIndex={tabIndex} />)}
    </>
  );
}

export function MediaGrid({ count, children }: { count: number; children: ReactNode }) {
  return <div className="db-media" data-count={Math.min(count, 4)}>{children}</div>;
}

interface TileProps {
  attachment: Attachment;
  senderName: string;
  when: string;
  tabIndex: number;
  isAlone: boolean;
}

/** The size of a tile: a picture alone has its own shape, several share a square each. */
export function tileStyle(width: number | null, height: number | null, isAlone: boolean): CSSProperties {
  if (!isAlone) return { aspectRatio: '1' };
  const box = boxOf(width, height);
  return { inlineSize: `${box.width}px`, aspectRatio: String(box.ratio) };
}

function PhotoTile({ attachment, senderName, when, tabIndex, isAlone, onOpen }: TileProps & { onOpen(attachmentId: string): void }) {
  const { wording } = useSurroundings();
  const { width, height, preview } = attachment;
  const local = localPictureOf(attachment.id);
  const [state, setState] = useState<'loading' | 'loaded' | 'broken'>('loading');
  const values = { name: senderName, when };
  return (
    <button type="button" className="db-tile" style={tileStyle(width, height, isAlone)} tabIndex={tabIndex} data-state={state}
      aria-label={wording.say('openPhoto', values)} onClick={() => onOpen(attachment.id)}>
      {preview && state !== 'broken' && <img className="db-tile-blur" src={preview} alt="" aria-hidden="true" />}
      {state === 'broken'
        ? <span className="db-tile-broken">{wording.texts.mediaGone}</span>
        : <img className={isAlone || mayCrop(width, height) ? 'db-tile-picture' : 'db-tile-picture db-tile-whole'} src={local?.url ?? attachment.thumbnailUrl ?? attachment.url}
            alt={wording.say('photoFrom', values)} decoding={local ? 'sync' : 'async'} draggable={false} onLoad={() => setState('loaded')} onError={() => setState('broken')} />}
    </button>
  );
}

function VideoTile({ attachment, senderName, when, tabIndex, isAlone }: TileProps) {
  const { wording } = useSurroundings();
  const { url, width, height, preview, posterUrl, duration } = attachment;
  const [isStarted, setStarted] = useState(false);
  const values = { name: senderName, when };
  return (
    <div className="db-tile" style={tileStyle(width, height, isAlone)}>
      {preview && <img className="db-tile-blur" src={preview} alt="" aria-hidden="true" />}
      {isStarted ? <PlayingVideo src={url} poster={posterUrl} label={wording.say('videoFrom', values)} /> : (
        <button type="button" className="db-tile-play" tabIndex={tabIndex} aria-label={wording.say('playVideo', values)} onClick={() => setStarted(true)}>
          {posterUrl ? <img className="db-tile-picture" src={posterUrl} alt="" /> : <video className="db-tile-picture" src={url} preload="metadata" muted playsInline tabIndex={-1} aria-hidden="true" />}
          <span className="db-play"><PlayIcon /></span>
          {duration !== null && <span className="db-duration">{clock(duration)}</span>}
        </button>
      )}
    </div>
  );
}

/** Stops when it is scrolled away, or its page is left. */
export function PlayingVideo({ src, poster, label }: { src: string; poster: string | null; label: string }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const element = video.current!;
    element.focus({ preventScroll: true });
    const observer = new IntersectionObserver(([entry]) => {
      if (entry && entry.intersectionRatio < 0.3) element.pause();
    }, { threshold: [0, 0.3] });
    observer.observe(element);
    const pause = () => document.visibilityState === 'hidden' && element.pause();
    document.addEventListener('visibilitychange', pause);
    return () => {
      observer.disconnect();
      document.removeEventListener('visibilitychange', pause);
      element.pause();
    };
  }, []);
  return <video ref={video} className="db-tile-picture db-tile-whole" src={src} poster={poster ?? undefined} controls autoPlay playsInline aria-label={label} />;
}

function FileCard({ attachment, tabIndex }: { attachment: Attachment; tabIndex: number }) {
  const { wording } = useSurroundings();
  const { url, fileName, fileSize } = attachment;
  const size = fileSize === null ? '' : wording.bytes(fileSize);
  return (
    <a className="db-file" href={url} download={fileName} target="_blank" rel="noopener" tabIndex={tabIndex} aria-label={wording.say('downloadFile', { name: fileName, size })}>
      <FileIcon />
      <span className="db-file-text"><bdi className="db-file-name">{fileName}</bdi><span className="db-file-size">{size}</span></span>
    </a>
  );
}

import type { Upload } from '@doorbell/client';
import { useState } from 'react';
import { useStore, useSurroundings } from '../provider/context.js';
import { CloseIcon } from '../theme/icons.js';
import { FileIcon, PlayIcon, RetryIcon } from './icons.js';
import { localPicture } from './local.js';
import { tileStyle } from './MessageMedia.js';

const RADIUS = 15;
const LENGTH = 2 * Math.PI * RADIUS;

/** A file on its way: how far it is, and how to stop it or try again. */
export function UploadTile({ upload, isAlone, onRemove }: { upload: Upload; isAlone: boolean; onRemove?: () => void }) {
  const { wording } = useSurroundings();
  const { status, fraction, error, isRefused } = useStore(upload.progress);
  const picture = useStore(localPicture(upload));
  const [isUnreadable, setUnreadable] = useState(false);
  const isShown = picture && !isUnreadable;
  const name = upload.fileName;
  const isUnderWay = status === 'preparing' || status === 'uploading' || status === 'waiting';
  const isBroken = status === 'failed' || status === 'cancelled';
  const progress = status === 'waiting' ? wording.say('uploadWaiting', { name }) : wording.say('uploading', { name, percent: wording.percent(fraction) });
  return (
    <div className="db-tile db-upload" data-status={status} style={picture ? tileStyle(picture.width, picture.height, isAlone) : tileStyle(null, null, isAlone)}>
      {isShown ? <img className="db-tile-picture" src={picture.url} alt="" decoding="sync" onError={() => setUnreadable(true)} /> : (
        <span className="db-upload-file">{upload.file.type.startsWith('video/') ? <PlayIcon /> : <FileIcon />}<bdi>{name}</bdi></span>
      )}
      {isUnderWay && (
        <span className="db-upload-veil">
          <span className="db-ring" role="progressbar" aria-label={progress} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(fraction * 100)}>
            <svg viewBox="0 0 36 36" aria-hidden="true"><circle className="db-ring-track" cx="18" cy="18" r={RADIUS} />
              <circle className="db-ring-done" cx="18" cy="18" r={RADIUS} strokeDasharray={LENGTH} strokeDashoffset={LENGTH * (1 - fraction)} /></svg>
          </span>
          {!isShown && <bdi className="db-upload-name">{name}</bdi>}
          {!onRemove && <button type="button" className="db-round" aria-label={wording.say('cancelUpload', { name })} onClick={() => upload.cancel()}><CloseIcon /></button>}
        </span>
      )}
      {isBroken && (
        <span className="db-upload-veil">
          <span className="db-upload-error"><bdi>{name}</bdi>{': '}{error?.message ?? wording.texts.statusFailed}</span>
          {isRefused
            ? !onRemove && <button type="button" className="db-round" aria-label={wording.say('removeFile', { name })} onClick={() => upload.cancel()}><CloseIcon /></button>
            : <button type="button" className="db-round" aria-label={wording.say('retryUpload', { name })} onClick={() => upload.retry()}><RetryIcon /></button>}
        </span>
      )}
      {onRemove && <button type="button" className="db-round db-upload-remove" aria-label={wording.say('removeFile', { name })} onClick={onRemove}><CloseIcon /></button>}
    </div>
  );
}

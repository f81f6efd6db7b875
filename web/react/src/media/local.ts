import type { Store, Upload } from '@doorbell/client';
import { value } from '../provider/value.js';

/** A picture that is still on this device. */
export interface LocalPicture {
  url: string;
  width: number | null;
  height: number | null;
}

/** Each holds a file in memory. */
const MOST_PICTURES = 40;

const byUpload = new WeakMap<Upload, Store<LocalPicture | null>>();
const byAttachment = new Map<string, LocalPicture>();
const NONE = value(null);

/**
 * The picture of an upload. It goes on being shown when the server has the file: the same bytes from elsewhere would
 * flicker.
 */
export function localPicture(upload: Upload): Store<LocalPicture | null> {
  if (!upload.file.type.startsWith('image/')) return NONE;
  let store = byUpload.get(upload);
  if (!store) byUpload.set(upload, (store = read(upload)));
  return store;
}

export const localPictureOf = (attachmentId: string): LocalPicture | null => byAttachment.get(attachmentId) ?? null;

function read(upload: Upload): Store<LocalPicture | null> {
  const url = URL.createObjectURL(upload.file);
  const picture = value<LocalPicture>({ url, width: null, height: null });
  const image = new Image();
  image.onload = () => picture.set({ url, width: image.naturalWidth, height: image.naturalHeight });
  image.src = url;
  const stop = upload.progress.subscribe(() => {
    const { status, attachment } = upload.progress.get();
    if (status === 'done' && attachment) {
      stop();
      keep(attachment.id, picture.get());
    }
  });
  return picture;
}

function keep(attachmentId: string, picture: LocalPicture): void {
  byAttachment.set(attachmentId, picture);
  for (const [oldest, { url }] of byAttachment) {
    if (byAttachment.size <= MOST_PICTURES) return;
    byAttachment.delete(oldest);
    URL.revokeObjectURL(url);
  }
}

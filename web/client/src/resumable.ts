import { DoorbellError } from './errors.js';
import { FIRST_PIECE_BYTES, PIECE_BYTES } from './limits.js';
import { good, type TransferAnswer, type TransferRequest } from './transfer.js';

export interface ResumableUpload {
  base: string;
  file: Blob;
  fileName: string;
  /** Where it was begun before, or `null`. */
  location: string | null;
  send(request: Omit<TransferRequest, 'headers' | 'signal'> & { headers: Record<string, string> }): Promise<TransferAnswer>;
  /** Where it goes on after a break. */
  onLocation(location: string | null): void;
  onProgress(loaded: number): void;
}

const base64 = (words: string) => btoa(String.fromCharCode(...new TextEncoder().encode(words)));

/** Uploads by tus 1.0, from where it stopped if it was begun before. Gives the attachment's id. */
export async function resume(upload: ResumableUpload): Promise<string> {
  const { file } = upload;
  let { location } = upload;
  let offset = 0;
  if (location) {
    const at = await ask(upload, 'HEAD', location);
    if (at.status === 404 || at.status === 410) location = null; // it was given up after a day
    else {
      const attachment = good(at).header('upload-attachment');
      if (attachment) return attachment;
      offset = Number(at.header('upload-offset'));
    }
  }
  if (!location) {
    const begun = good(
      await ask(upload, 'POST', `${upload.base}/v1/uploads`, {
        'upload-length': String(file.size),
        'upload-metadata': `filename ${base64(upload.fileName.slice(0, 200))}`,
      }),
    );
    // The id alone: behind a proxy the server may know another address of itself than we do.
    const id = (begun.header('location') ?? '').split('/').at(-1);
    location = `${upload.base}/v1/uploads/${id}`;
    offset = 0;
  }
  upload.onLocation(location);
  for (;;) {
    upload.onProgress(offset);
    const piece = file.slice(offset, offset + (offset === 0 ? FIRST_PIECE_BYTES : PIECE_BYTES));
    const from = offset;
    const answer = await upload.send({
      method: 'PATCH',
      url: location,
      headers: { 'tus-resumable': '1.0.0', 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' },
      body: piece,
      onProgress: (loaded) => upload.onProgress(from + loaded),
    });
    if (answer.status === 404) upload.onLocation(null);
    const attachment = good(answer).header('upload-attachment');
    if (attachment) return attachment;
    offset = Number(answer.header('upload-offset'));
    if (!(offset > from)) throw new DoorbellError('NETWORK', 'The upload does not go on.');
  }
}

function ask(upload: ResumableUpload, method: string, url: string, headers: Record<string, string> = {}): Promise<TransferAnswer> {
  return upload.send({ method, url, headers: { 'tus-resumable': '1.0.0', ...headers } });
}

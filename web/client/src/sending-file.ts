import { RESUMABLE_BYTES } from './limits.js';
import { resume } from './resumable.js';
import type { Session } from './session.js';
import { good, transferOf, type TransferAnswer, type TransferRequest } from './transfer.js';
import type { Attachment } from './wire.js';

export interface Sender {
  session: Session;
  fetch: typeof globalThis.fetch;
}

export interface FileSending extends Sender {
  file: Blob;
  fileName: string;
  /** Where a resumable upload was begun, or `null`. */
  location: string | null;
  signal: AbortSignal;
  onLocation(location: string | null): void;
  /** How many bytes of the file have left. */
  onProgress(sent: number): void;
}

/** Uploads a file: a small one in one request, a larger one so that it can go on after a break. */
export async function sendFile({ session, fetch, file, fileName, location, signal, onLocation, onProgress }: FileSending): Promise<Attachment> {
  const { base } = session;
  const send = (request: Omit<TransferRequest, 'signal'>) => authorised({ session, fetch }, { ...request, signal });
  // A form has a few bytes more than its file.
  const tell = (loaded: number) => onProgress(Math.min(loaded, file.size));
  if (file.size > RESUMABLE_BYTES) {
    const id = await resume({ base, file, fileName, location, send, onLocation, onProgress: tell });
    return attachmentOf({ id, url: `${base}/v1/attachments/${id}`, fileSize: file.size, fileType: file.type || null }, fileName);
  }
  const form = new FormData();
  form.append('file', file, fileName);
  const answer = good(await send({ method: 'POST', url: `${base}/api/upload`, headers: {}, body: form, onProgress: tell }));
  return attachmentOf(JSON.parse(answer.text) as Told, fileName);
}

/** Gives up what was begun at this address. */
export async function forgetFile({ session, fetch, url }: Sender & { url: string }): Promise<void> {
  await authorised({ session, fetch }, { method: 'DELETE', url, headers: { 'tus-resumable': '1.0.0' }, signal: AbortSignal.timeout(5_000) });
}

async function authorised({ session, fetch }: Sender, request: TransferRequest): Promise<TransferAnswer> {
  const token = await session.token();
  const answer = await transferOf(fetch)({ ...request, headers: { ...request.headers, authorization: `Bearer ${token}` } });
  if (answer.status === 401) session.refuse(token);
  return answer;
}

type Told = Partial<Attachment> & { id: string; url: string };

function attachmentOf({ id, url, fileName, fileSize, fileType, width, height }: Told, ownName: string): Attachment {
  const kind = fileType?.split('/')[0];
  const type = kind === 'image' || kind === 'video' ? kind : 'file';
  return {
    id, url, type,
    fileName: fileName ?? ownName, fileSize: fileSize ?? null, fileType: fileType ?? null,
    width: width ?? null, height: height ?? null, duration: null, thumbnailUrl: null, posterUrl: null, preview: null,
  };
}

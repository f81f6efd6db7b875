import type { Attachment, Upload, UploadProgress } from '@doorbell/client';
import { photo } from './data.js';
import { value } from './value.js';

let made = 0;

/** Goes up by a tenth at a time, or stays in the middle, or fails there. */
export function fakeUpload(file: File | Blob, mode: 'normal' | 'stuck' | 'fails' | 'refused'): Upload {
  const id = `upload-${(made += 1)}`;
  const fileName = file instanceof File ? file.name : 'file';
  const progress = value<UploadProgress>({ status: 'uploading', loaded: 0, total: file.size, fraction: 0, metadataRemoved: true, error: null, isRefused: false, attachment: null });
  const change = (part: Partial<UploadProgress>) => progress.set({ ...progress.get(), ...part });
  let settle: { resolve(attachment: Attachment): void; reject(error: Error): void };
  const done = new Promise<Attachment>((resolve, reject) => (settle = { resolve, reject }));
  done.catch(() => {});
  let timer: ReturnType<typeof setInterval>;
  const run = (isRetry: boolean) => {
    timer = setInterval(() => {
      const fraction = Math.min(1, progress.get().fraction + 0.1);
      if ((mode === 'refused' ? fileName.includes('refused') : mode !== 'normal' && !isRetry) && fraction > 0.6) {
        clearInterval(timer);
        if (mode === 'refused' && fileName.includes('refused')) return refuse();
        if (mode === 'fails') change({ status: 'failed', error: { code: 'NETWORK', message: 'The connection was lost.' } });
        return;
      }
      change({ fraction, loaded: file.size * fraction });
      if (fraction < 1) return;
      clearInterval(timer);
      const type = file.type.startsWith('image/') ? 'image' : 'file';
      const attachment: Attachment = { ...photo(2000 + made, 1200, 900), id: `a-${id}`, type, fileName, fileSize: file.size, fileType: file.type };
      change({ status: 'done', attachment });
      settle.resolve(attachment);
    }, 60);
  };
  const refuse = () => {
    const message = 'It is a program, whatever its name says.';
    change({ status: 'failed', isRefused: true, error: { code: 'UNSUPPORTED_MEDIA', message } });
    settle.reject(new Error(message));
  };
  run(false);
  return {
    id, file, fileName, progress, done,
    cancel() {
      clearInterval(timer);
      if (progress.get().status === 'done') return;
      change({ status: 'cancelled', isRefused: false });
      settle.reject(new Error('Cancelled.'));
    },
    retry() {
      change({ status: 'uploading', error: null });
      run(true);
    },
  };
}

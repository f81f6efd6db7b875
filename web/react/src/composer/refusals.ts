import type { Wording } from '../texts/index.js';

/** What a server takes. The built-in ones are Doorbell's defaults; the server has the last word. */
export interface FileLimits {
  /** In bytes. */
  image: number;
  video: number;
  file: number;
  /** Files in one message. */
  count: number;
}

const MIB = 1024 * 1024;
export const DEFAULT_LIMITS: FileLimits = { image: 10 * MIB, video: 100 * MIB, file: 10 * MIB, count: 10 };

const TAKEN: Record<string, 'image' | 'video' | 'file'> = {
  'image/jpeg': 'image', 'image/png': 'image', 'image/gif': 'image', 'image/webp': 'image',
  'video/mp4': 'video', 'video/webm': 'video', 'video/quicktime': 'video',
  'application/pdf': 'file', 'text/plain': 'file',
};
export const ACCEPTED = Object.keys(TAKEN).join(',');

interface Candidate {
  name: string;
  type: string;
  size: number;
}

/** Why a file cannot be sent, as a sentence, before anything is uploaded; `null` if it can be tried. */
export function refusal({ name, type, size }: Candidate, limits: FileLimits, wording: Wording): string | null {
  if (size === 0) return wording.say('refusedEmpty', { name });
  // A browser that does not know the type leaves it to the server, which looks at the bytes.
  const kind = type === '' ? 'file' : TAKEN[type.split(';')[0]!.trim().toLowerCase()];
  if (!kind) return wording.say('refusedType', { name, type: typeName(name, type) });
  const limit = limits[type === '' ? 'video' : kind];
  return size > limit ? wording.say('refusedSize', { name, size: wording.bytes(size), limit: wording.bytes(limit) }) : null;
}

// People know ".heic", not "image/heic-sequence".
function typeName(name: string, type: string): string {
  const ending = /\.([a-z0-9]{1,5})$/i.exec(name)?.[1];
  return (ending ?? type.split('/').at(-1) ?? type).toUpperCase();
}

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

// Those of docs/media-types.md, by all names that browsers have for them: an .m4a is one of two, and text is also CSV and Markdown.
export const ACCEPTED = 'image/jpeg,image/png,image/gif,image/webp,video/mp4,video/webm,video/quicktime,audio/mp4,audio/x-m4a,audio/webm,application/pdf,text/plain,text/csv,text/markdown';

interface Candidate {
  name: string;
  type: string;
  size: number;
}

/** Why a file cannot be sent, as a sentence, before anything is uploaded; `null` if it can be tried. */
export function refusal({ name, type, size }: Candidate, limits: FileLimits, wording: Wording): string | null {
  if (size === 0) return wording.say('refusedEmpty', { name });
  // A browser that does not know the type says '', which is a part of any list: the server looks at the bytes.
  const plain = type.split(';')[0]!;
  if (!ACCEPTED.includes(plain)) return wording.say('refusedType', { name, type: typeName(name, type) });
  const limit = (limits as FileLimits & Partial<Record<string, number>>)[(plain || 'video').split('/')[0]!] ?? limits.file;
  return size > limit ? wording.say('refusedSize', { name, size: wording.bytes(size), limit: wording.bytes(limit) }) : null;
}

// People know ".heic", not "image/heic-sequence".
function typeName(name: string, type: string): string {
  const ending = /\.([a-z0-9]{1,5})$/i.exec(name)?.[1];
  return (ending ?? type.split('/').at(-1) ?? type).toUpperCase();
}

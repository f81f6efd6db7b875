/** A picture without what it says about the place, the camera and the person. The pixels stay as they are. */
export async function removeMetadata(file: Blob): Promise<{ file: Blob; isRemoved: boolean }> {
  const head = new Uint8Array(await file.slice(0, 12).arrayBuffer());
  const strip = head[0] === 0xff && head[1] === 0xd8 ? stripJpeg : text(head, 1, 4) === 'PNG' ? stripPng : text(head, 8, 12) === 'WEBP' ? stripWebp : null;
  if (!strip) return { file, isRemoved: false };
  const parts = strip(new Uint8Array(await file.arrayBuffer()));
  // A damaged file is for the server to judge.
  return parts ? { file: new Blob(parts as BlobPart[], { type: file.type }), isRemoved: true } : { file, isRemoved: false };
}

const text = (bytes: Uint8Array, from: number, to: number) => String.fromCharCode(...bytes.subarray(from, to));
const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const SOS = 0xda;
const EOI = 0xd9;

/** The parts to keep, or `null` if this is no whole JPEG. */
export function stripJpeg(bytes: Uint8Array): Uint8Array[] | null {
  const view = viewOf(bytes);
  const kept = [bytes.subarray(0, 2)];
  let orientation = 1;
  let at = 2;
  while (at + 4 <= bytes.length) {
    if (bytes[at] !== 0xff) return null;
    const marker = bytes[at + 1]!;
    if (marker === 0xff) {
      at += 1; // padding
      continue;
    }
    if (marker === EOI) {
      kept.push(bytes.subarray(at, at + 2));
      break;
    }
    let end = at + 2 + view.getUint16(at + 2);
    if (end > bytes.length) return null;
    if (marker === 0xe1 && text(bytes, at + 4, at + 8) === 'Exif') orientation = orientationOf(bytes.subarray(at + 10, end)) ?? orientation;
    if (marker === SOS) end = endOfScan(bytes, end);
    if (isPicture(bytes, at, marker)) kept.push(bytes.subarray(at, end));
    at = end;
    if (marker === SOS && at + 4 > bytes.length) kept.push(bytes.subarray(at, at + 2));
  }
  if (kept.length < 3) return null;
  if (orientation > 1) kept.splice(1, 0, exifOf(orientation));
  return kept;
}

/** What stands before a scan is pixels; of the rest only what colours are computed from. */
function isPicture(bytes: Uint8Array, at: number, marker: number): boolean {
  if (marker === 0xfe) return false; // a comment
  if (marker < 0xe0 || marker > 0xef) return true;
  if (marker === 0xe0) return text(bytes, at + 4, at + 8) === 'JFIF';
  if (marker === 0xe2) return text(bytes, at + 4, at + 15) === 'ICC_PROFILE';
  return marker === 0xee;
}

function endOfScan(bytes: Uint8Array, from: number): number {
  for (let at = from; at + 1 < bytes.length; at += 1) {
    const next = bytes[at + 1]!;
    if (bytes[at] === 0xff && next !== 0 && next !== 0xff && (next < 0xd0 || next > 0xd7)) return at;
  }
  return bytes.length;
}

/** Which way up, out of the TIFF structure of Exif: 1 to 8. */
function orientationOf(tiff: Uint8Array): number | null {
  if (tiff.length < 14) return null;
  const view = viewOf(tiff);
  const isLittle = view.getUint16(0) === 0x4949;
  const directory = view.getUint32(4, isLittle);
  if (directory + 2 > tiff.length) return null;
  const count = view.getUint16(directory, isLittle);
  for (let entry = directory + 2; entry + 12 <= Math.min(tiff.length, directory + 2 + count * 12); entry += 12) {
    if (view.getUint16(entry, isLittle) !== 0x0112) continue;
    const value = view.getUint16(entry + 8, isLittle);
    return value >= 1 && value <= 8 ? value : null;
  }
  return null;
}

/** Exif that says which way up and nothing else: without it photos of phones would lie on their side. */
function exifOf(orientation: number): Uint8Array {
  return new Uint8Array([
    0xff, 0xe1, 0, 34, 0x45, 0x78, 0x69, 0x66, 0, 0, 0x4d, 0x4d, 0, 0x2a, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0,
  ]);
}

const PNG_TEXTS = new Set(['eXIf', 'tEXt', 'zTXt', 'iTXt', 'tIME']);

/** The parts to keep, or `null` if this is no whole PNG. */
export function stripPng(bytes: Uint8Array): Uint8Array[] | null {
  const view = viewOf(bytes);
  const kept = [bytes.subarray(0, 8)];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const end = at + 12 + view.getUint32(at);
    const name = text(bytes, at + 4, at + 8);
    if (end > bytes.length) return null;
    if (!PNG_TEXTS.has(name)) kept.push(bytes.subarray(at, end));
    if (name === 'IEND') return kept;
    at = end;
  }
  return null;
}

/** The parts to keep, or `null` if this is no whole WebP. */
export function stripWebp(bytes: Uint8Array): Uint8Array[] | null {
  const view = viewOf(bytes);
  const kept: Uint8Array[] = [];
  const whole = Math.min(bytes.length, 8 + view.getUint32(4, true));
  for (let at = 12; at + 8 <= whole; ) {
    const size = view.getUint32(at + 4, true);
    const end = at + 8 + size + (size % 2);
    const name = text(bytes, at, at + 4);
    if (at + 8 + size > whole) return null;
    const chunk = bytes.slice(at, Math.min(end, whole));
    // The flags that announce the chunks which go.
    if (name === 'VP8X') chunk[8]! &= ~0x0c;
    if (name !== 'EXIF' && name !== 'XMP ') kept.push(chunk);
    at = end;
  }
  if (!kept.length) return null;
  const head = bytes.slice(0, 12);
  viewOf(head).setUint32(4, 4 + kept.reduce((sum, chunk) => sum + chunk.length, 0), true);
  return [head, ...kept];
}

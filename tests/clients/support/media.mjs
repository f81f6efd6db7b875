// Files as people have them, made here: real pictures, a video's frame of boxes around as many bytes as wanted, and what
// only pretends.
import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { crc32, deflateSync, inflateSync } from 'node:zlib';

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

/** A picture of this size, in bands of colours that `seed` decides. */
export function png(width, height, seed = 0) {
  const row = Buffer.alloc(1 + width * 3);
  const rows = [];
  for (let y = 0; y < height; y += 1) {
    const band = Math.floor((y * 8) / height);
    const colour = createHash('sha1').update(`${seed} ${band}`).digest();
    for (let x = 0; x < width; x += 1) colour.copy(row, 1 + x * 3, 0, 3);
    rows.push(Buffer.from(row));
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', head), chunk('IDAT', deflateSync(Buffer.concat(rows))), chunk('IEND', Buffer.alloc(0))]);
}

/** A picture that compression does not make smaller: about width * height * 3 bytes. */
export function noise(width, height) {
  const rows = [];
  for (let y = 0; y < height; y += 1) {
    const row = Buffer.alloc(1 + width * 3);
    for (let at = 1; at < row.length; at += 20) createHash('sha1').update(`${y} ${at}`).digest().copy(row, at);
    rows.push(row);
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', head), chunk('IDAT', deflateSync(Buffer.concat(rows), { level: 0 })), chunk('IEND', Buffer.alloc(0))]);
}

/** Width, height and pixels of a PNG of this module's kind, or of one that the server has cleaned. */
export function readPng(bytes) {
  const parts = [];
  let [width, height] = [0, 0];
  for (let at = 8; at < bytes.length;) {
    const length = bytes.readUInt32BE(at);
    const type = bytes.toString('latin1', at + 4, at + 8);
    if (type === 'IHDR') [width, height] = [bytes.readUInt32BE(at + 8), bytes.readUInt32BE(at + 12)];
    if (type === 'IDAT') parts.push(bytes.subarray(at + 8, at + 8 + length));
    at += length + 12;
  }
  return { width, height, pixels: createHash('sha256').update(inflateSync(Buffer.concat(parts))).digest('hex') };
}

const u32 = (...numbers) => {
  const out = Buffer.alloc(numbers.length * 4);
  numbers.forEach((n, i) => out.writeUInt32BE(n, i * 4));
  return out;
};
const box = (type, ...parts) => {
  const body = Buffer.concat(parts);
  return Buffer.concat([u32(body.length + 8), Buffer.from(type, 'latin1'), body]);
};
const MATRIX = u32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000);

/** The boxes of an MP4 with one video track, before its bytes (`mdat`) begin: nothing plays, all of it holds together. */
export function mp4Head(size, { width = 640, height = 360, seconds = 10 } = {}) {
  const ftyp = box('ftyp', Buffer.from('isom'), u32(512), Buffer.from('isomiso2avc1mp41'));
  const duration = seconds * 1000;
  const stsd = box('stsd', u32(0, 1), box('avc1', Buffer.alloc(6), Buffer.from([0, 1]), Buffer.alloc(16), Buffer.from([width >> 8, width & 255, height >> 8, height & 255]), u32(0x480000, 0x480000, 0), Buffer.from([0, 1]), Buffer.alloc(32), Buffer.from([0, 0x18, 0xff, 0xff]), box('avcC', Buffer.from([1, 0x64, 0, 0x1f, 0xff, 0xe0, 0]))));
  const moov = (first) => box(
    'moov',
    box('mvhd', u32(0, 0, 0, 1000, duration, 0x10000, 0x01000000, 0, 0), MATRIX, Buffer.alloc(24), u32(2)),
    box(
      'trak',
      box('tkhd', u32(3, 0, 0, 1, 0, duration, 0, 0, 0, 0), MATRIX, u32(width << 16, height << 16)),
      box(
        'mdia',
        box('mdhd', u32(0, 0, 0, 1000, duration, 0x55c40000)),
        box('hdlr', u32(0, 0), Buffer.from('vide'), Buffer.alloc(14)),
        box(
          'minf',
          box('vmhd', u32(1, 0, 0)),
          box('dinf', box('dref', u32(0, 1), box('url ', u32(1)))),
          box('stbl', stsd, box('stts', u32(0, 1, 1, duration)), box('stsc', u32(0, 1, 1, 1, 1)), box('stsz', u32(0, 0, 1, 1000)), box('stco', u32(0, 1, first))),
        ),
      ),
    ),
  );
  const before = ftyp.length + moov(0).length;
  return Buffer.concat([ftyp, moov(before + 8), u32(size - before), Buffer.from('mdat')]);
}

/** The byte at this place of `video`'s pattern. */
export const patternByte = (at) => (at * 31 + Math.floor(at / 251)) & 255;

/** A video of exactly `size` bytes, in pieces: boxes, then a pattern in which every place can be told from others. */
export function* videoPieces(size, options) {
  const head = mp4Head(size, options);
  yield head;
  for (let at = head.length; at < size;) {
    const piece = Buffer.alloc(Math.min(64 * 1024, size - at));
    for (let i = 0; i < piece.length; i += 1) piece[i] = patternByte(at + i);
    at += piece.length;
    yield piece;
  }
}

export const video = (size, options) => Buffer.concat([...videoPieces(size, options)]);

/** A form with one file, as bytes: its head, and its end. */
export function formAround(name = 'a.mp4', boundary = 'a-boundary') {
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    head: Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\nContent-Type: application/octet-stream\r\n\r\n`),
    end: Buffer.from(`\r\n--${boundary}--\r\n`),
  };
}

/** A form as a page sends it. */
export function form(fields, ...files) {
  const data = new FormData();
  for (const [key, value] of Object.entries(fields)) data.append(key, value);
  for (const [name, bytes, type = 'application/octet-stream'] of files) data.append('file', new Blob([bytes], { type }), name);
  return data;
}

/** Every file below a folder, by its path there. */
export function filesBelow(folder) {
  const found = [];
  const walk = (at) => {
    for (const entry of readdirSync(at, { withFileTypes: true })) {
      const inside = path.join(at, entry.name);
      if (entry.isDirectory()) walk(inside);
      else found.push(path.relative(folder, inside));
    }
  };
  try {
    if (statSync(folder).isDirectory()) walk(folder);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  return found.sort();
}

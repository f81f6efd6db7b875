// A real video of any size: a minute of pictures, one a second, that Chromium encodes; the rest is padding, spread out so
// that each second lies elsewhere in the file, as in a large recording.

const SECONDS = 60;

/** `page` must be on http://127.0.0.1, where encoders exist. */
export async function webm(page, size) {
  const frames = await page.evaluate(async (seconds) => {
    const canvas = new OffscreenCanvas(320, 180);
    const paint = canvas.getContext('2d');
    const chunks = [];
    const encoder = new VideoEncoder({
      output: (chunk) => {
        const bytes = new Uint8Array(chunk.byteLength);
        chunk.copyTo(bytes);
        chunks.push(btoa(String.fromCharCode(...bytes)));
      },
      error: (fault) => { throw fault; },
    });
    encoder.configure({ codec: 'vp8', width: 320, height: 180, bitrate: 200_000 });
    for (let second = 0; second < seconds; second += 1) {
      paint.fillStyle = `hsl(${second * 6} 70% 45%)`;
      paint.fillRect(0, 0, 320, 180);
      const frame = new VideoFrame(canvas, { timestamp: second * 1_000_000 });
      encoder.encode(frame, { keyFrame: true });
      frame.close();
    }
    await encoder.flush();
    return chunks;
  }, SECONDS);
  return mux(frames.map((frame) => Buffer.from(frame, 'base64')), size);
}

const bytes = (...parts) => Buffer.concat(parts.map((part) => (typeof part === 'number' ? number(part) : Buffer.from(part))));

/** As few bytes as hold it, the most significant first. */
function number(value) {
  const out = [];
  for (let rest = value; out.length === 0 || rest > 0; rest = Math.floor(rest / 256)) out.unshift(rest % 256);
  return Buffer.from(out);
}

/** An element's size, in 1 byte or in 8. */
function sizeOf(length) {
  if (length < 127) return Buffer.from([0x80 | length]);
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE((1n << 56n) | BigInt(length));
  return out;
}

const element = (id, ...parts) => {
  const body = bytes(...parts);
  return Buffer.concat([number(id), sizeOf(body.length), body]);
};
const float = (value) => {
  const out = Buffer.alloc(8);
  out.writeDoubleBE(value);
  return out;
};
const offset = (value) => {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(BigInt(value));
  return out;
};

function mux(frames, size) {
  const head = element(0x1a45dfa3, element(0x4286, 1), element(0x42f7, 1), element(0x42f2, 4), element(0x42f3, 8), element(0x4282, 'webm'), element(0x4287, 2), element(0x4285, 2));
  const info = element(0x1549a966, element(0x2ad7b1, 1_000_000), element(0x4489, float(frames.length * 1000)), element(0x4d80, 'test'), element(0x5741, 'test'));
  const tracks = element(0x1654ae6b, element(0xae, element(0xd7, 1), element(0x73c5, 1), element(0x83, 1), element(0x86, 'V_VP8'), element(0xe0, element(0xb0, 320), element(0xba, 180))));
  const clusters = frames.map((frame, second) => element(0x1f43b675, element(0xe7, second * 1000), element(0xa3, [0x81, 0, 0, 0x80], frame)));
  const cues = (places) => element(0x1c53bb6b, ...places.map((place, second) => element(0xbb, element(0xb3, second * 1000), element(0xb7, element(0xf7, 1), element(0xf1, offset(place))))));
  // A cue's length does not depend on the place that it names.
  const before = info.length + tracks.length + cues(frames.map(() => 0)).length;
  const all = head.length + 12 + before + clusters.reduce((sum, cluster) => sum + cluster.length, 0);
  const padding = Math.floor((size - all) / frames.length);
  const places = [];
  const pieces = [];
  let at = before;
  for (const cluster of clusters) {
    const filler = Buffer.alloc(padding - 9);
    pieces.push(Buffer.concat([number(0xec), sizeOf(filler.length)]), filler);
    at += padding;
    places.push(at);
    pieces.push(cluster);
    at += cluster.length;
  }
  return Buffer.concat([head, number(0x18538067), sizeOf(at), info, tracks, cues(places), ...pieces]);
}

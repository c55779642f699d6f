/**
 * Decodes a TIFF file (TIFF 6.0, Adobe 1992), strip by strip or tile by tile: with 8 or 16 bits per sample, of which
 * the upper 8 are kept, without compression or with LZW, Deflate or PackBits. A strip never unpacks to more than its
 * size in the picture, whatever the file says.
 */
import { ByteReader } from './structure/byte_reader.ts';
import { PHOTOMETRIC, readTiffLayout, type TiffLayout } from './structure/tiff.ts';
import type { UprightPixels } from './upright_pixels.ts';

/** A strip without compression is read in pieces of this many bytes. */
const PIECE_BYTES = 4e6;

/** @throws Error if the content is damaged */
export async function decodeTiff(
  size: number,
  read: (from: number, to: number) => Promise<Uint8Array>,
  target: UprightPixels,
): Promise<void> {
  const reading = await readTiffLayout(new ByteReader(size, read));
  if (!('layout' in reading)) throw new Error(reading.cause);
  const { layout } = reading;
  const { width, height, tileWidth, tileHeight } = layout;
  const across = Math.ceil(width / tileWidth);
  const down = Math.ceil(height / tileHeight);
  const planes = layout.isPlanar ? layout.samplesPerPixel : 1;
  // Only the planes of the colours are used.
  const used = layout.isPlanar ? Math.min(planes, samplesOf(layout)) : 1;
  const pixelBytes = ((layout.isPlanar ? 1 : layout.samplesPerPixel) * layout.bits) / 8;
  const rowBytes = tileWidth * pixelBytes;
  for (let row = 0; row < down; row++)
    for (let column = 0; column < across; column++) {
      const top = row * tileHeight;
      const left = column * tileWidth;
      // The last strip has only the remaining rows; tiles are always complete.
      const tileRows = tileWidth === width && across === 1 ? Math.min(tileHeight, height - top) : tileHeight;
      const pieceRows = layout.compression === 1 ? Math.max(1, Math.floor(PIECE_BYTES / rowBytes)) : tileRows;
      for (let first = 0; first < Math.min(tileRows, height - top); first += pieceRows) {
        const rows = Math.min(pieceRows, tileRows - first);
        const samples: Uint8Array[] = [];
        for (let plane = 0; plane < used; plane++) {
          const index = plane * across * down + row * across + column;
          const offset = layout.offsets[index]!;
          const packed =
            layout.compression === 1
              ? await read(offset + first * rowBytes, offset + (first + rows) * rowBytes)
              : await read(offset, offset + layout.byteCounts[index]!);
          const bytes = await unpack(packed, layout.compression, rows * rowBytes);
          samples.push(upperBytes(bytes, layout, tileWidth, rows, pixelBytes));
        }
        const piece = { left, top: top + first, width: Math.min(tileWidth, width - left) };
        const visibleRows = Math.min(rows, height - piece.top);
        putColours(samples, layout, tileWidth, visibleRows, piece, target);
      }
    }
}

function samplesOf({ photometric }: TiffLayout): number {
  return photometric === PHOTOMETRIC.rgb ? 3 : photometric === PHOTOMETRIC.cmyk ? 4 : 1;
}

async function unpack(packed: Uint8Array, compression: number, size: number): Promise<Uint8Array> {
  switch (compression) {
    case 1:
      return filled(packed, size);
    case 5:
      return unpackLzw(packed, size);
    case 32773:
      return unpackPackBits(packed, size);
    default:
      return inflate(packed, size);
  }
}

function filled(bytes: Uint8Array, size: number): Uint8Array {
  if (bytes.length < size) throw new Error('A strip is too short.');
  return bytes.subarray(0, size);
}

/** Unpacks Deflate, but at most `size` bytes. */
async function inflate(packed: Uint8Array, size: number): Promise<Uint8Array> {
  const stream = new Blob([packed as Uint8Array<ArrayBuffer>])
    .stream()
    .pipeThrough(new DecompressionStream('deflate'));
  const reader = stream.getReader();
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size;) {
    const { done, value } = await reader.read();
    if (done) throw new Error('A strip is too short.');
    const part = value.subarray(0, size - at);
    bytes.set(part, at);
    at += part.length;
  }
  await reader.cancel().catch(() => undefined);
  return bytes;
}

/** PackBits, section 9: runs and literal bytes. */
function unpackPackBits(packed: Uint8Array, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let to = 0;
  for (let at = 0; at < packed.length && to < size;) {
    const header = packed[at++]!;
    if (header < 128) {
      const literal = packed.subarray(at, Math.min(at + header + 1, at + size - to));
      bytes.set(literal, to);
      at += header + 1;
      to += literal.length;
    } else if (header > 128) {
      const length = Math.min(257 - header, size - to);
      bytes.fill(packed[at++] ?? 0, to, to + length);
      to += length;
    }
  }
  if (to < size) throw new Error('A strip is too short.');
  return bytes;
}

const CLEAR = 256;
const END = 257;

/** LZW, section 13: codes of 9 to 12 bits, the highest bit first. The width grows one code early. */
function unpackLzw(packed: Uint8Array, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  const prefix = new Int16Array(4096).fill(-1);
  const suffix = Uint8Array.from({ length: 4096 }, (_, code) => code & 255);
  const length = new Uint16Array(4096).fill(1);
  let [next, width, previous] = [258, 9, -1];
  let [bits, bitCount, at, to] = [0, 0, 0, 0];
  while (to < size) {
    while (bitCount < width) {
      if (at >= packed.length) throw new Error('A strip is too short.');
      bits = ((bits << 8) | packed[at++]!) & 0xff_ffff;
      bitCount += 8;
    }
    const code = (bits >> (bitCount - width)) & ((1 << width) - 1);
    bitCount -= width;
    if (code === END) break;
    if (code === CLEAR) {
      [next, width, previous] = [258, 9, -1];
      continue;
    }
    // A code that is only about to be defined means the previous string plus its first byte.
    const isNew = code === next && previous >= 0;
    if (code > next || (code === next && !isNew) || (previous < 0 && code > 255))
      throw new Error('A strip is damaged.');
    const known = isNew ? previous : code;
    const count = length[known]!;
    let first = known;
    for (let place = to + count - 1, walked = known; place >= to; place--) {
      if (place < size) bytes[place] = suffix[walked]!;
      first = walked;
      walked = prefix[walked]!;
    }
    to += count;
    if (isNew) {
      if (to < size) bytes[to] = suffix[first]!;
      to++;
    }
    if (previous >= 0 && next < 4096) {
      prefix[next] = previous;
      suffix[next] = suffix[first]!;
      length[next] = length[previous]! + 1;
      next++;
    }
    if (next >= 2 ** width - 1 && width < 12) width++;
    previous = code;
  }
  if (to < size) throw new Error('A strip is too short.');
  return bytes;
}

/** Undoes the differences between neighbours, and keeps the upper byte of 16-bit samples. */
function upperBytes(
  bytes: Uint8Array,
  { bits, hasPredictor, isLittle }: TiffLayout,
  width: number,
  rows: number,
  pixelBytes: number,
): Uint8Array {
  const samples = (pixelBytes * 8) / bits;
  const rowSamples = width * samples;
  if (bits === 8) {
    if (!hasPredictor) return bytes;
    for (let row = 0; row < rows; row++)
      for (let at = row * rowSamples + samples; at < (row + 1) * rowSamples; at++)
        bytes[at]! += bytes[at - samples]!;
    return bytes;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const upper = new Uint8Array(rows * rowSamples);
  const before = new Uint16Array(samples);
  for (let row = 0, at = 0; row < rows; row++) {
    before.fill(0);
    for (let place = 0; place < rowSamples; place++, at++) {
      const sample = place % samples;
      const value = view.getUint16(2 * at, isLittle);
      before[sample] = hasPredictor ? before[sample]! + value : value;
      upper[at] = before[sample]! >> 8;
    }
  }
  return upper;
}

function putColours(
  planes: readonly Uint8Array[],
  { photometric, samplesPerPixel, isPlanar, colourMap }: TiffLayout,
  tileWidth: number,
  rows: number,
  { left, top, width }: { left: number; top: number; width: number },
  target: UprightPixels,
): void {
  const stride = isPlanar ? 1 : samplesPerPixel;
  const rgb = new Uint8Array(width * 3);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * tileWidth + x) * stride;
      const sample = (index: number): number => (isPlanar ? planes[index]![at]! : planes[0]![at + index]!);
      const to = 3 * x;
      if (photometric === PHOTOMETRIC.rgb) {
        rgb[to] = sample(0);
        rgb[to + 1] = sample(1);
        rgb[to + 2] = sample(2);
      } else if (photometric === PHOTOMETRIC.palette) {
        const entries = colourMap.length / 3;
        for (let channel = 0; channel < 3; channel++)
          rgb[to + channel] = (colourMap[channel * entries + sample(0)] ?? 0) >> 8;
      } else if (photometric === PHOTOMETRIC.cmyk) {
        const light = 255 - sample(3);
        for (let channel = 0; channel < 3; channel++)
          rgb[to + channel] = Math.round(((255 - sample(channel)) * light) / 255);
      } else rgb.fill(photometric === PHOTOMETRIC.whiteIsZero ? 255 - sample(0) : sample(0), to, to + 3);
    }
    target.put(left, top + y, width, 1, rgb, 3);
  }
}

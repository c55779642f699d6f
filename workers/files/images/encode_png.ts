/**
 * Encodes photos as PNG files (ISO/IEC 15948): 8 bits per channel, no alpha, Paeth's filter in every row. Compression
 * uses only Huffman codes and runs of equal bytes (deflate, RFC 1951). After the filter, a photo has hardly any other
 * repetitions, and searching for them takes most of the time. The files are a third smaller than those of Chromium's
 * canvas, and as large as Pillow's.
 */
import { crc32 } from '../../common/crc32.ts';
import { hasVectors } from '../../webassembly/has_vectors.ts';
import { KernelMemory } from '../../webassembly/memory.ts';
import { toImageData } from './decode.ts';
import { canonicalCodes, codeLengths, reversed } from './huffman.ts';
import type { RgbImage } from '../../protocol/data/images.ts';
import { FIRST_RUN, LONGEST_RUN, pngModule, SHORTEST_RUN, TOKENS, type PngKernels } from './png_kernels.ts';

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const CHANNELS = 3;
const PAETH = 4;

const END_OF_BLOCK = 256;
const SYMBOLS = 286;
/** The order of the code lengths in the header of a block. */
const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/** Lengths from 0 to 15 have four bits each. */
const CODE_LENGTH_BITS = 4;
/** The most bytes that Adler-32 can sum before a reduction. */
const ADLER_BYTES = 5552;
const ADLER_MODULUS = 65_521;
/** Room for accesses of the kernels slightly beyond the ends, and for the bytes before and after the codes. */
const SLACK_BYTES = 512;

/** For each length of a run: its symbol, and the bits after it (including the code of the distance, which is 0). */
const LENGTH_SYMBOLS = new Uint16Array(LONGEST_RUN + 1);
const LENGTH_BITS = new Uint8Array(LONGEST_RUN + 1);
const LENGTH_RESTS = new Uint8Array(LONGEST_RUN + 1);
for (let symbol = 257, length = SHORTEST_RUN; length < LONGEST_RUN; symbol++) {
  const bits = Math.max(0, ((symbol - 257) >> 2) - 1);
  for (let rest = 0; rest < 1 << bits && length < LONGEST_RUN; rest++, length++) {
    LENGTH_SYMBOLS[length] = symbol;
    LENGTH_BITS[length] = bits + 1;
    LENGTH_RESTS[length] = rest;
  }
}
LENGTH_SYMBOLS[LONGEST_RUN] = 285;
LENGTH_BITS[LONGEST_RUN] = 1;

let encoder: PngEncoder | undefined;
/** The largest encoder to keep: enough for a photo of 600 × 600 pixels. */
const KEPT_BYTES = 8e6;

export async function encodePng(image: RgbImage): Promise<Uint8Array<ArrayBuffer>> {
  if (!hasVectors()) return encodeWithCanvas(image);
  encoder ??= new PngEncoder();
  const file = encoder.encode(image);
  // The memory of the kernels cannot shrink, so drop a large encoder.
  if (encoder.memoryBytes > KEPT_BYTES) encoder = undefined;
  return file;
}

async function encodeWithCanvas(image: RgbImage): Promise<Uint8Array<ArrayBuffer>> {
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext('2d')!.putImageData(toImageData(image), 0, 0);
  return new Uint8Array(await (await canvas.convertToBlob({ type: 'image/png' })).arrayBuffer());
}

class PngEncoder {
  readonly #memory = new KernelMemory();
  readonly #kernels = this.#memory.instantiate(pngModule()) as unknown as PngKernels;

  get memoryBytes(): number {
    return this.#memory.bytes;
  }

  encode({ width, height, data }: RgbImage): Uint8Array<ArrayBuffer> {
    const rowBytes = width * CHANNELS;
    // Black pixels to the left of the photo and above it.
    const stride = rowBytes + CHANNELS;
    const filteredBytes = (rowBytes + 1) * height;
    const state = 0;
    const counts = 16;
    const codes = counts + TOKENS * 4;
    const pixels = align(codes + TOKENS * 4);
    const filtered = align(pixels + stride * (height + 1) + SLACK_BYTES);
    const tokens = align(filtered + filteredBytes + SLACK_BYTES);
    // A code has at most 15 bits, and a run takes at most as many bytes as it replaces.
    const output = align(tokens + 2 * filteredBytes + SLACK_BYTES);
    this.#memory.reserve(output + 2 * filteredBytes + SLACK_BYTES);
    const { buffer } = this.#memory.memory;
    const bytes = new Uint8Array(buffer);
    const kernels = this.#kernels;

    bytes.fill(0, pixels, pixels + stride);
    for (let y = 0; y < height; y++) {
      const row = pixels + (y + 1) * stride;
      bytes.fill(0, row, row + CHANNELS);
      bytes.set(data.subarray(y * rowBytes, (y + 1) * rowBytes), row + CHANNELS);
    }
    for (let y = 0; y < height; y++) {
      const row = pixels + (y + 1) * stride + CHANNELS;
      const at = filtered + y * (rowBytes + 1);
      bytes[at] = PAETH;
      kernels.paeth(row, row - stride, at + 1, rowBytes);
    }
    const end = filtered + filteredBytes;
    // Different bytes at both ends, so that no run begins before the first byte or continues after the last.
    bytes[filtered - 1] = 0;
    bytes[end] = bytes[end - 1]! ^ 255;
    const words = new Uint32Array(buffer);
    const tokenCounts = words.subarray(counts / 4, counts / 4 + TOKENS).fill(0);
    kernels.findRuns(filtered, end, tokens, counts, state);
    const tokensEnd = words[state / 4]!;
    const { lengths, symbolCodes } = codesFor(tokenCounts);
    writeTokenCodes(words.subarray(codes / 4, codes / 4 + TOKENS), lengths, symbolCodes);

    const writer = new BitWriter(bytes, output);
    writeHeader(writer, lengths);
    words.set([writer.at, writer.pending, writer.pendingBits], state / 4);
    kernels.writeCodes(tokens, tokensEnd, codes, state);
    [writer.at, writer.pending, writer.pendingBits] = [words[0]!, words[1]!, words[2]!];
    writer.write(symbolCodes[END_OF_BLOCK]!, lengths[END_OF_BLOCK]!);
    writer.finishByte();
    const sums = this.#adler32(words, filtered, end, state);
    for (const shift of [24, 16, 8, 0]) writer.write((sums >>> shift) & 255, 8);
    return pngFile(width, height, bytes.subarray(output, writer.at));
  }

  /** Adler-32 of a range (RFC 1950). */
  #adler32(words: Uint32Array, from: number, to: number, state: number): number {
    words.set([1, 0], state / 4);
    for (let at = from; at < to; at += ADLER_BYTES) {
      this.#kernels.addToSums(at, Math.min(at + ADLER_BYTES, to), state);
      words[state / 4]! %= ADLER_MODULUS;
      words[state / 4 + 1]! %= ADLER_MODULUS;
    }
    return words[state / 4 + 1]! * 65_536 + words[state / 4]!;
  }
}

function align(address: number): number {
  return Math.ceil(address / 16) * 16;
}

/** The codes of the symbols for bytes and runs. */
function codesFor(tokenCounts: Uint32Array): { lengths: Uint8Array; symbolCodes: Uint16Array } {
  const counts = new Uint32Array(SYMBOLS);
  counts.set(tokenCounts.subarray(0, FIRST_RUN));
  for (let length = SHORTEST_RUN; length <= LONGEST_RUN; length++)
    counts[LENGTH_SYMBOLS[length]!]! += tokenCounts[FIRST_RUN + length]!;
  counts[END_OF_BLOCK] = 1;
  const lengths = codeLengths(counts);
  return { lengths, symbolCodes: canonicalCodes(lengths) };
}

/** Writes the codes in the format that the kernel `writeCodes` reads. */
function writeTokenCodes(codes: Uint32Array, lengths: Uint8Array, symbolCodes: Uint16Array): void {
  for (let token = 0; token < FIRST_RUN; token++)
    codes[token] = symbolCodes[token]! | (lengths[token]! << 24);
  for (let length = SHORTEST_RUN; length <= LONGEST_RUN; length++) {
    const symbol = LENGTH_SYMBOLS[length]!;
    const code = symbolCodes[symbol]! | (LENGTH_RESTS[length]! << lengths[symbol]!);
    codes[FIRST_RUN + length] = code | ((lengths[symbol]! + LENGTH_BITS[length]!) << 24);
  }
}

/** Writes the headers of the stream and of its only block. */
function writeHeader(writer: BitWriter, lengths: Uint8Array): void {
  // Deflate with a window of 32 kB, marked as the fastest compression.
  writer.write(0x0178, 16);
  // The last block, with dynamic Huffman codes.
  writer.write(1, 1);
  writer.write(2, 2);
  writer.write(SYMBOLS - 257, 5);
  // One distance, 1.
  writer.write(0, 5);
  writer.write(CODE_LENGTH_ORDER.length - 4, 4);
  for (const length of CODE_LENGTH_ORDER) writer.write(length < 16 ? CODE_LENGTH_BITS : 0, 3);
  for (const length of lengths) writer.write(reversed(length, CODE_LENGTH_BITS), CODE_LENGTH_BITS);
  writer.write(reversed(1, CODE_LENGTH_BITS), CODE_LENGTH_BITS);
}

class BitWriter {
  at: number;
  pending = 0;
  pendingBits = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  /** @param bits at most 16 */
  write(value: number, bits: number): void {
    this.pending |= value << this.pendingBits;
    for (this.pendingBits += bits; this.pendingBits >= 8; this.pendingBits -= 8, this.pending >>>= 8)
      this.#bytes[this.at++] = this.pending;
  }

  finishByte(): void {
    if (this.pendingBits > 0) this.write(0, 8 - this.pendingBits);
  }
}

function pngFile(width: number, height: number, content: Uint8Array): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  // Eight bits; RGB; the only methods of compression and filtering; not interlaced.
  header.set([8, 2, 0, 0, 0], 8);
  const chunks = [
    ['IHDR', header],
    ['IDAT', content],
    ['IEND', new Uint8Array()],
  ] as const;
  const file = new Uint8Array(chunks.reduce((sum, [, { length }]) => sum + length + 12, SIGNATURE.length));
  file.set(SIGNATURE);
  let at = SIGNATURE.length;
  for (const [name, inside] of chunks) at = writeChunk(file, at, name, inside);
  return file;
}

/** Writes a chunk: length, name, content, and a checksum of the last two. @returns the end of the chunk */
function writeChunk(file: Uint8Array<ArrayBuffer>, at: number, name: string, content: Uint8Array): number {
  const view = new DataView(file.buffer);
  const end = at + 8 + content.length;
  view.setUint32(at, content.length);
  for (let index = 0; index < 4; index++) file[at + 4 + index] = name.charCodeAt(index);
  file.set(content, at + 8);
  view.setUint32(end, crc32(file.subarray(at + 4, end)));
  return end + 4;
}

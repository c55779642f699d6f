/**
 * Text inside a PNG file: an uncompressed iTXt chunk (W3C Portable Network Graphics 11.3.3.4) after the header.
 * Programs that read the picture skip it.
 */
import { crc32 } from '../../common/crc32.ts';

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Length and type before the data of a chunk, and CRC after it. */
const CHUNK_FRAME_BYTES = 12;
/** The signature and the header chunk, which is always the first and has 13 bytes of data. */
const HEADER_END = SIGNATURE.length + CHUNK_FRAME_BYTES + 13;
const TEXT = 'iTXt';
/** End of the keyword, not compressed, method 0, no language, no translated keyword. */
const BEFORE_TEXT = [0, 0, 0, 0, 0];

/** @returns the file with this text before its pixels */
export function withPngText(
  file: Uint8Array<ArrayBuffer>,
  keyword: string,
  text: string,
): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const data = [...encoder.encode(keyword), ...BEFORE_TEXT];
  const textBytes = encoder.encode(text);
  const length = data.length + textBytes.length;
  const chunk = new Uint8Array(length + CHUNK_FRAME_BYTES);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, length);
  chunk.set(encoder.encode(TEXT), 4);
  chunk.set(data, 8);
  chunk.set(textBytes, 8 + data.length);
  view.setUint32(8 + length, crc32(chunk.subarray(4, 8 + length)));
  const result = new Uint8Array(file.length + chunk.length);
  result.set(file.subarray(0, HEADER_END));
  result.set(chunk, HEADER_END);
  result.set(file.subarray(HEADER_END), HEADER_END + chunk.length);
  return result;
}

/** @returns the text with this keyword before the pixels; undefined if there is none, or it is damaged */
export function pngText(file: Uint8Array<ArrayBuffer>, keyword: string): string | undefined {
  if (SIGNATURE.some((byte, index) => file[index] !== byte)) return undefined;
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const prefix = [...new TextEncoder().encode(keyword), ...BEFORE_TEXT];
  for (let at = SIGNATURE.length; at + CHUNK_FRAME_BYTES <= file.length;) {
    const length = view.getUint32(at);
    const end = at + 8 + length;
    if (end + 4 > file.length) return undefined;
    const type = String.fromCharCode(...file.subarray(at + 4, at + 8));
    if (type === 'IDAT') return undefined;
    const data = file.subarray(at + 8, end);
    if (type === TEXT && prefix.every((byte, index) => data[index] === byte)) {
      if (crc32(file.subarray(at + 4, end)) !== view.getUint32(end)) return undefined;
      return new TextDecoder().decode(data.subarray(prefix.length));
    }
    at = end + 4;
  }
  return undefined;
}

/**
 * An image's kind and size from its first bytes, before anything is decoded: so that absurd sizes are refused in
 * bounded memory, and cut-off files are noticed where the browser would quietly show half of them.
 */

export interface ImageHeader {
  readonly kind: 'jpeg' | 'png' | 'gif' | 'webp' | 'bmp';
  /** As stored, before orientation; undefined where the header does not tell. */
  readonly width?: number;
  readonly height?: number;
  /** Whether pixels may be transparent. */
  readonly mayHaveAlpha: boolean;
}

/** @returns undefined for anything else (AVIF among them: the browser judges it) */
export function readImageHeader(bytes: Uint8Array): ImageHeader | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return { kind: 'jpeg', mayHaveAlpha: false, ...jpegSize(view) };
  if (hasPrefix(bytes, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) {
    if (bytes.length < 26) return { kind: 'png', mayHaveAlpha: true };
    // Colour types 4 and 6 carry alpha; others may be given transparency by a tRNS chunk.
    const colourType = bytes[25]!;
    const mayHaveAlpha = colourType >= 4 || indexOfText(bytes, 'tRNS') >= 0;
    return { kind: 'png', width: view.getUint32(16), height: view.getUint32(20), mayHaveAlpha };
  }
  if (hasPrefix(bytes, [0x47, 0x49, 0x46, 0x38]))
    return bytes.length < 10
      ? { kind: 'gif', mayHaveAlpha: true }
      : { kind: 'gif', width: view.getUint16(6, true), height: view.getUint16(8, true), mayHaveAlpha: true };
  if (hasPrefix(bytes, [0x52, 0x49, 0x46, 0x46]) && textAt(bytes, 8, 4) === 'WEBP')
    return { kind: 'webp', mayHaveAlpha: textAt(bytes, 12, 4) !== 'VP8 ', ...webpSize(view, bytes) };
  if (bytes[0] === 0x42 && bytes[1] === 0x4d && bytes.length >= 26)
    return {
      kind: 'bmp',
      width: Math.abs(view.getInt32(18, true)),
      height: Math.abs(view.getInt32(22, true)),
      mayHaveAlpha: false,
    };
  return undefined;
}

/** Walks the markers to the frame header (ITU-T T.81, B.2.2). */
function jpegSize(view: DataView): { width?: number; height?: number } {
  let at = 2;
  while (at + 9 <= view.byteLength) {
    if (view.getUint8(at) !== 0xff) return {};
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at++;
      continue;
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame) return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
    if (marker === 0xda || marker === 0xd9) return {};
    const length = view.getUint16(at + 2);
    if (length < 2) return {};
    at += 2 + length;
  }
  return {};
}

/** RFC 9649, sections 2.5 to 2.7. */
function webpSize(view: DataView, bytes: Uint8Array): { width?: number; height?: number } {
  if (bytes.length < 30) return {};
  switch (textAt(bytes, 12, 4)) {
    case 'VP8 ':
      return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
    case 'VP8L': {
      const bits = view.getUint32(21, true);
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    }
    case 'VP8X': {
      const uint24 = (at: number): number => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
      return { width: uint24(24) + 1, height: uint24(27) + 1 };
    }
    default:
      return {};
  }
}

/**
 * Whether the end of the file is missing. Only for JPEG and PNG, whose end markers are certain; trailing bytes after
 * them are common and harmless.
 * @param tail the last bytes of the file
 */
export function isCutOff(kind: ImageHeader['kind'], tail: Uint8Array): boolean {
  if (kind === 'png') return indexOfText(tail, 'IEND') < 0;
  if (kind !== 'jpeg') return false;
  for (let at = tail.length - 2; at >= 0; at--) if (tail[at] === 0xff && tail[at + 1] === 0xd9) return false;
  return true;
}

function hasPrefix(bytes: Uint8Array, prefix: readonly number[]): boolean {
  return prefix.every((value, index) => bytes[index] === value);
}

function textAt(bytes: Uint8Array, at: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + length));
}

function indexOfText(bytes: Uint8Array, text: string): number {
  const codes = [...text].map((character) => character.charCodeAt(0));
  for (let at = 0; at + codes.length <= bytes.length; at++)
    if (codes.every((code, index) => bytes[at + index] === code)) return at;
  return -1;
}

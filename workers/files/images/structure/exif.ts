/** The orientation in EXIF data (CIPA DC-008, 4.6.4 A), which has the format of a TIFF file. */

/** 1: as stored; 2 to 8: mirrored or rotated. */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

const ORIENTATION_TAG = 0x0112;
const SHORT = 3;

/** @returns 1 if there is no valid orientation */
export function exifOrientation(bytes: Uint8Array): Orientation {
  const hasPrefix = String.fromCharCode(...bytes.subarray(0, 6)) === 'Exif\0\0';
  const { buffer, byteOffset, byteLength } = hasPrefix ? bytes.subarray(6) : bytes;
  const view = new DataView(buffer, byteOffset, byteLength);
  if (byteLength < 14) return 1;
  const order = view.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return 1;
  const isLittle = order === 0x4949;
  const directory = view.getUint32(4, isLittle);
  if (directory + 2 > byteLength) return 1;
  const count = view.getUint16(directory, isLittle);
  for (let index = 0; index < count; index++) {
    const at = directory + 2 + 12 * index;
    if (at + 12 > byteLength) return 1;
    if (view.getUint16(at, isLittle) !== ORIENTATION_TAG) continue;
    const isShort = view.getUint16(at + 2, isLittle) === SHORT;
    return asOrientation(isShort ? view.getUint16(at + 8, isLittle) : view.getUint32(at + 8, isLittle));
  }
  return 1;
}

export function asOrientation(value: number): Orientation {
  return Number.isInteger(value) && value >= 1 && value <= 8 ? (value as Orientation) : 1;
}

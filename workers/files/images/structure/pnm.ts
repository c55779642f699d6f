/** Netpbm's binary grey maps (P5) and pixel maps (P6): ppm(5), pgm(5). */
import type { ByteReader } from './byte_reader.ts';
import type { ImageStructure } from './image_structure.ts';

/** More than the size of a header with a comment. */
const HEADER_BYTES = 4096;

export interface PnmHeader {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  /** The value of white, up to 65,535. */
  readonly maximum: number;
  /** The offset of the pixels. */
  readonly dataAt: number;
}

/** @returns undefined if the header is damaged */
export function parsePnmHeader(bytes: Uint8Array): PnmHeader | undefined {
  const text = String.fromCharCode(...bytes.subarray(0, HEADER_BYTES));
  const separator = '(?:\\s|#[^\\n\\r]*[\\n\\r])+';
  const number = '(\\d{1,9})';
  const found = new RegExp(`^P([56])${separator}${number}${separator}${number}${separator}${number}\\s`).exec(
    text,
  );
  if (!found) return undefined;
  const [width, height, maximum] = [Number(found[2]), Number(found[3]), Number(found[4])];
  if (maximum < 1 || maximum > 65_535) return undefined;
  return { width, height, channels: found[1] === '5' ? 1 : 3, maximum, dataAt: found[0].length };
}

export async function readPnm(reader: ByteReader): Promise<Omit<ImageStructure, 'kind'>> {
  const header = parsePnmHeader(await reader.bytes(0, HEADER_BYTES));
  if (!header) return { width: 0, height: 0, mayHaveAlpha: false, orientation: 1, isCutOff: false };
  const { width, height, channels, maximum, dataAt } = header;
  const dataBytes = width * height * channels * (maximum > 255 ? 2 : 1);
  return { width, height, mayHaveAlpha: false, orientation: 1, isCutOff: dataAt + dataBytes > reader.size };
}

/** BMP: the bitmap headers of Windows, and OS/2's header of 12 bytes. */
import type { ByteReader } from './byte_reader.ts';
import type { ImageStructure } from './image_structure.ts';

const OS2_HEADER_BYTES = 12;
/** Compression methods with rows of one length: none, and none with channel masks. */
const WITHOUT_COMPRESSION = [0, 3, 6];

export async function readBmp(reader: ByteReader): Promise<Omit<ImageStructure, 'kind'>> {
  const nothing = { width: 0, height: 0, mayHaveAlpha: false, orientation: 1, isCutOff: true } as const;
  const file = await reader.view(0, 26);
  if (!file) return nothing;
  const dataAt = file.getUint32(10, true);
  if (file.getUint32(14, true) === OS2_HEADER_BYTES) {
    const [width, height] = [file.getUint16(18, true), file.getUint16(20, true)];
    const isCutOff = isMissing(reader, dataAt, width, height, file.getUint16(24, true));
    return { width, height, mayHaveAlpha: false, orientation: 1, isCutOff };
  }
  const header = await reader.view(0, 34);
  if (!header) return nothing;
  // A negative height means rows from top to bottom.
  const [width, height] = [Math.abs(header.getInt32(18, true)), Math.abs(header.getInt32(22, true))];
  const bits = header.getUint16(28, true);
  const isCutOff =
    WITHOUT_COMPRESSION.includes(header.getUint32(30, true)) &&
    isMissing(reader, dataAt, width, height, bits);
  return { width, height, mayHaveAlpha: bits === 32, orientation: 1, isCutOff };
}

function isMissing(reader: ByteReader, dataAt: number, width: number, height: number, bits: number): boolean {
  const rowBytes = 4 * Math.ceil((width * bits) / 32);
  return dataAt + rowBytes * height > reader.size;
}

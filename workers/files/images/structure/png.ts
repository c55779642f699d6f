/** PNG (W3C recommendation, third edition): chunks up to IEND. */
import { textOf, type ByteReader } from './byte_reader.ts';
import { exifOrientation, type Orientation } from './exif.ts';
import { largerSize, type ImageStructure } from './image_structure.ts';

const SIGNATURE_BYTES = 8;
/** Length and type before the data of a chunk; a checksum follows the data. */
const CHUNK_HEADER_BYTES = 8;
const CHECKSUM_BYTES = 4;
const LARGEST_EXIF_BYTES = 65_536;

export async function readPng(reader: ByteReader): Promise<Omit<ImageStructure, 'kind'>> {
  let size = { width: 0, height: 0 };
  let orientation: Orientation = 1;
  let mayHaveAlpha = false;
  let isCutOff = true;
  let hasPixels = false;
  let isOrientationBehindPixels = false;
  for (let at = SIGNATURE_BYTES; ;) {
    const header = await reader.view(at, CHUNK_HEADER_BYTES);
    if (!header) break;
    const length = header.getUint32(0);
    const type = textOf(header, 4, 4);
    const data = at + CHUNK_HEADER_BYTES;
    at = data + length + CHECKSUM_BYTES;
    if (type === 'IHDR') {
      const content = await reader.view(data, 10);
      if (!content) break;
      size = largerSize(size, { width: content.getUint32(0), height: content.getUint32(4) });
      // Colour types 4 and 6 have alpha.
      mayHaveAlpha ||= content.getUint8(9) >= 4;
    } else if (type === 'tRNS') mayHaveAlpha = true;
    else if (type === 'IDAT') hasPixels = true;
    else if (type === 'eXIf') {
      orientation = exifOrientation(await reader.bytes(data, Math.min(length, LARGEST_EXIF_BYTES)));
      isOrientationBehindPixels = hasPixels;
    }
    // Even if the file ends within the last checksum, the picture is complete.
    else if (type === 'IEND') {
      isCutOff = false;
      break;
    }
  }
  return { ...size, mayHaveAlpha, orientation, isOrientationBehindPixels, isCutOff };
}

/** WebP (RFC 9649, section 2): the chunks of a RIFF file. */
import { textOf, type ByteReader } from './byte_reader.ts';
import { exifOrientation, type Orientation } from './exif.ts';
import { largerSize, type ImageStructure } from './image_structure.ts';

const FILE_HEADER_BYTES = 12;
const CHUNK_HEADER_BYTES = 8;
/** The header of an animation frame, before its chunks. */
const FRAME_HEADER_BYTES = 16;
const LARGEST_EXIF_BYTES = 65_536;
const ALPHA_FLAG = 0x10;

export async function readWebp(reader: ByteReader): Promise<Omit<ImageStructure, 'kind'>> {
  let size = { width: 0, height: 0 };
  let orientation: Orientation = 1;
  let mayHaveAlpha = false;
  // True until a complete picture is found.
  let isCutOff = true;
  const file = await reader.view(0, FILE_HEADER_BYTES);
  const end = Math.min(reader.size, file ? 8 + file.getUint32(4, true) : 0);
  for (let at = FILE_HEADER_BYTES; at + CHUNK_HEADER_BYTES <= end;) {
    const header = (await reader.view(at, CHUNK_HEADER_BYTES))!;
    const type = textOf(header, 0, 4);
    const length = header.getUint32(4, true);
    const data = at + CHUNK_HEADER_BYTES;
    // Chunks have even lengths. The chunks of a frame are read as if they were chunks of the file.
    at = type === 'ANMF' ? data + FRAME_HEADER_BYTES : data + length + (length % 2);
    if (type === 'VP8X') {
      const content = await reader.view(data, 10);
      if (!content) break;
      mayHaveAlpha ||= (content.getUint8(0) & ALPHA_FLAG) !== 0;
      size = largerSize(size, { width: uint24(content, 4) + 1, height: uint24(content, 7) + 1 });
    } else if (type === 'VP8 ') {
      const content = await reader.view(data, 10);
      if (!content) break;
      const [width, height] = [content.getUint16(6, true) & 0x3fff, content.getUint16(8, true) & 0x3fff];
      size = largerSize(size, { width, height });
    } else if (type === 'VP8L') {
      const content = await reader.view(data, 5);
      if (!content) break;
      const bits = content.getUint32(1, true);
      size = largerSize(size, { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 });
      mayHaveAlpha = true;
    } else if (type === 'ALPH') mayHaveAlpha = true;
    else if (type === 'EXIF')
      orientation = exifOrientation(await reader.bytes(data, Math.min(length, LARGEST_EXIF_BYTES)));
    // Browsers show the first picture.
    if ((type === 'VP8 ' || type === 'VP8L') && data + length <= reader.size) isCutOff = false;
  }
  return { ...size, mayHaveAlpha, orientation, isCutOff };
}

function uint24(view: DataView, at: number): number {
  return view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
}

/** GIF89a (CompuServe, 1990): reads blocks up to the end of the first frame, which browsers show. */
import type { ByteReader } from './byte_reader.ts';
import type { ImageStructure } from './image_structure.ts';

const EXTENSION = 0x21;
const IMAGE = 0x2c;

export async function readGif(reader: ByteReader): Promise<Omit<ImageStructure, 'kind'>> {
  const header = await reader.view(0, 13);
  let [width, height] = header ? [header.getUint16(6, true), header.getUint16(8, true)] : [0, 0];
  const result = (isCutOff: boolean): Omit<ImageStructure, 'kind'> => ({
    ...{ width, height, mayHaveAlpha: true, orientation: 1, isCutOff },
  });
  if (!header) return result(true);
  let at = 13 + colourTableBytes(header.getUint8(10));
  for (;;) {
    const block = (await reader.view(at, 1))?.getUint8(0);
    if (block === EXTENSION) {
      const end = await endOfSubBlocks(reader, at + 2);
      if (end === undefined) return result(true);
      at = end;
    } else if (block === IMAGE) {
      const frame = await reader.view(at, 10);
      if (!frame) return result(true);
      // If the first frame does not fit on the screen, browsers enlarge the screen.
      width = Math.max(width, frame.getUint16(1, true) + frame.getUint16(5, true));
      height = Math.max(height, frame.getUint16(3, true) + frame.getUint16(7, true));
      // The sub-blocks follow a byte with the size of the codes.
      const data = at + 10 + colourTableBytes(frame.getUint8(9)) + 1;
      return result((await endOfSubBlocks(reader, data)) === undefined);
    }
    // The trailer, or anything else at which decoders stop: there is no frame.
    else return result(true);
  }
}

function colourTableBytes(flags: number): number {
  return (flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1);
}

/** @returns the beginning of the next block; undefined if the file ends before it */
async function endOfSubBlocks(reader: ByteReader, at: number): Promise<number | undefined> {
  while (at < reader.size) {
    const bytes = await reader.some(at, 1);
    let place = 0;
    while (place < bytes.length) {
      const length = bytes[place]!;
      place += 1 + length;
      if (length === 0) return at + place;
    }
    at += place;
  }
  return undefined;
}

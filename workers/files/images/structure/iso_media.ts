/**
 * AVIF and HEIC: files of boxes (ISO/IEC 14496-12 and 23008-12). The sizes of all pictures in the file are read,
 * whichever of them a browser shows: `ispe` for still pictures, the tracks' sizes for sequences.
 */
import { textOf, type ByteReader } from './byte_reader.ts';
import { largerSize, type ImageStructure } from './image_structure.ts';

/** Boxes that contain boxes, and the number of bytes before these. */
const CONTAINERS: Readonly<Record<string, number>> = {
  ...{ meta: 4, iprp: 0, ipco: 0, moov: 0, trak: 0, mdia: 0, minf: 0, stbl: 0, stsd: 8 },
};
/** Boxes that may be at the top level of a file. Anything else is after the picture. */
const TOP_BOXES = new Set(['ftyp', 'meta', 'mdat', 'moov', 'moof', 'free', 'skip', 'uuid', 'idat', 'mfra']);
/** More than any picture needs. A file with more boxes is refused. */
const MOST_BOXES = 100_000;

export async function readIsoMedia(reader: ByteReader): Promise<Omit<ImageStructure, 'kind'>> {
  let size = { width: 0, height: 0 };
  let isCutOff = false;
  let boxes = 0;
  const walk = async (from: number, to: number, isTop: boolean): Promise<void> => {
    for (let at = from; at + 8 <= to && ++boxes <= MOST_BOXES;) {
      const header = (await reader.view(at, 8))!;
      const type = textOf(header, 4, 4);
      if (isTop && !TOP_BOXES.has(type)) return;
      let [length, headerBytes] = [header.getUint32(0), 8];
      if (length === 1) {
        const large = await reader.view(at + 8, 8);
        length = large ? Number(large.getBigUint64(0)) : Infinity;
        headerBytes = 16;
      }
      // The box extends to the end of the file.
      if (length === 0) length = to - at;
      if (length < headerBytes) return;
      if (isTop && at + length > to) isCutOff = true;
      const [content, end] = [at + headerBytes, Math.min(at + length, to)];
      if (type in CONTAINERS) await walk(content + CONTAINERS[type]!, end, false);
      else size = largerSize(size, await sizeIn(reader, type, content, end));
      at += length;
    }
  };
  await walk(0, reader.size, true);
  if (boxes > MOST_BOXES) size = { width: 0, height: 0 };
  // The browser applies the boxes irot and imir; EXIF orientation does not count in these files.
  return { ...size, mayHaveAlpha: true, orientation: 1, isCutOff };
}

async function sizeIn(
  reader: ByteReader,
  type: string,
  content: number,
  end: number,
): Promise<{ width: number; height: number }> {
  const none = { width: 0, height: 0 };
  if (type === 'ispe') {
    const box = await reader.view(content, 12);
    return box ? { width: box.getUint32(4), height: box.getUint32(8) } : none;
  }
  if (type === 'tkhd' && end - content >= 84) {
    // The last eight bytes of the box, in units of 1/65,536.
    const box = await reader.view(end - 8, 8);
    return box ? { width: box.getUint32(0) / 65_536, height: box.getUint32(4) / 65_536 } : none;
  }
  if (type === 'av01' || type === 'hvc1' || type === 'hev1') {
    const entry = await reader.view(content + 24, 4);
    return entry ? { width: entry.getUint16(0), height: entry.getUint16(2) } : none;
  }
  return none;
}

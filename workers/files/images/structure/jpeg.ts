/**
 * JPEG (ITU-T T.81, annex B), parsed like libjpeg: between segments, anything that is not a marker is skipped, and any
 * number of fill bytes. So a frame header is found wherever the decoder would find it.
 */
import type { ByteReader } from './byte_reader.ts';
import { exifOrientation, type Orientation } from './exif.ts';
import { largerSize, type ImageStructure } from './image_structure.ts';

const START = 0xd8;
const END = 0xd9;
const APPLICATION_1 = 0xe1;

export async function readJpeg(reader: ByteReader): Promise<Omit<ImageStructure, 'kind'>> {
  let size = { width: 0, height: 0 };
  let orientation: Orientation | undefined;
  let isCutOff = true;
  let at = 2;
  for (;;) {
    const found = await nextMarker(reader, at);
    if (!found) break;
    const { marker } = found;
    at = found.behind;
    if (marker === END) {
      isCutOff = false;
      break;
    }
    const header = await reader.view(at, 2);
    if (!header) break;
    const length = header.getUint16(0);
    // The decoder stops here.
    if (length < 2) break;
    if (isFrame(marker)) {
      const frame = await reader.view(at, 7);
      if (!frame) break;
      size = largerSize(size, { width: frame.getUint16(5), height: frame.getUint16(3) });
    } else if (marker === APPLICATION_1 && orientation === undefined)
      orientation = await readExif(reader, at + 2, length - 2);
    at += length;
    // The image data follow. In them, a byte that looks like a marker is followed by a zero.
  }
  return { ...size, mayHaveAlpha: false, orientation: orientation ?? 1, isCutOff };
}

/** Markers without a segment: TEM, RST0 to RST7, SOI, and the reserved ones. */
function isAlone(marker: number): boolean {
  return marker < 0xc0 || (marker >= 0xd0 && marker <= START);
}

/** SOF0 to SOF15, except DHT, JPG and DAC in that range. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/**
 * Skips markers without a segment.
 * @returns the next other marker at or after `at`, and the start of its segment; undefined if the file ends before it
 */
async function nextMarker(
  reader: ByteReader,
  at: number,
): Promise<{ marker: number; behind: number } | undefined> {
  while (at < reader.size) {
    const bytes = await reader.some(at, 2);
    for (let place = bytes.indexOf(0xff); place >= 0; place = bytes.indexOf(0xff, place + 1)) {
      const marker = bytes[place + 1];
      if (marker === undefined) break;
      if (marker !== 0 && marker !== 0xff && !isAlone(marker)) return { marker, behind: at + place + 2 };
    }
    // A marker may begin in the last byte.
    at += bytes.at(-1) === 0xff && bytes.length > 1 ? bytes.length - 1 : bytes.length;
  }
  return undefined;
}

async function readExif(reader: ByteReader, at: number, length: number): Promise<Orientation | undefined> {
  const bytes = await reader.bytes(at, length);
  return String.fromCharCode(...bytes.subarray(0, 6)) === 'Exif\0\0' ? exifOrientation(bytes) : undefined;
}

/** TIFF 6.0 (Adobe, 1992): the tags of the first picture. */
import type { ByteReader } from './byte_reader.ts';
import { asOrientation } from './exif.ts';
import type { ImageStructure } from './image_structure.ts';

const ENTRY_BYTES = 12;
/** Bytes per value, by type: BYTE, SHORT, LONG. Other types are not needed. */
const TYPE_BYTES: Readonly<Record<number, 1 | 2 | 4>> = { 1: 1, 3: 2, 4: 4 };
/** More strips or tiles than 200 megapixels have, with tiles of 16 × 16 and separate planes. */
const MOST_VALUES = 4e6;

export const COMPRESSIONS: Readonly<Record<number, string>> = {
  1: 'none',
  5: 'LZW',
  8: 'Deflate',
  32946: 'Deflate',
  32773: 'PackBits',
};
const OTHER_COMPRESSIONS: Readonly<Record<number, string>> = {
  ...{
    2: 'fax',
    3: 'fax',
    4: 'fax',
    6: 'JPEG',
    7: 'JPEG',
    34712: 'JPEG 2000',
    50000: 'Zstandard',
    50001: 'WebP',
  },
};

/** Values of the tag PhotometricInterpretation. */
export const PHOTOMETRIC = { whiteIsZero: 0, blackIsZero: 1, rgb: 2, palette: 3, cmyk: 5 } as const;

/** The layout of a picture in the file. */
export interface TiffLayout {
  readonly isLittle: boolean;
  readonly width: number;
  readonly height: number;
  readonly bits: 8 | 16;
  readonly compression: number;
  readonly photometric: number;
  readonly samplesPerPixel: number;
  /** Whether each sample has separate strips or tiles. */
  readonly isPlanar: boolean;
  readonly hasPredictor: boolean;
  readonly colourMap: readonly number[];
  /** A strip is a tile that is as wide as the picture. */
  readonly tileWidth: number;
  readonly tileHeight: number;
  readonly offsets: readonly number[];
  readonly byteCounts: readonly number[];
}

export async function readTiff(reader: ByteReader): Promise<Omit<ImageStructure, 'kind'>> {
  const read = await readTiffLayout(reader);
  const { width, height, orientation } = read;
  const common = { width, height, mayHaveAlpha: false, orientation: asOrientation(orientation) };
  if (!('layout' in read)) return { ...common, isCutOff: false, unreadableCause: read.cause };
  const { offsets, byteCounts } = read.layout;
  return { ...common, isCutOff: offsets.some((offset, index) => offset + byteCounts[index]! > reader.size) };
}

type TiffReading = { width: number; height: number; orientation: number } & (
  { layout: TiffLayout } | { cause: string }
);

export async function readTiffLayout(reader: ByteReader): Promise<TiffReading> {
  const unreadable = (cause: string): TiffReading => ({ width: 0, height: 0, orientation: 1, cause });
  const header = await reader.view(0, 8);
  if (!header) return unreadable('the file is cut off before its end');
  const isLittle = header.getUint16(0) === 0x4949;
  if (header.getUint16(2, isLittle) === 43)
    return unreadable('it is a BigTIFF, which this program does not read; save it as TIFF, PNG or JPEG');
  const tags = await readTags(reader, header.getUint32(4, isLittle), isLittle);
  if (!tags) return unreadable('the file is cut off before its end');
  const number = (tag: number, fallback: number): number => tags.get(tag)?.[0] ?? fallback;
  const [width, height, orientation] = [number(256, 0), number(257, 0), number(274, 1)];
  const refuse = (what: string): TiffReading => ({
    ...{ width, height, orientation },
    cause: `it is a TIFF file with ${what}, which this program does not read; save it as PNG or JPEG`,
  });
  const compression = number(259, 1);
  if (!(compression in COMPRESSIONS))
    return refuse(`${OTHER_COMPRESSIONS[compression] ?? `unknown (${compression})`} compression`);
  const bits = number(258, 1);
  const samplesPerPixel = number(277, 1);
  if ((bits !== 8 && bits !== 16) || (tags.get(258) ?? []).some((other) => other !== bits))
    return refuse(`${bits} bits a sample`);
  if ((tags.get(339) ?? []).some((format) => format !== 1))
    return refuse('samples that are not whole numbers');
  const photometric = number(262, PHOTOMETRIC.blackIsZero);
  const neededSamples = { 0: 1, 1: 1, 2: 3, 3: 1, 5: 4 }[photometric];
  if (neededSamples === undefined || (bits === 16 && photometric === PHOTOMETRIC.palette))
    return refuse(`colours of another kind (${photometric})`);
  if (samplesPerPixel < neededSamples || samplesPerPixel > 16)
    return refuse(`${samplesPerPixel} samples a pixel`);
  // The tag counts only for LZW and Deflate, but may occur without them.
  const predictor =
    COMPRESSIONS[compression] === 'LZW' || COMPRESSIONS[compression] === 'Deflate' ? number(317, 1) : 1;
  if (predictor !== 1 && predictor !== 2) return refuse('a predictor for fractions');
  if (number(266, 1) !== 1) return refuse('reversed bits');
  const isTiled = tags.has(322);
  const tileWidth = isTiled ? number(322, 0) : width;
  const tileHeight = isTiled ? number(323, 0) : Math.min(number(278, height), height);
  const isPlanar = number(284, 1) === 2;
  const tileCount =
    Math.ceil(width / tileWidth) * Math.ceil(height / tileHeight) * (isPlanar ? samplesPerPixel : 1);
  const offsets = tags.get(isTiled ? 324 : 273) ?? [];
  const byteCounts = tags.get(isTiled ? 325 : 279) ?? [];
  const isTooLarge = tileWidth * tileHeight > 4 * width * height + 1e6;
  if (!(tileCount >= 1 && offsets.length >= tileCount && byteCounts.length >= tileCount) || isTooLarge)
    return { ...{ width, height, orientation }, cause: 'its content is damaged' };
  const layout: TiffLayout = {
    ...{ isLittle, width, height, bits, compression, photometric, samplesPerPixel, isPlanar },
    ...{ hasPredictor: predictor === 2, colourMap: tags.get(320) ?? [] },
    ...{ tileWidth, tileHeight },
    ...{ offsets: offsets.slice(0, tileCount), byteCounts: byteCounts.slice(0, tileCount) },
  };
  return { width, height, orientation, layout };
}

async function readTags(
  reader: ByteReader,
  at: number,
  isLittle: boolean,
): Promise<Map<number, number[]> | undefined> {
  const count = (await reader.view(at, 2))?.getUint16(0, isLittle);
  if (count === undefined) return undefined;
  const tags = new Map<number, number[]>();
  for (let index = 0; index < count; index++) {
    const entry = await reader.view(at + 2 + ENTRY_BYTES * index, ENTRY_BYTES);
    if (!entry) return undefined;
    const [tag, type, length] = [
      entry.getUint16(0, isLittle),
      entry.getUint16(2, isLittle),
      entry.getUint32(4, isLittle),
    ];
    const bytes = TYPE_BYTES[type];
    // As in libtiff, the first of several equal tags counts. Reading each could take the time of the whole file per
    // entry.
    if (bytes === undefined || length > MOST_VALUES || !WANTED_TAGS.has(tag) || tags.has(tag)) continue;
    const isInside = length * bytes <= 4;
    const values = isInside
      ? new DataView(entry.buffer, entry.byteOffset + 8, 4)
      : await reader.view(entry.getUint32(8, isLittle), length * bytes);
    if (!values) return undefined;
    const read = (place: number): number =>
      bytes === 1
        ? values.getUint8(place)
        : bytes === 2
          ? values.getUint16(2 * place, isLittle)
          : values.getUint32(4 * place, isLittle);
    tags.set(
      tag,
      Array.from({ length }, (_, place) => read(place)),
    );
  }
  return tags;
}

const WANTED_TAGS = new Set([
  ...[256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 339],
]);

/** TIFF and PNM files in all supported variants, and hostile ones. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodePnm } from '../../../workers/files/images/decode_pnm.ts';
import { decodeTiff } from '../../../workers/files/images/decode_tiff.ts';
import type { RgbImage } from '../../../workers/protocol/data/images.ts';
import { ByteReader } from '../../../workers/files/images/structure/byte_reader.ts';
import { readImageStructure } from '../../../workers/files/images/structure/image_structure.ts';
import { UprightPixels } from '../../../workers/files/images/upright_pixels.ts';
import { hashKey, uniform } from '../../../workers/common/random.ts';

type Compression = 'none' | 'lzw' | 'deflate' | 'packbits';
const CODES: Readonly<Record<Compression, number>> = { none: 1, lzw: 5, deflate: 8, packbits: 32773 };

interface Picture {
  readonly width: number;
  readonly height: number;
  /** [height, width, samples] */
  readonly samples: readonly number[];
  readonly samplesPerPixel: number;
  readonly bits: 8 | 16;
}

interface Writing {
  readonly isLittle: boolean;
  readonly compression: Compression;
  readonly hasPredictor: boolean;
  readonly rowsPerStrip: number;
  readonly photometric: number;
  readonly isPlanar?: boolean;
  readonly tile?: number;
  readonly tags?: Readonly<Record<number, number | readonly number[]>>;
}

function packBits(bytes: Uint8Array): number[] {
  const packed: number[] = [];
  for (let at = 0; at < bytes.length;) {
    let run = 1;
    while (run < 128 && bytes[at + run] === bytes[at]) run++;
    if (run > 1) packed.push(257 - run, bytes[at]!);
    else packed.push(0, bytes[at]!);
    at += run;
  }
  return packed;
}

/** Encodes like the encoder in the specification. */
function lzw(bytes: Uint8Array): number[] {
  const packed: number[] = [];
  let [bits, count] = [0, 0];
  let width = 9;
  let table = new Map<string, number>();
  let next = 258;
  const put = (code: number): void => {
    bits = (bits << width) | code;
    count += width;
    while (count >= 8) {
      packed.push((bits >> (count - 8)) & 255);
      count -= 8;
      bits &= (1 << count) - 1;
    }
  };
  put(256);
  let known = '';
  const codeOf = (text: string): number => (text.length === 1 ? text.charCodeAt(0) : table.get(text)!);
  for (const byte of bytes) {
    const longer = known + String.fromCharCode(byte);
    if (longer.length === 1 || table.has(longer)) {
      known = longer;
      continue;
    }
    put(codeOf(known));
    table.set(longer, next++);
    if (next === 2 ** width) width++;
    if (next === 4095) {
      put(256);
      table = new Map();
      [next, width] = [258, 9];
    }
    known = longer.slice(-1);
  }
  if (known) put(codeOf(known));
  put(257);
  if (count > 0) packed.push((bits << (8 - count)) & 255);
  return packed;
}

async function pack(bytes: Uint8Array<ArrayBuffer>, compression: Compression): Promise<ArrayLike<number>> {
  if (compression === 'lzw') return lzw(bytes);
  if (compression === 'packbits') return packBits(bytes);
  if (compression === 'none') return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function writeTiff(picture: Picture, writing: Writing): Promise<Uint8Array> {
  const { width, height, samples, samplesPerPixel, bits } = picture;
  const { isLittle, compression, hasPredictor, isPlanar = false, tile } = writing;
  const [tileWidth, tileHeight] = tile ? [tile, tile] : [width, writing.rowsPerStrip];
  const parts: ArrayLike<number>[] = [];
  const channels = isPlanar ? 1 : samplesPerPixel;
  for (let plane = 0; plane < (isPlanar ? samplesPerPixel : 1); plane++)
    for (let top = 0; top < height; top += tileHeight)
      for (let left = 0; left < width; left += tileWidth) {
        const rows = tile ? tile : Math.min(tileHeight, height - top);
        const values: number[] = [];
        for (let y = top; y < top + rows; y++)
          for (let x = left; x < left + tileWidth; x++)
            for (let channel = 0; channel < channels; channel++) {
              const at = (column: number): number =>
                x < width && y < height
                  ? samples[(y * width + column) * samplesPerPixel + (isPlanar ? plane : channel)]!
                  : 0;
              const isFirst = x === left || x >= width;
              values.push(hasPredictor && !isFirst ? at(x) - at(x - 1) : at(Math.min(x, width - 1)));
            }
        const bytes = new Uint8Array((values.length * bits) / 8);
        const view = new DataView(bytes.buffer);
        values.forEach((value, index) =>
          bits === 8
            ? view.setUint8(index, value & 255)
            : view.setUint16(2 * index, value & 0xffff, isLittle),
        );
        parts.push(await pack(bytes, compression));
      }
  const tags = new Map<number, readonly number[]>(
    Object.entries({
      ...{ 256: width, 257: height, 258: new Array<number>(samplesPerPixel).fill(bits) },
      ...{ 259: CODES[compression], 262: writing.photometric, 277: samplesPerPixel },
      ...{ 284: isPlanar ? 2 : 1, 317: hasPredictor ? 2 : 1 },
      ...(tile ? { 322: tile, 323: tile } : { 278: writing.rowsPerStrip }),
      ...writing.tags,
    }).map(([tag, value]) => [Number(tag), typeof value === 'number' ? [value] : value]),
  );
  let at = 8;
  const offsets = parts.map(({ length }) => (at += length) - length);
  if (!tags.has(273)) tags.set(tile ? 324 : 273, offsets);
  if (!tags.has(279))
    tags.set(
      tile ? 325 : 279,
      parts.map(({ length }) => length),
    );
  const directoryAt = at + (at % 2);
  const sorted = [...tags].sort(([a], [b]) => a - b);
  let behind = directoryAt + 2 + 12 * sorted.length + 4;
  const total = behind + sorted.reduce((sum, [, { length }]) => sum + (length > 1 ? 4 * length : 0), 0);
  const file = new Uint8Array(total);
  const view = new DataView(file.buffer);
  file.set(isLittle ? [0x49, 0x49, 42, 0] : [0x4d, 0x4d, 0, 42]);
  view.setUint32(4, directoryAt, isLittle);
  parts.forEach((part, index) => file.set(Array.from(part), offsets[index]!));
  view.setUint16(directoryAt, sorted.length, isLittle);
  sorted.forEach(([tag, values], index) => {
    const entry = directoryAt + 2 + 12 * index;
    view.setUint16(entry, tag, isLittle);
    view.setUint16(entry + 2, 4, isLittle);
    view.setUint32(entry + 4, values.length, isLittle);
    if (values.length === 1) view.setUint32(entry + 8, values[0]!, isLittle);
    else {
      view.setUint32(entry + 8, behind, isLittle);
      for (const value of values) {
        view.setUint32(behind, value, isLittle);
        behind += 4;
      }
    }
  });
  return file;
}

async function decode(file: Uint8Array): Promise<RgbImage> {
  const structure = (await readImageStructure(ByteReader.of(file)))!;
  if (structure.unreadableCause !== undefined) throw new Error(structure.unreadableCause);
  if (structure.isCutOff) throw new Error('cut off');
  const target = new UprightPixels(structure.width, structure.height, structure.orientation);
  const read = async (from: number, to: number): Promise<Uint8Array> => file.slice(from, to);
  if (structure.kind === 'pnm') await decodePnm(read, target);
  else await decodeTiff(file.length, read, target);
  return target.image;
}

function picture(
  seed: number,
  width: number,
  height: number,
  samplesPerPixel: number,
  bits: 8 | 16,
): Picture {
  const key = hashKey(seed);
  // Smooth with some noise, and with flat areas for runs.
  const samples = Array.from({ length: width * height * samplesPerPixel }, (_, index) => {
    const x = Math.floor(index / samplesPerPixel) % width;
    const level = x < width / 3 ? 77 : ((x * 5) & 127) + Math.floor(20 * uniform(key, index));
    return bits === 8 ? level : level * 256 + Math.floor(256 * uniform(key, index));
  });
  return { width, height, samples, samplesPerPixel, bits };
}

const writing: Writing = {
  ...{ isLittle: true, compression: 'none', hasPredictor: false, rowsPerStrip: 5, photometric: 2 },
};

describe('TIFF', () => {
  it('is read in every compression, byte order, depth and layout', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          seed: fc.integer(),
          width: fc.integer({ min: 1, max: 70 }),
          height: fc.integer({ min: 1, max: 40 }),
          samplesPerPixel: fc.constantFrom(3, 4),
          bits: fc.constantFrom(8 as const, 16 as const),
          isLittle: fc.boolean(),
          compression: fc.constantFrom<Compression>('none', 'lzw', 'deflate', 'packbits'),
          wantsPredictor: fc.boolean(),
          rowsPerStrip: fc.integer({ min: 1, max: 40 }),
          isPlanar: fc.boolean(),
          tile: fc.constantFrom(undefined, 16, 32),
        }),
        async ({ seed, width, height, samplesPerPixel, bits, wantsPredictor, tile, ...how }) => {
          const image = picture(seed, width, height, samplesPerPixel, bits);
          const hasPredictor = wantsPredictor && (how.compression === 'lzw' || how.compression === 'deflate');
          const file = await writeTiff(image, { ...writing, ...how, hasPredictor, ...(tile && { tile }) });
          const expected = Uint8Array.from({ length: width * height * 3 }, (_, index) => {
            const sample = image.samples[Math.floor(index / 3) * samplesPerPixel + (index % 3)]!;
            return bits === 8 ? sample : sample >> 8;
          });
          expect(await decode(file)).toEqual({ width, height, data: expected });
        },
      ),
      { numRuns: 200 },
    );
  });

  it('has long codes in large strips', async () => {
    const image = picture(3, 300, 200, 3, 8);
    const file = await writeTiff(image, { ...writing, compression: 'lzw', rowsPerStrip: 200 });
    expect((await decode(file)).data).toEqual(Uint8Array.from(image.samples));
  });

  it('has grey levels, palettes and inks', async () => {
    const one = { width: 2, height: 1, bits: 8 } as const;
    const grey = { ...one, samples: [10, 200], samplesPerPixel: 1 };
    expect([...(await decode(await writeTiff(grey, { ...writing, photometric: 1 }))).data]).toEqual([
      ...[10, 10, 10, 200, 200, 200],
    ]);
    expect((await decode(await writeTiff(grey, { ...writing, photometric: 0 }))).data[0]).toBe(245);
    const colourMap = Array.from({ length: 768 }, (_, index) => (index % 256) * 257);
    const palette = await writeTiff(grey, { ...writing, photometric: 3, tags: { 320: colourMap } });
    expect([...(await decode(palette)).data]).toEqual([10, 10, 10, 200, 200, 200]);
    const inks = { ...one, samples: [0, 255, 0, 0, 255, 0, 0, 128], samplesPerPixel: 4 };
    expect([...(await decode(await writeTiff(inks, { ...writing, photometric: 5 }))).data]).toEqual([
      ...[255, 0, 255, 0, 127, 127],
    ]);
  });

  it('is turned as its tag says', async () => {
    const image = { width: 2, height: 1, bits: 8, samplesPerPixel: 1, samples: [10, 200] } as const;
    const turned = await decode(await writeTiff(image, { ...writing, photometric: 1, tags: { 274: 6 } }));
    expect([turned.width, turned.height, turned.data[0], turned.data[3]]).toEqual([1, 2, 10, 200]);
  });

  it('is refused by name for unsupported variants', async () => {
    const image = picture(1, 8, 8, 3, 8);
    const cause = async (tags: Record<number, number | number[]>): Promise<string | undefined> =>
      (await readImageStructure(ByteReader.of(await writeTiff(image, { ...writing, tags }))))!
        .unreadableCause;
    expect(await cause({ 259: 7 })).toMatch(/TIFF file with JPEG compression, .* save it as PNG or JPEG/);
    expect(await cause({ 259: 4 })).toMatch(/fax compression/);
    expect(await cause({ 258: [1, 1, 1] })).toMatch(/1 bits a sample/);
    expect(await cause({ 339: 3 })).toMatch(/not whole numbers/);
    expect(await cause({ 262: 8 })).toMatch(/colours of another kind/);
    expect(await cause({})).toBeUndefined();
  });

  it('is cut off where a strip is missing', async () => {
    const file = await writeTiff(picture(1, 30, 30, 3, 8), writing);
    expect((await readImageStructure(ByteReader.of(file)))!.isCutOff).toBe(false);
    const missing = await writeTiff(picture(1, 30, 30, 3, 8), {
      ...writing,
      tags: { 273: [8, 8, 8, 8, 8, file.length - 3] },
    });
    expect((await readImageStructure(ByteReader.of(missing)))!.isCutOff).toBe(true);
  });

  it('unpacks to no more than its pixels, whatever its strips hold', async () => {
    // Two pixels whose strip would inflate to 50 MB.
    const bomb = new Blob([new Uint8Array(50_000_000)])
      .stream()
      .pipeThrough(new CompressionStream('deflate'));
    const packed = new Uint8Array(await new Response(bomb).arrayBuffer());
    const file = await writeTiff(
      { width: 2, height: 1, bits: 8, samplesPerPixel: 1, samples: [1, 1] },
      { ...writing, photometric: 1, tags: { 259: 8, 273: 1000, 279: packed.length } },
    );
    const whole = new Uint8Array(1000 + packed.length);
    whole.set(file);
    whole.set(packed, 1000);
    expect((await decode(whole)).data).toEqual(new Uint8Array(6));
    const huge = await writeTiff(picture(1, 8, 8, 3, 8), {
      ...writing,
      tile: 16,
      tags: { 322: 60_000, 323: 60_000 },
    });
    await expect(decode(huge)).rejects.toThrow('damaged');
  });

  it('ends in an image or an error, whatever its bytes', async () => {
    const files = await Promise.all(
      (['none', 'lzw', 'deflate', 'packbits'] as const).map((compression) =>
        writeTiff(picture(2, 20, 12, 3, 8), { ...writing, compression }),
      ),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...files),
        fc.array(fc.tuple(fc.nat(1200), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 }),
        async (file, changes) => {
          const changed = file.slice();
          for (const [at, value] of changes) changed[at % changed.length] = value;
          const structure = (await readImageStructure(ByteReader.of(changed)))!;
          // Like decode.ts for sizes above its limit.
          if (!structure || structure.width * structure.height > 1e6) return;
          await decode(changed).catch((error: unknown) => expect(error).toBeInstanceOf(Error));
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('PNM', () => {
  const header = (text: string): number[] => [...text].map((character) => character.charCodeAt(0));
  it('has grey levels or colours, of one byte or two', async () => {
    const colours = await decode(Uint8Array.from([...header('P6 2 1 255\n'), 1, 2, 3, 4, 5, 6]));
    expect(colours).toEqual({ width: 2, height: 1, data: Uint8Array.from([1, 2, 3, 4, 5, 6]) });
    const deep = await decode(Uint8Array.from([...header('P5 1 2 65535\n'), 255, 255, 128, 128]));
    expect([...deep.data]).toEqual([255, 255, 255, 128, 128, 128]);
    const few = await decode(Uint8Array.from([...header('P5 2 1 3\n'), 1, 3]));
    expect([few.data[0], few.data[3]]).toEqual([85, 255]);
  });
});

/** The properties of image files: size, orientation, and whether they are complete. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader } from '../../../workers/files/images/structure/byte_reader.ts';
import {
  readImageStructure,
  type ImageStructure,
} from '../../../workers/files/images/structure/image_structure.ts';
import { WorkMeter } from '../../fuzz/work_meter.ts';

const uint16 = (value: number): number[] => [value >> 8, value & 255];
const uint32 = (value: number): number[] => [...uint16(value >>> 16), ...uint16(value & 0xffff)];
const little16 = (value: number): number[] => uint16(value).reverse();
const little32 = (value: number): number[] => uint32(value).reverse();
const text = (value: string): number[] => [...value].map((character) => character.charCodeAt(0));
const zeros = (count: number): number[] => new Array<number>(count).fill(0);
const size = fc.integer({ min: 1, max: 65535 });
const byte = fc.integer({ min: 0, max: 255 });

const read = (bytes: ArrayLike<number>): Promise<ImageStructure | undefined> =>
  readImageStructure(ByteReader.of(Uint8Array.from(bytes)));

/** Like a file on disk: parts are read on demand. */
function fromDisk(bytes: Uint8Array): { reader: ByteReader; largest: () => number; total: () => number } {
  let [largest, total] = [0, 0];
  const reader = new ByteReader(bytes.length, async (from, to) => {
    largest = Math.max(largest, to - from);
    total += to - from;
    return bytes.slice(from, to);
  });
  return { reader, largest: () => largest, total: () => total };
}

function exif(orientation: number, isLittle = false): number[] {
  return isLittle
    ? [...text('II'), 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0]
    : [
        ...text('MM'),
        0,
        42,
        0,
        0,
        0,
        8,
        0,
        1,
        0x01,
        0x12,
        0,
        3,
        0,
        0,
        0,
        1,
        0,
        orientation,
        0,
        0,
        0,
        0,
        0,
        0,
      ];
}

const segment = (marker: number, content: readonly number[]): number[] => [
  ...[0xff, marker],
  ...uint16(content.length + 2),
  ...content,
];
const frame = (width: number, height: number, marker = 0xc0): number[] =>
  segment(marker, [8, ...uint16(height), ...uint16(width), 3, ...zeros(9)]);
const scan = [...segment(0xda, zeros(10)), 1, 2, 0xff, 0, 3, 0xff, 0xd0, 4, 5];
const END = [0xff, 0xd9];

function jpeg(width: number, height: number, before: readonly number[] = []): number[] {
  return [0xff, 0xd8, ...before, ...frame(width, height), ...scan, ...END];
}

function png(width: number, height: number, chunks: readonly number[] = [], colourType = 2): number[] {
  return [
    ...[0x89, ...text('PNG\r\n'), 0x1a, 0x0a],
    ...chunk('IHDR', [...uint32(width), ...uint32(height), 8, colourType, 0, 0, 0]),
    ...chunks,
    ...chunk('IDAT', zeros(20)),
    ...chunk('IEND', []),
  ];
}
function chunk(type: string, content: readonly number[]): number[] {
  return [...uint32(content.length), ...text(type), ...content, ...zeros(4)];
}

const gifFrame = (left: number, top: number, width: number, height: number): number[] => [
  ...[0x2c, ...little16(left), ...little16(top), ...little16(width), ...little16(height), 0],
  ...[2, 2, 0x4c, 0x01, 0],
];
const gif = (width: number, height: number, ...blocks: number[][]): number[] => [
  ...text('GIF89a'),
  ...[...little16(width), ...little16(height), 0x80, 0, 0, ...zeros(6)],
  ...blocks.flat(),
];

function webp(...chunks: number[][]): number[] {
  const body = [...text('WEBP'), ...chunks.flat()];
  return [...text('RIFF'), ...little32(body.length), ...body];
}
const riff = (type: string, content: readonly number[]): number[] => [
  ...[...text(type), ...little32(content.length), ...content],
  ...zeros(content.length % 2),
];
const lossy = (width: number, height: number): number[] =>
  riff('VP8 ', [0, 0, 0, 0x9d, 1, 0x2a, ...little16(width), ...little16(height), 0, 0]);
const canvas = (width: number, height: number, flags = 0): number[] =>
  riff('VP8X', [flags, 0, 0, 0, ...little32(width - 1).slice(0, 3), ...little32(height - 1).slice(0, 3)]);

const box = (type: string, ...content: readonly (readonly number[])[]): number[] => {
  const body = content.flat();
  return [...uint32(body.length + 8), ...text(type), ...body];
};
const avif = (width: number, height: number, ...more: number[][]): number[] => [
  ...box('ftyp', text('avif'), zeros(4), text('mif1')),
  ...box(
    'meta',
    zeros(4),
    box('iprp', box('ipco', box('ispe', zeros(4), uint32(width), uint32(height)), ...more)),
  ),
  ...box('mdat', zeros(50)),
];

describe('JPEG', () => {
  it('has its frame found behind any segments, stray bytes and fill bytes', async () => {
    const piece = fc.oneof(
      fc.array(byte, { maxLength: 300 }).map((content) => segment(0xe2, content)),
      // Between segments, a decoder skips anything that is not a marker, and any number of fill bytes.
      fc.array(fc.integer({ min: 0, max: 254 }), { minLength: 1, maxLength: 5 }),
      fc.constant([0xff, 0xff, 0xff, ...segment(0xdb, zeros(65)).slice(1)]),
      fc.constant([0xff, 0xd3]),
    );
    const frames = fc.constantFrom(0xc0, 0xc1, 0xc2, 0xc3, 0xc5, 0xc9, 0xcf);
    await fc.assert(
      fc.asyncProperty(
        size,
        size,
        fc.array(piece, { maxLength: 6 }),
        frames,
        async (width, height, pieces, marker) => {
          const bytes = [0xff, 0xd8, ...pieces.flat(), ...frame(width, height, marker), ...scan, ...END];
          expect(await read(bytes)).toMatchObject({ kind: 'jpeg', width, height, isCutOff: false });
        },
      ),
    );
  });

  it('is as large as the largest of its frames', async () => {
    expect(await read(jpeg(23_000, 23_000, frame(8, 8)))).toMatchObject({ width: 23_000, height: 23_000 });
    // A file with a stray byte once passed the check of its size.
    expect(await read(jpeg(23_000, 23_000, [0]))).toMatchObject({ width: 23_000, height: 23_000 });
    // A thumbnail within a segment does not count as a frame.
    expect(await read(jpeg(40, 30, segment(0xe1, jpeg(160, 120))))).toMatchObject({ width: 40, height: 30 });
  });

  it('is complete with any data after it, and truncated without its end', async () => {
    const whole = jpeg(40, 30, segment(0xe1, [...text('Exif\0\0'), ...exif(6)]));
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (behind) => {
        expect(await read([...whole, ...behind])).toMatchObject({ isCutOff: false, orientation: 6 });
      }),
    );
    for (let length = 3; length < whole.length; length++)
      expect((await read(whole.slice(0, length)))!.isCutOff, `${length} bytes`).toBe(true);
    // The end of a thumbnail in a segment is not the end of the picture.
    const withThumbnail = jpeg(40, 30, segment(0xe1, jpeg(16, 12)));
    expect((await read(withThumbnail.slice(0, -2)))!.isCutOff).toBe(true);
  });

  it('is walked in bounded memory, each part once', async () => {
    const large = new Uint8Array(5_000_000).fill(0x55);
    large.set([0xff, 0xd8, ...frame(4000, 3000), ...segment(0xda, zeros(10))]);
    for (let at = 1000; at < large.length - 2; at += 997) large.set([0xff, 0], at);
    // Even if a part ends with the first half of a marker.
    for (const end of [262_143, 262_144, 262_145, 3_000_001]) {
      const file = large.slice();
      file.set(END, end);
      const { reader, largest, total } = fromDisk(file);
      expect(await readImageStructure(reader)).toMatchObject({ width: 4000, isCutOff: false });
      expect(largest()).toBeLessThanOrEqual(262_144);
      expect(total()).toBeLessThan(end + 600_000);
    }
    const { reader, total } = fromDisk(large);
    expect(await readImageStructure(reader)).toMatchObject({ isCutOff: true });
    expect(total()).toBeLessThan(1.01 * large.length);
  });
});

describe('PNG', () => {
  it('has its size, transparency and orientation read', async () => {
    await fc.assert(
      fc.asyncProperty(size, size, fc.constantFrom(0, 2, 3, 4, 6), async (width, height, colourType) => {
        expect(await read(png(width, height, [], colourType))).toMatchObject({
          ...{ kind: 'png', width, height, mayHaveAlpha: colourType >= 4, orientation: 1, isCutOff: false },
        });
      }),
    );
    expect((await read(png(3, 3, chunk('tRNS', [0, 0]))))?.mayHaveAlpha).toBe(true);
    expect((await read(png(3, 3, chunk('eXIf', exif(8)))))?.orientation).toBe(8);
    expect((await read(png(3, 3, chunk('eXIf', exif(3, true)))))?.orientation).toBe(3);
  });

  it('is as large as the largest of its headers, wherever it stands', async () => {
    const large = chunk('IHDR', [...uint32(30_000), ...uint32(20_000), 8, 2, 0, 0, 0]);
    expect(await read(png(3, 3, large))).toMatchObject({ width: 30_000, height: 20_000 });
    const signature = png(1, 1).slice(0, 8);
    expect(await read([...signature, ...chunk('tEXt', text('a')), ...large])).toMatchObject({
      width: 30_000,
    });
  });

  it('is complete with any data after it, and truncated before its last chunk', async () => {
    const whole = png(40, 30, chunk('tEXt', text('IEND')));
    expect((await read([...whole, ...zeros(70_000)]))!.isCutOff).toBe(false);
    for (let length = 20; length < whole.length - 4; length++)
      expect((await read(whole.slice(0, length)))!.isCutOff, `${length} bytes`).toBe(true);
  });
});

describe('GIF', () => {
  it('is as large as its screen, or as its first frame', async () => {
    await fc.assert(
      fc.asyncProperty(size, size, async (width, height) => {
        const small = gifFrame(0, 0, 1, 1);
        expect(await read(gif(width, height, small))).toMatchObject({ kind: 'gif', width, height });
      }),
    );
    expect(await read(gif(2, 2, gifFrame(10, 20, 300, 400)))).toMatchObject({ width: 310, height: 420 });
  });

  it('is complete with its first frame, whatever follows', async () => {
    const comment = [0x21, 0xfe, 3, 1, 2, 3, 0];
    const whole = gif(2, 2, comment, gifFrame(0, 0, 2, 2));
    expect((await read([...whole, 1, 2, 3, ...zeros(1000)]))!.isCutOff).toBe(false);
    for (let length = 10; length < whole.length; length++)
      expect((await read(whole.slice(0, length)))!.isCutOff, `${length} bytes`).toBe(true);
  });
});

describe('WebP', () => {
  it('is as large as its canvas or its picture, whichever is larger', async () => {
    const side = fc.integer({ min: 1, max: 16_383 });
    await fc.assert(
      fc.asyncProperty(side, side, async (width, height) => {
        expect(await read(webp(lossy(width, height)))).toEqual({
          ...{ kind: 'webp', width, height, mayHaveAlpha: false, orientation: 1, isCutOff: false },
        });
        const bits = ((width - 1) | ((height - 1) << 14)) >>> 0;
        const lossless = await read(webp(riff('VP8L', [0x2f, ...little32(bits)])));
        expect(lossless).toMatchObject({ width, height, mayHaveAlpha: true });
        expect(await read(webp(canvas(width, height), lossy(1, 1)))).toMatchObject({ width, height });
        expect(await read(webp(canvas(1, 1), lossy(width, height)))).toMatchObject({ width, height });
        const animated = webp(canvas(1, 1, 2), riff('ANMF', [...zeros(16), ...lossy(width, height)]));
        expect(await read(animated)).toMatchObject({ width, height, isCutOff: false });
      }),
    );
  });

  it('has its orientation read, behind the picture', async () => {
    for (const content of [exif(6), exif(6, true), [...text('Exif\0\0'), ...exif(6)]])
      expect(await read(webp(canvas(9, 9, 8), lossy(9, 9), riff('EXIF', content)))).toMatchObject({
        orientation: 6,
      });
  });

  it('is complete with any data after it, and truncated within its picture', async () => {
    const whole = webp(canvas(9, 9), lossy(9, 9));
    expect((await read([...whole, ...zeros(1000)]))!.isCutOff).toBe(false);
    for (let length = 20; length < whole.length; length++)
      expect((await read(whole.slice(0, length)))!.isCutOff, `${length} bytes`).toBe(true);
  });
});

describe('BMP', () => {
  const bmp = (width: number, height: number, bits: number, rows: number): number[] => [
    ...[...text('BM'), ...zeros(8), ...little32(54), ...little32(40)],
    ...[...little32(width >>> 0), ...little32(height >>> 0), 1, 0, ...little16(bits), ...zeros(24)],
    ...zeros(4 * Math.ceil((width * bits) / 32) * rows),
  ];

  it('has a size, whichever way its rows go, and is cut off within them', async () => {
    expect(await read(bmp(7, 5, 24, 5))).toMatchObject({ width: 7, height: 5, isCutOff: false });
    expect(await read(bmp(7, -5, 24, 5))).toMatchObject({ width: 7, height: 5, isCutOff: false });
    expect(await read([...bmp(7, 5, 24, 5), ...zeros(99)])).toMatchObject({ isCutOff: false });
    expect(await read(bmp(7, 5, 24, 4))).toMatchObject({ isCutOff: true });
    expect(await read(bmp(-0x8000_0000, 2, 24, 0))).toMatchObject({ width: 0x8000_0000, height: 2 });
  });
});

describe('AVIF and HEIC', () => {
  it('are as large as the largest of their pictures', async () => {
    expect(await read(avif(40, 30))).toMatchObject({ kind: 'avif', width: 40, height: 30, isCutOff: false });
    const grid = box('ispe', zeros(4), uint32(20_000), uint32(9000));
    expect(await read(avif(40, 30, grid))).toMatchObject({ width: 20_000, height: 9000 });
    expect(await read(avif(40, 30).slice(0, 20))).toMatchObject({ width: 0, height: 0 });
  });

  it('are complete with any data after them, and truncated within a box', async () => {
    const whole = avif(40, 30);
    expect((await read([...whole, ...zeros(500)]))!.isCutOff).toBe(false);
    expect((await read([...whole, ...text('some other bytes')]))!.isCutOff).toBe(false);
    expect((await read(whole.slice(0, -1)))!.isCutOff).toBe(true);
  });
});

describe('PNM', () => {
  it('has comments in its header, and as many bytes as its pixels take', async () => {
    const header = text('P6\n# made by hand\n 2 #wide\n3\n255\n');
    expect(await read([...header, ...zeros(18)])).toMatchObject({
      kind: 'pnm',
      width: 2,
      height: 3,
      isCutOff: false,
    });
    expect((await read([...header, ...zeros(17)]))!.isCutOff).toBe(true);
    expect(await read([...text('P5 2 3 65535 '), ...zeros(12)])).toMatchObject({ isCutOff: false });
    expect(await read(text('P6\n2 three'))).toMatchObject({ width: 0, height: 0 });
  });
});

describe('any bytes', () => {
  const starts = [
    ...[jpeg(9, 9), png(9, 9), gif(9, 9, gifFrame(0, 0, 9, 9)), webp(canvas(9, 9), lossy(9, 9)), avif(9, 9)],
    ...[text('BM'), text('P6 '), text('II*\0\u0008\0\0\0'), text('MM\0*\0\0\0\u0008'), []],
  ];

  it('give no error, and sizes from 0 on', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...starts),
        fc.nat(200),
        fc.uint8Array({ maxLength: 300 }),
        async (start, kept, rest) => {
          const structure = await read([...start.slice(0, Math.max(kept, 12)), ...rest]);
          if (!structure) return;
          expect(structure.width).toBeGreaterThanOrEqual(0);
          expect(structure.height).toBeGreaterThanOrEqual(0);
          expect([1, 2, 3, 4, 5, 6, 7, 8]).toContain(structure.orientation);
        },
      ),
      { numRuns: 2000 },
    );
    expect(await read(text('This is text.'))).toBeUndefined();
    expect(await read([])).toBeUndefined();
  });
});

describe('files made to keep their reader busy', () => {
  it('are read in steps that are linear in their size', async () => {
    // A TIFF whose entries all lead to the same long list of strips.
    const [entries, strips] = [5000, 20_000];
    const tiff = Buffer.alloc(10 + 12 * entries + 4 * strips);
    tiff.write('II*\0');
    tiff.writeUInt32LE(8, 4);
    tiff.writeUInt16LE(entries, 8);
    for (let entry = 0; entry < entries; entry++) {
      const at = 10 + 12 * entry;
      tiff.writeUInt16LE(273, at);
      tiff.writeUInt16LE(4, at + 2);
      tiff.writeUInt32LE(strips, at + 4);
      tiff.writeUInt32LE(10 + 12 * entries, at + 8);
    }
    // A JPEG of markers without segments.
    const jpeg = Buffer.alloc(200_000);
    for (let at = 0; at < jpeg.length; at += 2) jpeg.writeUInt16BE(at === 0 ? 0xffd8 : 0xff01, at);
    for (const bytes of [tiff, jpeg]) {
      const meter = new WorkMeter(bytes.length);
      meter.start();
      try {
        await readImageStructure(ByteReader.of(bytes));
      } finally {
        meter.stop();
      }
    }
  });
});

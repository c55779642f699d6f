import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isCutOff, readImageHeader } from '../../workers/dataset/image_size.ts';

const size = fc.integer({ min: 1, max: 65535 });
const uint16 = (value: number): number[] => [value >> 8, value & 255];
const uint32 = (value: number): number[] => [
  value >>> 24,
  (value >>> 16) & 255,
  (value >>> 8) & 255,
  value & 255,
];
const littleEndian16 = (value: number): number[] => [value & 255, value >> 8];
const text = (value: string): number[] => [...value].map((character) => character.charCodeAt(0));

function jpeg(width: number, height: number, segments: readonly number[][], frame: number): Uint8Array {
  return Uint8Array.from([
    0xff, 0xd8,
    ...segments.flatMap((content) => [0xff, 0xe1, ...uint16(content.length + 2), ...content]),
    0xff, frame, ...uint16(17), 8, ...uint16(height), ...uint16(width), 3, ...new Array<number>(9).fill(1),
    0xff, 0xda, 0, 2,
  ]); // prettier-ignore
}

function png(width: number, height: number, colourType: number): Uint8Array {
  return Uint8Array.from([
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a,
    ...uint32(13), ...text('IHDR'), ...uint32(width), ...uint32(height), 8, colourType, 0, 0, 0,
  ]); // prettier-ignore
}

describe('readImageHeader', () => {
  it('finds a JPEG frame behind any number of segments', () => {
    const segments = fc.array(fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 300 }), {
      maxLength: 6,
    });
    const frames = fc.constantFrom(0xc0, 0xc1, 0xc2, 0xc3, 0xc5, 0xc9, 0xcf);
    fc.assert(
      fc.property(size, size, segments, frames, (width, height, list, frame) => {
        expect(readImageHeader(jpeg(width, height, list, frame))).toEqual({
          kind: 'jpeg',
          width,
          height,
          mayHaveAlpha: false,
        });
      }),
    );
  });

  it('is not misled by a thumbnail in a segment, tables or padding', () => {
    const inner = [...jpeg(160, 120, [], 0xc0)];
    expect(readImageHeader(jpeg(4000, 3000, [inner], 0xc2))).toMatchObject({ width: 4000, height: 3000 });
    const huffman = Uint8Array.from([
      0xff,
      0xd8,
      0xff,
      0xff,
      0xff,
      0xc4,
      0,
      3,
      9,
      ...jpeg(7, 5, [], 0xc0).slice(2),
    ]);
    expect(readImageHeader(huffman)).toMatchObject({ width: 7, height: 5 });
  });

  it('reads PNG sizes and whether there is transparency', () => {
    fc.assert(
      fc.property(size, size, fc.constantFrom(0, 2, 3, 4, 6), (width, height, colourType) => {
        expect(readImageHeader(png(width, height, colourType))).toEqual({
          kind: 'png',
          width,
          height,
          mayHaveAlpha: colourType >= 4,
        });
      }),
    );
    const keyed = Uint8Array.from([...png(3, 3, 2), 0, 0, 0, 0, ...text('tRNS')]);
    expect(readImageHeader(keyed)?.mayHaveAlpha).toBe(true);
  });

  it('reads GIF, BMP and the three kinds of WebP', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 16383 }), fc.integer({ min: 1, max: 16383 }), (width, height) => {
        const gif = Uint8Array.from([
          ...text('GIF89a'),
          ...littleEndian16(width),
          ...littleEndian16(height),
          0,
          0,
          0,
        ]);
        expect(readImageHeader(gif)).toMatchObject({ kind: 'gif', width, height });
        const bmp = new Uint8Array(30);
        bmp.set(text('BM'));
        new DataView(bmp.buffer).setInt32(18, width, true);
        // Rows from the top down have a negative height.
        new DataView(bmp.buffer).setInt32(22, -height, true);
        expect(readImageHeader(bmp)).toMatchObject({ kind: 'bmp', width, height });
        const webp = (chunk: string, body: number[]): Uint8Array => {
          const bytes = new Uint8Array(40);
          bytes.set([...text('RIFF'), 0, 0, 0, 0, ...text('WEBP'), ...text(chunk), 0, 0, 0, 0, ...body]);
          return bytes;
        };
        const lossy = webp('VP8 ', [
          0,
          0,
          0,
          0x9d,
          1,
          0x2a,
          ...littleEndian16(width),
          ...littleEndian16(height),
        ]);
        expect(readImageHeader(lossy)).toEqual({ kind: 'webp', width, height, mayHaveAlpha: false });
        const bits = (width - 1) | ((height - 1) << 14);
        const lossless = webp('VP8L', [
          0x2f,
          bits & 255,
          (bits >>> 8) & 255,
          (bits >>> 16) & 255,
          (bits >>> 24) & 255,
        ]);
        expect(readImageHeader(lossless)).toMatchObject({ width, height, mayHaveAlpha: true });
        const extended = webp('VP8X', [
          0,
          0,
          0,
          0,
          ...littleEndian16(width - 1),
          0,
          ...littleEndian16(height - 1),
          0,
        ]);
        expect(readImageHeader(extended)).toMatchObject({ width, height, mayHaveAlpha: true });
      }),
    );
  });

  it('never throws, whatever the bytes, and takes nothing else for an image', () => {
    const starts = [
      [0xff, 0xd8],
      [...png(1, 1, 2)],
      text('GIF89a'),
      text('RIFF    WEBPVP8X'),
      text('BM'),
      [],
    ];
    fc.assert(
      fc.property(fc.constantFrom(...starts), fc.uint8Array({ maxLength: 400 }), (start, rest) => {
        const header = readImageHeader(Uint8Array.from([...start, ...rest]));
        if (header?.width !== undefined) expect(header.width).toBeGreaterThanOrEqual(0);
      }),
    );
    expect(readImageHeader(new TextEncoder().encode('This is text.'))).toBeUndefined();
    expect(readImageHeader(new Uint8Array())).toBeUndefined();
  });
});

describe('isCutOff', () => {
  it('knows the ends of JPEG and PNG, with or without bytes behind them', () => {
    expect(isCutOff('jpeg', Uint8Array.from([1, 2, 0xff, 0xd9]))).toBe(false);
    expect(isCutOff('jpeg', Uint8Array.from([1, 0xff, 0xd9, 0, 0, 0]))).toBe(false);
    expect(isCutOff('jpeg', Uint8Array.from([1, 2, 3, 0xff]))).toBe(true);
    expect(isCutOff('png', Uint8Array.from([...text('IEND'), 1, 2, 3, 4, 0]))).toBe(false);
    expect(isCutOff('png', Uint8Array.from(text('IDAT')))).toBe(true);
    expect(isCutOff('gif', new Uint8Array(3))).toBe(false);
  });
});

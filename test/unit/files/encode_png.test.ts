/** Decodes our PNG files with zlib and the definition of the filter. */
import { crc32, inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { encodePng } from '../../../workers/files/images/encode_png.ts';
import { canonicalCodes, codeLengths } from '../../../workers/files/images/huffman.ts';
import type { RgbImage } from '../../../workers/protocol/data/images.ts';
import { hashKey, uniform } from '../../../workers/common/random.ts';

interface Chunk {
  readonly name: string;
  readonly content: Buffer;
}

function chunksOf(file: Uint8Array): Chunk[] {
  const bytes = Buffer.from(file);
  expect(bytes.subarray(0, 8)).toEqual(Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'));
  const chunks: Chunk[] = [];
  for (let at = 8; at < bytes.length;) {
    const end = at + 8 + bytes.readUInt32BE(at);
    expect(bytes.readUInt32BE(end)).toBe(crc32(bytes.subarray(at + 4, end)));
    chunks.push({ name: bytes.toString('latin1', at + 4, at + 8), content: bytes.subarray(at + 8, end) });
    at = end + 4;
  }
  return chunks;
}

/** @throws the error of zlib, for example for a wrong checksum */
function decode(file: Uint8Array): RgbImage {
  const [header, content, end, ...others] = chunksOf(file);
  expect([header!.name, content!.name, end!.name, others]).toEqual(['IHDR', 'IDAT', 'IEND', []]);
  const [width, height] = [header!.content.readUInt32BE(0), header!.content.readUInt32BE(4)];
  expect([...header!.content.subarray(8)]).toEqual([8, 2, 0, 0, 0]);
  const rows = inflateSync(content!.content);
  const rowBytes = 3 * width;
  expect(rows.length).toBe((rowBytes + 1) * height);
  const data = new Uint8Array(rowBytes * height);
  const value = (x: number, y: number): number => (x < 0 || y < 0 ? 0 : data[y * rowBytes + x]!);
  for (let y = 0; y < height; y++) {
    expect(rows[y * (rowBytes + 1)]).toBe(4);
    for (let x = 0; x < rowBytes; x++) {
      const [a, b, c] = [value(x - 3, y), value(x, y - 1), x < 3 ? 0 : value(x - 3, y - 1)];
      const guess = [a, b, c].reduce((best, other) =>
        Math.abs(a + b - c - other) < Math.abs(a + b - c - best) ? other : best,
      );
      data[y * rowBytes + x] = rows[y * (rowBytes + 1) + 1 + x]! + guess;
    }
  }
  return { width, height, data };
}

const SIZES = [
  [1, 1],
  [1, 7],
  [5, 1],
  [6, 2],
  [16, 16],
  [33, 21],
  [182, 182],
  [700, 90],
] as const;

const key = hashKey(1);
const KINDS: Record<string, (x: number, y: number, index: number) => number> = {
  noise: (_x, _y, index) => 256 * uniform(key, index),
  black: () => 0,
  white: () => 255,
  'a slope with a little noise': (x, y, index) => ((x + 2 * y) / 4 + 3 * uniform(key, index)) % 256,
  'flat pieces of all lengths': (x, y) => 256 * uniform(hashKey(y), Math.floor(Math.sqrt(x * 20 * (y + 1)))),
  'black and white': (x, y) => (uniform(hashKey(x), y) < 0.5 ? 0 : 255),
};

describe('a PNG file', () => {
  for (const [kind, valueAt] of Object.entries(KINDS))
    it.each(SIZES)(`of ${kind}, %i × %i, gives the pixels back`, async (width, height) => {
      const data = Uint8Array.from({ length: 3 * width * height }, (_, index) =>
        valueAt(Math.floor(index / 3) % width, Math.floor(index / 3 / width), index),
      );
      const decoded = decode(await encodePng({ width, height, data }));
      expect([decoded.width, decoded.height]).toEqual([width, height]);
      expect(Buffer.compare(decoded.data, data)).toBe(0);
    });

  it('is small where there is little to say, and hardly larger than the pixels where there is much', async () => {
    const side = 182;
    const encoded = async (valueAt: (index: number) => number): Promise<number> => {
      const data = Uint8Array.from({ length: 3 * side * side }, (_, index) => valueAt(index));
      return (await encodePng({ width: side, height: side, data })).length;
    };
    expect(await encoded(() => 200)).toBeLessThan(1000);
    expect(await encoded((index) => 256 * uniform(key, index))).toBeLessThan(1.01 * 3 * side * side);
  });
});

describe('Huffman’s codes', () => {
  it('have at most 15 bits, whatever the counts, and leave none unused', () => {
    const fibonacci = [1, 1];
    while (fibonacci.length < 40) fibonacci.push(fibonacci.at(-1)! + fibonacci.at(-2)!);
    for (const counts of [fibonacci, [1, 1], [5, 0, 7, 0, 1], new Array<number>(286).fill(3)]) {
      const lengths = codeLengths(Uint32Array.from(counts));
      expect(Math.max(...lengths)).toBeLessThanOrEqual(15);
      expect([...lengths].map((length) => length > 0)).toEqual(counts.map((count) => count > 0));
      expect([...lengths].reduce((sum, length) => sum + (length > 0 ? 2 ** -length : 0), 0)).toBe(1);
    }
  });

  it('are as short as Huffman’s method makes them', () => {
    // By hand: 1 and 2 make 3, which with 3 makes 6, which with 5 makes 11; 9 stays alone.
    expect([...codeLengths(Uint32Array.of(9, 5, 3, 2, 1))]).toEqual([1, 2, 3, 4, 4]);
  });

  it('count up as RFC 1951 has it', () => {
    // Its example, 3.2.2: lengths 3, 3, 3, 3, 3, 2, 4, 4.
    const codes = canonicalCodes(Uint8Array.of(3, 3, 3, 3, 3, 2, 4, 4));
    const asRead = [...codes].map((code, symbol) =>
      code.toString(2).padStart([3, 3, 3, 3, 3, 2, 4, 4][symbol]!, '0').split('').toReversed().join(''),
    );
    expect(asRead).toEqual(['010', '011', '100', '101', '110', '00', '1110', '1111']);
  });
});

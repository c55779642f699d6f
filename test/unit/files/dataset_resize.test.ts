import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  areaResizeWeights,
  resizeArea,
  resizeAreaBytes,
  roundHalfEven,
} from '../../../workers/files/images/resize_area.ts';
import { resizeBilinear } from '../../../workers/files/images/resize_bilinear.ts';

const side = fc.integer({ min: 1, max: 40 });
const pixels = (width: number, height: number, key: number): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(
    { length: width * height * 3 },
    (_, index) => (index * 7919 + key * 104729 + (index >> 3) * 31) & 255,
  );

/** The share of each source pixel in a target pixel, from the overlap of rectangles. */
function averageByOverlap(
  source: Uint8Array,
  width: number,
  height: number,
  toWidth: number,
  toHeight: number,
): number[] {
  const overlap = (from: number, to: number, cell: number): number =>
    Math.max(0, Math.min(to, cell + 1) - Math.max(from, cell));
  const target: number[] = [];
  for (let y = 0; y < toHeight; y++)
    for (let x = 0; x < toWidth; x++)
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        for (let row = 0; row < height; row++)
          for (let column = 0; column < width; column++)
            sum +=
              source[(row * width + column) * 3 + channel]! *
              overlap((x * width) / toWidth, ((x + 1) * width) / toWidth, column) *
              overlap((y * height) / toHeight, ((y + 1) * height) / toHeight, row);
        target.push((sum * toWidth * toHeight) / (width * height));
      }
  return target;
}

describe('resizeArea', () => {
  it('is the area average when shrinking', () => {
    fc.assert(
      fc.property(side, side, side, side, fc.nat(99), (a, b, c, d, key) => {
        const [width, toWidth] = [Math.max(a, b), Math.min(a, b)];
        const [height, toHeight] = [Math.max(c, d), Math.min(c, d)];
        const source = pixels(width, height, key);
        const expected = averageByOverlap(source, width, height, toWidth, toHeight);
        const actual = resizeArea(source, width, height, toWidth, toHeight);
        // Slivers below a thousandth of a pixel are ignored, as in OpenCV.
        expected.forEach((value, index) => expect(Math.abs(value - actual[index]!)).toBeLessThan(0.6));
        expect(Math.abs(expected[0]! - actual[0]!)).toBeLessThan(0.6);
      }),
      { numRuns: 60 },
    );
  });

  it('has weights that sum to one, inside the source, in either kind', () => {
    fc.assert(
      fc.property(side, side, side, side, (width, height, toWidth, toHeight) => {
        const { horizontal, vertical } = areaResizeWeights(width, height, toWidth, toHeight);
        for (const [axis, source] of [
          [horizontal, width],
          [vertical, height],
        ] as const)
          axis.first.forEach((first, index) => {
            const count = axis.count[index]!;
            const weights = axis.weights.subarray(axis.offset[index], axis.offset[index]! + count);
            expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 2);
            expect(first).toBeGreaterThanOrEqual(0);
            expect(first + count).toBeLessThanOrEqual(source);
          });
      }),
    );
  });

  it('keeps an image of one colour, and an image of the same size', () => {
    const flat = new Uint8Array(9 * 7 * 3).fill(131);
    for (const [width, height] of [
      [4, 3],
      [20, 3],
      [30, 30],
      [1, 1],
    ] as const) {
      expect(
        Math.max(...resizeArea(flat, 9, 7, width, height).map((value) => Math.abs(value - 131))),
      ).toBeLessThan(1e-3);
      expect(new Set(resizeAreaBytes(flat, 9, 7, width, height))).toEqual(new Set([131]));
    }
    const source = pixels(9, 7, 3);
    expect([...resizeAreaBytes(source, 9, 7, 9, 7)]).toEqual([...source]);
    expect([...resizeArea(source, 9, 7, 9, 7)]).toEqual([...source]);
  });
});

describe('resizeAreaBytes', () => {
  it('is resizeArea rounded, but for halves', () => {
    fc.assert(
      fc.property(side, side, side, side, fc.nat(99), (width, height, toWidth, toHeight, key) => {
        const source = pixels(width, height, key);
        const exact = resizeArea(source, width, height, toWidth, toHeight);
        const bytes = resizeAreaBytes(source, width, height, toWidth, toHeight);
        exact.forEach((value, index) => expect(Math.abs(value - bytes[index]!)).toBeLessThanOrEqual(0.501));
      }),
    );
  });

  it('takes halves of 2 × 2 blocks up and others to the even level', () => {
    const grey = (...values: number[]): Uint8Array =>
      Uint8Array.from(values.flatMap((value) => [value, value, value]));
    expect(resizeAreaBytes(grey(0, 1, 0, 1), 2, 2, 1, 1)[0]).toBe(1);
    expect(resizeAreaBytes(grey(2, 3), 2, 1, 1, 1)[0]).toBe(2);
    expect(resizeAreaBytes(grey(3, 4), 2, 1, 1, 1)[0]).toBe(4);
  });
});

it('roundHalfEven rounds halves to even numbers', () => {
  expect([0.5, 1.5, 2.5, 2.4999, 2.5001, 254.5].map(roundHalfEven)).toEqual([0, 2, 2, 2, 3, 254]);
});

describe('resizeBilinear', () => {
  it('keeps one colour, the same size, and stays inside the range of the source', () => {
    fc.assert(
      fc.property(side, side, side, side, fc.nat(99), (width, height, toWidth, toHeight, key) => {
        const source = { width, height, data: pixels(width, height, key) };
        const result = resizeBilinear(source, toWidth, toHeight);
        expect(result.data).toHaveLength(toWidth * toHeight * 3);
        expect(Math.min(...result.data)).toBeGreaterThanOrEqual(Math.min(...source.data) - 1);
        expect(Math.max(...result.data)).toBeLessThanOrEqual(Math.max(...source.data) + 1);
        const flat = { width, height, data: new Uint8Array(width * height * 3).fill(77) };
        expect(new Set(resizeBilinear(flat, toWidth, toHeight).data)).toEqual(new Set([77]));
        expect(resizeBilinear(source, width, height).data).toEqual(source.data);
      }),
    );
  });

  it('has the known weights: half of 4 columns by a triangle 4 wide, twice of 2 columns by one 2 wide', () => {
    const row = (...values: number[]) => ({
      width: values.length,
      height: 1,
      data: Uint8Array.from(values.flatMap((value) => [value, value, value])),
    });
    const reds = (image: { data: Uint8Array }): number[] =>
      [...image.data].filter((_, index) => index % 3 === 0);
    // Weights 3 3 1 over 7 at the ends, where the triangle is cut off.
    expect(reds(resizeBilinear(row(70, 140, 210, 0), 2, 1))).toEqual([120, 110]);
    expect(reds(resizeBilinear(row(0, 100), 4, 1))).toEqual([0, 25, 75, 100]);
  });
});

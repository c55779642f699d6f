import { describe, expect, it } from 'vitest';
import { cropForNetwork, cutOut, pyramidLevel, pyramidScales } from '../../../workers/detector/crops.ts';

const image = {
  width: 4,
  height: 3,
  data: Uint8Array.from({ length: 36 }, (_, index) => Math.floor(index / 3) * 10 + (index % 3)),
};
const box = (x1: number, y1: number, x2: number, y2: number) => ({ x1, y1, x2, y2, score: 1 });
const pixel = (value: number): number => Math.fround((value - 127.5) * 0.0078125);

describe('pyramidScales', () => {
  it('starts at 12/minsize and ends before the shorter side falls below 12 pixels', () => {
    const scales = pyramidScales(250, 250, 20, 0.709);
    expect(scales).toHaveLength(8);
    expect(scales[0]).toBe(0.6);
    expect(250 * scales.at(-1)!).toBeGreaterThanOrEqual(12);
    expect(250 * scales.at(-1)! * 0.709).toBeLessThan(12);
    expect(pyramidScales(30_000, 10, 20, 0.709)).toEqual([]);
    expect(pyramidScales(1, 1, 20, 0.709)).toEqual([]);
  });

  it('has level sizes that are rounded up', () => {
    expect(pyramidLevel({ width: 101, height: 51, data: new Uint8Array(101 * 51 * 3) }, 0.6)).toMatchObject({
      width: 61,
      height: 31,
    });
  });
});

describe('crops', () => {
  it('are cut with black outside of the image', () => {
    expect([...cutOut(image, -1, 2, 3, 2)]).toEqual([
      0,
      0,
      0,
      80,
      81,
      82,
      90,
      91,
      92,
      ...new Array<number>(9).fill(0),
    ]);
    expect(new Set(cutOut(image, 10, 10, 2, 2))).toEqual(new Set([0]));
    expect(new Set(cutOut(image, -9, -9, 2, 2))).toEqual(new Set([0]));
    expect([...cutOut(image, 0, 0, 4, 3)]).toEqual([...image.data]);
  });

  it('are transposed and normalised; boxes count from 1', () => {
    const out = new Float32Array(2 * 2 * 3);
    expect(cropForNetwork(image, box(2, 1, 3, 2), 2, out)).toBe(true);
    // [x, y, channel]: columns 1 and 2 of rows 0 and 1.
    expect([...out].filter((_, index) => index % 3 === 0)).toEqual([10, 50, 20, 60].map(pixel));
    expect(out[2]).toBe(pixel(12));
  });

  it('are refused without area', () => {
    const out = new Float32Array(12).fill(7);
    expect(cropForNetwork(image, box(3, 1, 2, 2), 2, out)).toBe(false);
    expect(new Set(out)).toEqual(new Set([7]));
  });
});

/** Levels and crops from the kernels, compared with those of the plain code. */
import { describe, expect, it } from 'vitest';
import type { RgbImage } from '../../../workers/protocol/data/images.ts';
import { cropFace, type CropBox } from '../../../workers/detector/align.ts';
import { cropForNetwork, pyramidLevel, pyramidScales } from '../../../workers/detector/crops.ts';
import { KEPT_BYTES, PhotoPixels } from '../../../workers/detector/simd/photo_pixels.ts';
import { hashKey, uniform } from '../../../workers/common/random.ts';

function photo(seed: number, width: number, height: number): RgbImage {
  const key = hashKey(seed);
  const data = Uint8Array.from({ length: width * height * 3 }, (_, index) =>
    Math.floor(256 * uniform(key, index)),
  );
  return { width, height, data };
}

/** Replaces toEqual, which takes seconds for this many values. */
function largestDifference(actual: Float32Array, expected: Float32Array): number {
  expect(actual.length).toBe(expected.length);
  return actual.reduce((worst, value, index) => Math.max(worst, Math.abs(value - expected[index]!)), 0);
}

const pixels = new PhotoPixels();
const SIZES = [
  [250, 250],
  [131, 77],
  [40, 200],
  [64, 64],
  [13, 12],
] as const;

describe('levels of the pyramid', () => {
  it.each(SIZES)('of a photo of %i × %i are equal to the bit, enlarged ones too', (width, height) => {
    const image = photo(width, width, height);
    const scales = [20, 24, 31, 9].flatMap((minsize) => pyramidScales(width, height, minsize, 0.709));
    for (const scale of scales) {
      const { values, ...actual } = pixels.level(image, scale);
      const { values: expected, ...level } = pyramidLevel(image, scale);
      expect(actual).toEqual(level);
      expect(largestDifference(values, expected)).toBe(0);
    }
  });
});

describe('crops', () => {
  it.each([24, 48])('for %i pixels are equal except for the last bit, wherever they are', (size) => {
    for (const [width, height] of SIZES) {
      const image = photo(size + width, width, height);
      const key = hashKey(size, width);
      for (let index = 0; index < 60; index++) {
        const at = (place: number): number => uniform(key, 4 * index + place);
        const side = Math.floor(3 + at(0) ** 2 * 1.5 * Math.max(width, height));
        const x1 = Math.floor((at(1) * 1.6 - 0.3) * width - side / 2);
        const y1 = Math.floor((at(2) * 1.6 - 0.3) * height - side / 2);
        const box = { x1, y1, x2: x1 + side, y2: y1 + side + Math.floor(at(3) * 3) - 1, score: 1 };
        const [actual, expected] = [new Float32Array(size * size * 3), new Float32Array(size * size * 3)];
        expect(pixels.crop(image, box, size, actual)).toBe(cropForNetwork(image, box, size, expected));
        expect(largestDifference(actual, expected), JSON.stringify({ width, height, box })).toBeLessThan(
          1e-7,
        );
      }
    }
  });

  it('are refused without area', () => {
    const box = { x1: 3, y1: 1, x2: 2, y2: 2, score: 1 };
    expect(pixels.crop(photo(1, 20, 20), box, 24, new Float32Array(24 * 24 * 3))).toBe(false);
  });
});

describe('aligned faces', () => {
  it.each([160, 182, 33])('of %i pixels are equal to the bit', (size) => {
    for (const [width, height] of SIZES) {
      const image = photo(size + height, width, height);
      const key = hashKey(size, height);
      for (let index = 0; index < 12; index++) {
        const at = (place: number): number => uniform(key, 4 * index + place);
        const [x1, y1] = [Math.floor(at(0) * width * 0.8), Math.floor(at(1) * height * 0.8)];
        const [x2, y2] = [
          x1 + Math.floor(at(2) * (width - x1 + 0.99)),
          y1 + Math.floor(at(3) * (height - y1 + 0.99)),
        ];
        // Also the whole photo, and boxes of the requested size.
        const box: CropBox = index === 0 ? [0, 0, width, height] : [x1, y1, x2, y2];
        const [actual, expected] = [pixels.face(image, box, size), cropFace(image, box, size)];
        expect(actual?.data.length).toBe(expected?.data.length);
        expect(actual?.data.every((value, place) => value === expected!.data[place]) ?? true, `${box}`).toBe(
          true,
        );
      }
    }
  });
});

describe('the kernels’ memory', () => {
  // A flat picture, because noise of this size takes too long to make.
  const large: RgbImage = { width: 4000, height: 3000, data: new Uint8Array(4000 * 3000 * 3).fill(90) };
  const small = photo(7, 120, 90);
  const expected = pyramidLevel(small, 0.6).values;

  it('that a large photo took is given back with the next photo', () => {
    const own = new PhotoPixels();
    own.level(large, 0.6);
    expect(own.bytes).toBeGreaterThan(2 * KEPT_BYTES);
    expect(largestDifference(own.level(small, 0.6).values, expected)).toBe(0);
    expect(own.bytes).toBeLessThan(KEPT_BYTES);
  });

  it('is released with the large photo, and the next photo works', () => {
    const own = new PhotoPixels();
    own.level(large, 0.6);
    own.release(small);
    expect(own.bytes).toBeGreaterThan(2 * KEPT_BYTES);
    own.release(large);
    expect(own.bytes).toBeLessThan(KEPT_BYTES);
    const level = own.level(large, 0.6);
    expect(level.values.length).toBe(2400 * 1800 * 3);
    expect(level.values.every((value) => value === (90 - 127.5) * 0.0078125)).toBe(true);
    const box: CropBox = [10, 5, 70, 65];
    expect(own.face(small, box, 40)).toEqual(cropFace(small, box, 40));
    const crop = new Float32Array(24 * 24 * 3);
    const plain = new Float32Array(24 * 24 * 3);
    own.crop(large, { x1: 1, y1: 1, x2: 90, y2: 90, score: 1 }, 24, crop);
    cropForNetwork(large, { x1: 1, y1: 1, x2: 90, y2: 90, score: 1 }, 24, plain);
    expect(largestDifference(crop, plain)).toBeLessThan(1e-6);
  });

  it('of small photos is kept from one to the next', () => {
    const own = new PhotoPixels();
    own.level(photo(8, 500, 400), 0.6);
    const { bytes } = own;
    own.release(small);
    own.level(small, 0.6);
    expect(own.bytes).toBe(bytes);
  });
});

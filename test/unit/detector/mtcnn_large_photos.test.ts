/** A photo that is processed in pieces gives the same result as a whole photo. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RgbImage } from '../../../workers/protocol/data/images.ts';
import { cropFace, type CropBox } from '../../../workers/detector/align.ts';
import { suppress, type Box } from '../../../workers/detector/boxes.ts';
import { cropForNetwork, levelSize, pyramidLevel } from '../../../workers/detector/crops.ts';
import type { Networks } from '../../../workers/detector/network_outputs.ts';
import { Photo } from '../../../workers/detector/photo.ts';
import { ProcessorCascade } from '../../../workers/detector/processor_cascade.ts';
import { PhotoPixels } from '../../../workers/detector/simd/photo_pixels.ts';
import { BusyClock } from '../../../workers/common/busy_clock.ts';
import { hashKey, uniform } from '../../../workers/common/random.ts';

function noise(seed: number, width: number, height: number): RgbImage {
  const key = hashKey(seed);
  const data = Uint8Array.from({ length: width * height * 3 }, (_, index) =>
    Math.floor(256 * uniform(key, index)),
  );
  return { width, height, data };
}

function largestDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let worst = 0;
  for (let index = 0; index < actual.length; index++)
    worst = Math.max(worst, Math.abs(actual[index]! - expected[index]!));
  return worst;
}

describe('a photo in pieces', () => {
  // A few rows at a time, or one row if a row is longer than a piece.
  const inPieces = [400, 2000].map((pieceBytes) => new PhotoPixels({ wholePhotoBytes: 1000, pieceBytes }));

  it.each([
    [250, 131],
    [64, 128],
    [97, 240],
  ])('of %i × %i has the same levels, column by column', (width, height) => {
    const image = noise(width, width, height);
    for (const scale of [0.6, 0.5, 0.31, 1.2]) {
      const [levelWidth, levelHeight] = levelSize(image, scale);
      const whole = pyramidLevel(image, scale);
      for (const pixels of inPieces)
        for (const [from, columns] of [
          [0, levelWidth],
          [0, 7],
          [5, 13],
          [levelWidth - 9, 9],
        ] as const) {
          const expected = whole.values.subarray(from * levelHeight * 3, (from + columns) * levelHeight * 3);
          const part = pixels.level(image, scale, from, columns);
          expect([part.width, part.height]).toEqual([columns, levelHeight]);
          expect(largestDifference(part.values, expected)).toBe(0);
          expect(largestDifference(pyramidLevel(image, scale, from, columns).values, expected)).toBe(0);
        }
    }
  });

  it('has the same crops and aligned faces', () => {
    const image = noise(3, 150, 90);
    const boxes = [
      [20, 10, 70, 60],
      [-30, -20, 60, 70],
      [100, 40, 190, 130],
      [1, 1, 90, 90],
    ] as const;
    for (const pixels of inPieces) {
      for (const [x1, y1, x2, y2] of boxes) {
        const [actual, expected] = [new Float32Array(24 * 24 * 3), new Float32Array(24 * 24 * 3)];
        const box = { x1, y1, x2, y2, score: 1 };
        expect(pixels.crop(image, box, 24, actual)).toBe(cropForNetwork(image, box, 24, expected));
        expect(largestDifference(actual, expected)).toBeLessThan(1e-6);
      }
      for (const box of [
        [0, 0, 150, 90],
        [3, 5, 80, 77],
      ] as CropBox[])
        expect(largestDifference(pixels.face(image, box, 40)!.data, cropFace(image, box, 40)!.data)).toBe(0);
    }
  });

  it('takes little memory, however large it is', () => {
    const pixels = new PhotoPixels({ wholePhotoBytes: 1e6, pieceBytes: 1e5 });
    const image = { width: 4000, height: 3000, data: new Uint8Array(4000 * 3000 * 3).fill(70) };
    const level = pixels.level(image, 0.6, 100, 60);
    expect(level.values.every((value) => value === (70 - 127.5) * 0.0078125)).toBe(true);
    pixels.crop(image, { x1: 1, y1: 1, x2: 3000, y2: 3000, score: 1 }, 24, new Float32Array(24 * 24 * 3));
    pixels.face(image, [0, 0, 4000, 3000], 100);
    expect(pixels.bytes).toBeLessThan(4e6);
    pixels.release(image);
  });
});

/** A fake P-Net: the score and regression of a cell depend only on its 12 × 12 pixels. */
class StandInNetworks implements Networks {
  readonly clock = new BusyClock();
  largestPixels = 0;
  largestBatch = 0;

  async proposals(images: readonly Float32Array[], width: number, height: number) {
    this.largestPixels = Math.max(this.largestPixels, width * height);
    const [wide, high] = [Math.ceil((width - 2) / 2) - 4, Math.ceil((height - 2) / 2) - 4];
    return images.map((values) => {
      const scores = new Float32Array(wide * high);
      const regressions = new Float32Array(wide * high * 4);
      for (let x = 0; x < wide; x++)
        for (let y = 0; y < high; y++) {
          const corner = values[(2 * x * height + 2 * y) * 3]!;
          const centre = values[((2 * x + 5) * height + 2 * y + 5) * 3]!;
          scores[x * high + y] = 0.5 + 0.5 * centre;
          regressions.set([corner / 10, centre / 10, corner / 20, centre / 20], (x * high + y) * 4);
        }
      return { scores, regressions, width: wide, height: high };
    });
  }
  async refine(values: Float32Array, count: number) {
    this.largestBatch = Math.max(this.largestBatch, count);
    const first = (crop: number): number => values[crop * 24 * 24 * 3]!;
    return {
      scores: Float32Array.from({ length: count }, (_, crop) => first(crop)),
      regressions: new Float32Array(count * 4),
    };
  }
  async output(_: Float32Array, count: number) {
    const [scores, regressions] = [new Float32Array(count), new Float32Array(count * 4)];
    return { scores, regressions, landmarks: new Float32Array(count * 10) };
  }
  memory = () => ({ usedBytes: 0, allocatedBytes: 0 });
  dispose(): void {
    // No memory is held.
  }
}

describe('a level in bands', () => {
  const options = { minsize: 20, factor: 0.709 };
  const propose = (image: RgbImage, networks: Networks, bandPixels: number | undefined, threshold: number) =>
    new ProcessorCascade(networks, bandPixels).look([Photo.of(image, options)], (looking) =>
      looking.propose(threshold),
    );

  it('has the same candidates in the same order', async () => {
    for (const [width, height] of [
      [300, 200],
      [211, 333],
    ] as const) {
      const image = noise(width, width, height);
      const whole = await propose(image, new StandInNetworks(), undefined, 0.55);
      expect(whole[0]!.flat().length).toBeGreaterThan(500);
      for (const bandPixels of [3000, 6000, 20_000]) {
        const banded = new StandInNetworks();
        expect(await propose(image, banded, bandPixels, 0.55)).toEqual(whole);
        expect(banded.largestPixels).toBeLessThanOrEqual(Math.max(bandPixels, 14 * 200));
      }
    }
  });

  it('takes the regression of a single cell from the mirrored column, in whichever band that is', async () => {
    const image = { width: 300, height: 200, data: new Uint8Array(300 * 200 * 3) };
    // A gradient, so that each cell has a different regression, and one bright spot.
    for (let y = 0; y < 200; y++)
      for (let x = 0; x < 300; x++) image.data.fill(x / 4, (y * 300 + x) * 3, (y * 300 + x) * 3 + 3);
    for (let y = 50; y < 54; y++) image.data.fill(255, (y * 300 + 60) * 3, (y * 300 + 64) * 3);
    const whole = await propose(image, new StandInNetworks(), undefined, 0.9);
    expect(whole[0]![0]).toHaveLength(1);
    expect(await propose(image, new StandInNetworks(), 4000, 0.9)).toEqual(whole);
  });

  it('cuts crops in batches of bounded size, over several photos', async () => {
    const photos = [noise(1, 60, 50), noise(2, 80, 70)].map((image) => Photo.of(image, options));
    const boxes = photos.map((_, photo) =>
      Array.from({ length: 300 + 77 * photo }, (__, index): Box => {
        const [x1, y1] = [1 + (index % 20), 1 + (index % 13)];
        return { x1, y1, x2: x1 + 23, y2: y1 + 23, score: 1 };
      }),
    );
    const networks = new StandInNetworks();
    const output = await new ProcessorCascade(networks).look(photos, (looking) => looking.refine(boxes));
    expect(output.scores).toHaveLength(677);
    expect(networks.largestBatch).toBe(256);
    const expected = new Float32Array(24 * 24 * 3);
    for (const [photo, at, index] of [
      [0, 0, 0],
      [0, 299, 299],
      [1, 300, 0],
      [1, 676, 376],
    ] as const) {
      cropForNetwork(photos[photo]!.image, boxes[photo]![index]!, 24, expected);
      expect(output.scores[at]).toBeCloseTo(expected[0]!, 6);
    }
  });
});

describe('suppression of many boxes', () => {
  /** Compares all boxes with each other, like the original. */
  const slowly = (boxes: readonly Box[], threshold: number): number[] => {
    const order = suppress(boxes, 2, 'union');
    const area = (box: Box): number => (box.x2 - box.x1 + 1) * (box.y2 - box.y1 + 1);
    const kept: number[] = [];
    for (const index of order) {
      const b = boxes[index]!;
      const isSuppressed = kept.some((other) => {
        const a = boxes[other]!;
        const width = Math.max(0, Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1) + 1);
        const height = Math.max(0, Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1) + 1);
        return !((width * height) / (area(a) + area(b) - width * height) <= threshold);
      });
      if (!isSuppressed) kept.push(index);
    }
    return kept;
  };

  it('keeps the same boxes as a comparison of all pairs', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.constantFrom(0.5, 0.7),
        fc.constantFrom(60, 400, 3000),
        fc.boolean(),
        (seed, threshold, extent, hasFlat) => {
          const key = hashKey(seed);
          const at = (index: number): number => uniform(key, index);
          const boxes = Array.from({ length: 600 }, (_, index): Box => {
            const side = Math.floor(10 * 1.4 ** Math.floor(at(5 * index) * 8));
            const x1 = Math.floor(at(5 * index + 1) * extent) - 30;
            const y1 = Math.floor(at(5 * index + 2) * extent) - 30;
            const height = hasFlat ? Math.ceil(side * (0.1 + at(5 * index + 3))) : side;
            return { x1, y1, x2: x1 + side, y2: y1 + height, score: Math.round(at(5 * index + 4) * 50) / 50 };
          });
          expect(suppress(boxes, threshold, 'union')).toEqual(slowly(boxes, threshold));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('takes time in proportion to their number', () => {
    const key = hashKey(5);
    const boxes = Array.from({ length: 120_000 }, (_, index): Box => {
      const [x1, y1] = [
        Math.floor(uniform(key, 3 * index) * 14_000),
        Math.floor(uniform(key, 3 * index + 1) * 14_000),
      ];
      return { x1, y1, x2: x1 + 19, y2: y1 + 19, score: uniform(key, 3 * index + 2) };
    });
    const kept = suppress(boxes, 0.5, 'union');
    // Comparing all pairs would exceed the time limit of this test.
    expect(kept.length).toBeGreaterThan(60_000);
  });
});

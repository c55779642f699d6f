/**
 * From stored pixels to the input of the network: rotation, crop, padding, flip and both standardisations. The oracle
 * is implemented here in float64: Keys' cubic convolution on the rotated grid, and TensorFlow's standardisations.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineDevice } from '../../../workers/gpu/device.ts';
import { cropImages, standardizeImages } from '../../../workers/compute/engine/kernels/images.ts';
import { freshView } from '../../../workers/compute/engine/tensor_view.ts';
import type { ImageBatch } from '../../../workers/compute/executor.ts';
import {
  Draws,
  imageInputs,
  memoryOfView,
  openTestDevice,
  relativeError,
  runKernels,
  strayWrites,
  valuesOfView,
} from './engine_support.ts';

const BOUND = 1e-5;

let device: EngineDevice;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

/** Blocks of colours with noise. Every other image is flipped, two of three are rotated, one is black. */
function drawBatch(
  draws: Draws,
  count: number,
  width: number,
  height: number,
  imageSize: number,
): ImageBatch {
  const pixels = new Uint8Array(count * width * height * 3);
  for (let at = 3 * width * height * (count > 1 ? 1 : 0); at < pixels.length; at++)
    pixels[at] = draws.integer(0, 80) + 60 * (Math.floor(at / 15) % 3);
  const offset = (stored: number): number =>
    stored >= imageSize ? draws.integer(0, stored - imageSize) : Math.trunc((stored - imageSize) / 2);
  return {
    count,
    width,
    height,
    pixels,
    transforms: {
      offsetX: Int32Array.from({ length: count }, () => offset(width)),
      offsetY: Int32Array.from({ length: count }, () => offset(height)),
      flip: Uint8Array.from({ length: count }, (_, index) => (index + 1) % 2),
      angleDegrees: Float32Array.from({ length: count }, (_, index) =>
        index % 3 === 2 ? 0 : draws.integer(-1000, 1000) / 100,
      ),
    },
  };
}

/** Cubic convolution (Keys 1981), a = −1/2, as in the paper. */
function cubic(distance: number): number {
  const s = Math.abs(distance);
  if (s <= 1) return (3 / 2) * s ** 3 - (5 / 2) * s ** 2 + 1;
  return s <= 2 ? (-1 / 2) * s ** 3 + (5 / 2) * s ** 2 - 4 * s + 2 : 0;
}

/** The levels of the network's input before standardisation, not rounded: [count, imageSize, imageSize, 3]. */
function levelsReference(batch: ImageBatch, imageSize: number): Float64Array {
  const { count, width, height, pixels, transforms } = batch;
  const levels = new Float64Array(count * imageSize * imageSize * 3);
  const stored = (n: number, y: number, x: number, c: number): number =>
    pixels[((n * height + y) * width + x) * 3 + c]!;
  const turned = (n: number, y: number, x: number, c: number): number => {
    const angle = (transforms.angleDegrees[n]! * Math.PI) / 180;
    if (angle === 0) return stored(n, y, x, c);
    // The centre of the pixel, rotated back about the centre of the image; counter-clockwise with y pointing down.
    const [right, down] = [x + 0.5 - width / 2, y + 0.5 - height / 2];
    const sourceX = right * Math.cos(angle) - down * Math.sin(angle) + width / 2;
    const sourceY = right * Math.sin(angle) + down * Math.cos(angle) + height / 2;
    if (sourceX < 0 || sourceX >= width || sourceY < 0 || sourceY >= height) return 0;
    let sum = 0;
    for (let row = Math.floor(sourceY - 0.5) - 1; row <= Math.floor(sourceY - 0.5) + 2; row++)
      for (let column = Math.floor(sourceX - 0.5) - 1; column <= Math.floor(sourceX - 0.5) + 2; column++)
        sum +=
          stored(n, Math.min(Math.max(row, 0), height - 1), Math.min(Math.max(column, 0), width - 1), c) *
          cubic(sourceX - 0.5 - column) *
          cubic(sourceY - 0.5 - row);
    return Math.min(Math.max(sum, 0), 255);
  };
  let at = 0;
  for (let n = 0; n < count; n++)
    for (let y = 0; y < imageSize; y++)
      for (let x = 0; x < imageSize; x++)
        for (let c = 0; c < 3; c++, at++) {
          const column = (transforms.flip[n] === 1 ? imageSize - 1 - x : x) + transforms.offsetX[n]!;
          const row = y + transforms.offsetY[n]!;
          if (row >= 0 && row < height && column >= 0 && column < width)
            levels[at] = turned(n, row, column, c);
        }
  return levels;
}

const view = (batch: ImageBatch, imageSize: number): ReturnType<typeof freshView> =>
  freshView('images', { batch: batch.count, height: imageSize, width: imageSize, channels: 3 }, 4);

async function crop(batch: ImageBatch, imageSize: number, standardizeFixed: boolean): Promise<Float32Array> {
  const { regions, contents } = imageInputs(batch);
  const output = view(batch, imageSize);
  const [memory] = await runKernels(
    device,
    [cropImages('crop', regions, output, standardizeFixed)],
    contents,
    [output.memory],
  );
  expect(strayWrites(memory!, output)).toBe(0);
  return valuesOfView(memory!, output);
}

const draws = new Draws(71);
const CASES = [
  { count: 1, width: 23, height: 19, imageSize: 16 },
  { count: 90, width: 14, height: 13, imageSize: 12 },
  // Smaller than the input one way, larger the other.
  { count: 5, width: 11, height: 20, imageSize: 15 },
].map((given) => ({
  ...given,
  batch: drawBatch(draws, given.count, given.width, given.height, given.imageSize),
}));

for (const { count, width, height, imageSize, batch } of CASES)
  describe(`${count} images of ${width}×${height} to ${imageSize}`, () => {
    it('are turned, cropped, padded and flipped to whole levels', async () => {
      const found = await crop(batch, imageSize, false);
      const expected = levelsReference(batch, imageSize);
      expect(found.every((level) => level === Math.round(level))).toBe(true);
      let largest = 0;
      let turned = 0;
      for (const [at, level] of found.entries()) {
        largest = Math.max(largest, Math.abs(level - expected[at]!));
        if (expected[at]! % 1 !== 0) turned++;
      }
      // Half a level is the rounding's; the sum of 16 products of levels to 255 has a float32 error of its own.
      expect(largest).toBeLessThan(0.5 + 255 * BOUND);
      expect(turned).toBeGreaterThan(found.length / 10);
    });

    it('fixed standardisation is (p − 127.5)/128 of the levels', async () => {
      const levels = await crop(batch, imageSize, false);
      expect(await crop(batch, imageSize, true)).toEqual(levels.map((level) => (level - 127.5) / 128));
    });

    it('standardisation per image is (p − mean)/max(deviation, 1/√N)', async () => {
      const levels = await crop(batch, imageSize, false);
      const expected = new Float64Array(levels.length);
      const size = imageSize * imageSize * 3;
      for (let n = 0; n < count; n++) {
        const part = levels.subarray(n * size, (n + 1) * size);
        const mean = part.reduce((sum, value) => sum + value, 0) / size;
        const variance = part.reduce((sum, value) => sum + (value - mean) ** 2, 0) / size;
        part.forEach((value, at) => {
          expected[n * size + at] = (value - mean) / Math.max(Math.sqrt(variance), 1 / Math.sqrt(size));
        });
      }
      const images = view(batch, imageSize);
      const contents = memoryOfView(levels, images);
      for (const cooperation of ['alone', 'workgroup'] as const) {
        const [memory] = await runKernels(
          device,
          [standardizeImages('standardize', images, cooperation)],
          new Map([[images.memory, contents]]),
          [images.memory],
        );
        expect(relativeError(valuesOfView(memory!, images), expected)).toBeLessThan(BOUND);
      }
    });
  });

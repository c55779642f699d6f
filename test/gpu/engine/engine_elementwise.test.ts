/** Copies, scaled additions, ReLU and dropout on shapes drawn by hash, over memory that is NaN elsewhere. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineDevice } from '../../../workers/gpu/device.ts';
import {
  addScaled,
  copy,
  dropout,
  relu,
  reluGradient,
} from '../../../workers/compute/engine/kernels/elementwise.ts';
import type { Kernel } from '../../../workers/compute/engine/kernels/kernel.ts';
import { encodeStepValues } from '../../../workers/compute/engine/step_values.ts';
import {
  matrixView,
  rowsOf,
  sliceChannels,
  storage,
  type Memory,
  type TensorView,
} from '../../../workers/compute/engine/tensor_view.ts';
import {
  Draws,
  memoryOfView,
  openTestDevice,
  randomValues,
  region,
  relativeError,
  runKernels,
  slicedView,
  strayWrites,
  valuesOfView,
  type Values,
} from './engine_support.ts';

const BOUND = 1e-5;

let device: EngineDevice;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

type Given = readonly (readonly [TensorView, Float32Array])[];

/** Runs kernels. @returns the values of the written view. Fails if anything around them has changed */
async function valuesAfter(
  kernels: readonly Kernel[],
  given: Given,
  written: TensorView,
  more: ReadonlyMap<Memory, Values> = new Map(),
): Promise<Float32Array> {
  const contents = new Map<Memory, Values>(more);
  for (const [view, values] of given) contents.set(view.memory, memoryOfView(values, view));
  const [memory] = await runKernels(device, kernels, contents, [written.memory]);
  expect(strayWrites(memory!, written)).toBe(0);
  return valuesOfView(memory!, written);
}

function drawShapes(seed: number): { batch: number; height: number; width: number; channels: number }[] {
  const draws = new Draws(seed);
  return [1, 90, 2].map((batch, index) => ({
    batch,
    height: draws.integer(1, 6),
    width: draws.integer(1, 6),
    channels: index === 2 ? 4 * draws.integer(1, 6) : 2 * draws.integer(1, 8) + 1,
  }));
}

for (const [index, shape] of drawShapes(11).entries())
  describe(Object.values(shape).join('×'), () => {
    const input = slicedView('input', shape, 4 * index, 4);
    const residual = slicedView('residual', shape, 0, index);
    const output = slicedView('output', shape, 8, 4 * index);
    const count = rowsOf(input) * shape.channels;
    const first = randomValues(count, 21);
    const second = randomValues(count, 22);

    it('adds a scaled residual, with ReLU and without', async () => {
      for (const [scale, withRelu] of [
        [0.17, true],
        [1, false],
      ] as const) {
        const expected = first.map((value, at) => {
          const sum = value + scale * second[at]!;
          return withRelu ? Math.max(sum, 0) : sum;
        });
        const found = await valuesAfter(
          [addScaled('add', input, residual, scale, withRelu, output)],
          [
            [input, first],
            [residual, second],
          ],
          output,
        );
        expect(relativeError(found, expected)).toBeLessThan(BOUND);
      }
    });

    it('copies, scales and accumulates', async () => {
      const copied = await valuesAfter([copy('copy', input, output, false)], [[input, first]], output);
      expect(copied).toEqual(first);
      const expected = first.map((value, at) => second[at]! + 0.3 * value);
      const given: Given = [
        [input, first],
        [output, second],
      ];
      const found = await valuesAfter([copy('copy', input, output, true, 0.3)], given, output);
      expect(relativeError(found, expected)).toBeLessThan(BOUND);
    });

    it('concatenates by writing slices of one memory', async () => {
      const other = slicedView('other', { ...shape, channels: shape.channels + 3 }, 1, 0);
      const whole = slicedView('whole', { ...shape, channels: 2 * shape.channels + 3 }, 4, 1);
      const others = randomValues(rowsOf(other) * other.channels, 23);
      const found = await valuesAfter(
        [
          copy('first', input, sliceChannels(whole, 0, shape.channels), false),
          copy('second', other, sliceChannels(whole, shape.channels, other.channels), false),
        ],
        [
          [input, first],
          [other, others],
        ],
        whole,
      );
      const expected = Float32Array.from({ length: rowsOf(whole) * whole.channels }, (_, at) => {
        const row = Math.floor(at / whole.channels);
        const channel = at % whole.channels;
        return channel < shape.channels
          ? first[row * shape.channels + channel]!
          : others[row * other.channels + channel - shape.channels]!;
      });
      expect(found).toEqual(expected);
    });

    it('cuts off what is negative, and its gradient in place', async () => {
      const positive = await valuesAfter([relu('relu', input, output)], [[input, first]], output);
      expect(positive).toEqual(first.map((value) => Math.max(value, 0)));
      const gradient = await valuesAfter(
        [reluGradient('gradient', input, output)],
        [
          [input, positive],
          [output, second],
        ],
        output,
      );
      expect(gradient).toEqual(second.map((value, at) => (first[at]! > 0 ? value : 0)));
    });
  });

/** The mask by its definition: 24 bits of the hash lowbias32 of key + index, in exact integers. */
function keeps(key: number, index: number, keepProbability: number): boolean {
  const mask = 0xffffffffn;
  let x = BigInt(key + index) & mask;
  x = ((x ^ (x >> 16n)) * 0x7feb352dn) & mask;
  x = ((x ^ (x >> 15n)) * 0x846ca68bn) & mask;
  x ^= x >> 16n;
  return Number(x >> 8n) / 2 ** 24 < keepProbability;
}

describe('dropout', () => {
  const draws = new Draws(12);
  for (const batch of [1, 90])
    for (const keepProbability of [0.8, 0.4]) {
      const channels = batch === 1 ? 1792 : draws.integer(20, 60);
      const key = draws.integer(0, 2 ** 32 - 1);
      it(`of ${batch}×${channels} keeps ${keepProbability}, key ${key}`, async () => {
        const shape = { batch, height: 1, width: 1, channels };
        const step = region('step', 8);
        const values = encodeStepValues({
          rate: 0,
          averageRate: 0,
          dropoutKey: key,
          count: batch,
          storedHeight: 0,
          storedWidth: 0,
        });
        const input = slicedView('input', shape, 0, 0);
        const output = slicedView('output', shape, 2, 1);
        const given = randomValues(batch * channels, 24).map((value) => value + 2);
        const before = randomValues(batch * channels, 25);
        const masked = Float64Array.from(given, (value, index) =>
          keeps(key, index, keepProbability) ? value / keepProbability : 0,
        );
        const kept = masked.filter((value) => value !== 0).length / masked.length;
        expect(Math.abs(kept - keepProbability)).toBeLessThan(0.05);
        for (const accumulate of [false, true]) {
          const found = await valuesAfter(
            [dropout('dropout', input, output, keepProbability, step, accumulate)],
            [[input, given], ...(accumulate ? [[output, before] as const] : [])],
            output,
            new Map([[step, values]]),
          );
          const expected = accumulate ? masked.map((value, index) => value + before[index]!) : masked;
          expect(relativeError(found, expected)).toBeLessThan(BOUND);
        }
      });
    }
});

it('copies rows of one channel, as vectors would read past them', async () => {
  const input = matrixView(storage('input', 90), 90, 1);
  const output = matrixView(storage('output', 90), 90, 1);
  const values = randomValues(90, 26);
  expect(await valuesAfter([copy('copy', input, output, false)], [[input, values]], output)).toEqual(values);
});

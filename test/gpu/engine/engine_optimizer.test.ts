/**
 * The step of the optimizers with weight decay and moving average, and the sum of squared weights. The oracle uses
 * TensorFlow's formulas in float64 (training_ops of TensorFlow 1.x), not those of the project.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineDevice } from '../../../workers/gpu/device.ts';
import { METRICS, METRIC_FLOATS, gradientNorm } from '../../../workers/compute/engine/kernels/losses.ts';
import { optimizerStep, squareParts } from '../../../workers/compute/engine/kernels/optimizer.ts';
import { encodeStepValues } from '../../../workers/compute/engine/step_values.ts';
import { storage, type BufferName, type Memory } from '../../../workers/compute/engine/tensor_view.ts';
import type { OptimizerName } from '../../../workers/protocol/train/options.ts';
import {
  Draws,
  openTestDevice,
  randomValues,
  region,
  relativeError,
  runKernels,
  type Values,
} from './engine_support.ts';

const BOUND = 1e-5;

let device: EngineDevice;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

interface Weight {
  value: number;
  first: number;
  second: number;
}

interface Formula {
  /** Values of the slots before the first step. */
  readonly initial: readonly number[];
  /** The rate for the kernel, from the learning rate and the number of the step (from 1). */
  rate(learningRate: number, t: number): number;
  /** One step by TensorFlow's formula. */
  apply(weight: Weight, g: number, learningRate: number, t: number): void;
}

const FORMULAS: Readonly<Record<OptimizerName, Formula>> = {
  ADAGRAD: {
    initial: [0.1],
    rate: (learningRate) => learningRate,
    apply(weight, g, learningRate) {
      weight.first += g ** 2;
      weight.value -= (learningRate * g) / Math.sqrt(weight.first);
    },
  },
  ADADELTA: {
    initial: [0, 0],
    rate: (learningRate) => learningRate,
    apply(weight, g, learningRate) {
      weight.first = 0.9 * weight.first + 0.1 * g ** 2;
      const update = (Math.sqrt(weight.second + 1e-6) / Math.sqrt(weight.first + 1e-6)) * g;
      weight.second = 0.9 * weight.second + 0.1 * update ** 2;
      weight.value -= learningRate * update;
    },
  },
  ADAM: {
    initial: [0, 0],
    rate: (learningRate, t) => (learningRate * Math.sqrt(1 - 0.999 ** t)) / (1 - 0.9 ** t),
    apply(weight, g, learningRate, t) {
      weight.first += (g - weight.first) * (1 - 0.9);
      weight.second += (g ** 2 - weight.second) * (1 - 0.999);
      const rate = (learningRate * Math.sqrt(1 - 0.999 ** t)) / (1 - 0.9 ** t);
      weight.value -= (rate * weight.first) / (Math.sqrt(weight.second) + 0.1);
    },
  },
  RMSPROP: {
    initial: [1, 0],
    rate: (learningRate) => learningRate,
    apply(weight, g, learningRate) {
      weight.first += (g ** 2 - weight.first) * (1 - 0.9);
      weight.second = 0.9 * weight.second + (learningRate * g) / Math.sqrt(weight.first + 1);
      weight.value -= weight.second;
    },
  },
  MOM: {
    initial: [0],
    rate: (learningRate) => learningRate,
    apply(weight, g, learningRate) {
      weight.first = 0.9 * weight.first + g;
      weight.value -= learningRate * g + learningRate * 0.9 * weight.first;
    },
  },
};

const STEP = region('step', 8);
const STEPS = 3;

describe('optimizers', () => {
  const draws = new Draws(61);
  for (const optimizer of Object.keys(FORMULAS) as OptimizerName[])
    for (const [weightDecay, hasMovingAverage] of [
      [0, false],
      [0.05, true],
    ] as const) {
      const name = `${optimizer}${weightDecay > 0 ? ' with weight decay and moving average' : ''}`;
      it(`${name}, ${STEPS} steps`, async () => {
        const { initial, rate, apply } = FORMULAS[optimizer];
        const offset = 64 * draws.integer(1, 3);
        const floats = 64 * draws.integer(2, 9);
        const regularizedFloats = offset + 4 * draws.integer(1, floats / 4 - 1);
        const learningRate = 0.05;
        const decayOfAverage = 0.9;
        const total = offset + floats;
        const kernel = optimizerStep(
          { optimizer, slots: initial.length, weightDecay, hasMovingAverage, regularizedFloats },
          offset,
          floats,
          STEP,
        );
        const state = new Map<BufferName, Float32Array>([
          ['parameters', randomValues(total, 62)],
          ...initial.map(
            (value, index) => [`slot_${index}` as BufferName, new Float32Array(total).fill(value)] as const,
          ),
          ...(hasMovingAverage ? [['moving_average', randomValues(total, 63)] as const] : []),
        ]);
        const weights = Array.from(state.get('parameters')!, (value): Weight => ({
          value,
          first: initial[0]!,
          second: initial[1] ?? 0,
        }));
        const averages = Float64Array.from(state.get('moving_average') ?? []);
        for (let t = 1; t <= STEPS; t++) {
          // From 1e−4 to 10, of either sign, and zeros.
          const gradients = randomValues(total, 64 + t).map((value, at) =>
            at % 17 === 0 ? 0 : value * 10 ** (1 - (at % 6)),
          );
          const before = state.get('parameters')!.slice();
          const contents = new Map<Memory, Values>([
            ...[...state].map(([buffer, values]) => [region(buffer, total), values] as const),
            [region('gradients', total), gradients],
            [
              STEP,
              encodeStepValues({
                rate: rate(learningRate, t),
                averageRate: 1 - decayOfAverage,
                dropoutKey: 0,
                count: 0,
                storedHeight: 0,
                storedWidth: 0,
              }),
            ],
          ]);
          const buffers = [...state.keys(), 'gradients'] as BufferName[];
          const found = await runKernels(
            device,
            [kernel],
            contents,
            buffers.map((buffer) => region(buffer, total)),
          );
          const expectedGradients = Float64Array.from(gradients);
          for (let at = offset; at < total; at++) {
            const weight = weights[at]!;
            const g = gradients[at]! + (at < regularizedFloats ? weightDecay * weight.value : 0);
            expectedGradients[at] = g;
            apply(weight, g, learningRate, t);
            averages[at]! -= (1 - decayOfAverage) * (averages[at]! - weight.value);
          }
          const expected: Readonly<Record<string, ArrayLike<number>>> = {
            parameters: weights.map(({ value }) => value),
            slot_0: weights.map(({ first }) => first),
            slot_1: weights.map(({ second }) => second),
            moving_average: averages,
            gradients: expectedGradients,
          };
          for (const [index, buffer] of buffers.entries()) {
            expect(relativeError(found[index]!, expected[buffer]!), `${buffer}, step ${t}`).toBeLessThan(
              BOUND,
            );
            // Nothing before the range changes.
            expect(found[index]!.subarray(0, offset)).toEqual(
              (buffer === 'gradients' ? gradients : state.get(buffer)!).subarray(0, offset),
            );
          }
          // Also each weight separately: its change may be far smaller than the largest one, and has one rounding of
          // the weight's size per step.
          const off = weights.filter(({ value }, at) => {
            const allowed =
              BOUND * Math.abs(value - before[at]!) + t * 2 ** -23 * Math.max(1, Math.abs(value));
            return !(Math.abs(found[0]![at]! - value) <= allowed);
          });
          expect(off).toEqual([]);
          for (const [index, buffer] of buffers.entries())
            if (buffer !== 'gradients') state.set(buffer, found[index]!);
        }
      });
    }
});

describe('sum of squared weights', () => {
  const draws = new Draws(66);
  for (const parts of [64, 300])
    it(`in ${parts} parts`, async () => {
      const offset = 64 * draws.integer(1, 4);
      const floats = 4 * draws.integer(2000, 6000);
      const values = randomValues(offset + floats, 67);
      const first = 8;
      const output = storage('squares', first + parts);
      const kernel = squareParts('parameters', offset, floats, output, first, parts);
      const parameters = region('parameters', offset + floats);
      const [found] = await runKernels(device, [kernel], new Map([[parameters, values]]), [output]);
      const expected = values.subarray(offset).reduce((sum, value) => sum + value * value, 0);
      const sums = found!.subarray(first, first + parts);
      const total = sums.reduce((sum, value) => sum + value, 0);
      expect(Math.abs(total - expected)).toBeLessThan(BOUND * expected);
      expect(found!.subarray(0, first).every(Number.isNaN)).toBe(true);
    });
});

describe('gradient norm', () => {
  for (const cooperation of ['alone', 'workgroup'] as const)
    it(`with threads ${cooperation === 'alone' ? 'alone' : 'in workgroups'}`, async () => {
      const parts = 300;
      const floats = 4 * 5003;
      const values = randomValues(floats, 68);
      const squares = storage('squares', parts);
      const metrics = region('metrics', METRIC_FLOATS);
      const kernels = [
        squareParts('gradients', 0, floats, squares, 0, parts),
        gradientNorm(metrics, { memory: squares, parts }, cooperation),
      ];
      const gradients = region('gradients', floats);
      const [found] = await runKernels(device, kernels, new Map([[gradients, values]]), [metrics]);
      const expected = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
      const place = METRICS.indexOf('gradientNorm');
      expect(Math.abs(found![place]! - expected)).toBeLessThan(BOUND * expected);
      expect(found!.filter((_, index) => index !== place).every(Number.isNaN)).toBe(true);
    });
});

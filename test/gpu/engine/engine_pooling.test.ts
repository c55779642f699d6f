/** Pooling and its gradients on shapes drawn by hash, over memory that is NaN outside the operands. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineDevice } from '../../../workers/gpu/device.ts';
import type { Kernel } from '../../../workers/compute/engine/kernels/kernel.ts';
import {
  averagePoolGradient,
  globalAveragePool,
  globalAveragePoolGradient,
  maxPoolGradient,
  pool,
  type PoolWindow,
} from '../../../workers/compute/engine/kernels/pooling.ts';
import { rowsOf, type TensorView } from '../../../workers/compute/engine/tensor_view.ts';
import {
  Draws,
  memoryOfView,
  openTestDevice,
  randomValues,
  relativeError,
  runKernels,
  slicedView,
  strayWrites,
  valuesOfView,
} from './engine_support.ts';

const BOUND = 1e-5;

let device: EngineDevice;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

interface PoolCase {
  readonly name: string;
  readonly input: TensorView;
  readonly output: TensorView;
  readonly window: PoolWindow;
  readonly accumulate: boolean;
}

/** Positions in the window of output `index`, with TensorFlow's padding. SAME puts an odd one at the end. */
function spanOf(index: number, length: number, { size, stride, padding }: PoolWindow): [number, number] {
  const outLength = outLengthOf(length, { size, stride, padding });
  const missing = Math.max((outLength - 1) * stride + size - length, 0);
  const first = index * stride - (padding === 'SAME' ? Math.floor(missing / 2) : 0);
  return [Math.max(first, 0), Math.min(first + size, length)];
}

function outLengthOf(length: number, { size, stride, padding }: PoolWindow): number {
  return padding === 'SAME' ? Math.ceil(length / stride) : Math.floor((length - size) / stride) + 1;
}

/** Only a few different values, so that many windows contain their largest value more than once. */
function valuesWithTies(count: number, seed: number): Float32Array {
  return randomValues(count, seed).map((value) => Math.round(2 * value) - 0.5);
}

function drawCases(seed: number): PoolCase[] {
  const draws = new Draws(seed);
  return [1, 90, 3, 2, 5].map((batch, index): PoolCase => {
    const window: PoolWindow = {
      size: draws.pick([2, 3]),
      stride: index % 2 === 0 ? 2 : draws.pick([1, 3]),
      padding: index % 3 === 0 ? 'VALID' : 'SAME',
    };
    const height = draws.integer(3, 9);
    const width = draws.integer(3, 9);
    const channels = index === 2 ? 8 : draws.integer(1, 13);
    const sides = index % 2 === 0 ? [4, 8] : [draws.integer(0, 3), draws.integer(0, 3)];
    const shape = { batch, height, width, channels };
    const outShape = { ...shape, height: outLengthOf(height, window), width: outLengthOf(width, window) };
    return {
      name: `${batch}×${height}×${width}×${channels}, ${window.size}×${window.size}/${window.stride} ${window.padding}`,
      input: slicedView('input', shape, sides[0]!, sides[1]!),
      output: slicedView('output', outShape, sides[1]!, sides[0]!),
      window,
      accumulate: index % 2 === 1,
    };
  });
}

/** Calls `visit` with every output's flat index and those of the inputs in its window, row by row. */
function everyWindow(
  { input, output, window }: PoolCase,
  visit: (output: number, inputs: number[]) => void,
): void {
  const { channels } = input;
  for (let n = 0; n < input.batch; n++)
    for (let oy = 0; oy < output.height; oy++)
      for (let ox = 0; ox < output.width; ox++)
        for (let c = 0; c < channels; c++) {
          const [top, bottom] = spanOf(oy, input.height, window);
          const [left, right] = spanOf(ox, input.width, window);
          const inputs: number[] = [];
          for (let y = top; y < bottom; y++)
            for (let x = left; x < right; x++)
              inputs.push(((n * input.height + y) * input.width + x) * channels + c);
          visit(((n * output.height + oy) * output.width + ox) * channels + c, inputs);
        }
}

function countOf(view: TensorView): number {
  return rowsOf(view) * view.channels;
}

/** Runs one kernel. @returns the values of the written view. Fails if anything around them has changed */
async function valuesAfter(
  kernel: Kernel,
  given: readonly (readonly [TensorView, Float32Array])[],
  written: TensorView,
): Promise<Float32Array> {
  const contents = new Map(given.map(([view, values]) => [view.memory, memoryOfView(values, view)]));
  const [memory] = await runKernels(device, [kernel], contents, [written.memory]);
  expect(strayWrites(memory!, written)).toBe(0);
  return valuesOfView(memory!, written);
}

describe('max pool', () => {
  for (const given of drawCases(1))
    it(given.name, async () => {
      const { input, output, window, accumulate } = given;
      const values = valuesWithTies(countOf(input), 1);
      const expected = new Float32Array(countOf(output));
      const gradient = randomValues(countOf(output), 2);
      const before = randomValues(countOf(input), 3);
      const expectedGradient = accumulate ? Float64Array.from(before) : new Float64Array(before.length);
      let ties = 0;
      everyWindow(given, (at, inputs) => {
        const largest = Math.max(...inputs.map((index) => values[index]!));
        const winners = inputs.filter((index) => values[index] === largest);
        expected[at] = largest;
        expectedGradient[winners[0]!]! += gradient[at]!;
        if (winners.length > 1) ties++;
      });
      expect(ties).toBeGreaterThan(0);

      const found = await valuesAfter(
        pool('pool', 'max_pool', input, output, window),
        [[input, values]],
        output,
      );
      expect(found).toEqual(expected);

      const inputGradient = slicedView('input gradient', input, 3, 2);
      const outputGradient = slicedView('output gradient', output, 0, 4);
      const foundGradient = await valuesAfter(
        maxPoolGradient('gradient', input, output, outputGradient, inputGradient, window, accumulate),
        [
          [input, values],
          [output, expected],
          [outputGradient, gradient],
          ...(accumulate ? [[inputGradient, before] as const] : []),
        ],
        inputGradient,
      );
      expect(relativeError(foundGradient, expectedGradient)).toBeLessThan(BOUND);
    });
});

describe('average pool, which leaves the padding out', () => {
  for (const given of drawCases(2))
    it(given.name, async () => {
      const { input, output, window, accumulate } = given;
      const values = randomValues(countOf(input), 4);
      const gradient = randomValues(countOf(output), 5);
      const before = randomValues(countOf(input), 6);
      const expected = new Float64Array(countOf(output));
      const expectedGradient = accumulate ? Float64Array.from(before) : new Float64Array(before.length);
      everyWindow(given, (at, inputs) => {
        for (const index of inputs) {
          expected[at]! += values[index]! / inputs.length;
          expectedGradient[index]! += gradient[at]! / inputs.length;
        }
      });
      const found = await valuesAfter(
        pool('pool', 'average_pool', input, output, window),
        [[input, values]],
        output,
      );
      expect(relativeError(found, expected)).toBeLessThan(BOUND);

      const inputGradient = slicedView('input gradient', input, 0, 4);
      const outputGradient = slicedView('output gradient', output, 1, 2);
      const foundGradient = await valuesAfter(
        averagePoolGradient('gradient', outputGradient, inputGradient, window, accumulate),
        [[outputGradient, gradient], ...(accumulate ? [[inputGradient, before] as const] : [])],
        inputGradient,
      );
      expect(relativeError(foundGradient, expectedGradient)).toBeLessThan(BOUND);
    });
});

describe('global average pool', () => {
  const draws = new Draws(3);
  for (const [index, batch] of [1, 90, 4].entries()) {
    const shape = {
      batch,
      height: draws.integer(1, 8),
      width: draws.integer(1, 8),
      channels: draws.integer(1, 30),
    };
    it(Object.values(shape).join('×'), async () => {
      const accumulate = index === 1;
      const input = slicedView('input', shape, index, 2);
      const output = slicedView('output', { ...shape, height: 1, width: 1 }, 0, index);
      const pixels = shape.height * shape.width;
      const values = randomValues(countOf(input), 7);
      const gradient = randomValues(countOf(output), 8);
      const before = randomValues(countOf(input), 9);
      const expected = new Float64Array(countOf(output));
      const expectedGradient = accumulate ? Float64Array.from(before) : new Float64Array(before.length);
      for (let at = 0; at < values.length; at++) {
        const image = Math.floor(at / (pixels * shape.channels));
        const place = image * shape.channels + (at % shape.channels);
        expected[place]! += values[at]! / pixels;
        expectedGradient[at]! += gradient[place]! / pixels;
      }
      const found = await valuesAfter(globalAveragePool('pool', input, output), [[input, values]], output);
      expect(relativeError(found, expected)).toBeLessThan(BOUND);
      const inputGradient = slicedView('input gradient', shape, 4, 4);
      const foundGradient = await valuesAfter(
        globalAveragePoolGradient('gradient', output, inputGradient, accumulate),
        [[output, gradient], ...(accumulate ? [[inputGradient, before] as const] : [])],
        inputGradient,
      );
      expect(relativeError(foundGradient, expectedGradient)).toBeLessThan(BOUND);
    });
  }
});

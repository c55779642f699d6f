/**
 * Dense layers, which are 1×1 convolutions of one pixel, and the epilogue of products: bias, batch norm with moving
 * statistics, the residual's scale and addition, ReLU.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineDevice } from '../../../workers/gpu/device.ts';
import {
  biasGradientParts,
  normalizeWithMovingStatistics,
} from '../../../workers/compute/engine/kernels/batch_norm.ts';
import {
  convolutionDirect,
  type ConvolutionOperands,
} from '../../../workers/compute/engine/kernels/convolution_direct.ts';
import { convolutionGeometry } from '../../../workers/compute/engine/kernels/convolution_geometry.ts';
import { convolutionTiled } from '../../../workers/compute/engine/kernels/convolution_tiled.ts';
import type { Epilogue } from '../../../workers/compute/engine/kernels/epilogue.ts';
import {
  filterGradientDirect,
  filterGradientTiled,
  sumOfParts,
} from '../../../workers/compute/engine/kernels/filter_gradient.ts';
import type { Kernel } from '../../../workers/compute/engine/kernels/kernel.ts';
import { columnPartsLayout, type Cooperation } from '../../../workers/compute/engine/kernels/reductions.ts';
import { matrixView, storage, type TensorView } from '../../../workers/compute/engine/tensor_view.ts';
import {
  Draws,
  memoryOfView,
  openTestDevice,
  randomValues,
  relativeError,
  runKernels,
  valuesOfView,
} from './engine_support.ts';

const BOUND = 1e-5;
const DIRECT = { kind: 'direct', rows: 4, columns: 8 } as const;
const DIRECT_GRADIENT = { kind: 'direct', rows: 8, columns: 8 } as const;
const TILED = {
  kind: 'tiled',
  blockRows: 64,
  blockColumns: 32,
  blockDepth: 16,
  threadRows: 4,
  threadColumns: 4,
} as const;

let device: EngineDevice;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

interface Matrix {
  readonly view: TensorView;
  readonly values: Float32Array;
  at(row: number, column: number): number;
}

let nextSeed = 31;

function matrix(name: string, rows: number, columns: number, offset = 0): Matrix {
  const values = randomValues(rows * columns, nextSeed++).map((value) => value + offset);
  return {
    view: matrixView(storage(name, rows * columns), rows, columns),
    values,
    at: (row, column) => values[row * columns + column]!,
  };
}

/** A float64 matrix [rows, columns] from a function of the place. */
function tabulate(
  rows: number,
  columns: number,
  value: (row: number, column: number) => number,
): Float64Array {
  return Float64Array.from({ length: rows * columns }, (_, at) =>
    value(Math.floor(at / columns), at % columns),
  );
}

function sum(count: number, term: (index: number) => number): number {
  let total = 0;
  for (let index = 0; index < count; index++) total += term(index);
  return total;
}

async function valuesAfter(
  kernels: readonly Kernel[],
  given: readonly Matrix[],
  wanted: TensorView,
): Promise<Float32Array> {
  const contents = new Map(given.map(({ view, values }) => [view.memory, memoryOfView(values, view)]));
  const [memory] = await runKernels(device, kernels, contents, [wanted.memory]);
  return valuesOfView(memory!, wanted);
}

const draws = new Draws(31);
const CASES = [1, 90, 17].map((batch, index) => ({
  batch,
  // A multiple of 4 and odd ones: as vectors and value by value.
  inputs: index === 1 ? 4 * draws.integer(4, 12) : 2 * draws.integer(10, 40) + 1,
  units: index === 1 ? 4 * draws.integer(3, 8) : 2 * draws.integer(5, 30) + 1,
}));

// The epilogue is the same code in both kernels. A software adapter takes seconds to compile the kernel with workgroup
// memory, so there is one case each for that kernel.
for (const cooperation of ['alone', 'workgroup'] as const)
  for (const { batch, inputs, units } of cooperation === 'alone' ? CASES : CASES.slice(2))
    describe(`dense of ${batch}×${inputs} to ${units}, ${cooperation}`, () => {
      const shape = convolutionGeometry(
        { batch, height: 1, width: 1, channels: inputs },
        units,
        [1, 1],
        1,
        'VALID',
      );
      const product = (direction: 'forward' | 'input_gradient', operands: ConvolutionOperands): Kernel =>
        cooperation === 'alone'
          ? convolutionDirect(direction, operands, DIRECT)
          : convolutionTiled(direction, operands, TILED);
      const input = matrix('input', batch, inputs);
      const weights = matrix('weights', inputs, units);
      const gradient = matrix('gradient', batch, units);
      const products = tabulate(batch, units, (row, unit) =>
        sum(inputs, (i) => input.at(row, i) * weights.at(i, unit)),
      );
      const forward = (output: TensorView, epilogue?: Epilogue): Kernel =>
        product('forward', {
          name: 'dense',
          shape,
          source: input.view,
          weights: weights.view,
          output,
          ...(epilogue ? { epilogue } : {}),
        });

      if (cooperation === 'alone') {
        it('forward without a bias, and with one and ReLU', async () => {
          const output = matrix('output', batch, units);
          const plain = await valuesAfter([forward(output.view)], [input, weights], output.view);
          expect(relativeError(plain, products)).toBeLessThan(BOUND);
          const bias = matrix('bias', 1, units);
          const found = await valuesAfter(
            [forward(output.view, { bias: bias.view, relu: true })],
            [input, weights, bias],
            output.view,
          );
          const expected = products.map((value, at) => Math.max(value + bias.at(0, at % units), 0));
          expect(relativeError(found, expected)).toBeLessThan(BOUND);
        });

        it('forward with batch norm by moving statistics', async () => {
          const output = matrix('output', batch, units);
          const mean = matrix('mean', 1, units);
          const variance = matrix('variance', 1, units, 1.1);
          const beta = matrix('beta', 1, units);
          const gamma = matrix('gamma', 1, units);
          const epsilon = 0.001;
          const norm = { mean: mean.view, variance: variance.view, beta: beta.view, epsilon };
          const normal = (value: number, c: number): number =>
            (value - mean.at(0, c)) / Math.sqrt(variance.at(0, c) + epsilon);
          const found = await valuesAfter(
            [forward(output.view, { norm, relu: true })],
            [input, weights, mean, variance, beta],
            output.view,
          );
          const expected = products.map((value, at) =>
            Math.max(normal(value, at % units) + beta.at(0, at % units), 0),
          );
          expect(relativeError(found, expected)).toBeLessThan(BOUND);
          const scaled = await valuesAfter(
            [forward(output.view, { norm: { ...norm, gamma: gamma.view } })],
            [input, weights, mean, variance, beta, gamma],
            output.view,
          );
          const expectedScaled = products.map((value, at) => {
            const c = at % units;
            return normal(value, c) * gamma.at(0, c) + beta.at(0, c);
          });
          expect(relativeError(scaled, expectedScaled)).toBeLessThan(BOUND);
        });
      }

      it('forward as a residual: bias, scale, what it is added to, ReLU', async () => {
        const output = matrix('output', batch, units);
        const bias = matrix('bias', 1, units);
        const skip = matrix('skip', batch, units);
        const found = await valuesAfter(
          [forward(output.view, { bias: bias.view, scale: 0.17, addend: skip.view, relu: true })],
          [input, weights, bias, skip],
          output.view,
        );
        const expected = products.map((value, at) =>
          Math.max(skip.values[at]! + 0.17 * (value + bias.at(0, at % units)), 0),
        );
        expect(relativeError(found, expected)).toBeLessThan(BOUND);
      });

      it('gradient of the input, alone and added to what is there', async () => {
        const result = matrix('input gradient', batch, inputs);
        const expected = tabulate(
          batch,
          inputs,
          (row, i) => 0.2 * sum(units, (unit) => gradient.at(row, unit) * weights.at(i, unit)),
        );
        for (const accumulate of cooperation === 'alone' ? [false, true] : [true]) {
          const found = await valuesAfter(
            [
              product('input_gradient', {
                name: 'input gradient',
                shape,
                source: gradient.view,
                weights: weights.view,
                output: result.view,
                epilogue: { scale: 0.2, addend: accumulate ? result.view : undefined },
              }),
            ],
            [gradient, weights, ...(accumulate ? [result] : [])],
            result.view,
          );
          const wanted = accumulate ? expected.map((value, at) => value + result.values[at]!) : expected;
          expect(relativeError(found, wanted)).toBeLessThan(BOUND);
        }
      });

      it('gradients of the weights, in one part and in three, and of the bias', async () => {
        const result = matrix('weight gradient', inputs, units);
        const expected = tabulate(
          inputs,
          units,
          (i, unit) => 0.5 * sum(batch, (row) => input.at(row, i) * gradient.at(row, unit)),
        );
        for (const splits of cooperation === 'alone' ? [1, 3] : [3]) {
          const parts = storage('parts', splits * inputs * units);
          const operands = {
            name: 'weight gradient',
            shape,
            input: input.view,
            gradient: gradient.view,
            output: splits === 1 ? result.view : matrixView(parts, splits * inputs, units),
            scale: splits === 1 ? 0.5 : 1,
          };
          const kernels = [
            cooperation === 'alone'
              ? filterGradientDirect(operands, { ...DIRECT_GRADIENT, splits })
              : filterGradientTiled(operands, { ...TILED, splits }),
          ];
          if (splits > 1)
            kernels.push(sumOfParts('sum', parts, splits, inputs * units, result.view.memory, 0.5));
          const found = await valuesAfter(kernels, [input, gradient], result.view);
          expect(relativeError(found, expected)).toBeLessThan(BOUND);
        }
        expect(await biasError(gradient, batch, units, cooperation)).toBeLessThan(BOUND);
      });
    });

async function biasError(
  gradient: Matrix,
  rows: number,
  channels: number,
  cooperation: Cooperation,
): Promise<number> {
  const { parts, floats } = columnPartsLayout(rows, channels);
  const memory = storage('parts', floats);
  const padded = Math.ceil(channels / 4) * 4;
  const result = matrixView(storage('bias gradient', padded), 1, channels);
  const found = await valuesAfter(
    [
      biasGradientParts('parts', gradient.view, memory, cooperation),
      sumOfParts('sum', memory, parts, padded, result.memory, 1),
    ],
    [gradient],
    result,
  );
  return relativeError(
    found,
    tabulate(1, channels, (_, c) => sum(rows, (row) => gradient.at(row, c))),
  );
}

describe('batch norm with moving statistics on its own', () => {
  for (const [rows, channels, relu] of [
    [1, 13, true],
    [90 * 9, 36, false],
  ] as const)
    it(`${rows}×${channels}${relu ? ', ReLU' : ''}`, async () => {
      const input = matrix('input', rows, channels, 3);
      const output = matrix('output', rows, channels);
      const mean = matrix('mean', 1, channels, 3);
      const variance = matrix('variance', 1, channels, 1.01);
      const beta = matrix('beta', 1, channels);
      const gamma = matrix('gamma', 1, channels);
      const epsilon = 0.001;
      const norm = {
        mean: mean.view,
        variance: variance.view,
        beta: beta.view,
        gamma: gamma.view,
        epsilon,
      };
      const found = await valuesAfter(
        [normalizeWithMovingStatistics('norm', input.view, output.view, norm, relu)],
        [input, mean, variance, beta, gamma],
        output.view,
      );
      const expected = tabulate(rows, channels, (row, c) => {
        const deviation = Math.sqrt(variance.at(0, c) + epsilon);
        const value = ((input.at(row, c) - mean.at(0, c)) / deviation) * gamma.at(0, c) + beta.at(0, c);
        return relu ? Math.max(value, 0) : value;
      });
      expect(relativeError(found, expected)).toBeLessThan(BOUND);
    });
});

/**
 * Losses, their gradients, metrics, centres and l2 normalisation against float64 formulas, with batches of 1 and 90
 * and short ones, over memory that is NaN outside the operands.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineDevice } from '../../../workers/gpu/device.ts';
import type { Kernel } from '../../../workers/compute/engine/kernels/kernel.ts';
import {
  METRICS,
  METRIC_FLOATS,
  crossEntropy,
  l2Normalize,
  metrics,
  prelogitsLosses,
  rowResultsFloats,
  updateCenters,
} from '../../../workers/compute/engine/kernels/losses.ts';
import type { Cooperation } from '../../../workers/compute/engine/kernels/reductions.ts';
import { encodeStepValues } from '../../../workers/compute/engine/step_values.ts';
import { matrixView, storage, type Memory } from '../../../workers/compute/engine/tensor_view.ts';
import {
  Draws,
  memoryOfView,
  openTestDevice,
  randomValues,
  region,
  relativeError,
  runKernels,
  valuesOfView,
  type Values,
} from './engine_support.ts';

const BOUND = 1e-5;
const COOPERATIONS = ['alone', 'workgroup'] as const;

let device: EngineDevice;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

const STEP = region('step', 8);

function stepOf(count: number): Uint32Array {
  return encodeStepValues({
    rate: 0,
    averageRate: 0,
    dropoutKey: 0,
    count,
    storedHeight: 0,
    storedWidth: 0,
  });
}

/** Runs kernels over the given contents. @returns the requested memories */
function run(
  kernels: readonly Kernel[],
  given: readonly (readonly [Memory, Values])[],
  wanted: readonly Memory[],
): Promise<Float32Array[]> {
  return runKernels(device, kernels, new Map(given), wanted);
}

function drawLabels(draws: Draws, rows: number, classes: number): Int32Array {
  return Int32Array.from({ length: rows }, () => draws.integer(0, classes - 1));
}

/** Column `column` of the rows' results. */
function columnOf(results: Float32Array, column: number, rows: number): Float32Array {
  return Float32Array.from({ length: rows }, (_, row) => results[4 * row + column]!);
}

interface CrossEntropyReference {
  readonly loss: Float64Array;
  readonly correct: Float32Array;
  readonly gradient: Float64Array;
}

/** −log softmax(z)[label], gradient (softmax(z) − onehot)/count; nothing for rows from `count` on. */
function crossEntropyReference(
  logits: Float32Array,
  classes: number,
  labels: Int32Array,
  count: number,
): CrossEntropyReference {
  const loss = new Float64Array(labels.length);
  const correct = new Float32Array(labels.length);
  const gradient = new Float64Array(logits.length);
  for (let row = 0; row < count; row++) {
    const values = [...logits.subarray(row * classes, (row + 1) * classes)];
    const largest = Math.max(...values);
    const total = values.reduce((sum, value) => sum + Math.exp(value - largest), 0);
    const label = labels[row]!;
    loss[row] = Math.log(total) + largest - values[label]!;
    correct[row] = values.indexOf(largest) === label ? 1 : 0;
    for (const [index, value] of values.entries())
      gradient[row * classes + index] =
        (Math.exp(value - largest) / total - (index === label ? 1 : 0)) / count;
  }
  return { loss, correct, gradient };
}

describe('softmax cross entropy', () => {
  const draws = new Draws(41);
  const cases = [
    { rows: 1, count: 1, classes: draws.integer(2, 12), scale: 3 },
    { rows: 90, count: 90, classes: 2 * draws.integer(100, 250) + 1, scale: 8 },
    // Logits whose exponentials are too large for float32.
    { rows: 90, count: 71, classes: 4 * draws.integer(20, 60), scale: 20_000 },
  ];
  for (const { rows, count, classes, scale } of cases)
    for (const cooperation of COOPERATIONS)
      it(`${count} of ${rows} rows, ${classes} classes, logits to ${scale}, ${cooperation}`, async () => {
        const view = matrixView(storage('logits', rows * classes), rows, classes);
        const gradient = matrixView(storage('gradient', rows * classes), rows, classes);
        const results = storage('results', rowResultsFloats(rows));
        const labels = drawLabels(draws, rows, classes);
        const logits = randomValues(rows * classes, 42).map((value) => scale * value);
        // In some rows the label has the largest logit, alone or tied with an earlier one, which wins then.
        for (let row = 0; row < rows; row += 3) {
          logits[row * classes + labels[row]!] = scale;
          if (row % 2 === 1) logits[row * classes] = scale;
        }
        const expected = crossEntropyReference(logits, classes, labels, count);
        const labelsMemory = region('labels', rows);
        const given = [
          [view.memory, memoryOfView(logits, view)],
          [labelsMemory, labels],
          [STEP, stepOf(count)],
        ] as const;
        const buffers = { labels: labelsMemory, step: STEP };
        const [found, foundGradient] = await run(
          [crossEntropy(view, buffers, results, gradient, cooperation)],
          given,
          [results, gradient.memory],
        );
        expect(relativeError(columnOf(found!, 0, rows), expected.loss)).toBeLessThan(BOUND);
        expect(columnOf(found!, 1, rows)).toEqual(expected.correct);
        if (rows > 1) expect(new Set(expected.correct).size).toBe(2);
        expect(relativeError(valuesOfView(foundGradient!, gradient), expected.gradient)).toBeLessThan(BOUND);

        const [evaluated] = await run([crossEntropy(view, buffers, results, undefined, cooperation)], given, [
          results,
        ]);
        expect(columnOf(evaluated!, 0, rows)).toEqual(columnOf(found!, 0, rows));
        expect(columnOf(evaluated!, 1, rows)).toEqual(expected.correct);
      });
});

describe('losses on prelogits', () => {
  const draws = new Draws(43);
  const cases = [
    { normP: 1, rows: 90, count: 90, centerFactor: 0 },
    { normP: 1, rows: 1, count: 1, centerFactor: 1.3 },
    { normP: 2, rows: 90, count: 90, centerFactor: 1.3 },
    { normP: 2, rows: 1, count: 1, centerFactor: 0 },
    { normP: 3, rows: 90, count: 64, centerFactor: 0.4 },
    { normP: 1.5, rows: 5, count: 5, centerFactor: 0 },
  ];
  for (const [index, { normP, rows, count, centerFactor }] of cases.entries())
    for (const cooperation of COOPERATIONS.slice(0, index % 2 === 0 ? 2 : 1))
      it(`p = ${normP}, ${count} of ${rows} rows, centres’ factor ${centerFactor}, ${cooperation}`, async () => {
        const size = draws.integer(5, 40);
        const classes = draws.integer(3, 9);
        const factors = { normFactor: 0.7, normP, centerFactor };
        const prelogits = matrixView(storage('prelogits', rows * size), rows, size);
        const gradient = matrixView(storage('gradient', rows * size), rows, size);
        const results = storage('results', rowResultsFloats(rows));
        const labels = drawLabels(draws, rows, classes);
        const values = randomValues(rows * size, 44).map((value) => 3 * value);
        // The absolute value's slope at 0 is 0.
        values[0] = 0;
        const centers = randomValues(classes * size, 45);

        const norms = new Float64Array(rows);
        const distances = new Float64Array(rows);
        const expected = new Float64Array(rows * size);
        for (let row = 0; row < count; row++) {
          const places = Array.from({ length: size }, (_, c) => row * size + c);
          const center = (at: number): number => centers[labels[row]! * size + (at % size)]!;
          const magnitude = (at: number): number => Math.abs(values[at]!) + 1e-4;
          const norm = places.reduce((sum, at) => sum + magnitude(at) ** normP, 0) ** (1 / normP);
          norms[row] = norm;
          distances[row] = places.reduce((sum, at) => sum + (values[at]! - center(at)) ** 2, 0) / size;
          for (const at of places)
            expected[at] =
              (0.7 * (magnitude(at) / norm) ** (normP - 1) * Math.sign(values[at]!)) / count +
              (centerFactor * 2 * (values[at]! - center(at))) / (size * count);
        }

        const buffers = {
          labels: region('labels', rows),
          step: STEP,
          centers: region('centers', classes * size),
        };
        const given = [
          [prelogits.memory, memoryOfView(values, prelogits)],
          [buffers.labels, labels],
          [STEP, stepOf(count)],
          [buffers.centers, centers],
        ] as const;
        const [found, foundGradient] = await run(
          [prelogitsLosses(prelogits, buffers, results, gradient, factors, cooperation)],
          given,
          [results, gradient.memory],
        );
        const [evaluated] = await run(
          [prelogitsLosses(prelogits, buffers, results, undefined, factors, cooperation)],
          given,
          [results],
        );
        for (const column of [2, 3])
          expect(columnOf(evaluated!, column, rows)).toEqual(columnOf(found!, column, rows));
        expect(relativeError(columnOf(found!, 2, rows), norms)).toBeLessThan(BOUND);
        expect(relativeError(columnOf(found!, 3, rows), distances)).toBeLessThan(BOUND);
        expect(relativeError(valuesOfView(foundGradient!, gradient), expected)).toBeLessThan(BOUND);
      });
});

describe('center update', () => {
  const draws = new Draws(46);
  for (const [rows, count, classes] of [
    [1, 1, 4],
    [90, 90, 13],
    [90, 40, 200],
  ] as const)
    it(`${count} of ${rows} rows, ${classes} classes`, async () => {
      const size = draws.integer(5, 40);
      const alfa = 0.9;
      const labels = drawLabels(draws, rows, classes);
      const values = randomValues(rows * size, 47);
      const centers = randomValues(classes * size, 48);
      const expected = Float64Array.from(centers);
      // As in TensorFlow's scatter_sub, all differences use the centres before the step.
      for (let row = 0; row < count; row++)
        for (let c = 0; c < size; c++) {
          const at = labels[row]! * size + c;
          expected[at]! -= (1 - alfa) * (centers[at]! - values[row * size + c]!);
        }
      const prelogits = matrixView(storage('prelogits', rows * size), rows, size);
      const buffers = {
        labels: region('labels', rows),
        step: STEP,
        centers: region('centers', classes * size),
      };
      const [found] = await run(
        [updateCenters(prelogits, buffers, alfa)],
        [
          [prelogits.memory, memoryOfView(values, prelogits)],
          [buffers.labels, labels],
          [buffers.centers, centers],
          [STEP, stepOf(count)],
        ],
        [buffers.centers],
      );
      expect(relativeError(found!, expected)).toBeLessThan(BOUND);
      // Classes that are not in the batch do not change.
      const present = new Set(labels.subarray(0, count));
      for (let label = 0; label < classes; label++)
        if (!present.has(label))
          expect(found!.subarray(label * size, (label + 1) * size)).toEqual(
            centers.subarray(label * size, (label + 1) * size),
          );
    });
});

describe('metrics', () => {
  for (const cooperation of COOPERATIONS)
    for (const [rows, count, usedColumns] of [
      [90, 77, 4],
      [1, 1, 2],
    ] as const)
      it(`of ${count} of ${rows} rows, ${usedColumns} columns, ${cooperation}`, async () => {
        const results = storage('results', rowResultsFloats(rows));
        const values = randomValues(rowResultsFloats(rows), 49);
        const parts = usedColumns === 4 ? 300 : 0;
        const squares = storage('squares', 300);
        const partValues = randomValues(300, 50).map(Math.abs);
        const buffers = { metrics: region('metrics', METRIC_FLOATS), step: STEP };
        const [found] = await run(
          [
            metrics(
              buffers,
              results,
              usedColumns,
              parts === 0 ? undefined : { memory: squares, parts },
              cooperation,
            ),
          ],
          [
            [results, values],
            [squares, partValues],
            [STEP, stepOf(count)],
          ],
          [buffers.metrics],
        );
        // The norm of the gradient has a separate kernel.
        const ownColumns = METRICS.indexOf('gradientNorm');
        expect(found![ownColumns]).toBeNaN();
        const expected = METRICS.slice(0, ownColumns).map((_, column) => {
          if (column === 4) return partValues.subarray(0, parts).reduce((sum, value) => sum + value, 0);
          if (column >= usedColumns) return 0;
          return columnOf(values, column, count).reduce((sum, value) => sum + value, 0) / count;
        });
        for (const [column, value] of expected.entries())
          expect(Math.abs(found![column]! - value), METRICS[column]).toBeLessThanOrEqual(
            // Relative to the terms, which are below 1 and of both signs.
            BOUND * Math.max(Math.abs(value), 1),
          );
      });
});

describe('l2 normalisation', () => {
  const draws = new Draws(51);
  const epsilon = 1e-10;
  for (const cooperation of COOPERATIONS as readonly Cooperation[])
    for (const rows of [1, 90]) {
      const size = draws.integer(20, 140);
      it(`of ${rows}×${size}, ${cooperation}`, async () => {
        const input = matrixView(storage('input', rows * size), rows, size);
        const output = matrixView(storage('output', rows * size), rows, size);
        const values = randomValues(rows * size, 52);
        // Rows of very different lengths, one of them below ε's root.
        for (const at of values.keys()) values[at]! *= 10 ** (2 - (Math.floor(at / size) % 9));
        const expected = new Float64Array(values.length);
        for (let row = 0; row < rows; row++) {
          const part = values.subarray(row * size, (row + 1) * size);
          const squares = part.reduce((sum, value) => sum + value * value, 0);
          part.forEach((value, c) => {
            expected[row * size + c] = value / Math.sqrt(Math.max(squares, epsilon));
          });
        }
        const [found] = await run(
          [l2Normalize(input, output, epsilon, cooperation)],
          [[input.memory, memoryOfView(values, input)]],
          [output.memory],
        );
        for (let row = 0; row < rows; row++)
          expect(
            relativeError(
              found!.subarray(row * size, (row + 1) * size),
              expected.subarray(row * size, (row + 1) * size),
            ),
          ).toBeLessThan(BOUND);
      });
    }
});

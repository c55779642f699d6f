import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  centerLoss,
  prelogitsNorm,
  softmaxCrossEntropy,
  updateCenters,
} from '../../../workers/compute/step/losses.ts';

/** ∂f/∂x_i of a function over a float32 array, by central differences in float64. */
function numericGradient(values: Float32Array, f: (values: Float32Array) => number): number[] {
  return Array.from(values, (_, index) => {
    const step = 1e-2;
    const above = values.slice();
    const below = values.slice();
    above[index] = above[index]! + step;
    below[index] = below[index]! - step;
    return (f(above) - f(below)) / (above[index]! - below[index]!);
  });
}

const batches = fc.record({
  rows: fc.integer({ min: 1, max: 4 }),
  columns: fc.integer({ min: 2, max: 5 }),
  seed: fc.array(fc.double({ min: 0.1, max: 2, noNaN: true }), { minLength: 20, maxLength: 20 }),
  signs: fc.array(fc.boolean(), { minLength: 20, maxLength: 20 }),
  labels: fc.array(fc.nat(100), { minLength: 4, maxLength: 4 }),
});

function values(rows: number, columns: number, seed: number[], signs: boolean[]): Float32Array {
  return Float32Array.from({ length: rows * columns }, (_, i) => seed[i]! * (signs[i] ? 1 : -1));
}

describe('losses', () => {
  it('softmax cross entropy: gradient, and ln(classes) for equal logits', () => {
    fc.assert(
      fc.property(batches, ({ rows, columns, seed, signs, labels }) => {
        const logits = values(rows, columns, seed, signs);
        const classes = Int32Array.from(labels.slice(0, rows), (label) => label % columns);
        const gradient = new Float32Array(logits.length);
        softmaxCrossEntropy(logits, classes, columns, gradient);
        const expected = numericGradient(
          logits,
          (x) => softmaxCrossEntropy(x, classes, columns).crossEntropy,
        );
        expected.forEach((value, i) => expect(gradient[i]).toBeCloseTo(value, 3));
        const equal = softmaxCrossEntropy(new Float32Array(logits.length).fill(3), classes, columns);
        expect(equal.crossEntropy).toBeCloseTo(Math.log(columns), 10);
      }),
      { numRuns: 50 },
    );
  });

  it('softmax cross entropy does not overflow', () => {
    const { crossEntropy, accuracy } = softmaxCrossEntropy(
      Float32Array.of(1e30, -1e30, 0, 5000),
      Int32Array.of(0, 1),
      2,
    );
    expect(crossEntropy).toBe(0);
    expect(accuracy).toBe(1);
  });

  it.each([1, 2, 3])('prelogits norm, p = %i: value and gradient', (p) => {
    fc.assert(
      fc.property(batches, ({ rows, columns, seed, signs }) => {
        const prelogits = values(rows, columns, seed, signs);
        const gradient = new Float32Array(prelogits.length);
        const norm = prelogitsNorm(prelogits, rows, p, 0.5, gradient);
        let expected = 0;
        for (let n = 0; n < rows; n++)
          expected +=
            prelogits
              .subarray(n * columns, (n + 1) * columns)
              .reduce((sum, x) => sum + (Math.abs(x) + 1e-4) ** p, 0) **
            (1 / p);
        expect(norm).toBeCloseTo(expected / rows, 4);
        numericGradient(prelogits, (x) => 0.5 * prelogitsNorm(x, rows, p, 0)).forEach((value, i) =>
          expect(gradient[i]).toBeCloseTo(value, 2),
        );
      }),
      { numRuns: 50 },
    );
  });

  it('center loss: value, gradient, and centres moved with the differences of before the step', () => {
    const prelogits = Float32Array.of(1, 2, 3, 4, -1, 0);
    const labels = Int32Array.of(0, 1, 0);
    const centers = Float32Array.of(0, 0, 1, 1);
    const gradient = new Float32Array(6);
    const loss = centerLoss(prelogits, labels, centers, 0.1, gradient);
    expect(loss).toBeCloseTo((1 + 4 + 4 + 9 + 1 + 0) / 6, 6);
    expect(gradient[3]).toBeCloseTo((0.1 * 2 * 3) / 6, 6);
    updateCenters(centers, prelogits, labels, 0.9);
    expect(centers[0]).toBeCloseTo(0.1 * 1 + 0.1 * -1, 6);
    expect(centers[1]).toBeCloseTo(0.1 * 2, 6);
    expect(centers[3]).toBeCloseTo(1 + 0.1 * 3, 6);
  });
});

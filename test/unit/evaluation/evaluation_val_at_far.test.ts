/** VAL at a false accept rate, against SciPy's values (test/fixtures/val_at_far.py). */
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ThresholdGrid } from '../../../workers/evaluation/accept_curve.ts';
import { measurePairs, thresholdAtFar } from '../../../workers/evaluation/metrics.ts';

interface Case {
  readonly folds: number;
  readonly target: number;
  readonly distances: readonly number[];
  readonly same: readonly number[];
  readonly thresholds: readonly number[];
  readonly val: number;
  readonly far: number;
}

const CASES = JSON.parse(
  readFileSync(new URL('../../fixtures/val_at_far.json', import.meta.url), 'utf8'),
) as readonly Case[];

/** One-dimensional embeddings 0 and √d have the squared distance d, up to rounding. */
function measure({ distances, same, folds, target }: Omit<Case, 'thresholds' | 'val' | 'far'>) {
  return measurePairs(
    {
      embeddings: Float64Array.from([0, ...distances.map(Math.sqrt)]),
      dimension: 1,
      first: distances.map(() => 0),
      second: distances.map((_, index) => index + 1),
      same: same.map(Boolean),
    },
    { folds, distanceMetric: 0, subtractMean: false, farTarget: target },
  );
}

describe('VAL at a false accept rate', () => {
  it('is what SciPy gives, where thresholds meet the rate exactly and where none does', () => {
    expect(CASES.length).toBeGreaterThan(50);
    for (const one of CASES) {
      const found = measure(one);
      expect(found.valThresholdPerFold.map((value) => value.toFixed(9))).toEqual(
        one.thresholds.map((value) => value.toFixed(9)),
      );
      expect(found.val).toBeCloseTo(one.val, 12);
      expect(found.far).toBeCloseTo(one.far, 12);
    }
  });

  it('takes the last threshold that meets the rate exactly', () => {
    // In each fold 1000 pairs of two people: the second smallest of the other fold's ends the range of FAR 0.001.
    const fold = (first: number, second: number): number[] => [
      ...Array.from({ length: 100 }, (_, index) => 0.0105 + index / 100),
      ...[first, second, ...Array.from({ length: 998 }, () => 2)],
    ];
    const distances = [...fold(0.3005, 0.7005), ...fold(0.3205, 0.7305)];
    const same = distances.map((_, index) => Number(index % 1100 < 100));
    const found = measure({ distances, same, folds: 2, target: 1e-3 });
    expect(found.valThresholdPerFold.map((value) => value.toFixed(6))).toEqual(['0.730000', '0.700000']);
    expect(found.val).toBeCloseTo((0.72 + 0.69) / 2, 12);
    expect(found.far).toBeCloseTo((2 / 1000 + 1 / 1000) / 2, 12);
  });

  it('is the last exact threshold of any curve, else the crossing of its interpolation', () => {
    const curve = fc
      .array(fc.nat({ max: 3 }), { minLength: 2, maxLength: 60 })
      .map((steps) => steps.reduce<number[]>((sums, step) => [...sums, (sums.at(-1) ?? 0) + step], [0]));
    fc.assert(
      fc.property(curve, fc.integer({ min: 1, max: 400 }), (counts, halves) => {
        const differentCount = Math.max(counts.at(-1)!, 1);
        const target = Math.min(halves / 2, differentCount) / differentCount;
        const grid = new ThresholdGrid(counts.length, 0.001);
        const found = thresholdAtFar({ falseAccepts: Int32Array.from(counts), differentCount }, grid, target);
        const fars = counts.map((count) => count / differentCount);
        const exact = fars.lastIndexOf(target);
        if (exact >= 0) expect(found).toBe(grid.at(exact));
        else if (Math.max(...fars) < target) expect(found).toBe(0);
        else {
          const above = fars.findIndex((far) => far > target);
          expect(found).toBeGreaterThan(grid.at(above - 1));
          expect(found).toBeLessThan(grid.at(above));
          const share = (found - grid.at(above - 1)) / (grid.at(above) - grid.at(above - 1));
          expect(fars[above - 1]! + share * (fars[above]! - fars[above - 1]!)).toBeCloseTo(target, 9);
        }
      }),
    );
  });
});

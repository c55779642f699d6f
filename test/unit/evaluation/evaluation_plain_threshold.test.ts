import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plainThreshold } from '../../../workers/evaluation/plain_threshold.ts';

const pairs = fc.array(
  fc.tuple(
    fc.integer({ min: 0, max: 1990 }).map((thousandths) => thousandths / 1000),
    fc.boolean(),
  ),
  { minLength: 4, maxLength: 60 },
);

function rightOf(list: readonly (readonly [number, boolean])[], threshold: number): number {
  return list.filter(([distance, isSame]) => distance < threshold === isSame).length;
}

describe('the threshold of plain embeddings', () => {
  it('judges as many pairs correctly as any threshold can', () => {
    fc.assert(
      fc.property(pairs, (list) => {
        const { threshold } = plainThreshold(
          Float64Array.from(list, ([distance]) => distance ** 2),
          list.map(([, isSame]) => isSame),
          2,
        );
        expect(threshold).toBeGreaterThanOrEqual(0);
        expect(threshold).toBeLessThanOrEqual(2);
        const candidates = [0, ...list.map(([distance]) => distance + 5e-4), 2];
        const most = Math.max(...candidates.map((candidate) => rightOf(list, candidate)));
        expect(rightOf(list, threshold)).toBe(most);
      }),
    );
  });

  it('is fine enough for a model that gives all faces nearly one embedding', () => {
    const distances = [0.011, 0.012, 0.0131, 0.0132, 0.012, 0.0135];
    const same = [true, true, false, false, true, false];
    const { threshold, accuracy } = plainThreshold(
      Float64Array.from(distances, (d) => d * d),
      same,
      3,
    );
    expect(threshold).toBeCloseTo((0.012 + 0.0131) / 2, 9);
    expect(accuracy).toBe(1);
  });

  it('has the accuracy of thresholds from the other folds', () => {
    // With each fold's own best threshold, all pairs would be correct.
    const distances = [0.1, 0.2, 1.1, 1.2];
    const same = [true, false, true, false];
    const { accuracy } = plainThreshold(
      Float64Array.from(distances, (d) => d * d),
      same,
      2,
    );
    expect(accuracy).toBe(0.5);
  });
});

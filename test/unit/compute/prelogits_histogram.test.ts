import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  countPrelogits,
  prelogitsCounts,
  prelogitsTensor,
} from '../../../workers/compute/step/prelogits_histogram.ts';
import { PRELOGITS_BINS } from '../../../workers/protocol/train/runs.ts';

/** np.histogram(np.minimum(np.abs(x), max), bins=1000, range=(0, max)), by comparing with the ends of each bin. */
function byEnds(values: readonly number[], maximum: number): number[] {
  const counts = Array<number>(PRELOGITS_BINS).fill(0);
  for (const value of values) {
    const magnitude = Math.min(Math.abs(value), maximum);
    let bin = 0;
    while (bin < PRELOGITS_BINS - 1 && magnitude >= ((bin + 1) * maximum) / PRELOGITS_BINS) bin++;
    counts[bin]!++;
  }
  return counts;
}

describe('the histogram of the prelogits', () => {
  it('counts as NumPy does', () => {
    // Multiples of a quarter of a bin, so that rounding does not decide for any value.
    const value = fc.integer({ min: -9000, max: 9000 }).map((quarters) => (quarters + 0.5) / 400);
    fc.assert(
      fc.property(fc.array(value), (values) => {
        const counts = new Float64Array(PRELOGITS_BINS);
        countPrelogits(counts, values, 10);
        expect([...counts]).toEqual(byEnds(values, 10));
      }),
      { numRuns: 30 },
    );
  });

  it('adds to the counts, and leaves out NaN', () => {
    const counts = new Float64Array(PRELOGITS_BINS);
    countPrelogits(counts, [0, -0.001, 5, NaN], 10);
    countPrelogits(counts, [0, 1e9, -Infinity], 10);
    expect(counts[0]).toBe(3);
    expect(counts[500]).toBe(1);
    expect(counts[PRELOGITS_BINS - 1]).toBe(2);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(6);
  });

  it('comes back exactly from a checkpoint’s float32 values, above 2^24 and 2^32 too', () => {
    const count = fc.oneof(
      fc.nat(),
      fc.integer({ min: 2 ** 24 - 2, max: 2 ** 24 + 9 }),
      fc.integer({ min: 2 ** 32, max: 2 ** 48 - 1 }),
    );
    fc.assert(
      fc.property(fc.array(count, { minLength: PRELOGITS_BINS, maxLength: PRELOGITS_BINS }), (counts) => {
        expect([...prelogitsCounts(prelogitsTensor(Float64Array.from(counts)))]).toEqual(counts);
      }),
      { numRuns: 20 },
    );
  });

  it('reads older checkpoints, whose values are the counts themselves', () => {
    const data = Float32Array.from({ length: PRELOGITS_BINS }, (_, bin) => bin);
    expect([...prelogitsCounts({ shape: [PRELOGITS_BINS], data })]).toEqual([...data]);
    expect(prelogitsCounts(undefined).every((count) => count === 0)).toBe(true);
  });
});

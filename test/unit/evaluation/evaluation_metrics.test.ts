import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  acceptCurve,
  ACCURACY_THRESHOLDS,
  VAL_THRESHOLDS,
  type ThresholdGrid,
} from '../../../workers/evaluation/accept_curve.ts';
import {
  meanOutsideFold,
  pairDistances,
  type DistanceMetric,
  type EmbeddedPairs,
} from '../../../workers/evaluation/distances.ts';
import { EmbeddingsNotFiniteError, TooFewPairsError } from '../../../workers/evaluation/errors.ts';
import { splitIntoFolds, type Fold } from '../../../workers/evaluation/folds.ts';
import { measurePairs, type MetricsOptions } from '../../../workers/evaluation/metrics.ts';
import { areaUnderCurve, equalErrorRate } from '../../../workers/evaluation/roc.ts';
import { hashKey, uniform } from '../../../workers/common/random.ts';

/** Compares each distance with each threshold, by the definition. */
function naiveMeasures(distances: Float64Array[], same: readonly boolean[], folds: Fold[], target: number) {
  const thresholds = (count: number, step: number) => Array.from({ length: count }, (_, k) => k * step);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const results = folds.map(({ start, end }, fold) => {
    const d = distances[fold]!;
    const all = same.map((_, pair) => pair);
    const test = all.filter((pair) => pair >= start && pair < end);
    const train = all.filter((pair) => pair < start || pair >= end);
    const share = (pairs: number[], kind: boolean, t: number): number => {
      const ofKind = pairs.filter((pair) => same[pair] === kind);
      return ofKind.filter((pair) => d[pair]! < t).length / ofKind.length;
    };
    const correct = (pairs: number[], t: number): number =>
      pairs.filter((pair) => d[pair]! < t === same[pair]).length / pairs.length;
    const grid = thresholds(400, 0.01);
    const trainAccuracies = grid.map((t) => correct(train, t));
    const best = grid[trainAccuracies.indexOf(Math.max(...trainAccuracies))]!;
    const fine = thresholds(4000, 0.001);
    const fars = fine.map((t) => share(train, false, t));
    const exact = fars.lastIndexOf(target);
    const above = fars.findIndex((far) => far > target);
    const threshold =
      exact >= 0
        ? fine[exact]!
        : above <= 0
          ? 0
          : fine[above - 1]! +
            ((target - fars[above - 1]!) * (fine[above]! - fine[above - 1]!)) /
              (fars[above]! - fars[above - 1]!);
    return {
      accuracy: correct(test, best),
      best,
      val: share(test, true, threshold),
      far: share(test, false, threshold),
      tars: grid.map((t) => share(test, true, t)),
      fars: grid.map((t) => share(test, false, t)),
    };
  });
  return {
    accuracyPerFold: results.map(({ accuracy }) => accuracy),
    bestThresholdPerFold: results.map(({ best }) => best),
    val: mean(results.map(({ val }) => val).filter((value) => !Number.isNaN(value))),
    far: mean(results.map(({ far }) => far).filter((value) => !Number.isNaN(value))),
    trueAcceptRate: thresholds(400, 0.01).map((_, k) =>
      mean(results.map(({ tars }) => tars[k]!).filter((value) => !Number.isNaN(value))),
    ),
    falseAcceptRate: thresholds(400, 0.01).map((_, k) =>
      mean(results.map(({ fars }) => fars[k]!).filter((value) => !Number.isNaN(value))),
    ),
  };
}

/** One-dimensional embeddings 0 and √d have the squared distance d, up to rounding. */
function pairsAtDistances(distances: readonly number[], same: readonly boolean[]): EmbeddedPairs {
  return {
    embeddings: Float64Array.from([0, ...distances.map(Math.sqrt)]),
    dimension: 1,
    first: distances.map(() => 0),
    second: distances.map((_, index) => index + 1),
    same,
  };
}

const EUCLIDEAN: MetricsOptions = { folds: 2, distanceMetric: 0, subtractMean: false };

/** Ties, and values at a threshold or one rounding step away from it. */
const distance = fc.oneof(
  fc.double({ min: 0, max: 4.2, noNaN: true }),
  fc.integer({ min: 0, max: 420 }).map((k) => k * 0.01),
  fc.integer({ min: 0, max: 4200 }).map((k) => k * 0.001),
  fc.integer({ min: 0, max: 4200 }).map((k) => k * 0.001 * (1 + Number.EPSILON)),
  fc.integer({ min: 0, max: 4200 }).map((k) => k * 0.001 * (1 - Number.EPSILON / 2)),
  fc.constantFrom(0, 0.5, 1, 2, 4, NaN, Infinity),
);

describe('thresholds', () => {
  it.each<[string, ThresholdGrid]>([
    ['accuracy', ACCURACY_THRESHOLDS],
    ['VAL', VAL_THRESHOLDS],
  ])('the grid for %s finds the first threshold above a distance, exactly', (_, grid) => {
    const all = Array.from({ length: grid.count }, (_, index) => grid.at(index));
    fc.assert(
      fc.property(distance, (value) => {
        const expected = all.findIndex((threshold) => value < threshold);
        expect(grid.firstAccepting(value)).toBe(expected < 0 ? grid.count : expected);
      }),
      { numRuns: 2000 },
    );
    // A distance equal to a threshold is accepted by the next one, because the comparison is strict.
    all.slice(0, -1).forEach((threshold, index) => expect(grid.firstAccepting(threshold)).toBe(index + 1));
    expect(grid.firstAccepting(all.at(-1)!)).toBe(grid.count);
  });

  it('acceptCurve counts what comparing each distance with each threshold counts', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(distance, fc.boolean()), { maxLength: 40 }),
        fc.nat(),
        fc.nat(),
        (pairs, a, b) => {
          const distances = Float64Array.from(pairs, ([value]) => value);
          const same = pairs.map(([, isSame]) => isSame);
          const [start, end] = [a % (pairs.length + 1), b % (pairs.length + 1)].sort((x, y) => x - y) as [
            number,
            number,
          ];
          const curve = acceptCurve(distances, same, { start, end }, VAL_THRESHOLDS);
          const part = pairs.slice(start, end);
          const count = (kind: boolean, k: number): number =>
            part.filter(([value, isSame]) => isSame === kind && value < VAL_THRESHOLDS.at(k)).length;
          expect(curve.sameCount + curve.differentCount).toBe(part.length);
          for (let k = 0; k < VAL_THRESHOLDS.count; k += 37) {
            expect(curve.trueAccepts[k]).toBe(count(true, k));
            expect(curve.falseAccepts[k]).toBe(count(false, k));
          }
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('splitIntoFolds', () => {
  it('covers everything in order, the first folds one larger', () => {
    fc.assert(
      fc.property(fc.nat(500), fc.integer({ min: 1, max: 20 }), (count, folds) => {
        const split = splitIntoFolds(count, folds);
        const lengths = split.map(({ start, end }) => end - start);
        expect(
          split.flatMap(({ start, end }, i) => [start === (split[i - 1]?.end ?? 0), end >= start]),
        ).not.toContain(false);
        expect(split.at(-1)!.end).toBe(count);
        expect(lengths).toEqual([...lengths].sort((a, b) => b - a));
        expect(lengths[0]! - lengths.at(-1)!).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('pairDistances', () => {
  const pairs: EmbeddedPairs = {
    embeddings: Float32Array.from([1, 0, 0, 1, -1, 0, 3, 0, 0, 0]),
    dimension: 2,
    first: [0, 0, 0, 0],
    second: [1, 2, 3, 4],
    same: [true, false, true, false],
  };

  it('knows right angles, opposites and parallels', () => {
    expect([...pairDistances(pairs, 0)]).toEqual([2, 4, 4, 1]);
    expect([...pairDistances(pairs, 1)]).toEqual([0.5, 1, 0, NaN]);
  });

  it('subtracts the mean before it measures', () => {
    const mean = Float64Array.of(0, -1);
    expect([...pairDistances(pairs, 0, mean)]).toEqual([2, 4, 4, 1]);
    // (1, 1) and (0, 2)
    expect(pairDistances(pairs, 1, mean)[0]).toBeCloseTo(0.25, 12);
  });

  it('takes the mean over both images of the pairs of the other folds', () => {
    expect([...meanOutsideFold(pairs, { start: 2, end: 4 })]).toEqual([(1 + 0 + 1 - 1) / 4, (0 + 1) / 4]);
    expect([...meanOutsideFold(pairs, { start: 0, end: 3 })]).toEqual([0.5, 0]);
  });
});

describe('measurePairs', () => {
  it('gives exactly what comparing every distance with every threshold gives', () => {
    const cases = fc.record({
      seed: fc.nat(),
      count: fc.integer({ min: 6, max: 40 }),
      dimension: fc.integer({ min: 1, max: 5 }),
      // Coarse values cause ties.
      levels: fc.constantFrom(2, 4, 1000),
      folds: fc.integer({ min: 2, max: 6 }),
      distanceMetric: fc.constantFrom<DistanceMetric>(0, 1),
      subtractMean: fc.boolean(),
      farTarget: fc.constantFrom(1e-3, 0.05, 0.3, 0.9),
      ordered: fc.boolean(),
    });
    fc.assert(
      fc.property(cases, ({ seed, count, dimension, levels, ordered, ...options }) => {
        const key = hashKey(seed);
        const embeddings = Float32Array.from(
          { length: 2 * count * dimension },
          (_, i) => Math.round((2 * uniform(key, i) - 1) * levels) / levels,
        );
        // Sorted by kind, so that some folds have pairs of only one kind.
        const same = Array.from({ length: count }, (_, i) =>
          ordered ? i < count / 2 : i === 0 || (i !== 1 && uniform(key, -1 - i) < 0.5),
        );
        const pairs: EmbeddedPairs = {
          embeddings,
          dimension,
          first: same.map((_, i) => 2 * i),
          second: same.map((_, i) => 2 * i + 1),
          same,
        };
        const folds = splitIntoFolds(count, options.folds);
        const distances = folds.map((fold) =>
          options.subtractMean
            ? pairDistances(pairs, options.distanceMetric, meanOutsideFold(pairs, fold))
            : pairDistances(pairs, options.distanceMetric),
        );
        const expected = naiveMeasures(distances, same, folds, options.farTarget);
        const measured = measurePairs(pairs, options);
        expect(measured.accuracyPerFold).toEqual(expected.accuracyPerFold);
        expect(measured.bestThresholdPerFold).toEqual(expected.bestThresholdPerFold);
        expect(measured.val).toBe(expected.val);
        expect(measured.far).toBe(expected.far);
        expect([...measured.roc.trueAcceptRate]).toEqual(expected.trueAcceptRate);
        expect([...measured.roc.falseAcceptRate]).toEqual(expected.falseAcceptRate);
      }),
      { numRuns: 60 },
    );
  });

  it('separates what can be separated', () => {
    const same = Array.from({ length: 40 }, (_, i) => i % 2 === 0);
    const result = measurePairs(
      pairsAtDistances(
        same.map((isSame) => (isSame ? 0.3 : 1.7)),
        same,
      ),
      { ...EUCLIDEAN, folds: 4 },
    );
    expect(result).toMatchObject({ accuracy: 1, accuracyStd: 0, val: 1, valStd: 0, auc: 1, eer: 0 });
    expect(result.farTarget).toBe(1e-3);
  });

  it('has accuracy, deviation, VAL and FAR as calculated by hand', () => {
    // Two folds; same pairs at .105 .205 | .305 .405, different ones at .255 .355 | .455 .555.
    const same = [true, true, false, false, true, true, false, false];
    const distances = [0.105, 0.205, 0.255, 0.355, 0.305, 0.405, 0.455, 0.555];
    const result = measurePairs(pairsAtDistances(distances, same), EUCLIDEAN);
    // Best on the other fold: .41 … → rejects none of .255, .355; .21 → accepts none of .305, .405.
    expect(result.bestThresholdPerFold).toEqual([41 * 0.01, 21 * 0.01]);
    expect(result.accuracyPerFold).toEqual([0.5, 0.5]);
    // FAR 1e−3 is between the thresholds .455 and .456 of the other fold's grid, and between .255 and .256.
    expect(result.val).toBe((1 + 0) / 2);
    expect(result.valStd).toBe(0.5);
    expect(result.far).toBe((1 + 0) / 2);
  });

  it('does not accept a distance equal to the threshold', () => {
    // 0.25 is exact: the first threshold that accepts it is 0.26.
    const same = [true, false, true, false];
    const result = measurePairs(pairsAtDistances([0.25, 1, 0.25, 1], same), EUCLIDEAN);
    expect(result.bestThresholdPerFold).toEqual([0.26, 0.26]);
  });

  it('has VAL 0 where the target FAR is never reached', () => {
    const same = [true, false, true, false];
    const result = measurePairs(pairsAtDistances([0.1, 9, 0.1, 9], same), EUCLIDEAN);
    expect(result).toMatchObject({ accuracy: 1, val: 0, far: 0 });
  });

  it('leaves a fold out of the rates that it has no pairs for', () => {
    // The second fold has different pairs only.
    const same = [true, true, false, false, false, false];
    const result = measurePairs(pairsAtDistances([0.1, 0.1, 2, 3, 2, 3], same), EUCLIDEAN);
    expect(result.roc.trueAcceptRate.at(-1)).toBe(1);
    expect(result.roc.falseAcceptRate.at(-1)).toBe(1);
    expect(result.val).toBe(1);
    for (const value of [result.far, result.valStd, result.auc, result.eer]) expect(value).not.toBeNaN();
  });

  it('says so when there are too few pairs, or one kind only', () => {
    const measure = (same: boolean[], folds: number) =>
      measurePairs(
        pairsAtDistances(
          same.map(() => 1),
          same,
        ),
        { ...EUCLIDEAN, folds },
      );
    expect(() => measure([true, false, true], 4)).toThrow(TooFewPairsError);
    expect(() => measure([true, true, true, true], 2)).toThrow(/4 same-person and 0 different-person pairs/);
    expect(() => measure([false, false], 2)).toThrow(TooFewPairsError);
    expect(() => measure([true, false], 1)).toThrow(/at least two folds/);
    expect(() => measure([true, false], 2)).not.toThrow();
  });

  it('refuses embeddings that are NaN', () => {
    const pairs = pairsAtDistances([1, NaN], [true, false]);
    expect(() => measurePairs(pairs, EUCLIDEAN)).toThrow(EmbeddingsNotFiniteError);
  });

  it('survives a model that gives every face the same embedding', () => {
    const embeddings = new Float32Array(8 * 4).fill(0.5);
    const rows = [0, 2, 4, 6];
    const pairs = { embeddings, dimension: 4, first: rows, second: rows.map((row) => row + 1) };
    for (const distanceMetric of [0, 1] as const)
      for (const subtractMean of [false, true]) {
        const result = measurePairs(
          { ...pairs, same: [true, false, true, false] },
          { folds: 2, distanceMetric, subtractMean },
        );
        expect(result.accuracy).toBe(0.5);
      }
  });

  it('takes LFW’s 6000 pairs of 1024 values in seconds', () => {
    const embeddings = Float32Array.from({ length: 12000 * 1024 }, (_, i) => uniform(1, i) - 0.5);
    const rows = Array.from({ length: 6000 }, (_, i) => 2 * i);
    const startedAt = performance.now();
    measurePairs(
      {
        embeddings,
        dimension: 1024,
        first: rows,
        second: rows.map((row) => row + 1),
        same: rows.map((row) => row % 1200 < 600),
      },
      { folds: 10, distanceMetric: 1, subtractMean: true },
    );
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });
});

describe('the mean ROC', () => {
  const roc = (x: number[], y: number[]) => ({
    falseAcceptRate: Float64Array.from(x),
    trueAcceptRate: Float64Array.from(y),
  });

  it('has the area of its trapezoids', () => {
    expect(areaUnderCurve(roc([0, 0, 1], [0, 1, 1]))).toBe(1);
    expect(areaUnderCurve(roc([0, 1], [0, 1]))).toBe(0.5);
    expect(areaUnderCurve(roc([0, 0.2, 1], [0, 0.6, 1]))).toBeCloseTo(0.06 + 0.64, 12);
  });

  it('has its equal error rate where it crosses y = 1 − x, on slopes, steps and flats', () => {
    expect(equalErrorRate(roc([0, 1], [0, 1]))).toBe(0.5);
    expect(equalErrorRate(roc([0, 0.2, 1], [0, 0.6, 1]))).toBeCloseTo(0.2 + 0.8 * (0.2 / 1.2), 12);
    expect(equalErrorRate(roc([0, 0.1, 0.1, 1], [0, 0.3, 0.95, 1]))).toBeCloseTo(0.1, 12);
    expect(equalErrorRate(roc([0, 0, 1], [0, 0.8, 0.8]))).toBeCloseTo(0.2, 12);
    expect(equalErrorRate(roc([0, 0, 1], [0, 1, 1]))).toBe(0);
  });

  it('is continued to (1, 1) when it ends before', () => {
    expect(equalErrorRate(roc([0, 0], [0, 0]))).toBe(0.5);
    expect(equalErrorRate(roc([0, 0.1], [0, 0.5]))).toBeCloseTo(0.1 + 0.9 * (0.4 / 1.4), 12);
  });
});

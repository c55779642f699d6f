/** The details of an evaluation: VAL at any FAR, histograms, the worst pairs, and its files. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EmbeddedPairs } from '../../../workers/evaluation/distances.ts';
import { distanceHistogram } from '../../../workers/evaluation/histogram.ts';
import { measurePairs, validationRate } from '../../../workers/evaluation/metrics.ts';
import { foldLines, resultLines } from '../../../workers/protocol/evaluate/result_text.ts';
import { worstPairs } from '../../../workers/evaluation/worst_pairs.ts';
import { evaluationFiles } from '../../../workers/jobs/evaluate/evaluation_files.ts';
import { JobControl } from '../../../workers/protocol/job_control.ts';
import { evaluatePairs } from '../../../workers/jobs/evaluate/evaluate_job.ts';
import type { EvaluationResult, SavedEvaluation } from '../../../workers/protocol/evaluate/evaluate.ts';
import type { PairsSource } from '../../../workers/protocol/evaluate/pairs.ts';

/** Seeded random numbers, 0 … 1. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Noisy embeddings, so that both kinds of mistakes occur. */
function noisyPairs(count: number, seed: number, noise: number): EmbeddedPairs {
  const next = randomNumbers(seed);
  const dimension = 6;
  const embeddings = new Float32Array(count * 2 * dimension);
  const same = Uint8Array.from({ length: count }, (_, pair) => (pair % 2 === 0 ? 1 : 0));
  for (let pair = 0; pair < count; pair++) {
    const centre = Array.from({ length: dimension }, () => next() - 0.5);
    for (const row of [2 * pair, 2 * pair + 1]) {
      const values = (row % 2 === 0 || same[pair] ? centre : centre.map(() => next() - 0.5)).map(
        (value) => value + noise * (next() - 0.5),
      );
      const length = Math.hypot(...values);
      values.forEach((value, i) => (embeddings[row * dimension + i] = value / length));
    }
  }
  const rows = Array.from({ length: count }, (_, pair) => 2 * pair);
  return { embeddings, dimension, first: rows, second: rows.map((row) => row + 1), same };
}

describe('the validation rate', () => {
  it('at another FAR is what a measurement with that target gives', () => {
    const pairs = noisyPairs(400, 3, 1.2);
    for (const distanceMetric of [0, 1] as const)
      for (const subtractMean of [false, true]) {
        const options = { folds: 10, distanceMetric, subtractMean };
        const { measured } = measurePairs(pairs, options);
        const rates = [1e-3, 0.01, 0.05, 0.2, 0.5].map((farTarget) => {
          const again = validationRate(measured, farTarget);
          expect(measurePairs(pairs, { ...options, farTarget })).toMatchObject(again);
          expect(again.valThresholdPerFold).toHaveLength(10);
          return again;
        });
        const vals = rates.map(({ val }) => val);
        // A higher target accepts more pairs, and with these data the targets make a difference.
        expect(vals).toEqual([...vals].sort((a, b) => a - b));
        expect(vals.at(-1)! - vals[0]!).toBeGreaterThan(0.2);
        expect(Math.abs(rates[3]!.far - 0.2)).toBeLessThan(0.05);
      }
  });
});

describe('a distance histogram', () => {
  it('counts each distance in the bin that holds it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.double({ min: 0, max: 4, noNaN: true }), fc.boolean()), { minLength: 1 }),
        (pairs) => {
          const distances = Float64Array.from(pairs, ([distance]) => distance);
          const same = pairs.map(([, isSame]) => isSame);
          const histogram = distanceHistogram(distances, same);
          const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
          expect(sum(histogram.same)).toBe(same.filter(Boolean).length);
          expect(sum(histogram.different)).toBe(same.filter((isSame) => !isSame).length);
          expect(histogram.same.length).toBe(histogram.different.length);
          expect(histogram.same.length).toBeLessThanOrEqual(62);
          const { start, binWidth } = histogram;
          // Bins may be narrower than the spacing of float64 values at these distances.
          const tolerance = binWidth * 1e-9 + 4 * Number.EPSILON;
          for (const distance of distances) {
            expect(distance).toBeGreaterThanOrEqual(start - tolerance);
            expect(distance).toBeLessThan(start + histogram.same.length * binWidth + tolerance);
          }
        },
      ),
    );
  });

  it('has round bins, and leaves out NaN', () => {
    const histogram = distanceHistogram(Float64Array.of(0.2, 0.25, 0.7, NaN), [true, true, false, true]);
    expect(histogram.binWidth).toBe(0.01);
    expect(histogram.start).toBeCloseTo(0.2, 12);
    expect(histogram.same.reduce((a, b) => a + b)).toBe(2);
    expect(distanceHistogram(Float64Array.of(NaN), [true]).same).toEqual([]);
  });
});

describe('the worst pairs', () => {
  it('are those farthest on the wrong side of their fold’s threshold', () => {
    const distances = Float64Array.of(0.1, 0.9, 0.2, 0.8, 0.5, 0.4, NaN, 0.1);
    const same = [1, 0, 0, 1, 1, 0, 1, 0];
    // Folds of four.
    const { falseAccepts, falseRejects, ...counts } = worstPairs(distances, same, [0.5, 0.45], 10);
    expect(falseAccepts).toEqual([
      { pair: 7, distance: 0.1, threshold: 0.45, fold: 1 },
      { pair: 2, distance: 0.2, threshold: 0.5, fold: 0 },
      { pair: 5, distance: 0.4, threshold: 0.45, fold: 1 },
    ]);
    expect(falseRejects.map(({ pair }) => pair).sort()).toEqual([3, 4, 6]);
    expect(counts).toEqual({ falseAcceptCount: 3, falseRejectCount: 3 });
    expect(worstPairs(distances, same, [0.5, 0.45], 1).falseAccepts).toHaveLength(1);
  });

  it('are as many as the accuracy says', () => {
    const pairs = noisyPairs(300, 5, 1.5);
    const metrics = measurePairs(pairs, { folds: 10, distanceMetric: 1, subtractMean: true });
    const { distances, same } = metrics.measured;
    const wrong = worstPairs(distances, same, metrics.bestThresholdPerFold, 300);
    expect(wrong.falseAcceptCount + wrong.falseRejectCount).toBe(Math.round((1 - metrics.accuracy) * 300));
    expect(wrong.falseAcceptCount).toBeGreaterThan(0);
    expect(wrong.falseRejectCount).toBeGreaterThan(0);
  });
});

/** An evaluation of photos whose names give their angle on a circle. */
async function evaluate(count: number, photos: number, folds: number): Promise<EvaluationResult> {
  const paths = Array.from({ length: count }, (_, person) =>
    Array.from(
      { length: photos },
      (_, photo) => `P${person}/P${person}_${String(photo + 1).padStart(4, '0')}.png`,
    ),
  ).flat();
  const pairs: PairsSource = {
    images: [
      { kind: 'files', name: 'faces', files: paths.map((path) => ({ path, file: new File([''], path) })) },
    ],
    generate: { seed: 1, pairsPerFold: 1200 },
    lfw_nrof_folds: folds,
  };
  return evaluatePairs(
    async (batch) => {
      const embeddings = new Float32Array(batch.count * 2);
      for (let row = 0; row < batch.count; row++) {
        const [person = 0, photo = 0] = batch.pixels.subarray(row * 3);
        const angle = person * 0.3 + photo * 0.07;
        embeddings.set([Math.cos(angle), Math.sin(angle)], row * 2);
      }
      return embeddings;
    },
    pairs,
    {
      lfw_batch_size: 100,
      image_size: 1,
      lfw_distance_metric: 0,
      lfw_use_flipped_images: false,
      lfw_subtract_mean: false,
      use_fixed_image_standardization: true,
      far_target: 0.05,
    },
    new JobControl(),
    undefined,
    async ({ path }) => {
      const [, person, photo] = /^P(\d+)\/.*_(\d+)\./.exec(path)!;
      return { width: 1, height: 1, data: Uint8Array.of(Number(person) % 251, Number(photo), 0) };
    },
  );
}

describe('an evaluation', () => {
  it('streams 12,000 images, and names the worst pairs by their files', { timeout: 60_000 }, async () => {
    const result = await evaluate(3000, 4, 10);
    expect(result.imageCount).toBeGreaterThan(11_000);
    expect(result.farTarget).toBe(0.05);
    const { falseAccepts, falseAcceptCount } = result.wrong;
    expect(falseAcceptCount).toBeGreaterThan(24);
    expect(falseAccepts).toHaveLength(24);
    for (const { first, second, distance, threshold } of falseAccepts) {
      expect(first.split('/')[0]).not.toBe(second.split('/')[0]);
      expect(distance).toBeLessThan(threshold);
    }
    expect(result.histogram.same.reduce((a, b) => a + b)).toBe(result.pairCount / 2);
  });

  it('is written as text and JSON with all of its figures', async () => {
    const result = await evaluate(40, 3, 4);
    const saved: SavedEvaluation = {
      id: 'x',
      at: Date.UTC(2026, 0, 2),
      modelId: '20260101-000000',
      step: 60,
      modelName: 'run 20260101-000000',
      imagesName: 'faces',
      images: [{ kind: 'private', path: 'secret' }],
      options: {
        lfw_batch_size: 100,
        lfw_distance_metric: 0,
        lfw_use_flipped_images: false,
        lfw_subtract_mean: false,
      },
      result,
    };
    const files = evaluationFiles(saved);
    expect([...files.keys()]).toEqual(['evaluation.txt', 'lfw_result.txt', 'evaluation.json']);
    const text = await files.get('evaluation.txt')!.text();
    for (const line of [...resultLines(result), ...foldLines(result)]) expect(text).toContain(line);
    expect(text).toContain('Model: run 20260101-000000, step 60');
    expect(text).toContain(result.wrong.falseAccepts[0]!.first);
    const [step, accuracy, val] = (await files.get('lfw_result.txt')!.text()).trim().split('\t').map(Number);
    expect([step, accuracy, val]).toEqual([
      60,
      Number(result.accuracy.toFixed(5)),
      Number(result.val.toFixed(5)),
    ]);
    const json = JSON.parse(await files.get('evaluation.json')!.text());
    expect(json.result.accuracy).toBe(result.accuracy);
    expect(json.result.roc.trueAcceptRate).toEqual([...result.roc.trueAcceptRate]);
    expect(json.result.measured).toBeUndefined();
    expect(JSON.stringify(json)).not.toContain('secret');
  });

  it('knows the same pairs again', async () => {
    const [first, again, other] = [await evaluate(8, 3, 4), await evaluate(8, 3, 4), await evaluate(9, 3, 4)];
    expect(again.pairsChecksum).toBe(first.pairsChecksum);
    expect(other.pairsChecksum).not.toBe(first.pairsChecksum);
    expect(first.pairsChecksum).toMatch(/^[\da-f]{8}$/);
  });
});

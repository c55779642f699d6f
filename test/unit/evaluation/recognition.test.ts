/** Nearest neighbours, the threshold between known and unknown, and the counts of a test. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { confusionMatrix } from '../../../workers/evaluation/recognition/confusion.ts';
import { trainLinearSvm } from '../../../workers/evaluation/recognition/linear_svm.ts';
import { nearestNeighbours, vote, type Gallery } from '../../../workers/evaluation/recognition/nearest.ts';
import {
  ACCEPT_ALL,
  leaveOneOut,
  rateCurve,
  ratesAt,
  thresholdAtRate,
  type LeaveOneOut,
} from '../../../workers/evaluation/recognition/recognition_rates.ts';
import { recognize } from '../../../workers/evaluation/recognition/recognizer.ts';
import { splitPeople } from '../../../workers/evaluation/recognition/split_people.ts';
import { people } from './clustered_embeddings.ts';

function measure(gallery: Gallery, seed = 1): LeaveOneOut {
  const steps = leaveOneOut(gallery, seed);
  let last = 0;
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    expect(step.value).toBeGreaterThan(last);
    expect(step.value).toBeLessThanOrEqual(1);
    last = step.value;
  }
}

/** On a line, not of length 1, so that distances are obvious. */
const onLine = (places: number[], labels: number[]): Gallery => ({
  embeddings: Float32Array.from(places),
  dimension: 1,
  labels,
});

describe('nearest neighbours', () => {
  it('are those of a sorted list', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 14 }),
        fc.nat(1000),
        (count, k, seed) => {
          const gallery = people(count, 1, 3, 0.5, seed);
          const query = people(1, 1, 3, 0.5, seed + 1).embeddings;
          const expected = Array.from({ length: count }, (_, index) => ({
            index,
            distance: Math.sqrt(
              [0, 1, 2].reduce((sum, i) => sum + (gallery.embeddings[index * 3 + i]! - query[i]!) ** 2, 0),
            ),
          })).sort((a, b) => a.distance - b.distance || a.index - b.index);
          expect(nearestNeighbours(gallery, query, k)).toEqual(expected.slice(0, k));
          const even = expected.filter(({ index }) => index % 2 === 0);
          expect(nearestNeighbours(gallery, query, k, (index) => index % 2 === 0)).toEqual(even.slice(0, k));
        },
      ),
      { numRuns: 100 },
    );
  });

  it('vote where they are closer than the threshold, and the most frequent wins', () => {
    const neighbours = [0.1, 0.2, 0.3, 0.4].map((distance, index) => ({ index, distance }));
    const labels = [0, 1, 1, 2];
    expect(vote(labels, neighbours.slice(0, 1), 1)).toEqual({ label: 0, distance: 0.1 });
    expect(vote(labels, neighbours, 1)).toEqual({ label: 1, distance: 0.2 });
    // On a tie, the nearer one wins.
    expect(vote(labels, neighbours.slice(0, 2), 1)).toEqual({ label: 0, distance: 0.1 });
    // A distance at the threshold is not below it.
    expect(vote(labels, neighbours, 0.3)).toEqual({ label: 0, distance: 0.1 });
    expect(vote(labels, neighbours, 0.1)).toEqual({ label: undefined, distance: 0.1 });
    expect(vote(labels, [], 1)).toEqual({ label: undefined, distance: Infinity });
  });
});

describe('the threshold', () => {
  it('is the largest that lets in as many strangers as are allowed', () => {
    // The distances to the nearest face of another person: 3, 2, 2, 4, 9; of the same person: 1, 1.
    const distances = measure(onLine([0, 1, 3, 7, 16], [0, 0, 1, 2, 3]));
    expect([...distances.toOthers]).toEqual([2, 2, 3, 4, 9]);
    expect([...distances.toOwn]).toEqual([1, 1]);
    expect(thresholdAtRate(distances, 0)).toBe(2);
    expect(thresholdAtRate(distances, 0.2)).toBe(2);
    expect(thresholdAtRate(distances, 0.4)).toBe(3);
    expect(thresholdAtRate(distances, 0.6)).toBe(4);
    expect(thresholdAtRate(distances, 1)).toBe(ACCEPT_ALL);
    expect(ratesAt(distances, 3)).toEqual({ threshold: 3, falseAcceptRate: 0.4, falseRejectRate: 0 });
    expect(ratesAt(distances, 1)).toEqual({ threshold: 1, falseAcceptRate: 0, falseRejectRate: 1 });
  });

  it('keeps its promise for any people and any rate', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 6 }),
        fc.integer({ min: 1, max: 5 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(1000),
        (classes, each, rate, seed) => {
          const distances = measure(people(classes, each, 4, 1, seed), seed);
          const threshold = thresholdAtRate(distances, rate)!;
          const { falseAcceptRate } = ratesAt(distances, threshold);
          expect(falseAcceptRate).toBeLessThanOrEqual(rate + 1e-9);
          // One step more would accept too many.
          if (threshold < ACCEPT_ALL)
            expect(ratesAt(distances, threshold + 1e-9).falseAcceptRate).toBeGreaterThan(rate - 1e-9);
          if (each === 1) expect(ratesAt(distances, threshold).falseRejectRate).toBeNaN();
        },
      ),
      { numRuns: 200 },
    );
  });

  it('is unknown with one person, and so are the rates', () => {
    const distances = measure(onLine([1, 2], [0, 0]));
    expect(thresholdAtRate(distances, 0.1)).toBeUndefined();
    expect(ratesAt(distances, 1.5)).toEqual({ threshold: 1.5, falseAcceptRate: NaN, falseRejectRate: 0 });
    expect(rateCurve({ toOthers: new Float64Array(), toOwn: new Float64Array() }, 10)).toEqual([]);
  });

  it('is on a curve whose rates go from none to all', () => {
    const curve = rateCurve(measure(people(5, 4, 6, 0.8, 3)), 50);
    expect(curve).toHaveLength(50);
    expect(curve[0]).toMatchObject({ falseAcceptRate: 0, falseRejectRate: 1 });
    expect(curve.at(-1)).toMatchObject({ falseAcceptRate: 1, falseRejectRate: 0 });
    curve.slice(1).forEach((rates, index) => {
      expect(rates.threshold).toBeGreaterThan(curve[index]!.threshold);
      expect(rates.falseAcceptRate).toBeGreaterThanOrEqual(curve[index]!.falseAcceptRate);
      expect(rates.falseRejectRate).toBeLessThanOrEqual(curve[index]!.falseRejectRate);
    });
  });

  it('is measured on a drawn part of many faces', () => {
    const distances = measure(people(3, 800, 2, 0.3, 5));
    expect(distances.toOthers).toHaveLength(2000);
    expect(distances.toOwn).toHaveLength(2000);
  });
});

describe('recognising', () => {
  const gallery = people(4, 6, 8, 0.4, 7);
  const queries = people(4, 6, 8, 0.4, 7).embeddings;
  const stranger = Float32Array.from(gallery.embeddings.subarray(0, 8), (value) => -value);

  it.each(['nearest', 'svm'] as const)('names people, and says nobody of strangers: %s', (method) => {
    const svm = method === 'svm' ? trainLinearSvm(gallery, 4) : undefined;
    const recognizer = { gallery, k: 3, threshold: 0.9, svm };
    for (let row = 0; row < gallery.labels.length; row++) {
      const result = recognize(recognizer, queries.slice(row * 8, row * 8 + 8));
      expect(result.label).toBe(gallery.labels[row]);
      expect(result.distance).toBe(0);
      expect(result.neighbours.length).toBeGreaterThanOrEqual(3);
      if (svm) expect(result.probability).toBeGreaterThan(0.25);
    }
    const nobody = recognize(recognizer, stranger);
    expect(nobody.label).toBeUndefined();
    expect(nobody.distance).toBeGreaterThan(0.9);
  });
});

describe('a test', () => {
  it('splits each person once, and leaves out who has too few', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(8), { maxLength: 6 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 6 }),
        fc.nat(99),
        (counts, minNrofImagesPerClass, nrofTrainImagesPerClass, seed) => {
          const everybody = counts.map((count, person) => ({
            name: `p${person}`,
            items: Array.from({ length: count }, (_, item) => `${person}/${item}`),
          }));
          const settings = { minNrofImagesPerClass, nrofTrainImagesPerClass, seed };
          const { split, leftOut } = splitPeople(everybody, settings);
          expect(split.length + leftOut.length).toBe(counts.length);
          for (const { items } of leftOut) expect(items.length).toBeLessThan(minNrofImagesPerClass);
          for (const { name, train, test } of split) {
            const { items } = everybody.find((one) => one.name === name)!;
            expect(items.length).toBeGreaterThanOrEqual(minNrofImagesPerClass);
            expect(train).toHaveLength(Math.min(nrofTrainImagesPerClass, items.length));
            expect([...train, ...test].sort()).toEqual([...items].sort());
          }
          expect(splitPeople(everybody, settings)).toEqual({ split, leftOut });
        },
      ),
    );
  });

  it('counts who was taken for whom, with nobody as the last', () => {
    const counts = confusionMatrix([0, 0, 1, undefined, 1], [0, 1, undefined, 0, 1], 2);
    expect(counts).toEqual([
      [1, 1, 0],
      [0, 1, 1],
      [1, 0, 0],
    ]);
  });
});

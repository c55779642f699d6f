/** The support vector machine, nearest neighbours, and the classifier's file. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classProbabilities, trainLinearSvm } from '../../workers/evaluation/linear_svm.ts';
import { identify, nearestNeighbours, thresholdAtFalseAcceptRate } from '../../workers/evaluation/nearest.ts';
import {
  ClassifierFileError,
  decodeClassifier,
  encodeClassifier,
} from '../../workers/formats/classifier_file.ts';
import { hashKey, uniform } from '../../workers/random.ts';

/** Points around a direction a class, of length 1. */
function people(classes: number, each: number, dimension: number, spread: number, seed: number) {
  const key = hashKey(seed, 99);
  let drawn = 0;
  const draw = (): number => 2 * uniform(key, drawn++) - 1;
  const centres = Array.from({ length: classes }, () => Array.from({ length: dimension }, draw));
  const labels: number[] = [];
  const rows: number[] = [];
  for (let i = 0; i < classes * each; i++) {
    const label = i % classes;
    const row = centres[label]!.map((value) => value + spread * draw());
    const length = Math.hypot(...row);
    rows.push(...row.map((value) => value / length));
    labels.push(label);
  }
  return { embeddings: Float32Array.from(rows), dimension, labels };
}

describe('the linear support vector machine', () => {
  it('names people that it has not seen these photos of', () => {
    const all = people(6, 24, 16, 0.7, 1);
    const half = all.labels.length / 2;
    const part = (from: number, to: number) => ({
      dimension: 16,
      labels: all.labels.slice(from, to),
      embeddings: all.embeddings.slice(from * 16, to * 16),
    });
    const svm = trainLinearSvm(part(0, half), 6);
    const test = part(half, 2 * half);
    const probabilities = classProbabilities(svm, test.embeddings);
    let right = 0;
    for (const [row, label] of test.labels.entries()) {
      const values = [...probabilities.subarray(row * 6, row * 6 + 6)];
      expect(values.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 9);
      if (values.indexOf(Math.max(...values)) === label) right++;
    }
    expect(right / half).toBeGreaterThan(0.95);
  });

  it('finds the plane of the widest margin', () => {
    // The nearest of each side are at x = 1 and x = −1; the bias is a feature of its own and stays 0 by symmetry.
    const svm = trainLinearSvm(
      {
        embeddings: Float32Array.of(1, 0, -1, 0, 2, 1, -2, -1, 3, 0, -3, 0),
        dimension: 2,
        labels: [0, 1, 0, 1, 0, 1],
      },
      2,
      { penalty: 1000 },
    );
    expect([...svm.weights]).toEqual([1, 0, -1, 0].map((value) => expect.closeTo(value, 2)));
    expect([...svm.biases]).toEqual([0, 0].map((value) => expect.closeTo(value, 2)));
  });

  it('gives the same machine for the same seed, through its file too', () => {
    const data = people(3, 9, 8, 0.5, 2);
    const classifier = { classNames: ['Ann', 'Böb', 'Cy'], modelName: 'm', svm: trainLinearSvm(data, 3) };
    expect(trainLinearSvm(data, 3)).toEqual(classifier.svm);
    expect(decodeClassifier(encodeClassifier(classifier))).toEqual(classifier);
  });

  it('refuses files that are no classifier', () => {
    const data = people(2, 4, 4, 0.5, 2);
    const text = encodeClassifier({ classNames: ['a', 'b'], modelName: 'm', svm: trainLinearSvm(data, 2) });
    for (const bad of [
      '',
      '{}',
      '[]',
      text.slice(0, -9),
      text.replace('"a",', ''),
      text.replace('"weights":"', '"weights":"A'),
    ])
      expect(() => decodeClassifier(bad)).toThrow(ClassifierFileError);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ maxLength: 3 }), (at, put) => {
        try {
          decodeClassifier(text.slice(0, at) + put + text.slice(at + put.length));
        } catch (error) {
          expect(error).toBeInstanceOf(ClassifierFileError);
        }
      }),
      { numRuns: 500 },
    );
  });
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
          const distances = Array.from({ length: count }, (_, row) =>
            [0, 1, 2].reduce((sum, i) => sum + (gallery.embeddings[row * 3 + i]! - query[i]!) ** 2, 0),
          );
          const expected = distances.map((distance, index) => ({ index, distance }));
          expected.sort((a, b) => a.distance - b.distance || a.index - b.index);
          expect(nearestNeighbours(gallery, query, k)).toEqual(expected.slice(0, k));
        },
      ),
      { numRuns: 100 },
    );
  });

  it('say nobody beyond the threshold, and let the most frequent win', () => {
    const gallery = {
      embeddings: Float32Array.of(1, 0, 0.8, 0.6, 0.6, 0.8, 0, 1),
      dimension: 2,
      labels: [0, 1, 1, 2],
    };
    const query = Float32Array.of(1, 0);
    expect(identify(gallery, query, 1, 4).label).toBe(0);
    expect(identify(gallery, query, 3, 4)).toEqual({ label: 1, distance: expect.closeTo(0.4, 6) });
    expect(identify(gallery, Float32Array.of(-1, 0), 3, 1)).toEqual({
      label: undefined,
      distance: expect.closeTo(2, 6),
    });
  });

  it('take the threshold from a false accept rate', () => {
    const gallery = { embeddings: Float32Array.of(0, 1, 3, 7), dimension: 1, labels: [0, 1, 2, 3] };
    // Squared distances of the six pairs: 1, 4, 9, 16, 36, 49.
    expect(thresholdAtFalseAcceptRate(gallery, 0.5)).toBe(9);
    expect(thresholdAtFalseAcceptRate(gallery, 1)).toBe(49);
    expect(thresholdAtFalseAcceptRate(gallery, 0.1)).toBe(-Infinity);
    expect(thresholdAtFalseAcceptRate({ ...gallery, labels: [1, 1, 1, 1] }, 0.5)).toBeUndefined();
  });
});

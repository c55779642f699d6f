/** The support vector machine and the classifier file. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classProbabilities, trainLinearSvm } from '../../../workers/evaluation/recognition/linear_svm.ts';
import {
  ClassifierFileError,
  decodeClassifier,
  encodeClassifier,
} from '../../../workers/formats/classifier_file.ts';
import { people } from './clustered_embeddings.ts';

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
    // The nearest points of each side are at x = 1 and x = −1. The bias is a separate feature and stays 0 by symmetry.
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

  it('refuses files that are not classifiers', () => {
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

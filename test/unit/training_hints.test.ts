/** Hints: each where its curve means it, and none where a run goes as it should. */
import { describe, expect, it } from 'vitest';
import type { CourseState } from '../../workers/protocol/charts.ts';
import type { ValidationRecord } from '../../workers/protocol/runs.ts';
import { hintsOf, type HintFacts } from '../../workers/training/hints.ts';

const healthy: CourseState = {
  stepCount: 5000,
  firstNotFinite: undefined,
  recentCrossEntropy: 1.2,
  recentAccuracy: 0.8,
  recentDataWaitShare: 0.01,
};

function validations(...pairs: [crossEntropy: number, accuracy: number][]): ValidationRecord[] {
  return pairs.map(([crossEntropy, accuracy], at) => ({
    step: (at + 1) * 100,
    epoch: at + 1,
    crossEntropy,
    accuracy,
  }));
}

function kinds(state: Partial<CourseState>, facts: Partial<HintFacts> = {}): string[] {
  return hintsOf({
    state: { ...healthy, ...state },
    classCount: 100,
    epochSize: 1000,
    validations: [],
    ...facts,
  }).map(({ kind }) => kind);
}

describe('hintsOf', () => {
  it('says nothing of a run that goes well, or has not begun', () => {
    expect(kinds({}, { validations: validations([2, 0.6], [1.5, 0.7], [1.3, 0.74], [1.3, 0.75]) })).toEqual(
      [],
    );
    expect(
      kinds({ stepCount: 0, recentCrossEntropy: NaN, recentAccuracy: NaN, recentDataWaitShare: NaN }),
    ).toEqual([]);
  });

  it('names the first loss that is no number, and then does not speak of guessing', () => {
    expect(kinds({ firstNotFinite: 77, recentCrossEntropy: NaN })).toEqual(['not-finite']);
    const [hint] = hintsOf({
      state: { ...healthy, firstNotFinite: 77 },
      classCount: 3,
      epochSize: 1,
      validations: [],
    });
    expect(hint!.title).toContain('step 77');
  });

  it('sees a loss that stays at ln(classes), but not in the first epoch', () => {
    expect(kinds({ recentCrossEntropy: 4.5 })).toEqual(['guessing']);
    expect(kinds({ recentCrossEntropy: 4.5, stepCount: 900 })).toEqual([]);
    expect(kinds({ recentCrossEntropy: 4.3 })).toEqual([]);
    // More than guessing's is worse than guessing.
    expect(kinds({ recentCrossEntropy: 7 })).toEqual(['guessing']);
  });

  it('sees a validation that is much worse than the training', () => {
    expect(kinds({ recentAccuracy: 0.99 }, { validations: validations([2, 0.6]) })).toEqual(['overfitting']);
  });

  it('sees a validation that was better before', () => {
    const rising = validations([2, 0.7], [1, 0.75], [1.1, 0.75], [1.3, 0.75]);
    expect(kinds({}, { validations: rising })).toEqual(['validation-rises']);
    expect(kinds({}, { validations: rising.slice(0, 3) })).toEqual([]);
  });

  it('sees that training waits for images', () => {
    expect(kinds({ recentDataWaitShare: 0.5 })).toEqual(['data-wait']);
    expect(kinds({ recentDataWaitShare: 0.5, stepCount: 5 })).toEqual([]);
  });
});

/** Hints: each one for the curves it is meant for, and none for a run without problems. */
import { describe, expect, it } from 'vitest';
import type { CourseState } from '../../../workers/protocol/train/charts.ts';
import type { ValidationRecord } from '../../../workers/protocol/train/runs.ts';
import { hintsOf, type HintFacts } from '../../../workers/protocol/train/hints.ts';

const healthy: CourseState = {
  stepCount: 5000,
  recentSteps: 250,
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
    totalSteps: 90_000,
    hasEnded: false,
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

  it('names the first loss that is NaN, and then does not mention guessing', () => {
    expect(kinds({ firstNotFinite: 77, recentCrossEntropy: NaN })).toEqual(['not-finite']);
    const [hint] = hintsOf({
      state: { ...healthy, firstNotFinite: 77 },
      classCount: 3,
      epochSize: 1,
      totalSteps: 100,
      hasEnded: true,
      validations: [],
    });
    expect(hint!.title).toContain('step 77');
  });

  it('sees a loss that stays at ln(classes), but not in the first epoch', () => {
    expect(kinds({ recentCrossEntropy: 4.5 })).toEqual(['guessing']);
    expect(kinds({ recentCrossEntropy: 4.5, stepCount: 900 })).toEqual([]);
    expect(kinds({ recentCrossEntropy: 4.3 })).toEqual([]);
    // A loss above that of guessing is worse than guessing.
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

  describe('in short runs', () => {
    const short = { epochSize: 10, totalSteps: 30, classCount: 5 };
    const state = (stepCount: number, recentCrossEntropy: number): Partial<CourseState> => ({
      stepCount,
      recentSteps: 5,
      recentCrossEntropy,
      recentAccuracy: 0.3,
      recentDataWaitShare: 0,
    });

    it('sees in their second half that nothing is learned yet', () => {
      expect(kinds(state(10, 1.6), short)).toEqual([]);
      expect(kinds(state(15, 1.6), short)).toEqual(['guessing']);
      expect(kinds(state(15, 1.2), short)).toEqual([]);
    });

    it('says at their end that nothing was learned', () => {
      const facts = { ...short, hasEnded: true };
      expect(kinds(state(30, 1.6), facts)).toEqual(['guessing']);
      const [hint] = hintsOf({ state: { ...healthy, ...state(30, 1.6) }, validations: [], ...facts });
      expect(hint!.title).toBe('The model learned nothing');
      // Stopped before the first step, so there is no hint.
      expect(kinds(state(0, NaN), facts)).toEqual([]);
    });

    it('says that images kept aside are named no better than by guessing', () => {
      // 30 steps on 92 photos of 5 people: the training is well below ln(5) = 1.61.
      const facts = { ...short, hasEnded: true, validations: validations([2.83, 0.25]) };
      expect(kinds(state(30, 0.9), facts)).toEqual(['validation-guesses']);
      const [hint] = hintsOf({ state: { ...healthy, ...state(30, 0.9) }, ...facts });
      expect(hint!.message).toMatch(/25%.*20%/);
      // Far more correct answers than by chance: overconfident, but not guessing.
      const right = { ...facts, validations: validations([2.83, 0.7]) };
      expect(kinds(state(30, 0.9), right)).toEqual([]);
      expect(kinds(state(10, 0.9), { ...facts, hasEnded: false })).toEqual([]);
    });

    it('does not wait for four validations where there are only three', () => {
      const rising = validations([1, 0.7], [0.8, 0.75], [1, 0.75]);
      expect(kinds(state(30, 0.9), { ...short, validations: rising })).toEqual(['validation-rises']);
    });

    it('sees in them, too, that training waits for images', () => {
      const waiting = { ...state(6, 0.9), recentDataWaitShare: 0.5 };
      expect(kinds(waiting, { ...short, totalSteps: 10 })).toEqual(['data-wait']);
    });
  });
});

/** The largest errors of a model: the pairs farthest on the wrong side of the threshold of their fold. */
import { splitIntoFolds } from './folds.ts';

export interface WrongPair {
  /** The index among the measured pairs. */
  readonly pair: number;
  readonly distance: number;
  /** The threshold of its fold. The pair is accepted if its distance is smaller. */
  readonly threshold: number;
  /** The index of its fold, from 0. */
  readonly fold: number;
}

export interface WrongPairs {
  /** Pairs of two people that are accepted, the farthest below the threshold first. */
  readonly falseAccepts: readonly WrongPair[];
  /** Pairs of one person that are rejected, the farthest above the threshold first. */
  readonly falseRejects: readonly WrongPair[];
  readonly falseAcceptCount: number;
  readonly falseRejectCount: number;
}

/** @param count the most pairs of each kind */
export function worstPairs(
  distances: Float64Array,
  same: ArrayLike<number | boolean>,
  thresholdPerFold: readonly number[],
  count: number,
): WrongPairs {
  const falseAccepts: WrongPair[] = [];
  const falseRejects: WrongPair[] = [];
  splitIntoFolds(distances.length, thresholdPerFold.length).forEach(({ start, end }, fold) => {
    const threshold = thresholdPerFold[fold]!;
    for (let pair = start; pair < end; pair++) {
      const distance = distances[pair]!;
      const isAccepted = distance < threshold;
      if (isAccepted === Boolean(same[pair])) continue;
      (isAccepted ? falseAccepts : falseRejects).push({ pair, distance, threshold, fold });
    }
  });
  // The distance from the threshold, which differs by fold.
  const error = ({ distance, threshold }: WrongPair): number => Math.abs(distance - threshold);
  const worst = (pairs: readonly WrongPair[]): WrongPair[] =>
    [...pairs].sort((a, b) => error(b) - error(a) || a.pair - b.pair).slice(0, count);
  return {
    falseAccepts: worst(falseAccepts),
    falseRejects: worst(falseRejects),
    falseAcceptCount: falseAccepts.length,
    falseRejectCount: falseRejects.length,
  };
}

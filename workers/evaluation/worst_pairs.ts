/** The pairs that a model is most wrong about, each judged with the threshold of its fold. */
import { splitIntoFolds } from './folds.ts';

export interface WrongPair {
  /** In the order of the measured pairs. */
  readonly pair: number;
  readonly distance: number;
  /** Of its fold; the pair is accepted when its distance is smaller. */
  readonly threshold: number;
  /** From 0. */
  readonly fold: number;
}

export interface WrongPairs {
  /** Two people taken for one, the farthest below the threshold first. */
  readonly falseAccepts: readonly WrongPair[];
  /** One person taken for two, the farthest above it first. */
  readonly falseRejects: readonly WrongPair[];
  readonly falseAcceptCount: number;
  readonly falseRejectCount: number;
}

/** @param count of each kind, at most */
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
  // How far on the wrong side of the threshold, which differs by fold.
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

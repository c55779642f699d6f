/** Whether a result is good, weak, or no better than guessing. Figures alone do not tell: 57 % of pairs sounds like much. */
import type { RunRecord } from '../train/runs.ts';

export type Verdict = 'guessing' | 'weak' | 'good';

/** Half of the pairs show one person, so guessing is right half of the time. */
export const GUESSED_PAIR_ACCURACY = 0.5;
/** Nine of ten pairs right; models that were trained on many people reach more than 95 of 100. */
export const GOOD_PAIR_ACCURACY = 0.9;
/** Of an evaluation during training, whose number of pairs is not stored. */
const ASSUMED_PAIR_COUNT = 600;

/** @param accuracy share of the pairs that are judged correctly, 0 … 1 */
export function pairVerdict(accuracy: number, pairCount = ASSUMED_PAIR_COUNT): Verdict {
  // Two standard errors of guessing, 2 √(0.5 · 0.5 / pairs): luck explains less than that.
  const luck = 1 / Math.sqrt(Math.max(pairCount, 1));
  if (!(accuracy > GUESSED_PAIR_ACCURACY + luck)) return 'guessing';
  return accuracy >= GOOD_PAIR_ACCURACY ? 'good' : 'weak';
}

/** Whether naming so large a share of the images correctly is about what naming them at random gives. */
export function isGuessedAccuracy(accuracy: number, classCount: number): boolean {
  const chance = 1 / Math.max(classCount, 1);
  return !(accuracy > Math.min(1.5 * chance, chance + 0.1 * (1 - chance)));
}

/** Whether what was measured of a run says that it learned nothing; false where nothing was measured. */
export function isKnownToGuess({
  lastEvaluation,
  best,
  classNames,
}: Pick<RunRecord, 'lastEvaluation' | 'best' | 'classNames'>): boolean {
  if (lastEvaluation) return pairVerdict(lastEvaluation.accuracy) === 'guessing';
  return best?.measuredBy === 'validation' && isGuessedAccuracy(best.accuracy, classNames.length);
}

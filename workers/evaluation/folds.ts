/** Cross validation over contiguous folds. */

export interface Fold {
  /** Indices of the fold's pairs: start ≤ index < end. */
  readonly start: number;
  readonly end: number;
}

/**
 * Divides the pairs in order, without shuffling. If the count is not divisible, the first folds have one pair more (as
 * in scikit-learn's KFold, which the original uses).
 */
export function splitIntoFolds(count: number, folds: number): Fold[] {
  const size = Math.floor(count / folds);
  const larger = count % folds;
  return Array.from({ length: folds }, (_, fold) => {
    const start = fold * size + Math.min(fold, larger);
    return { start, end: start + size + (fold < larger ? 1 : 0) };
  });
}

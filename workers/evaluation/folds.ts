/** Cross validation over contiguous folds. */

export interface Fold {
  /** Indices of the fold's pairs: start ≤ index < end. */
  readonly start: number;
  readonly end: number;
}

/**
 * In order, without shuffling; where the count cannot be divided, the first folds have one more (as scikit-learn's
 * KFold, which the original uses).
 */
export function splitIntoFolds(count: number, folds: number): Fold[] {
  const size = Math.floor(count / folds);
  const larger = count % folds;
  return Array.from({ length: folds }, (_, fold) => {
    const start = fold * size + Math.min(fold, larger);
    return { start, end: start + size + (fold < larger ? 1 : 0) };
  });
}

/** The confusion matrix: counts by actual person and named person. Nobody is one more row and column. */

/** undefined: nobody who is known. */
export type Label = number | undefined;

/** @returns [classes + 1, classes + 1]; the last row and column are for nobody */
export function confusionMatrix(
  actual: readonly Label[],
  predicted: readonly Label[],
  classes: number,
): number[][] {
  const counts = Array.from({ length: classes + 1 }, () => new Array<number>(classes + 1).fill(0));
  actual.forEach((label, index) => {
    const row = counts[label ?? classes]!;
    const column = predicted[index] ?? classes;
    row[column] = row[column]! + 1;
  });
  return counts;
}

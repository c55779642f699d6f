/** Who was taken for whom: counts by the actual person and the named one, with nobody as one more of each. */

/** Undefined: nobody that is known. */
export type Label = number | undefined;

/** @returns [classes + 1, classes + 1]; the last row and column are nobody's */
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

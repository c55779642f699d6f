/**
 * Counts how many pairs each threshold of a grid accepts, for all thresholds at once. A pair is counted at the first
 * threshold that accepts it; then the counts are accumulated. This takes O(pairs + thresholds), and gives the same
 * numbers as comparing each distance with each threshold.
 */

/** Thresholds 0, step, 2·step … below 4. */
export class ThresholdGrid {
  readonly count: number;
  readonly #step: number;

  constructor(count: number, step: number) {
    this.count = count;
    this.#step = step;
  }

  at(index: number): number {
    return index * this.#step;
  }

  /** The index of the first threshold that accepts the distance; all later ones do, too. `count` if there is none. */
  firstAccepting(distance: number): number {
    if (!(distance < this.at(this.count - 1))) return this.count;
    let index = Math.max(Math.floor(distance / this.#step), 0);
    // The division and the thresholds are rounded, so correct the index.
    while (index > 0 && distance < this.at(index - 1)) index--;
    while (!(distance < this.at(index))) index++;
    return index;
  }
}

/** For accuracy and the ROC: 0 … 4, step 0.01. */
export const ACCURACY_THRESHOLDS = new ThresholdGrid(400, 0.01);
/** For VAL at a FAR: 0 … 4, step 0.001. */
export const VAL_THRESHOLDS = new ThresholdGrid(4000, 0.001);

export interface AcceptCurve {
  /** Accepted pairs of one person, by threshold. */
  readonly trueAccepts: Int32Array;
  /** Accepted pairs of two people, by threshold. */
  readonly falseAccepts: Int32Array;
  readonly sameCount: number;
  readonly differentCount: number;
}

/** The curve of the pairs start ≤ index < end. */
export function acceptCurve(
  distances: Float64Array,
  same: ArrayLike<number | boolean>,
  { start, end }: { readonly start: number; readonly end: number },
  grid: ThresholdGrid,
): AcceptCurve {
  const trueAccepts = new Int32Array(grid.count);
  const falseAccepts = new Int32Array(grid.count);
  let sameCount = 0;
  for (let pair = start; pair < end; pair++) {
    const accepts = same[pair] ? trueAccepts : falseAccepts;
    if (same[pair]) sameCount++;
    const first = grid.firstAccepting(distances[pair]!);
    if (first < grid.count) accepts[first] = accepts[first]! + 1;
  }
  for (let index = 1; index < grid.count; index++) {
    trueAccepts[index] = trueAccepts[index]! + trueAccepts[index - 1]!;
    falseAccepts[index] = falseAccepts[index]! + falseAccepts[index - 1]!;
  }
  return { trueAccepts, falseAccepts, sameCount, differentCount: end - start - sameCount };
}

/** The curve of the pairs of `all` that are not in `part`. */
export function withoutPart(all: AcceptCurve, part: AcceptCurve): AcceptCurve {
  return {
    trueAccepts: all.trueAccepts.map((count, index) => count - part.trueAccepts[index]!),
    falseAccepts: all.falseAccepts.map((count, index) => count - part.falseAccepts[index]!),
    sameCount: all.sameCount - part.sameCount,
    differentCount: all.differentCount - part.differentCount,
  };
}

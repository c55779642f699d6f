/**
 * The order in which suppression visits boxes. Scores of good candidates are often equal (a probability of exactly 1),
 * so the order of equal scores decides which box survives. The original sorts with NumPy's argsort, a quicksort that
 * is not stable. This sort makes the same comparisons and exchanges: median of three, Hoare's partition, insertion
 * sort for short runs (Sedgewick, "Implementing Quicksort Programs", 1978). NumPy's depth limit is never reached with
 * so few boxes.
 */

/** Runs up to this length are sorted by insertion. */
const SHORT_RUN = 16;

/** @returns indices of the scores, ascending */
export function ascendingOrder(scores: ArrayLike<number>): Int32Array {
  const order = Int32Array.from({ length: scores.length }, (_, index) => index);
  const at = (place: number): number => scores[order[place]!]!;
  const exchange = (a: number, b: number): void => {
    const kept = order[a]!;
    order[a] = order[b]!;
    order[b] = kept;
  };
  const waiting: { first: number; last: number }[] = [{ first: 0, last: scores.length - 1 }];
  for (let run = waiting.pop(); run; run = waiting.pop()) {
    const { first, last } = run;
    if (last - first + 1 <= SHORT_RUN) {
      sortByInsertion(order, scores, first, last);
      continue;
    }
    const middle = first + ((last - first) >> 1);
    if (at(middle) < at(first)) exchange(middle, first);
    if (at(last) < at(middle)) exchange(last, middle);
    if (at(middle) < at(first)) exchange(middle, first);
    const pivot = at(middle);
    exchange(middle, last - 1);
    let left = first;
    let right = last - 1;
    for (;;) {
      do left++;
      while (at(left) < pivot);
      do right--;
      while (pivot < at(right));
      if (left >= right) break;
      exchange(left, right);
    }
    exchange(left, last - 1);
    // The parts are independent, so their order does not matter.
    waiting.push({ first, last: left - 1 }, { first: left + 1, last });
  }
  return order;
}

function sortByInsertion(order: Int32Array, scores: ArrayLike<number>, first: number, last: number): void {
  for (let next = first + 1; next <= last; next++) {
    const index = order[next]!;
    const score = scores[index]!;
    let place = next;
    while (place > first && score < scores[order[place - 1]!]!) {
      order[place] = order[place - 1]!;
      place--;
    }
    order[place] = index;
  }
}

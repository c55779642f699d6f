/**
 * The threshold between same and different for plain embeddings: vectors of length 1 of one orientation, without
 * subtracting a mean. An LFW evaluation may use mirrored copies and subtract the mean. A comparison of two faces does
 * neither, so it cannot use the thresholds of such an evaluation.
 */
import { splitIntoFolds, type Fold } from './folds.ts';
import type { PlainThreshold } from '../protocol/evaluate/evaluate.ts';

/** The largest distance between two vectors of length 1. */
const LARGEST_DISTANCE = 2;

/**
 * @param squaredDistances the squared distance of each pair. [pairs]
 * @param same 1 (true) for two photos of one person. [pairs]
 */
export function plainThreshold(
  squaredDistances: Float64Array,
  same: ArrayLike<number | boolean>,
  folds: number,
): PlainThreshold {
  const distances = squaredDistances.map(Math.sqrt);
  const order = Uint32Array.from(distances, (_, pair) => pair).sort((a, b) => distances[a]! - distances[b]!);
  const isOutside =
    ({ start, end }: Fold) =>
    (pair: number): boolean =>
      pair < start || pair >= end;
  const accuracies = splitIntoFolds(distances.length, folds).map((fold) => {
    const threshold = bestThreshold(distances, same, order.filter(isOutside(fold)));
    let right = 0;
    for (let pair = fold.start; pair < fold.end; pair++)
      if (distances[pair]! < threshold === Boolean(same[pair])) right++;
    return right / (fold.end - fold.start);
  });
  return {
    threshold: bestThreshold(distances, same, order),
    accuracy: accuracies.reduce((sum, accuracy) => sum + accuracy, 0) / accuracies.length,
  };
}

/**
 * The midpoint between two neighbouring distances that judges most pairs correctly; on a tie, the first. A grid of
 * thresholds would be too coarse for weak models, which give all faces nearly the same embedding.
 * @param order pairs by ascending distance
 */
function bestThreshold(
  distances: Float64Array,
  same: ArrayLike<number | boolean>,
  order: Uint32Array,
): number {
  // Start with every pair rejected. The count of correct pairs is relative to that.
  let right = 0;
  let mostRight = 0;
  let best = (distances[order[0]!] ?? 0) / 2;
  for (let place = 0; place < order.length; place++) {
    const pair = order[place]!;
    right += same[pair] ? 1 : -1;
    const next = place + 1 < order.length ? distances[order[place + 1]!]! : LARGEST_DISTANCE;
    if (right > mostRight && next > distances[pair]!) {
      mostRight = right;
      best = (distances[pair]! + next) / 2;
    }
  }
  return best;
}

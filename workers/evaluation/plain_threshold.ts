/**
 * The threshold between same and different for embeddings as they come out of the model: vectors of length 1 of one
 * orientation, with no mean subtracted. An evaluation as on LFW may use mirrored copies and subtract the mean; whoever
 * compares two faces with the model does neither, so that its thresholds do not fit there.
 */
import { splitIntoFolds, type Fold } from './folds.ts';
import type { PlainThreshold } from '../protocol/evaluate/evaluate.ts';

/** The largest distance of two vectors of length 1. */
const LARGEST_DISTANCE = 2;

/**
 * @param squaredDistances of each pair. [pairs]
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
 * The middle between two neighbouring distances that judges most pairs rightly, the first on a tie. Weak models give
 * all faces nearly the same embedding: a grid of thresholds would be too coarse for them.
 * @param order pairs by ascending distance
 */
function bestThreshold(
  distances: Float64Array,
  same: ArrayLike<number | boolean>,
  order: Uint32Array,
): number {
  // Beginning with every pair rejected; right is counted up to a constant.
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

/**
 * Who is it? The k nearest of the enrolled embeddings vote; what is not closer than a threshold does not, and without a
 * vote it is nobody that is known.
 */
export interface Gallery {
  /** l2-normalised, [count, dimension] */
  readonly embeddings: Float32Array;
  readonly dimension: number;
  /** The person of each. [count] */
  readonly labels: ArrayLike<number>;
}

export interface Neighbour {
  readonly index: number;
  /** Euclidean. */
  readonly distance: number;
}

/**
 * @param query l2-normalised, [dimension]
 * @param isCandidate whether a row of the gallery is looked at; default: all
 * @returns the nearest first; equal distances in the gallery's order
 */
export function nearestNeighbours(
  { embeddings, dimension }: Gallery,
  query: Float32Array,
  k: number,
  isCandidate: (index: number) => boolean = () => true,
): Neighbour[] {
  const nearest: Neighbour[] = [];
  for (let index = 0; index * dimension < embeddings.length; index++) {
    if (!isCandidate(index)) continue;
    const distance = euclideanDistance(embeddings, index * dimension, query, 0, dimension);
    if (nearest.length === k && distance >= nearest[k - 1]!.distance) continue;
    let place = nearest.length;
    while (place > 0 && nearest[place - 1]!.distance > distance) place--;
    nearest.splice(place, 0, { index, distance });
    if (nearest.length > k) nearest.pop();
  }
  return nearest;
}

export interface Vote {
  /** Undefined: nobody that is known. */
  readonly label: number | undefined;
  /** Euclidean, to the nearest of the person's faces; of the nearest of all for nobody. */
  readonly distance: number;
}

/**
 * The person with the most of the neighbours that are closer than the threshold; of several the one with the nearest.
 * @param neighbours the nearest first
 */
export function vote(labels: ArrayLike<number>, neighbours: readonly Neighbour[], threshold: number): Vote {
  const votes = new Map<number, { count: number; distance: number }>();
  for (const { index, distance } of neighbours) {
    if (!(distance < threshold)) break;
    const label = labels[index]!;
    const known = votes.get(label);
    if (known) known.count++;
    else votes.set(label, { count: 1, distance });
  }
  let best: Vote = { label: undefined, distance: neighbours[0]?.distance ?? Infinity };
  let bestCount = 0;
  // In the order of the nearest of each.
  for (const [label, { count, distance }] of votes)
    if (count > bestCount) {
      best = { label, distance };
      bestCount = count;
    }
  return best;
}

/** Between `dimension` values of `a` and of `b`. */
export function euclideanDistance(
  a: Float32Array,
  aStart: number,
  b: Float32Array,
  bStart: number,
  dimension: number,
): number {
  let sum = 0;
  for (let i = 0; i < dimension; i++) {
    const difference = a[aStart + i]! - b[bStart + i]!;
    sum += difference * difference;
  }
  return Math.sqrt(sum);
}

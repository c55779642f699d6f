/**
 * Recognition by nearest neighbours: the k nearest enrolled embeddings vote, if they are closer than a threshold.
 * Without a vote, the face is of nobody who is known.
 */
export interface Gallery {
  /** l2-normalised, [count, dimension] */
  readonly embeddings: Float32Array;
  readonly dimension: number;
  /** The person of each embedding. [count] */
  readonly labels: ArrayLike<number>;
}

export interface Neighbour {
  readonly index: number;
  /** The Euclidean distance. */
  readonly distance: number;
}

/**
 * @param query l2-normalised, [dimension]
 * @param isCandidate whether a row of the gallery is considered; default: all
 * @returns the nearest first; equal distances are in the order of the gallery
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
  /** undefined: nobody who is known. */
  readonly label: number | undefined;
  /** The Euclidean distance to the nearest face of the person; for nobody, to the nearest face of anybody. */
  readonly distance: number;
}

/**
 * The person with the most neighbours closer than the threshold; on a tie, the person with the nearest neighbour.
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
  // In the order of each person's nearest neighbour.
  for (const [label, { count, distance }] of votes)
    if (count > bestCount) {
      best = { label, distance };
      bestCount = count;
    }
  return best;
}

/** The distance between `dimension` values of `a` and of `b`. */
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

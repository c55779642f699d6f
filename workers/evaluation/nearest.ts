/**
 * Who is it? The k nearest of the enrolled embeddings vote; beyond a threshold it is nobody that is known. The
 * threshold is chosen from a false accept rate on the enrolled people themselves: the share of pairs of different
 * people that are at most so far apart.
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
  /** Squared Euclidean. */
  readonly distance: number;
}

/**
 * @param query l2-normalised, [dimension]
 * @returns the nearest first; equal distances in the gallery's order
 */
export function nearestNeighbours(
  { embeddings, dimension }: Gallery,
  query: Float32Array,
  k: number,
): Neighbour[] {
  const nearest: Neighbour[] = [];
  for (let index = 0; index * dimension < embeddings.length; index++) {
    const distance = squaredDistance(embeddings, index * dimension, query, 0, dimension);
    if (nearest.length === k && distance >= nearest[k - 1]!.distance) continue;
    let place = nearest.length;
    while (place > 0 && nearest[place - 1]!.distance > distance) place--;
    nearest.splice(place, 0, { index, distance });
    if (nearest.length > k) nearest.pop();
  }
  return nearest;
}

export interface Identification {
  /** Undefined: nobody that is known. */
  readonly label: number | undefined;
  /** Squared Euclidean, to the nearest of the person's photos; of the nearest of all for nobody. */
  readonly distance: number;
}

/**
 * The person with the most of the k nearest; of several the one with the nearest.
 * @param threshold largest distance that is accepted
 */
export function identify(
  gallery: Gallery,
  query: Float32Array,
  k: number,
  threshold: number,
): Identification {
  const neighbours = nearestNeighbours(gallery, query, k);
  const accepted = neighbours.filter(({ distance }) => distance <= threshold);
  const votes = new Map<number, { count: number; distance: number }>();
  for (const { index, distance } of accepted) {
    const label = gallery.labels[index]!;
    const vote = votes.get(label);
    if (vote) vote.count++;
    else votes.set(label, { count: 1, distance });
  }
  let best: Identification = { label: undefined, distance: neighbours[0]?.distance ?? Infinity };
  let bestCount = 0;
  // In the order of the nearest of each.
  for (const [label, { count, distance }] of votes)
    if (count > bestCount) {
      best = { label, distance };
      bestCount = count;
    }
  return best;
}

/**
 * The largest distance at which at most `falseAcceptRate` of the pairs of different people would be accepted.
 * @returns −∞ where even the nearest pair is too much; undefined without pairs of different people
 */
export function thresholdAtFalseAcceptRate(gallery: Gallery, falseAcceptRate: number): number | undefined {
  const { embeddings, dimension, labels } = gallery;
  const distances: number[] = [];
  for (let a = 0; a < labels.length; a++)
    for (let b = a + 1; b < labels.length; b++)
      if (labels[a] !== labels[b])
        distances.push(squaredDistance(embeddings, a * dimension, embeddings, b * dimension, dimension));
  if (distances.length === 0) return undefined;
  const sorted = Float64Array.from(distances).sort();
  let accepted = Math.floor(falseAcceptRate * sorted.length);
  // Equal distances are accepted together, or not at all.
  while (accepted > 0 && accepted < sorted.length && sorted[accepted] === sorted[accepted - 1]) accepted--;
  return accepted === 0 ? -Infinity : sorted[accepted - 1]!;
}

function squaredDistance(
  a: Float32Array,
  aStart: number,
  b: Float32Array,
  bStart: number,
  dimension: number,
): number {
  let sum = 0;
  for (let i = 0; i < dimension; i++) sum += (a[aStart + i]! - b[bStart + i]!) ** 2;
  return sum;
}

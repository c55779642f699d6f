/** The distance between two embeddings, in the original's two metrics. */

/** 0: squared Euclidean, 1: angle / π */
export type DistanceMetric = 0 | 1;

export type Embeddings = Float32Array | Float64Array;

/**
 * Embeddings of images, and which of them form pairs. If flipped copies are used, an image's embedding is the
 * concatenation of the embeddings of both orientations.
 */
export interface EmbeddedPairs {
  /** [images, dimension] */
  readonly embeddings: Embeddings;
  readonly dimension: number;
  /** Row of each pair's first and second image. [pairs] */
  readonly first: ArrayLike<number>;
  readonly second: ArrayLike<number>;
  /** 1 (true) for two photos of one person. [pairs] */
  readonly same: ArrayLike<number | boolean>;
}

/**
 * Each pair's distance in float64: 0 … for metric 0, 0 … 1 for metric 1. A vector of length zero has no angle: NaN.
 * @param mean subtracted from every embedding. [dimension]
 * @returns [pairs]
 */
export function pairDistances(
  { embeddings, dimension, first, second }: EmbeddedPairs,
  metric: DistanceMetric,
  mean: Float64Array = new Float64Array(dimension),
): Float64Array {
  const distance = metric === 0 ? squaredEuclidean : angle;
  return Float64Array.from({ length: first.length }, (_, pair) =>
    distance(embeddings, first[pair]! * dimension, second[pair]! * dimension, mean),
  );
}

function squaredEuclidean(values: Embeddings, a: number, b: number, mean: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < mean.length; i++) {
    const difference = values[a + i]! - mean[i]! - (values[b + i]! - mean[i]!);
    sum += difference * difference;
  }
  return sum;
}

/** arccos(cosine similarity) / π; rounding must not carry the cosine out of −1 … 1. */
function angle(values: Embeddings, a: number, b: number, mean: Float64Array): number {
  let dot = 0;
  let squaresA = 0;
  let squaresB = 0;
  for (let i = 0; i < mean.length; i++) {
    const valueA = values[a + i]! - mean[i]!;
    const valueB = values[b + i]! - mean[i]!;
    dot += valueA * valueB;
    squaresA += valueA * valueA;
    squaresB += valueB * valueB;
  }
  const cosine = dot / (Math.sqrt(squaresA) * Math.sqrt(squaresB));
  return Math.acos(Math.min(Math.max(cosine, -1), 1)) / Math.PI;
}

/**
 * The mean embedding of the images of all pairs outside one fold. An image counts once per pair that it is in.
 * @returns [dimension]
 */
export function meanOutsideFold(
  { embeddings, dimension, first, second }: EmbeddedPairs,
  fold: { readonly start: number; readonly end: number },
): Float64Array {
  const mean = new Float64Array(dimension);
  let count = 0;
  for (let pair = 0; pair < first.length; pair++) {
    if (pair >= fold.start && pair < fold.end) continue;
    for (const row of [first[pair]!, second[pair]!]) {
      for (let i = 0; i < dimension; i++) mean[i] = mean[i]! + embeddings[row * dimension + i]!;
      count++;
    }
  }
  return mean.map((sum) => sum / count);
}

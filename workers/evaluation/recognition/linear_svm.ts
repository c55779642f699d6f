/**
 * A linear support vector machine on embeddings, one versus rest, with probabilities.
 *
 * Each class's hyperplane is the minimum of ½‖w‖² + C·Σ max(0, 1 − y·(w·x + b)), found in its dual one coordinate at a
 * time (Hsieh, Chang, Lin, Keerthi, Sundararajan, "A Dual Coordinate Descent Method for Large-scale Linear SVM",
 * 2008); the bias is the weight of one more feature that is always 1. A sigmoid turns decision values into
 * probabilities (Platt 1999, with the fit of Lin, Lin and Weng 2007). It is fitted to values from machines that were
 * not trained on the image. The probabilities are divided by their sum over the classes.
 */
import { hashKey, permutation, RandomStream } from '../../common/random.ts';
import type { LinearSvm } from '../../protocol/use/classify.ts';

export interface LabelledEmbeddings {
  /** [count, dimension] */
  readonly embeddings: Float32Array;
  readonly dimension: number;
  /** [count], each in 0 … classes − 1 */
  readonly labels: ArrayLike<number>;
}

export interface SvmOptions {
  /** C, the penalty for an image on the wrong side; 1 in the original's classifier. */
  readonly penalty?: number;
  readonly seed?: number;
}

const TOLERANCE = 1e-3;
const MAXIMUM_PASSES = 300;
/** The folds of the cross validation for fitting the sigmoids. */
const FOLDS = 3;

/** @param classes at least two, each with an image */
export function trainLinearSvm(
  data: LabelledEmbeddings,
  classes: number,
  options: SvmOptions = {},
): LinearSvm {
  const training = linearSvmTraining(data, classes, options);
  for (;;) {
    const step = training.next();
    if (step.done) return step.value;
  }
}

/** The same, one class at a time. Yields the share that is done. */
export function* linearSvmTraining(
  { embeddings, dimension, labels }: LabelledEmbeddings,
  classes: number,
  { penalty = 1, seed = 666 }: SvmOptions = {},
): Generator<number, LinearSvm> {
  const weights = new Float32Array(classes * dimension);
  const biases = new Float32Array(classes);
  const slopes = new Float32Array(classes);
  const offsets = new Float32Array(classes);
  const folds = foldsOf(labels, classes, seed);
  for (let label = 0; label < classes; label++) {
    const signs = Int8Array.from({ length: labels.length }, (_, i) => (labels[i] === label ? 1 : -1));
    const plane = fitHyperplane(embeddings, dimension, signs, undefined, penalty, seed);
    weights.set(plane.subarray(0, dimension), label * dimension);
    biases[label] = plane[dimension]!;
    const unseen = new Float64Array(labels.length);
    for (let fold = 0; fold < FOLDS; fold++) {
      const others = fitHyperplane(embeddings, dimension, signs, (i) => folds[i] !== fold, penalty, seed);
      for (let i = 0; i < labels.length; i++)
        if (folds[i] === fold) unseen[i] = decisionValue(embeddings, i, dimension, others);
    }
    const sigmoid = fitSigmoid(unseen, signs);
    slopes[label] = sigmoid.slope;
    offsets[label] = sigmoid.offset;
    yield (label + 1) / classes;
  }
  return { dimension, classes, weights, biases, slopes, offsets };
}

/** @returns [count, classes]; the sum of each row is 1 */
export function classProbabilities(svm: LinearSvm, embeddings: Float32Array): Float64Array {
  const { dimension, classes, weights, biases, slopes, offsets } = svm;
  const count = embeddings.length / dimension;
  const result = new Float64Array(count * classes);
  for (let row = 0; row < count; row++) {
    let sum = 0;
    for (let label = 0; label < classes; label++) {
      let value = biases[label]!;
      for (let i = 0; i < dimension; i++)
        value += weights[label * dimension + i]! * embeddings[row * dimension + i]!;
      const probability = 1 / (1 + Math.exp(slopes[label]! * value + offsets[label]!));
      result[row * classes + label] = probability;
      sum += probability;
    }
    for (let label = 0; label < classes; label++)
      result[row * classes + label] = sum > 0 ? result[row * classes + label]! / sum : 1 / classes;
  }
  return result;
}

/** Distributes the shuffled images of each class to the folds in turn. */
function foldsOf(labels: ArrayLike<number>, classes: number, seed: number): Uint8Array {
  const folds = new Uint8Array(labels.length);
  const seen = new Uint32Array(classes);
  for (const i of permutation(hashKey(seed, RandomStream.split), labels.length)) {
    const label = labels[i]!;
    folds[i] = seen[label]! % FOLDS;
    seen[label] = seen[label]! + 1;
  }
  return folds;
}

/** @returns the weights and, last, the bias */
function fitHyperplane(
  embeddings: Float32Array,
  dimension: number,
  signs: Int8Array,
  isUsed: ((row: number) => boolean) | undefined,
  penalty: number,
  seed: number,
): Float64Array {
  const rows = Array.from({ length: signs.length }, (_, i) => i).filter((i) => isUsed?.(i) ?? true);
  const plane = new Float64Array(dimension + 1);
  const alphas = new Float64Array(signs.length);
  const squares = new Float64Array(signs.length);
  for (const row of rows) {
    let sum = 1;
    for (let i = 0; i < dimension; i++) sum += embeddings[row * dimension + i]! ** 2;
    squares[row] = sum;
  }
  for (let pass = 0; pass < MAXIMUM_PASSES; pass++) {
    let largest = 0;
    for (const place of permutation(hashKey(seed, RandomStream.shuffle, pass), rows.length)) {
      const row = rows[place]!;
      const sign = signs[row]!;
      const gradient = sign * decisionValue(embeddings, row, dimension, plane) - 1;
      const alpha = alphas[row]!;
      // At a bound, only a gradient that leads away from the bound counts.
      const projected =
        alpha === 0 ? Math.min(gradient, 0) : alpha === penalty ? Math.max(gradient, 0) : gradient;
      largest = Math.max(largest, Math.abs(projected));
      if (projected === 0) continue;
      const next = Math.min(Math.max(alpha - gradient / squares[row]!, 0), penalty);
      const step = (next - alpha) * sign;
      alphas[row] = next;
      for (let i = 0; i < dimension; i++) plane[i] = plane[i]! + step * embeddings[row * dimension + i]!;
      plane[dimension] = plane[dimension]! + step;
    }
    if (largest < TOLERANCE) break;
  }
  return plane;
}

function decisionValue(
  embeddings: Float32Array,
  row: number,
  dimension: number,
  plane: Float64Array,
): number {
  let value = plane[dimension]!;
  for (let i = 0; i < dimension; i++) value += plane[i]! * embeddings[row * dimension + i]!;
  return value;
}

/** Newton's method with backtracking on the cross entropy. The targets are slightly less than certain. */
function fitSigmoid(values: Float64Array, signs: Int8Array): { slope: number; offset: number } {
  const positives = signs.filter((sign) => sign > 0).length;
  const negatives = signs.length - positives;
  const high = (positives + 1) / (positives + 2);
  const low = 1 / (negatives + 2);
  let slope = 0;
  let offset = Math.log((negatives + 1) / (positives + 1));
  const lossOf = (a: number, b: number): number => {
    let loss = 0;
    for (let i = 0; i < values.length; i++) {
      const z = a * values[i]! + b;
      const target = signs[i]! > 0 ? high : low;
      loss += z >= 0 ? target * z + Math.log1p(Math.exp(-z)) : (target - 1) * z + Math.log1p(Math.exp(z));
    }
    return loss;
  };
  let loss = lossOf(slope, offset);
  for (let iteration = 0; iteration < 100; iteration++) {
    let [h11, h22, h21, g1, g2] = [1e-12, 1e-12, 0, 0, 0];
    for (let i = 0; i < values.length; i++) {
      const p = 1 / (1 + Math.exp(slope * values[i]! + offset));
      const curvature = p * (1 - p);
      const difference = (signs[i]! > 0 ? high : low) - p;
      h11 += values[i]! ** 2 * curvature;
      h22 += curvature;
      h21 += values[i]! * curvature;
      g1 += values[i]! * difference;
      g2 += difference;
    }
    if (Math.abs(g1) < 1e-5 && Math.abs(g2) < 1e-5) break;
    const determinant = h11 * h22 - h21 * h21;
    const stepSlope = -(h22 * g1 - h21 * g2) / determinant;
    const stepOffset = -(h11 * g2 - h21 * g1) / determinant;
    const descent = g1 * stepSlope + g2 * stepOffset;
    let size = 1;
    for (; size >= 1e-10; size /= 2) {
      const next = lossOf(slope + size * stepSlope, offset + size * stepOffset);
      if (next < loss + 1e-4 * size * descent) {
        slope += size * stepSlope;
        offset += size * stepOffset;
        loss = next;
        break;
      }
    }
    if (size < 1e-10) break;
  }
  return { slope, offset };
}

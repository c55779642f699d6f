/**
 * The LFW metrics by cross validation, as the original computes them (D. Sandberg, facenet; protocol of G. B. Huang et
 * al., "Labeled Faces in the Wild", 2007; VAL and FAR of F. Schroff et al., "FaceNet", 2015). A pair is accepted as
 * one person if its distance is strictly smaller than the threshold. Each fold is measured with the thresholds that
 * are best on the others.
 */
import {
  acceptCurve,
  ACCURACY_THRESHOLDS,
  VAL_THRESHOLDS,
  withoutPart,
  type AcceptCurve,
  type ThresholdGrid,
} from './accept_curve.ts';
import { meanOutsideFold, pairDistances, type DistanceMetric, type EmbeddedPairs } from './distances.ts';
import { EmbeddingsNotFiniteError, TooFewPairsError } from './errors.ts';
import { splitIntoFolds, type Fold } from './folds.ts';
import { areaUnderCurve, equalErrorRate, meanRoc, type Roc } from './roc.ts';
import type { MeasuredPairs, ValidationRate } from '../protocol/evaluate/evaluate.ts';

export const DEFAULT_FAR_TARGET = 1e-3;

export interface MetricsOptions {
  readonly folds: number;
  readonly distanceMetric: DistanceMetric;
  /** Whether to subtract the mean embedding of the pairs outside the measured fold. */
  readonly subtractMean: boolean;
  readonly farTarget?: number;
}

/** Rates are 0 … 1. Standard deviations are over the folds (population). */
export interface PairMetrics {
  readonly accuracy: number;
  readonly accuracyStd: number;
  readonly accuracyPerFold: number[];
  readonly bestThresholdPerFold: number[];
  /** The share of same-person pairs that are accepted at the threshold for `farTarget`. */
  readonly val: number;
  readonly valStd: number;
  /**
   * The share of different-person pairs that are accepted there. It is close to the target, because pairs are unseen.
   */
  readonly far: number;
  readonly farTarget: number;
  readonly valThresholdPerFold: number[];
  readonly auc: number;
  readonly eer: number;
  readonly roc: Roc;
  readonly measured: MeasuredPairs;
}

interface FoldMetrics {
  readonly accuracy: number;
  readonly bestThreshold: number;
  readonly curve: AcceptCurve;
  /** The curve of the pairs outside the fold, on VAL_THRESHOLDS. */
  readonly outside: AcceptCurve;
  /** The distances of the fold's own pairs. */
  readonly distances: Float64Array;
}

/** @throws TooFewPairsError, EmbeddingsNotFiniteError */
export function measurePairs(pairs: EmbeddedPairs, options: MetricsOptions): PairMetrics {
  checkCounts(pairs.same, options.folds);
  if (!pairs.embeddings.every(Number.isFinite)) throw new EmbeddingsNotFiniteError();
  const { distanceMetric, subtractMean, farTarget = DEFAULT_FAR_TARGET } = options;
  const common = subtractMean ? undefined : pairDistances(pairs, distanceMetric);
  const folds = splitIntoFolds(pairs.same.length, options.folds).map((fold) =>
    measureFold(
      common ?? pairDistances(pairs, distanceMetric, meanOutsideFold(pairs, fold)),
      pairs.same,
      fold,
    ),
  );
  const measured: MeasuredPairs = {
    distances: joined(
      Float64Array,
      folds.map(({ distances }) => distances),
    ),
    same: Uint8Array.from({ length: pairs.same.length }, (_, pair) => (pairs.same[pair] ? 1 : 0)),
    falseAcceptsOutside: joined(
      Int32Array,
      folds.map(({ outside }) => outside.falseAccepts),
    ),
    differentOutside: Int32Array.from(folds, ({ outside }) => outside.differentCount),
  };
  const roc = meanRoc(folds.map(({ curve }) => curve));
  const accuracyPerFold = folds.map(({ accuracy }) => accuracy);
  return {
    accuracy: mean(accuracyPerFold),
    accuracyStd: deviation(accuracyPerFold),
    accuracyPerFold,
    bestThresholdPerFold: folds.map(({ bestThreshold }) => bestThreshold),
    ...validationRate(measured, farTarget),
    auc: areaUnderCurve(roc),
    eer: equalErrorRate(roc),
    roc,
    measured,
  };
}

/**
 * VAL and FAR of each fold. The threshold of a fold accepts the share `farTarget` of the different-person pairs
 * outside the fold. VAL is the share of same-person pairs in the fold that this threshold accepts; FAR is the same for
 * different-person pairs.
 */
export function validationRate(measured: MeasuredPairs, farTarget: number): ValidationRate {
  const { distances, same, falseAcceptsOutside, differentOutside } = measured;
  const thresholds: number[] = [];
  const vals: number[] = [];
  const fars: number[] = [];
  splitIntoFolds(distances.length, differentOutside.length).forEach(({ start, end }, fold) => {
    const falseAccepts = falseAcceptsOutside.subarray(
      fold * VAL_THRESHOLDS.count,
      (fold + 1) * VAL_THRESHOLDS.count,
    );
    const threshold = thresholdAtFar(
      { falseAccepts, differentCount: differentOutside[fold]! },
      VAL_THRESHOLDS,
      farTarget,
    );
    thresholds.push(threshold);
    /** Numbers of pairs of two people, and of one person. */
    const counts = [0, 0];
    const accepted = [0, 0];
    for (let pair = start; pair < end; pair++) {
      const kind = same[pair]!;
      counts[kind]!++;
      if (distances[pair]! < threshold) accepted[kind]!++;
    }
    // A fold without pairs of a kind has no rate for that kind.
    if (counts[1]! > 0) vals.push(accepted[1]! / counts[1]!);
    if (counts[0]! > 0) fars.push(accepted[0]! / counts[0]!);
  });
  return {
    val: mean(vals),
    valStd: deviation(vals),
    far: mean(fars),
    farTarget,
    valThresholdPerFold: thresholds,
  };
}

/** @throws TooFewPairsError */
export function checkCounts(same: ArrayLike<number | boolean>, folds: number): void {
  if (!Number.isInteger(folds) || folds < 2)
    throw new TooFewPairsError(
      `An evaluation needs at least two folds (lfw_nrof_folds is ${folds}), because each fold is measured with thresholds from the others.`,
    );
  const sameCount = Array.prototype.filter.call(same, Boolean).length;
  const differentCount = same.length - sameCount;
  if (same.length < folds || sameCount === 0 || differentCount === 0)
    throw new TooFewPairsError(
      `There are too few pairs for ${folds} folds: ${sameCount} same-person and ${differentCount} different-person pairs. Both kinds are needed, and at least ${folds} pairs. Add photos or pairs, or use fewer folds (lfw_nrof_folds).`,
    );
}

function measureFold(distances: Float64Array, same: ArrayLike<number | boolean>, fold: Fold): FoldMetrics {
  const everything = { start: 0, end: distances.length };
  const curve = acceptCurve(distances, same, fold, ACCURACY_THRESHOLDS);
  const training = withoutPart(acceptCurve(distances, same, everything, ACCURACY_THRESHOLDS), curve);
  const best = indexOfLargest(correctCounts(training));
  return {
    accuracy: correctCounts(curve)[best]! / (fold.end - fold.start),
    bestThreshold: ACCURACY_THRESHOLDS.at(best),
    curve,
    outside: withoutPart(
      acceptCurve(distances, same, everything, VAL_THRESHOLDS),
      acceptCurve(distances, same, fold, VAL_THRESHOLDS),
    ),
    distances: distances.slice(fold.start, fold.end),
  };
}

/** Accepted pairs of one person plus rejected pairs of two, by threshold. */
function correctCounts({ trueAccepts, falseAccepts, differentCount }: AcceptCurve): Int32Array {
  return trueAccepts.map((accepted, index) => accepted + differentCount - falseAccepts[index]!);
}

/** The index of the largest value; on a tie, the first. */
function indexOfLargest(values: Int32Array): number {
  let largest = 0;
  for (let index = 1; index < values.length; index++) if (values[index]! > values[largest]!) largest = index;
  return largest;
}

/**
 * The threshold at a false accept rate, as in the original's call of SciPy's interp1d with kind 'slinear'. If
 * thresholds meet the rate exactly, it is the last of them. Otherwise it is interpolated linearly between the last
 * threshold below the rate and the first above it. If no threshold reaches the rate, it is 0.
 * @param target above 0
 */
export function thresholdAtFar(
  { falseAccepts, differentCount }: Pick<AcceptCurve, 'falseAccepts' | 'differentCount'>,
  grid: ThresholdGrid,
  target: number,
): number {
  const farAt = (index: number): number => falseAccepts[index]! / differentCount;
  const above = falseAccepts.findIndex((_, index) => farAt(index) > target);
  const last = above < 0 ? falseAccepts.length - 1 : above - 1;
  if (last < 0) return 0;
  const farLast = farAt(last);
  if (farLast === target) return grid.at(last);
  if (above < 0) return 0;
  return grid.at(last) + ((target - farLast) * (grid.at(above) - grid.at(last))) / (farAt(above) - farLast);
}

function joined<Numbers extends Float64Array | Int32Array>(
  Kind: new (length: number) => Numbers,
  parts: readonly Numbers[],
): Numbers {
  const whole = new Kind(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviation(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
}

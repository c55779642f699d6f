/**
 * LFW's measures by cross validation, as the original computes them (D. Sandberg, facenet; protocol of G. B. Huang et
 * al., "Labeled Faces in the Wild", 2007; VAL and FAR of F. Schroff et al., "FaceNet", 2015). A pair is accepted as one
 * person's when its distance is strictly smaller than the threshold. Each fold is measured with the thresholds that are
 * best on the other folds.
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

export const DEFAULT_FAR_TARGET = 1e-3;

export interface MetricsOptions {
  readonly folds: number;
  readonly distanceMetric: DistanceMetric;
  /** Subtract the mean embedding of the pairs outside of the measured fold. */
  readonly subtractMean: boolean;
  readonly farTarget?: number;
}

/** Rates are 0 … 1; deviations are those of the folds' values (population). */
export interface PairMetrics {
  readonly accuracy: number;
  readonly accuracyStd: number;
  readonly accuracyPerFold: number[];
  readonly bestThresholdPerFold: number[];
  /** The share of one person's pairs that is accepted at the threshold for `farTarget`. */
  readonly val: number;
  readonly valStd: number;
  /** The share of different people's pairs that is accepted there; near the target, on unseen pairs. */
  readonly far: number;
  readonly farTarget: number;
  readonly auc: number;
  readonly eer: number;
  readonly roc: Roc;
}

interface FoldMetrics {
  readonly accuracy: number;
  readonly bestThreshold: number;
  /** NaN in a fold without pairs of one person; FAR likewise. */
  readonly val: number;
  readonly far: number;
  readonly curve: AcceptCurve;
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
      farTarget,
    ),
  );
  const roc = meanRoc(folds.map(({ curve }) => curve));
  const accuracyPerFold = folds.map(({ accuracy }) => accuracy);
  const vals = folds.map(({ val }) => val).filter(isMeasured);
  const fars = folds.map(({ far }) => far).filter(isMeasured);
  return {
    accuracy: mean(accuracyPerFold),
    accuracyStd: deviation(accuracyPerFold),
    accuracyPerFold,
    bestThresholdPerFold: folds.map(({ bestThreshold }) => bestThreshold),
    val: mean(vals),
    valStd: deviation(vals),
    far: mean(fars),
    farTarget,
    auc: areaUnderCurve(roc),
    eer: equalErrorRate(roc),
    roc,
  };
}

/** @throws TooFewPairsError */
export function checkCounts(same: ArrayLike<number | boolean>, folds: number): void {
  if (!Number.isInteger(folds) || folds < 2)
    throw new TooFewPairsError(
      `An evaluation needs two folds at least (lfw_nrof_folds is ${folds}): each is measured with thresholds from the others.`,
    );
  const sameCount = Array.prototype.filter.call(same, Boolean).length;
  const differentCount = same.length - sameCount;
  if (same.length < folds || sameCount === 0 || differentCount === 0)
    throw new TooFewPairsError(
      `There are too few pairs for ${folds} folds: ${sameCount} of one person and ${differentCount} of two people, where both kinds and at least ${folds} pairs are needed. Add photos or pairs, or ask for fewer folds (lfw_nrof_folds).`,
    );
}

function measureFold(
  distances: Float64Array,
  same: ArrayLike<number | boolean>,
  fold: Fold,
  farTarget: number,
): FoldMetrics {
  const everything = { start: 0, end: distances.length };
  const curve = acceptCurve(distances, same, fold, ACCURACY_THRESHOLDS);
  const training = withoutPart(acceptCurve(distances, same, everything, ACCURACY_THRESHOLDS), curve);
  const best = indexOfLargest(correctCounts(training));
  const threshold = thresholdAtFar(
    withoutPart(
      acceptCurve(distances, same, everything, VAL_THRESHOLDS),
      acceptCurve(distances, same, fold, VAL_THRESHOLDS),
    ),
    VAL_THRESHOLDS,
    farTarget,
  );
  let trueAccepts = 0;
  let falseAccepts = 0;
  for (let pair = fold.start; pair < fold.end; pair++)
    if (distances[pair]! < threshold) {
      if (same[pair]) trueAccepts++;
      else falseAccepts++;
    }
  return {
    accuracy: correctCounts(curve)[best]! / (fold.end - fold.start),
    bestThreshold: ACCURACY_THRESHOLDS.at(best),
    val: trueAccepts / curve.sameCount,
    far: falseAccepts / curve.differentCount,
    curve,
  };
}

/** Accepted pairs of one person and rejected ones of two, by threshold. */
function correctCounts({ trueAccepts, falseAccepts, differentCount }: AcceptCurve): Int32Array {
  return trueAccepts.map((accepted, index) => accepted + differentCount - falseAccepts[index]!);
}

/** The first one on a tie. */
function indexOfLargest(values: Int32Array): number {
  let largest = 0;
  for (let index = 1; index < values.length; index++) if (values[index]! > values[largest]!) largest = index;
  return largest;
}

/**
 * By linear interpolation between the last threshold whose FAR is below the target and the first whose FAR is not;
 * 0 if none reaches it.
 */
export function thresholdAtFar(
  { falseAccepts, differentCount }: AcceptCurve,
  grid: ThresholdGrid,
  target: number,
): number {
  const farAt = (index: number): number => falseAccepts[index]! / differentCount;
  const reached = falseAccepts.findIndex((_, index) => farAt(index) >= target);
  if (reached <= 0) return 0;
  const [farBelow, farReached] = [farAt(reached - 1), farAt(reached)];
  const [below, above] = [grid.at(reached - 1), grid.at(reached)];
  return below + ((target - farBelow) * (above - below)) / (farReached - farBelow);
}

function isMeasured(value: number): boolean {
  return !Number.isNaN(value);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviation(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
}

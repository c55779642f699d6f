/** The receiver operating characteristic: true accept rate over false accept rate, by threshold. */
import type { AcceptCurve } from './accept_curve.ts';

export interface Roc {
  /** Rates by threshold; neither falls as the threshold grows. [thresholds] */
  readonly falseAcceptRate: Float64Array;
  readonly trueAcceptRate: Float64Array;
}

/** The mean over the folds at each threshold. A fold without pairs of a kind does not count for that rate. */
export function meanRoc(folds: readonly AcceptCurve[]): Roc {
  return {
    falseAcceptRate: meanRate(
      folds.map(({ falseAccepts, differentCount }) => [falseAccepts, differentCount]),
    ),
    trueAcceptRate: meanRate(folds.map(({ trueAccepts, sameCount }) => [trueAccepts, sameCount])),
  };
}

function meanRate(folds: readonly (readonly [accepts: Int32Array, count: number])[]): Float64Array {
  const measured = folds.filter(([, count]) => count > 0);
  const mean = new Float64Array(folds[0]?.[0].length ?? 0);
  for (const [accepts, count] of measured)
    accepts.forEach((accepted, index) => {
      mean[index] = mean[index]! + accepted / count;
    });
  return mean.map((sum) => sum / measured.length);
}

/** The area under the curve by the trapezoid rule, between the points of the first and the last threshold. */
export function areaUnderCurve({ falseAcceptRate: x, trueAcceptRate: y }: Roc): number {
  let area = 0;
  for (let index = 1; index < x.length; index++)
    area += ((x[index]! - x[index - 1]!) * (y[index]! + y[index - 1]!)) / 2;
  return area;
}

/**
 * The false accept rate that equals the false reject rate, on the linearly interpolated curve. If the curve ends
 * before that (because distances exceed the last threshold), it is continued in a straight line to (1, 1).
 */
export function equalErrorRate({ falseAcceptRate, trueAcceptRate }: Roc): number {
  // The rates are equal where x = 1 − y. x + y grows along the curve, from 0 at the threshold 0.
  const reached = falseAcceptRate.findIndex((x, index) => x + trueAcceptRate[index]! >= 1);
  const after = reached < 0 ? falseAcceptRate.length : reached;
  const [x0, y0] = [falseAcceptRate[after - 1] ?? 0, trueAcceptRate[after - 1] ?? 0];
  const [x1, y1] = [falseAcceptRate[after] ?? 1, trueAcceptRate[after] ?? 1];
  return x0 + ((x1 - x0) * (1 - x0 - y0)) / (x1 + y1 - x0 - y0);
}

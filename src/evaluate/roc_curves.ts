/** ROC curves as a chart draws them: one point a false accept rate, from strict to lax, several curves over one axis. */

export interface Roc {
  readonly falseAcceptRate: ArrayLike<number>;
  readonly trueAcceptRate: ArrayLike<number>;
}

export interface RocPoints {
  /** Of all curves, ascending. */
  readonly falseAcceptRate: number[];
  /** A list a curve, as long. */
  readonly trueAcceptRates: (number | null)[][];
  /** Where a logarithmic axis begins. */
  readonly leftEnd: number;
}

/** @param isLogarithmic what is accepted at a rate of zero is drawn at the axis's left end, as it has no zero */
export function rocCurves(curves: readonly Roc[], isLogarithmic: boolean): RocPoints {
  const pointsOf = curves.map(highestPoints);
  const rates = [...new Set(pointsOf.flatMap((points) => points.map(([rate]) => rate)))].sort(
    (a, b) => a - b,
  );
  const leftEnd = (rates.find((rate) => rate > 0) ?? 0.001) / 2;
  const falseAcceptRate = isLogarithmic ? rates.map((rate) => Math.max(rate, leftEnd)) : rates;
  return { falseAcceptRate, trueAcceptRates: pointsOf.map((points) => along(points, rates)), leftEnd };
}

/** At each false accept rate the highest true one. */
function highestPoints({ falseAcceptRate, trueAcceptRate }: Roc): [number, number][] {
  const highest = new Map<number, number>();
  for (let index = 0; index < falseAcceptRate.length; index++) {
    const rate = falseAcceptRate[index]!;
    highest.set(rate, Math.max(highest.get(rate) ?? 0, trueAcceptRate[index]!));
  }
  return [...highest].sort(([a], [b]) => a - b);
}

/** On the straight lines between a curve's own points; null beyond them. */
function along(points: readonly [number, number][], rates: readonly number[]): (number | null)[] {
  let after = 0;
  return rates.map((rate) => {
    while (after < points.length && points[after]![0] < rate) after++;
    const [x1, y1] = points[after] ?? [];
    if (x1 === undefined || y1 === undefined) return null;
    if (x1 === rate) return y1;
    const before = points[after - 1];
    if (!before) return null;
    const [x0, y0] = before;
    return y0 + ((y1 - y0) * (rate - x0)) / (x1 - x0);
  });
}

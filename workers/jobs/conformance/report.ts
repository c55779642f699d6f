/** A conformance report: figures held against bounds. */
import type { ConformanceReport } from '../../protocol/train/conformance.ts';

export class NotAFixtureError extends Error {
  override name = 'NotAFixtureError';
}

export function makeReport(
  kind: ConformanceReport['kind'],
  device: string,
  figures: Readonly<Record<string, number>>,
  bounds: Readonly<Record<string, number>>,
): ConformanceReport {
  return {
    kind,
    device,
    figures,
    bounds: Object.entries(bounds).map(([figure, bound]) => ({
      figure,
      bound,
      // A NaN holds no bound.
      holds: (figures[figure] ?? NaN) <= bound,
    })),
  };
}

/** The value below which `share` of the values lie (nearest rank); NaN if any value is, 0 without values. */
export function quantile(values: readonly number[], share: number): number {
  if (values.some(Number.isNaN)) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(Math.ceil(share * sorted.length) - 1, 0)] ?? 0;
}

/** Summarises several starts: mean and standard deviation of the final losses, and of their differences. */
import { PRECISION_KINDS, type PrecisionKind, type PrecisionRun } from './precision_run.ts';

export interface PrecisionSummary {
  readonly kind: PrecisionKind;
  readonly starts: number;
  /** Cross entropy over the second half of the steps: its mean over the starts. */
  readonly finalLoss: number;
  /** Its standard deviation over the starts; NaN for one start. */
  readonly finalLossDeviation: number;
  /** Final loss minus that of float32 from the same start: the mean over the starts that both have. */
  readonly difference: number;
  /** Standard error of that mean; NaN for one start. */
  readonly differenceError: number;
  readonly stepMs: number;
  readonly skippedSteps: number;
}

/** The summaries of the kinds that have runs, in the order of PRECISION_KINDS. */
export function summarizePrecision(runs: readonly PrecisionRun[]): PrecisionSummary[] {
  const references = new Map(
    runs.filter(({ kind }) => kind === 'float32').map((run) => [run.start, finalLossOf(run)]),
  );
  return PRECISION_KINDS.flatMap((kind) => {
    const own = runs.filter((run) => run.kind === kind);
    if (own.length === 0) return [];
    const losses = own.map(finalLossOf);
    const differences = own.flatMap((run) => {
      const reference = references.get(run.start);
      return reference === undefined ? [] : [finalLossOf(run) - reference];
    });
    return [
      {
        kind,
        starts: own.length,
        finalLoss: mean(losses),
        finalLossDeviation: deviation(losses),
        difference: mean(differences),
        differenceError: deviation(differences) / Math.sqrt(differences.length),
        stepMs: mean(own.map(({ stepMs }) => stepMs)),
        skippedSteps: own.reduce((sum, { skippedSteps }) => sum + skippedSteps, 0),
      },
    ];
  });
}

/** Mean of the second half of the losses. */
export function finalLossOf({ losses }: PrecisionRun): number {
  return mean(losses.slice(Math.floor(losses.length / 2)));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The standard deviation of a sample, with n − 1. */
function deviation(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1));
}

/** A fixture file's text → a report: tells model fixtures from metrics fixtures. */
import type { ConformanceReport } from '../../protocol/train/conformance.ts';
import type { TrainerFactory } from '../../compute/executor.ts';
import type { Precision } from '../../protocol/train/options.ts';
import { isMetricsFixture, runMetricsConformance } from './metrics_conformance.ts';
import { isModelFixture, runModelConformance } from './model_conformance.ts';
import { NotAFixtureError } from './report.ts';

/**
 * @param provideExecutors asked only for fixtures that run a network
 * @param precision of the networks' activations
 * @throws NotAFixtureError
 */
export async function runConformance(
  text: string,
  provideExecutors: () => Promise<TrainerFactory>,
  onMessage?: (message: string) => void,
  precision?: Precision,
): Promise<ConformanceReport> {
  const fixture = parseFixture(text);
  if (isModelFixture(fixture))
    return runModelConformance(fixture, await provideExecutors(), onMessage, precision);
  if (isMetricsFixture(fixture)) return runMetricsConformance(fixture, onMessage);
  throw new NotAFixtureError(
    `The file is not a conformance fixture: ${describe(fixture)}. A model fixture has "model", "optimizer", "parameters", "eval" and "train"; a metrics fixture has "seed", "pairs", "dim", "noise", "first_row", "last_row" and "results".`,
  );
}

function parseFixture(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new NotAFixtureError(
      'The file is not a conformance fixture: it is not JSON, or it is cut off. Choose the fixture’s .json file.',
      { cause },
    );
  }
}

function describe(value: unknown): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'it is not a JSON object';
  const keys = Object.keys(value).slice(0, 8);
  return keys.length === 0 ? 'it is empty' : `it has ${keys.map((key) => `"${key}"`).join(', ')}`;
}

/**
 * Holds the evaluation's metrics against a fixture: hash-defined embeddings of pairs, then every measure compared with
 * what an independent implementation computed.
 *
 * The embeddings, of `pairs` pairs with `dim` values: pair i has the rows 2i and 2i + 1. In each fold (of the first
 * result's nrof_folds) the first half of the pairs show one person, i; in the other half the second row is of person
 * pairs + i. A row is l2_normalize(t('person/<p>') + noise·t('row/<r>')), where t(name) has the values 2u − 1 of the
 * hash-defined tensor `name` of the fixture's seed. `first_row` and `last_row` prove that both sides mean the same.
 */
import type { EmbeddedPairs } from '../../evaluation/distances.ts';
import { measurePairs, type PairMetrics } from '../../evaluation/metrics.ts';
import { hashBase, hashedUniform } from '../../compute/graph/hashed_tensors.ts';
import type { ConformanceReport } from '../../protocol/train/conformance.ts';
import { makeReport, NotAFixtureError } from './report.ts';

export interface MetricsFixture {
  readonly seed: number;
  readonly pairs: number;
  readonly dim: number;
  readonly noise: number;
  readonly first_row: readonly number[];
  readonly last_row: readonly number[];
  readonly results: readonly MetricsFixtureResult[];
}

export interface MetricsFixtureResult {
  readonly distance_metric: 0 | 1;
  readonly subtract_mean: boolean;
  readonly nrof_folds: number;
  readonly accuracy: number;
  readonly accuracy_std: number;
  readonly accuracy_per_fold: readonly number[];
  readonly best_threshold_per_fold: readonly number[];
  readonly val: number;
  readonly val_std: number;
  readonly far: number;
  readonly far_target: number;
  readonly auc: number;
  readonly eer: number;
}

export const METRICS_BOUNDS = { metrics_max_abs: 1e-6 } as const;

/** The rows are computed in float64 on both sides. */
const ROW_TOLERANCE = 1e-9;

export function isMetricsFixture(value: unknown): value is MetricsFixture {
  const fixture = value as Partial<MetricsFixture> | null;
  return (
    typeof fixture === 'object' &&
    fixture !== null &&
    [fixture.seed, fixture.pairs, fixture.dim, fixture.noise].every((field) => typeof field === 'number') &&
    [fixture.first_row, fixture.last_row].every(isNumbers) &&
    Array.isArray(fixture.results) &&
    fixture.results.length > 0 &&
    fixture.results.every(isResult)
  );
}

function isNumbers(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'number');
}

function isResult(value: unknown): value is MetricsFixtureResult {
  const result = value as Partial<MetricsFixtureResult> | null;
  return (
    typeof result === 'object' &&
    result !== null &&
    (result.distance_metric === 0 || result.distance_metric === 1) &&
    typeof result.subtract_mean === 'boolean' &&
    typeof result.nrof_folds === 'number' &&
    typeof result.far_target === 'number' &&
    isNumbers(result.accuracy_per_fold) &&
    isNumbers(result.best_threshold_per_fold)
  );
}

/** @throws NotAFixtureError when the rows made from the seed are not those that the fixture states */
export function runMetricsConformance(
  fixture: MetricsFixture,
  onMessage: (message: string) => void = () => undefined,
): ConformanceReport {
  const pairs = fixturePairs(fixture);
  let largest = 0;
  for (const expected of fixture.results) {
    const { nrof_folds: folds, distance_metric: metric, subtract_mean: subtractMean } = expected;
    const measured = measurePairs(pairs, {
      folds,
      distanceMetric: metric,
      subtractMean,
      farTarget: expected.far_target,
    });
    const difference = largestDifference(measured, expected);
    onMessage(
      `Distance metric ${metric}${subtractMean ? ', mean subtracted' : ''}: accuracy ${measured.accuracy.toFixed(5)}, differs by ${difference.toExponential(2)} at most.`,
    );
    // A NaN stays.
    largest = Math.max(largest, difference);
  }
  return makeReport('metrics', 'float64 on the CPU', { metrics_max_abs: largest }, METRICS_BOUNDS);
}

/** @throws NotAFixtureError */
export function fixturePairs(fixture: MetricsFixture): EmbeddedPairs {
  const { pairs: count, dim } = fixture;
  const pairsPerFold = Math.max(Math.floor(count / fixture.results[0]!.nrof_folds), 1);
  const isSame = (pair: number): boolean => pair % pairsPerFold < Math.floor(pairsPerFold / 2);
  const rows = Array.from({ length: 2 * count }, (_, row) => {
    const pair = row >> 1;
    return fixtureRow(fixture, row, row % 2 === 0 || isSame(pair) ? pair : count + pair);
  });
  if (!isRow(rows.at(0), fixture.first_row) || !isRow(rows.at(-1), fixture.last_row))
    throw new NotAFixtureError(
      'The embeddings made from the fixture’s seed are not those that the fixture states: it was made by other rules.',
    );
  const embeddings = new Float64Array(2 * count * dim);
  rows.forEach((row, index) => embeddings.set(row, index * dim));
  return {
    embeddings,
    dimension: dim,
    first: Array.from({ length: count }, (_, pair) => 2 * pair),
    second: Array.from({ length: count }, (_, pair) => 2 * pair + 1),
    same: Array.from({ length: count }, (_, pair) => isSame(pair)),
  };
}

function fixtureRow({ seed, dim, noise }: MetricsFixture, row: number, person: number): Float64Array {
  const personBase = hashBase(`person/${person}`, seed);
  const rowBase = hashBase(`row/${row}`, seed);
  const values = Float64Array.from(
    { length: dim },
    (_, i) => 2 * hashedUniform(personBase, i) - 1 + noise * (2 * hashedUniform(rowBase, i) - 1),
  );
  const norm = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  return values.map((value) => value / norm);
}

function isRow(row: Float64Array | undefined, expected: readonly number[]): boolean {
  return (
    row?.length === expected.length && row.every((value, i) => Math.abs(value - expected[i]!) < ROW_TOLERANCE)
  );
}

/** Largest absolute difference over all measures; thresholds are compared as they are. NaN if one is missing. */
function largestDifference(measured: PairMetrics, expected: MetricsFixtureResult): number {
  const pairs: [number, number][] = [
    [measured.accuracy, expected.accuracy],
    [measured.accuracyStd, expected.accuracy_std],
    [measured.val, expected.val],
    [measured.valStd, expected.val_std],
    [measured.far, expected.far],
    [measured.auc, expected.auc],
    [measured.eer, expected.eer],
    [measured.accuracyPerFold.length, expected.accuracy_per_fold.length],
    [measured.bestThresholdPerFold.length, expected.best_threshold_per_fold.length],
    ...expected.accuracy_per_fold.map((value, fold): [number, number] => [
      measured.accuracyPerFold[fold]!,
      value,
    ]),
    ...expected.best_threshold_per_fold.map((value, fold): [number, number] => [
      measured.bestThresholdPerFold[fold]!,
      value,
    ]),
  ];
  return Math.max(...pairs.map(([value, reference]) => Math.abs(value - reference)));
}

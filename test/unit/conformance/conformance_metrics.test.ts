import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { NotAFixtureError } from '../../../workers/jobs/conformance/report.ts';
import { runConformance } from '../../../workers/jobs/conformance/run.ts';
import smallFixture from './conformance_metrics_fixture.json' with { type: 'json' };

const noExecutors = (): never => {
  throw new Error('A metrics fixture runs no network.');
};

function run(fixture: unknown) {
  return runConformance(JSON.stringify(fixture), noExecutors);
}

describe('metrics conformance', () => {
  it('meets a fixture of another seed and other counts', async () => {
    const messages: string[] = [];
    const report = await runConformance(JSON.stringify(smallFixture), noExecutors, (message) => {
      messages.push(message);
    });
    expect(report.kind).toBe('metrics');
    expect(report.figures.metrics_max_abs).toBeLessThan(1e-9);
    expect(report.bounds).toEqual([{ figure: 'metrics_max_abs', bound: 1e-6, holds: true }]);
    expect(messages).toHaveLength(smallFixture.results.length);
  });

  it.each([
    'accuracy',
    'accuracy_std',
    'val',
    'val_std',
    'far',
    'auc',
    'eer',
    'accuracy_per_fold',
    'best_threshold_per_fold',
  ])('notices a wrong %s', async (field) => {
    const results = structuredClone(smallFixture.results) as Record<string, unknown>[];
    const last = results.at(-1)!;
    const value = last[field];
    last[field] = Array.isArray(value)
      ? value.map((item: number, i) => (i === 3 ? item + 1e-3 : item))
      : (value as number) - 1e-3;
    const report = await run({ ...smallFixture, results });
    expect(report.figures.metrics_max_abs).toBeCloseTo(1e-3, 9);
    expect(report.bounds[0]!.holds).toBe(false);
  });

  it('holds no bound where a measure is missing or a fold too many', async () => {
    const [first, ...rest] = smallFixture.results;
    const withoutVal = { ...first, val: undefined };
    const missing = await run({ ...smallFixture, results: [withoutVal, ...rest] });
    expect(missing.figures.metrics_max_abs).toBeNaN();
    expect(missing.bounds[0]!.holds).toBe(false);
    const longer = { ...first, accuracy_per_fold: [...first!.accuracy_per_fold, 1] };
    expect((await run({ ...smallFixture, results: [longer, ...rest] })).bounds[0]!.holds).toBe(false);
  });

  it('refuses rows made by other rules', async () => {
    await expect(run({ ...smallFixture, seed: smallFixture.seed + 1 })).rejects.toThrow(NotAFixtureError);
    await expect(run({ ...smallFixture, last_row: smallFixture.first_row })).rejects.toThrow(/other rules/);
  });
});

describe('runConformance', () => {
  it.each([
    ['{"seed": 1,', /not JSON/],
    ['', /not JSON/],
    ['[1, 2]', /not a JSON object/],
    ['null', /not a JSON object/],
    ['{}', /it is empty/],
    ['{"format": "graph-model", "weightsManifest": []}', /it has "format", "weightsManifest"/],
    [JSON.stringify({ ...smallFixture, results: [] }), /not a conformance fixture/],
  ])('says of %.40s what it is not', async (text, message) => {
    await expect(runConformance(text, noExecutors)).rejects.toThrow(NotAFixtureError);
    await expect(runConformance(text, noExecutors)).rejects.toThrow(message);
  });
});

const modelFixturePath = '../shared/fixtures/inception-resnet-v1.json';
it.skipIf(!existsSync(modelFixturePath))('asks for executors for a model fixture only', async () => {
  const asked = new Error('executors were asked for');
  const text = readFileSync(modelFixturePath, 'utf8');
  await expect(runConformance(text, () => Promise.reject(asked))).rejects.toBe(asked);
});

const metricsFixturePath = '../shared/fixtures/lfw-metrics.json';
it.skipIf(!existsSync(metricsFixturePath))('meets the reference fixture', async () => {
  const report = await runConformance(readFileSync(metricsFixturePath, 'utf8'), noExecutors);
  expect(report.figures.metrics_max_abs).toBeLessThan(1e-6);
});

/** The page's view of settings: bad schedule lines, the planned rates, and differences between runs. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { differingSettings, endOfCurve, onCommonPositions } from '../../../src/train/compare_runs.ts';
import { badScheduleLines, plannedRates } from '../../../src/train/schedule_lines.ts';
import type { RunRecord } from '../../../workers/protocol/train/runs.ts';
import { presetOptions } from '../../../workers/protocol/train/presets.ts';
import { parseSchedule } from '../../../workers/protocol/train/schedule.ts';

describe('badScheduleLines', () => {
  it('names every line that cannot be read', () => {
    const bad = badScheduleLines('# rates\n0: 0.05\nsoon: less\n\n20 0.01\n30: -\n');
    expect(bad.map(({ line }) => line)).toEqual([3, 5]);
    expect(bad[1]!.message).toMatch(/^Line 5 .*"20 0\.01"/);
    expect(badScheduleLines('')).toEqual([]);
  });

  it('leaves a schedule that can be read, when its bad lines are taken out', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 8 }), { maxLength: 12 }), (random) => {
        const lines = ['0: 0.1', ...random.map((line) => line.replaceAll('\n', ' '))];
        const bad = new Set(badScheduleLines(lines.join('\n')).map(({ line }) => line));
        expect(() => parseSchedule(lines.filter((_, at) => !bad.has(at + 1)).join('\n'))).not.toThrow();
        for (const line of bad) expect(() => parseSchedule(lines[line - 1]!)).toThrow();
      }),
    );
  });
});

describe('plannedRates', () => {
  it('follows the guide’s schedule up to its end', () => {
    const plan = plannedRates(presetOptions('guide'))!;
    expect(plan.stopsAt).toBe(91);
    expect(plan.epochs).toHaveLength(90);
    expect([0, 58, 59, 79, 89].map((at) => plan.rates[at])).toEqual([0.05, 0.05, 0.005, 0.0005, 0.0005]);
  });

  it('thins many epochs, and still finds the very epoch that ends the run', () => {
    const options = { ...presetOptions('guide'), max_nrof_epochs: 100_000 };
    const plan = plannedRates({ ...options, learning_rate_schedule: '0: 0.1\n77777: -1\n' })!;
    expect(plan.epochs.length).toBeLessThanOrEqual(600);
    expect(plan.stopsAt).toBe(77_777);
  });

  it('follows an exponential decay, and has nothing to show of what cannot be read', () => {
    const options = { ...presetOptions('guide'), learning_rate: 0.1, learning_rate_decay_factor: 0.5 };
    const plan = plannedRates({ ...options, learning_rate_decay_epochs: 10, max_nrof_epochs: 21 })!;
    expect([plan.rates[0], plan.rates[9], plan.rates[10], plan.rates[20]]).toEqual([0.1, 0.1, 0.05, 0.025]);
    expect(plannedRates({ ...options, learning_rate: 0, learning_rate_schedule: 'x' })).toBeUndefined();
    expect(plannedRates({ ...options, max_nrof_epochs: NaN })).toBeUndefined();
  });
});

describe('runs side by side', () => {
  const run = (id: string, batch_size: number): RunRecord => ({
    id,
    createdAt: 0,
    status: 'finished',
    options: { ...presetOptions('guide'), batch_size },
    datasetName: 'people',
    classNames: ['a', 'b'],
    imageCount: 8,
    data: [],
    step: 1,
    epoch: 1,
    device: 'test',
  });

  it('lists the settings that differ, and no others', () => {
    expect(differingSettings([run('1', 8), run('2', 16)])).toEqual([
      { name: 'batch_size', values: ['8', '16'] },
    ]);
    expect(differingSettings([run('1', 8), { ...run('2', 8), imageCount: 9 }])).toEqual([
      { name: 'dataset', values: ['people: 2 classes, 8 images', 'people: 2 classes, 9 images'] },
    ]);
  });

  it('puts curves on common positions', () => {
    expect(
      onCommonPositions([
        { positions: [1, 3], values: [10, 30] },
        { positions: [2, 3], values: [20, null] },
      ]),
    ).toEqual({
      positions: [1, 2, 3],
      values: [
        [10, null, 30],
        [null, 20, null],
      ],
    });
  });
});

describe('endOfCurve', () => {
  it('is where the drawn curve ends', () => {
    expect(endOfCurve({ values: [2, 1, 0.29], means: undefined })).toBe(0.29);
    expect(endOfCurve({ values: [2, 1, 0.29], means: [2, 1.5, 1.1] })).toBe(1.1);
    // A step whose loss was not a number has no point.
    expect(endOfCurve({ values: [2, 1, null], means: undefined })).toBe(1);
    expect(endOfCurve({ values: [], means: undefined })).toBeUndefined();
  });
});

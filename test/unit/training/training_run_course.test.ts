/** Curves of runs: no peak is lost, means over the original's window, marks, and steps that are done again. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StepRecord } from '../../../workers/protocol/train/runs.ts';
import { RunCourse, slidingMeans } from '../../../workers/training/run_course.ts';

function stepRecord(step: number, values: Partial<StepRecord> = {}): StepRecord {
  return {
    step,
    epoch: Math.floor((step - 1) / 10) + 1,
    batch: ((step - 1) % 10) + 1,
    totalLoss: 2,
    crossEntropy: 1,
    regularization: 1,
    prelogitsNorm: 0,
    centerLoss: 0,
    accuracy: 0.5,
    learningRate: 0.05,
    stepMs: 100,
    dataWaitMs: 25,
    ...values,
  };
}

function courseOf(records: readonly StepRecord[]): RunCourse {
  const course = new RunCourse(30);
  course.append(records);
  return course;
}

const steps = (count: number, of: (step: number) => Partial<StepRecord> = () => ({})): StepRecord[] =>
  Array.from({ length: count }, (_, index) => stepRecord(index + 1, of(index + 1)));

describe('RunCourse', () => {
  it('draws a short run step by step', () => {
    const chart = courseOf(steps(7, (step) => ({ crossEntropy: step }))).chart({
      stretches: 10,
      smoothing: 'none',
    });
    expect(chart.positions).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(chart.curves.crossEntropy).toEqual({ values: [1, 2, 3, 4, 5, 6, 7], means: undefined });
    expect(chart.curves.imagesPerSecond.values[0]).toBe(300);
    expect(chart.curves.dataWaitShare.values[0]).toBe(0.25);
  });

  it('keeps the least and the greatest value of every stretch', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 1, maxLength: 400 }),
        fc.integer({ min: 1, max: 40 }),
        (losses, stretches) => {
          const course = courseOf(losses.map((crossEntropy, at) => stepRecord(at + 1, { crossEntropy })));
          const { positions, curves } = course.chart({ stretches, smoothing: 'none' });
          const { values } = curves.crossEntropy;
          expect(values).toHaveLength(positions.length);
          expect(positions.length).toBeLessThanOrEqual(2 * stretches);
          expect(Math.min(...(values as number[]))).toBe(Math.min(...losses));
          expect(Math.max(...(values as number[]))).toBe(Math.max(...losses));
          expect(positions.at(0)).toBe(1);
          expect(positions.at(-1)).toBe(losses.length);
          expect(positions.every((position, at) => at === 0 || position >= positions[at - 1]!)).toBe(true);
        },
      ),
    );
  });

  it('smooths with the mean of the last 500 steps, also where only a part is drawn', () => {
    const course = courseOf(steps(2000, (step) => ({ crossEntropy: step })));
    const { window, positions, curves } = course.chart({ stretches: 700, smoothing: 'guide', from: 900 });
    expect(window).toBe(500);
    expect(positions[0]).toBe(900);
    const means = curves.crossEntropy.means!;
    // 401 … 900 and 1501 … 2000
    expect(means[0]).toBeCloseTo(650.5, 8);
    expect(means.at(-1)).toBeCloseTo(1750.5, 8);
    expect(course.chart({ stretches: 700, smoothing: 'automatic' }).window).toBe(100);
  });

  it('leaves out NaN, and says where it begins', () => {
    const chart = courseOf(
      steps(100, (step) => (step > 60 ? { totalLoss: NaN, crossEntropy: NaN } : {})),
    ).chart({ stretches: 5, smoothing: 'guide' });
    expect(chart.state.firstNotFinite).toBe(61);
    expect(chart.curves.totalLoss.values).toEqual([2, 2, 2, 2, 2, 2, null, null, null, null]);
    expect(chart.curves.totalLoss.means).toEqual(Array(10).fill(2));
  });

  it('marks epochs and falling rates', () => {
    const course = courseOf(steps(100, (step) => ({ learningRate: step > 50 ? 0.005 : 0.05 })));
    const chart = course.chart({ stretches: 100, smoothing: 'none', from: 15 });
    expect(chart.epochs.map(({ step }) => step)).toEqual([21, 31, 41, 51, 61, 71, 81, 91]);
    expect(chart.rateDrops).toEqual([{ step: 51, rate: 0.005 }]);
    const long = courseOf(steps(2000)).chart({ stretches: 10, smoothing: 'none' });
    expect(long.epochs.length).toBeLessThanOrEqual(40);
    expect(long.epochs.map(({ epoch }) => (epoch - 1) % 5)).toEqual(Array(long.epochs.length).fill(0));
  });

  it('counts a step that is done again once, as done last', () => {
    const course = courseOf(steps(30));
    course.append([stepRecord(21, { crossEntropy: 9 }), stepRecord(22, { crossEntropy: 9 })]);
    expect(course.length).toBe(22);
    course.truncate(21);
    const chart = course.chart({ stretches: 100, smoothing: 'none' });
    expect(chart.positions.at(-1)).toBe(21);
    expect(chart.curves.crossEntropy.values.at(-1)).toBe(9);
    expect(chart.epochs.at(-1)).toEqual({ step: 21, epoch: 3 });
  });

  it('judges a run by its newest steps, also where it is short', () => {
    // The loss falls in every step, so a mean over the whole run would be far from its current value.
    const falling = (count: number) =>
      courseOf(steps(count, (step) => ({ crossEntropy: 1 - step / count, accuracy: step / count }))).chart({
        stretches: 100,
        smoothing: 'automatic',
      });
    const short = falling(36).state;
    expect(short.recentSteps).toBe(5);
    expect(short.recentAccuracy).toBeCloseTo((32 + 33 + 34 + 35 + 36) / 5 / 36, 9);
    expect(short.recentCrossEntropy).toBeLessThan(0.1);
    expect(falling(3).state.recentSteps).toBe(3);
    // As many as in the mean of the curve, if that has more.
    const { state, window, curves } = falling(2000);
    expect([state.recentSteps, window]).toEqual([100, 100]);
    expect(state.recentCrossEntropy).toBeCloseTo(curves.crossEntropy.means!.at(-1)!, 9);
    expect(falling(20_000).state.recentSteps).toBe(500);
  });

  it('gives an empty chart of no steps', () => {
    const chart = new RunCourse(8).chart({ stretches: 10, smoothing: 'automatic' });
    expect(chart.positions).toEqual([]);
    expect(chart.state.stepCount).toBe(0);
  });
});

describe('slidingMeans', () => {
  it('is the mean of the value and those before it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 70 }),
        fc.nat(59),
        (values, window, start) => {
          const first = Math.min(start, values.length - 1);
          const means = slidingMeans(Float64Array.from(values), first, values.length, window);
          for (let at = first; at < values.length; at++) {
            const before = values.slice(Math.max(0, at - window + 1), at + 1);
            expect(means[at - first]).toBeCloseTo(before.reduce((a, b) => a + b, 0) / before.length, 9);
          }
        },
      ),
    );
  });
});

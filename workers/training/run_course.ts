/**
 * The measurements of a run as columns of numbers, and curves that are short enough to draw. Half a million steps
 * become a few hundred stretches. Each keeps its smallest and its largest value, so that no peak is lost, and a
 * sliding mean, as in the curves of the original's guide.
 */
import type { ChartRequest, RunChart, SeriesCurve } from '../protocol/train/charts.ts';
import type { StepRecord } from '../protocol/train/runs.ts';
import { SERIES_NAMES, type SeriesName } from '../protocol/train/charts.ts';

/** The curves of the original's guide are means over this many steps. */
export const GUIDE_WINDOW = 500;
/** The fewest steps in the means that describe the state of a run, so that one unusual batch does not decide. */
const FEWEST_RECENT_STEPS = 5;
const MARKS_SHOWN = 40;
/** A rate with more drops decays steadily; its curve shows that better than marks. */
const MOST_RATE_DROPS = 20;

type Column = SeriesName | 'step';

export class RunCourse {
  readonly #batchSize: number;
  #capacity = 1024;
  #columns: Record<Column, Float64Array<ArrayBuffer>>;
  #length = 0;
  /** The steps at which an epoch begins, and those at which the learning rate drops. */
  #epochs: { step: number; epoch: number }[] = [];
  #rateDrops: { step: number; rate: number }[] = [];

  /** @param batchSize images per step */
  constructor(batchSize: number) {
    this.#batchSize = batchSize;
    this.#columns = Object.fromEntries(
      ['step', ...SERIES_NAMES].map((name) => [name, new Float64Array(this.#capacity)]),
    ) as Record<Column, Float64Array<ArrayBuffer>>;
  }

  get length(): number {
    return this.#length;
  }

  /** The number of the last step; 0 before the first. */
  get lastStep(): number {
    return this.#length === 0 ? 0 : this.#columns.step[this.#length - 1]!;
  }

  /** Adds steps. A step that is done again replaces its earlier measurement and removes everything after that. */
  append(records: readonly StepRecord[]): void {
    for (const record of records) {
      if (this.#length > 0 && record.step <= this.#columns.step[this.#length - 1]!)
        this.truncate(record.step - 1);
      this.#push(record);
    }
  }

  /** Forgets the steps after `step`. */
  truncate(step: number): void {
    this.#length = firstIndexAbove(this.#columns.step, this.#length, step);
    this.#epochs = this.#epochs.filter((mark) => mark.step <= step);
    this.#rateDrops = this.#rateDrops.filter((mark) => mark.step <= step);
  }

  #push(record: StepRecord): void {
    if (this.#length === this.#capacity) this.#grow();
    const at = this.#length++;
    const { step, epoch, learningRate } = record;
    const columns = this.#columns;
    const rateBefore = at > 0 ? columns.learningRate[at - 1]! : learningRate;
    if (this.#epochs.at(-1)?.epoch !== epoch) this.#epochs.push({ step, epoch });
    if (learningRate < rateBefore) this.#rateDrops.push({ step, rate: learningRate });
    columns.step[at] = step;
    columns.crossEntropy[at] = record.crossEntropy;
    columns.accuracy[at] = record.accuracy;
    columns.totalLoss[at] = record.totalLoss;
    columns.learningRate[at] = learningRate;
    columns.imagesPerSecond[at] = (1000 * this.#batchSize) / record.stepMs;
    columns.dataWaitShare[at] = record.stepMs > 0 ? record.dataWaitMs / record.stepMs : 0;
  }

  #grow(): void {
    this.#capacity *= 2;
    for (const name of Object.keys(this.#columns) as Column[]) {
      const grown = new Float64Array(this.#capacity);
      grown.set(this.#columns[name]);
      this.#columns[name] = grown;
    }
  }

  /** Curves of the steps in the requested range, with at most two positions per stretch. */
  chart({ stretches, smoothing, from = -Infinity, to = Infinity }: ChartRequest): RunChart {
    const { step } = this.#columns;
    const first = firstIndexAbove(step, this.#length, from - 1);
    const end = firstIndexAbove(step, this.#length, to);
    const window = windowOf(smoothing, this.#length);
    const bounds = stretchBounds(first, end, stretches);
    const curves = Object.fromEntries(
      SERIES_NAMES.map((name) => [name, curveOf(this.#columns[name], first, end, bounds, window)]),
    ) as Record<SeriesName, SeriesCurve>;
    const isShown = (mark: { step: number }): boolean => mark.step >= from && mark.step <= to;
    const epochs = this.#epochs.filter(isShown);
    const rateDrops = this.#rateDrops.filter(isShown);
    return {
      stepCount: this.#length,
      window,
      positions: bounds
        ? bounds.flatMap(([start, stop]) => [step[start]!, step[stop - 1]!])
        : Array.from(step.subarray(first, end)),
      curves,
      epochs: spaced(epochs.filter(({ epoch }) => epoch > 1)),
      rateDrops: rateDrops.length > MOST_RATE_DROPS ? [] : rateDrops,
      state: {
        stepCount: this.#length,
        recentSteps: this.#recentSteps,
        firstNotFinite: this.#firstNotFinite(),
        recentCrossEntropy: this.#recentMean('crossEntropy'),
        recentAccuracy: this.#recentMean('accuracy'),
        recentDataWaitShare: this.#recentMean('dataWaitShare'),
      },
    };
  }

  #firstNotFinite(): number | undefined {
    const { totalLoss, step } = this.#columns;
    for (let at = 0; at < this.#length; at++) if (!Number.isFinite(totalLoss[at]!)) return step[at]!;
    return undefined;
  }

  get #recentSteps(): number {
    return Math.min(this.#length, Math.max(FEWEST_RECENT_STEPS, windowOf('automatic', this.#length)));
  }

  #recentMean(name: SeriesName): number {
    const recent = this.#columns[name].subarray(this.#length - this.#recentSteps, this.#length);
    return recent.reduce((sum, value) => sum + value, 0) / recent.length;
  }
}

/** 1 draws the single steps. `automatic` is a twentieth of the run if it is too short for GUIDE_WINDOW. */
function windowOf(smoothing: ChartRequest['smoothing'], stepCount: number): number {
  if (smoothing === 'none') return 1;
  if (smoothing === 'guide') return GUIDE_WINDOW;
  return Math.max(1, Math.min(GUIDE_WINDOW, Math.floor(stepCount / 20)));
}

/** @returns undefined if each step can be drawn separately */
function stretchBounds(first: number, end: number, stretches: number): [number, number][] | undefined {
  const count = end - first;
  if (count <= 2 * stretches) return undefined;
  return Array.from({ length: stretches }, (_, index): [number, number] => [
    first + Math.floor((index * count) / stretches),
    first + Math.floor(((index + 1) * count) / stretches),
  ]);
}

function curveOf(
  column: Float64Array,
  first: number,
  end: number,
  bounds: readonly (readonly [number, number])[] | undefined,
  window: number,
): SeriesCurve {
  const means = window === 1 ? undefined : slidingMeans(column, first, end, window);
  const mean = (at: number): number | null => finiteOrNull(means![at - first]!);
  if (!bounds)
    return {
      values: Array.from(column.subarray(first, end), finiteOrNull),
      means: means && Array.from(means, finiteOrNull),
    };
  return {
    values: bounds.flatMap(([start, stop]) => extremes(column, start, stop)),
    means: means && bounds.flatMap(([start, stop]) => [mean(start), mean(stop - 1)]),
  };
}

/** The smallest and the largest value of a stretch, in the order of their steps; null if no value is finite. */
function extremes(column: Float64Array, start: number, stop: number): [number | null, number | null] {
  let least = -1;
  let greatest = -1;
  for (let at = start; at < stop; at++) {
    const value = column[at]!;
    if (!Number.isFinite(value)) continue;
    if (least < 0 || value < column[least]!) least = at;
    if (greatest < 0 || value > column[greatest]!) greatest = at;
  }
  if (least < 0) return [null, null];
  return [column[Math.min(least, greatest)]!, column[Math.max(least, greatest)]!];
}

/** For each index of the range: the mean of the finite values among this one and the `window − 1` before it. */
export function slidingMeans(column: Float64Array, first: number, end: number, window: number): Float64Array {
  const means = new Float64Array(Math.max(0, end - first));
  let sum = 0;
  let count = 0;
  const take = (at: number, sign: 1 | -1): void => {
    const value = column[at]!;
    if (!Number.isFinite(value)) return;
    sum += sign * value;
    count += sign;
  };
  for (let at = Math.max(0, first - window + 1); at < end; at++) {
    take(at, 1);
    if (at < first) continue;
    means[at - first] = count > 0 ? sum / count : NaN;
    if (at - window + 1 >= 0) take(at - window + 1, -1);
  }
  return means;
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** Keeps every mark, or every 2nd, 5th, 10th …, so that the marks can be told apart in a chart. */
function spaced<Mark extends { epoch: number }>(marks: readonly Mark[]): Mark[] {
  for (let power = 1; ; power *= 10)
    for (const factor of [1, 2, 5]) {
      const kept = marks.filter(({ epoch }) => (epoch - 1) % (factor * power) === 0);
      if (kept.length <= MARKS_SHOWN) return kept;
    }
}

/** The first index of an ascending column whose value is above `limit`. */
function firstIndexAbove(column: Float64Array, length: number, limit: number): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (column[middle]! > limit) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** charts.worker: curves of runs. */
import type { StepRecord } from './runs.ts';

/** What is drawn of each step. */
export const SERIES_NAMES = [
  'crossEntropy',
  'accuracy',
  'totalLoss',
  'learningRate',
  'imagesPerSecond',
  /** Of the step's time, the share spent waiting for images: 0 … 1. */
  'dataWaitShare',
] as const;

export type SeriesName = (typeof SERIES_NAMES)[number];

export interface ChartRequest {
  /** Longer runs are drawn as this many stretches with the least and the greatest value of each. */
  readonly stretches: number;
  /** `guide`: the mean of 500 steps; `automatic`: that, or a twentieth of a shorter run. */
  readonly smoothing: 'automatic' | 'guide' | 'none';
  /** The first and last step to draw; default: all. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

/** Both as long as the chart's positions; null where there is no finite value. */
export interface SeriesCurve {
  readonly values: readonly (number | null)[];
  /** Undefined where nothing is smoothed. */
  readonly means: readonly (number | null)[] | undefined;
}

/** How a run stands; `recent…` are means over its newest `recentSteps` steps. */
export interface CourseState {
  readonly stepCount: number;
  /** As many as in the means of `automatic` smoothing, but at least 5 where there are so many. */
  readonly recentSteps: number;
  /** The first step whose loss is no number. */
  readonly firstNotFinite: number | undefined;
  readonly recentCrossEntropy: number;
  readonly recentAccuracy: number;
  readonly recentDataWaitShare: number;
}

export interface RunChart {
  readonly stepCount: number;
  /** Steps in each mean. */
  readonly window: number;
  /** Steps. */
  readonly positions: readonly number[];
  readonly curves: Readonly<Record<SeriesName, SeriesCurve>>;
  /** Where epochs begin; not all of many. */
  readonly epochs: readonly { readonly step: number; readonly epoch: number }[];
  /** Where the learning rate falls, and to what. */
  readonly rateDrops: readonly { readonly step: number; readonly rate: number }[];
  readonly state: CourseState;
}

/** A run is known by its id; its batch size turns the time of a step into images per second. */
export interface ChartsWorkerApi {
  /** Reads what is stored of the run; returns its newest steps, at most 300. */
  open(runId: string, batchSize: number): Promise<{ stepCount: number; newest: StepRecord[] }>;
  append(runId: string, batchSize: number, records: readonly StepRecord[]): Promise<void>;
  /** Reads what was stored since, for a run that another tab trains. @returns the newest of those steps, at most 300 */
  follow(runId: string, batchSize: number): Promise<StepRecord[]>;
  /** Forgets the steps after `step`. */
  truncate(runId: string, batchSize: number, step: number): Promise<void>;
  chart(runId: string, batchSize: number, request: ChartRequest): Promise<RunChart>;
}

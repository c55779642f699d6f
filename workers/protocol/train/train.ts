/** A training: what is asked for, what is told on the way, and its end. */
import type { DatasetTotals } from '../data/dataset.ts';
import type { DirectoryReference } from '../data/directories.ts';
import type { TrainingOptions } from './options.ts';
import type { DeviceInfo } from '../device.ts';
import type { PairsSource } from '../evaluate/pairs.ts';
import type { ModelReference } from '../models/models.ts';
import type {
  BestModel,
  EvaluationSummary,
  RunRecord,
  RunStatus,
  StepRecord,
  ValidationRecord,
} from './runs.ts';

export type { TrainingOptions } from './options.ts';

export interface TrainRequest {
  readonly options: TrainingOptions;
  readonly data: readonly DirectoryReference[];
  /** Evaluated after each epoch when given. */
  readonly lfw?: PairsSource | undefined;
  readonly pretrained?: ModelReference | undefined;
  /** The table that options.filter_filename names: distances to the class centre, as text or in an HDF5 file. */
  readonly filterTable?: Blob | string | undefined;
  /** Where the terminal wants real files: run folders are made below these. */
  readonly logsBase?: DirectoryReference | undefined;
  readonly modelsBase?: DirectoryReference | undefined;
  /** Goes on with this run from its newest whole checkpoint; everything else but `data` is then taken from the run. */
  readonly resumeRunId?: string | undefined;
}

export type TrainEvent =
  /** The dataset's folders are read; there is no run yet. */
  | ({ readonly kind: 'reading' } & DatasetTotals)
  | {
      readonly kind: 'started';
      readonly run: RunRecord;
      readonly device: DeviceInfo;
      readonly executor: string;
      readonly parameterCount: number;
      readonly stepsPerEpoch: number;
      /** GPU memory that the network holds; undefined where nobody knows. */
      readonly gpuBytes?: number | undefined;
    }
  | { readonly kind: 'step'; readonly record: StepRecord }
  | { readonly kind: 'validation'; readonly record: ValidationRecord }
  | { readonly kind: 'evaluation'; readonly record: EvaluationSummary }
  | {
      readonly kind: 'checkpoint';
      readonly step: number;
      readonly durationMs: number;
      readonly sizeBytes: number;
    }
  /** The newest measured model is the best so far. */
  | { readonly kind: 'best'; readonly best: BestModel }
  | { readonly kind: 'status'; readonly status: RunStatus; readonly message: string }
  | { readonly kind: 'warning'; readonly message: string };

export interface TrainSummary {
  readonly run: RunRecord;
  readonly lastStep?: StepRecord | undefined;
}

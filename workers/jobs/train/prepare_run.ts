/** Turns a request into a run's record and data, for a new run or a resumed one. */
import { RunMissingError } from '../../models/errors.ts';
import { canBeRemembered } from '../../protocol/data/folder_references.ts';
import type { DirectoryReference } from '../../protocol/data/dataset.ts';
import type { PairsSource } from '../../protocol/evaluate/pairs.ts';
import type { DatasetFingerprint, RunRecord } from '../../protocol/train/runs.ts';
import type { TrainEvent, TrainRequest } from '../../protocol/train/train.ts';
import { faceCropsOf } from './face_crops.ts';
import { getRun } from '../../storage/runs.ts';
import type { TrainingOptions } from '../../protocol/train/options.ts';
import { requireValidOptions } from '../../protocol/train/validate_options.ts';
import { openPairs } from '../evaluate/evaluate_job.ts';
import { datasetFingerprint, describeDatasetChange } from './dataset_fingerprint.ts';
import type { TrainControl } from './train_control.ts';
import {
  readImageFilter,
  readTrainingData,
  requireSameClasses,
  type ImageFilter,
  type TrainingData,
} from './training_data.ts';

/** A run's dataset is not known, since the browser could not remember its folder. */
export class NoDatasetError extends Error {
  override name = 'NoDatasetError';
}

export class StoppedBeforeRunError extends Error {
  override name = 'StoppedBeforeRunError';
  constructor() {
    super('Stopped while the dataset was being read. No run was started and nothing was changed.');
  }
}

export interface PreparedRun {
  readonly run: RunRecord;
  readonly data: TrainingData;
  readonly isResumed: boolean;
  /** What of the dataset is not as the run knew it. */
  readonly datasetChange?: string | undefined;
}

/** A run that has no name yet. @throws StoppedBeforeRunError, and what reading the settings, the filter, the data and the pairs throws */
export async function prepareNewRun(
  request: TrainRequest,
  onEvent: (event: TrainEvent) => void,
  control: TrainControl,
): Promise<{ readonly draft: Omit<RunRecord, 'id'>; readonly data: TrainingData }> {
  const { options } = request;
  // Bad settings are refused before anything is read.
  requireValidOptions(options);
  const filter = await readImageFilter(request.filterTable, options);
  const { data, dataset } = await readData(request.data, options, filter, onEvent, control);
  // Pairs that cannot be made are told of now, and not after the first epoch.
  if (request.lfw) await openPairs(request.lfw);
  const draft: Omit<RunRecord, 'id'> = {
    createdAt: Date.now(),
    status: 'running',
    options,
    datasetName: data.name,
    classNames: data.classNames,
    imageCount: data.train.length,
    faceCrops: await faceCropsOf(
      data.train.map(({ file }) => file),
      control.signal,
    ).catch(() => undefined),
    dataset,
    filteredImages: filter && [...filter.leftOut],
    data: request.data.filter(canBeRemembered),
    lfw: storablePairs(request.lfw),
    step: 0,
    epoch: 0,
    device: '',
  };
  return { draft, data };
}

/** Files of <input webkitdirectory> and folders of the terminal are gone with the page. */
function storablePairs(lfw: PairsSource | undefined): PairsSource | undefined {
  return lfw?.images.every(canBeRemembered) ? lfw : undefined;
}

/** @throws RunMissingError, NoDatasetError, DatasetChangedError, StoppedBeforeRunError, and what reading the data throws */
export async function prepareResumedRun(
  request: TrainRequest,
  runId: string,
  onEvent: (event: TrainEvent) => void,
  control: TrainControl,
): Promise<PreparedRun> {
  const run = await getRun(runId);
  if (!run) throw new RunMissingError(runId);
  const references = request.data.length > 0 ? request.data : run.data;
  if (references.length === 0)
    throw new NoDatasetError(
      `The folder "${run.datasetName}" that the run ${runId} trains on has to be chosen again, because the browser did not keep access to it. Choose it, then resume the run.`,
    );
  const filter = run.filteredImages && { leftOut: new Set(run.filteredImages) };
  const { data, dataset } = await readData(references, run.options, filter, onEvent, control);
  requireSameClasses(run.classNames, data);
  return {
    run: { ...run, data: references, dataset, status: 'running', error: undefined },
    data,
    isResumed: true,
    datasetChange: run.dataset && dataset && describeDatasetChange(data.name, run.dataset, dataset),
  };
}

async function readData(
  references: readonly DirectoryReference[],
  options: TrainingOptions,
  filter: ImageFilter | undefined,
  onEvent: (event: TrainEvent) => void,
  { signal }: TrainControl,
): Promise<{ readonly data: TrainingData; readonly dataset: DatasetFingerprint | undefined }> {
  try {
    const data = await readTrainingData(references, options, filter, {
      onProgress: (totals) => onEvent({ kind: 'reading', ...totals }),
      signal,
    });
    return { data, dataset: await datasetFingerprint(data.classes, { signal }) };
  } catch (error) {
    throw signal.aborted ? new StoppedBeforeRunError() : error;
  }
}

/** A run's checkpoint as a model: its parameters or their moving averages, and what its file says of the run. */
import type { RunRecord } from '../protocol/train/runs.ts';
import type { HostTensor, NamedTensors } from '../protocol/tensor.ts';
import type { ModelMetadata } from './metadata.ts';
import type { RunWeights } from '../protocol/models/models.ts';

/** @param place where in the run the model is from, and of which of its values it is */
export function runMetadata(
  run: RunRecord,
  { step, epoch }: { readonly step: number; readonly epoch: number },
  useMovingAverages = false,
): ModelMetadata {
  const { options, best } = run;
  return {
    model_def: options.model_def,
    embedding_size: options.embedding_size,
    image_size: options.image_size,
    use_fixed_image_standardization: options.use_fixed_image_standardization,
    class_names: run.classNames,
    run: run.id,
    step,
    epoch,
    best_by: best?.step === step ? best.measuredBy : undefined,
    moving_averages: useMovingAverages && options.moving_average_decay > 0 ? true : undefined,
    dataset: run.datasetName,
    image_count: run.imageCount,
    face_crops: run.faceCrops,
    options,
  };
}

/** @returns undefined for a model that is not from a run of this browser */
export function runWeights(metadata: ModelMetadata | undefined): RunWeights | undefined {
  if (metadata?.run === undefined || metadata.step === undefined) return undefined;
  const { step, best_by: bestBy, moving_averages: areMovingAverages = false } = metadata;
  return { step, bestBy, areMovingAverages };
}

/**
 * A checkpoint's parameters, or the moving averages of those that have one: moving statistics have none, and a run with
 * moving_average_decay 0 has none at all.
 */
export function parametersOf(
  { parameters, state }: { readonly parameters: NamedTensors; readonly state: NamedTensors },
  useMovingAverages: boolean,
): Map<string, HostTensor> {
  if (!useMovingAverages) return new Map(parameters);
  return new Map(
    [...parameters].map(([name, tensor]) => [name, state.get(`${name}/ExponentialMovingAverage`) ?? tensor]),
  );
}

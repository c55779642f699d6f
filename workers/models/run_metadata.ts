/** What a model file says of the run that made it. */
import type { RunRecord } from '../protocol/train/runs.ts';
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

/** What a model file says of the run that made it. */
import type { ModelMetadata } from '../models/metadata.ts';
import type { RunRecord } from '../protocol.ts';

/** @param place where in the run the model is from */
export function runMetadata(
  run: RunRecord,
  { step, epoch }: { readonly step: number; readonly epoch: number },
): ModelMetadata {
  const { options } = run;
  return {
    model_def: options.model_def,
    embedding_size: options.embedding_size,
    image_size: options.image_size,
    use_fixed_image_standardization: options.use_fixed_image_standardization,
    class_names: run.classNames,
    run: run.id,
    step,
    epoch,
    dataset: run.datasetName,
    image_count: run.imageCount,
    options,
  };
}

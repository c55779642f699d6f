/** What jobs that run a model on images begin with: the model, a network for it, and workers that decode the images. */
import type { EmbedderFactory } from '../../compute/executor.ts';
import { loadModel } from '../../models/load_model.ts';
import type { LoadedModel } from '../../models/loaded_model.ts';
import type { BackendName } from '../../protocol/device.ts';
import type { ModelReference } from '../../protocol/models/models.ts';
import { EvaluationCancelledError } from '../errors.ts';
import { DECODES_AT_ONCE, type ReadImage } from '../embed.ts';
import { chooseExecutor } from '../executors.ts';
import { ImagePool } from '../image_pool.ts';
import type { JobControl } from '../../protocol/job_control.ts';
import { untilStopped } from '../until_stopped.ts';

export interface ModelTools {
  readonly createEmbedder: EmbedderFactory;
  /** Decodes in workers, which are started when the first image is asked for and end with the job. */
  readonly read: ReadImage;
}

/**
 * Ends at once when the job is cancelled; the reader hears of it by the job's signal, and stops at its next step.
 * @param cancelled makes the job's own error
 * @throws what `cancelled` makes, and what loading the model throws
 */
export function loadForJob(
  reference: ModelReference,
  control: JobControl,
  cancelled: () => Error = () => new EvaluationCancelledError(),
): Promise<LoadedModel> {
  return untilStopped(control, (signal) => loadModel(reference, signal), cancelled);
}

/** @throws EvaluationCancelledError, what loading the model throws, BackendUnavailableError, and what the work throws */
export async function withModel<Result>(
  { model, backend }: { readonly model: ModelReference; readonly backend?: BackendName | undefined },
  control: JobControl,
  work: (loaded: LoadedModel, tools: ModelTools) => Promise<Result>,
): Promise<Result> {
  const loaded = await loadForJob(model, control);
  const { createEmbedder } = await chooseExecutor({ backend });
  const pool = new ImagePool(DECODES_AT_ONCE);
  try {
    return await work(loaded, { createEmbedder, read: pool.read });
  } finally {
    pool.dispose();
  }
}

/** A model for a job that can be cancelled while the model is still being read. */
import { loadModel } from '../../models/load_model.ts';
import type { LoadedModel } from '../../models/loaded_model.ts';
import type { ModelReference } from '../../protocol/models/models.ts';
import { EvaluationCancelledError } from '../cancelled.ts';
import type { JobControl } from '../../protocol/job_control.ts';
import { untilStopped } from '../until_stopped.ts';

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

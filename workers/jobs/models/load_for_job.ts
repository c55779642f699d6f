/** A model for a job that can be cancelled while the model is still being read. */
import { loadModel } from '../../models/load_model.ts';
import type { LoadedModel } from '../../models/loaded_model.ts';
import type { ModelReference } from '../../protocol/models.ts';
import { EvaluationCancelledError } from '../cancelled.ts';
import type { JobControl } from '../job_control.ts';

/**
 * Ends at once when the job is cancelled; the reading goes on without an audience until its bounds end it.
 * @param cancelled makes the job's own error
 * @throws what `cancelled` makes, and what loading the model throws
 */
export async function loadForJob(
  reference: ModelReference,
  control: JobControl,
  cancelled: () => Error = () => new EvaluationCancelledError(),
): Promise<LoadedModel> {
  const { signal } = control;
  let stopWaiting = (): void => undefined;
  const cancellation = new Promise<never>((_resolve, reject) => {
    const onAbort = (): void => reject(cancelled());
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort);
    stopWaiting = () => signal.removeEventListener('abort', onAbort);
  });
  try {
    return await Promise.race([loadModel(reference), cancellation]);
  } finally {
    stopWaiting();
  }
}

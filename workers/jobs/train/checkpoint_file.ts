/** A stored checkpoint's model as a file that this program reads, without the names of the people. */
import { withoutClassNames } from '../../models/class_names.ts';
import { NoCheckpointError, RunMissingError } from '../../models/errors.ts';
import { modelFileName, writeModelFile } from '../../models/model_file.ts';
import { parametersOf, runMetadata } from '../../models/run_model.ts';
import { loadCheckpoint } from '../../storage/checkpoints.ts';
import { getRun } from '../../storage/runs.ts';

/**
 * @param useMovingAverages take the exponential moving averages of the parameters, where the run has them
 * @throws RunMissingError, NoCheckpointError
 */
export async function checkpointFile(
  runId: string,
  step: number,
  useMovingAverages = false,
): Promise<{ readonly name: string; readonly file: Blob }> {
  const run = await getRun(runId);
  if (!run) throw new RunMissingError(runId);
  const checkpoint = await loadCheckpoint(runId, step);
  if (!checkpoint) throw new NoCheckpointError(runId);
  return {
    name: modelFileName(runId, step),
    file: writeModelFile(
      parametersOf(checkpoint, useMovingAverages),
      withoutClassNames(runMetadata(run, checkpoint, useMovingAverages)),
    ),
  };
}

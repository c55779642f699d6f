/** What is measured between a run's epochs, with the run's own executor. */
import type { ImageFile } from '../../files/classes.ts';
import type { RgbImage } from '../../protocol/data/images.ts';
import type { EvaluationResult } from '../../protocol/evaluate/evaluate.ts';
import type { PairsSource } from '../../protocol/evaluate/pairs.ts';
import { NothingReadableError, orderedBatches, type LabelledImage } from '../../training/batch_source.ts';
import type { Embedder, Trainer } from '../../compute/executor.ts';
import type { TrainingOptions } from '../../protocol/train/options.ts';
import { evaluatePairs } from '../evaluate/evaluate_job.ts';
import { JobControl } from '../../protocol/job_control.ts';

/**
 * Losses and accuracy over all validation images that can be read, with moving statistics.
 * @param onUnreadable told of each of the others
 * @throws NothingReadableError, FolderUnavailableError, and what the executor throws
 */
export async function validateRun(
  executor: Trainer,
  options: TrainingOptions,
  images: readonly LabelledImage[],
  read: (file: ImageFile) => Promise<RgbImage>,
  onUnreadable: (error: Error) => void = () => undefined,
): Promise<{ totalLoss: number; crossEntropy: number; accuracy: number }> {
  let totalLoss = 0;
  let crossEntropy = 0;
  let accuracy = 0;
  let count = 0;
  let cause = '';
  const batches = orderedBatches(images, options.batch_size, options.image_size, read, (error) => {
    cause = error.message;
    onUnreadable(error);
  });
  for await (const batch of batches) {
    count += batch.count;
    const result = await executor.evaluateBatch(batch);
    totalLoss += result.totalLoss * batch.count;
    crossEntropy += result.crossEntropy * batch.count;
    accuracy += result.accuracy * batch.count;
  }
  if (count === 0) throw new NothingReadableError(cause);
  return { totalLoss: totalLoss / count, crossEntropy: crossEntropy / count, accuracy: accuracy / count };
}

export function evaluateRun(
  executor: Embedder,
  options: TrainingOptions,
  pairs: PairsSource,
  read: (file: ImageFile) => Promise<RgbImage>,
): Promise<EvaluationResult> {
  return evaluatePairs(
    (batch) => executor.embed(batch),
    pairs,
    { ...options, lfw_batch_size: Math.min(options.lfw_batch_size, options.batch_size) },
    new JobControl(),
    undefined,
    read,
  );
}

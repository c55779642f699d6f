/**
 * The filter table of a dataset from a model: how far each image is from the centre of its class, as the original's
 * calculate_filtering_metrics measures it, in the text form that filter_filename takes.
 */
import { readClasses } from '../../files/classes.ts';
import { openDirectories } from '../../files/open.ts';
import type { LoadedModel } from '../../models/loaded_model.ts';
import type { DistanceTable, DistanceTableRequest } from '../../protocol/models/embed.ts';
import type { EvaluationProgress } from '../../protocol/evaluate/evaluate.ts';
import type { ExecutorFactory } from '../../compute/executor.ts';
import { formatDistanceTable } from '../../formats/distance_table.ts';
import { computeClassDistances } from './class_distances.ts';
import { withEmbedder } from '../embedder.ts';
import { EvaluationCancelledError } from '../cancelled.ts';
import { readFile, type ReadImage } from '../evaluate/evaluate_job.ts';
import type { JobControl } from '../../protocol/job_control.ts';

/** @throws NoImagesError, EvaluationCancelledError, PermissionLostError, and what the executor throws */
export async function makeDistanceTable(
  model: LoadedModel,
  { images, batch_size }: Pick<DistanceTableRequest, 'images' | 'batch_size'>,
  createExecutor: ExecutorFactory,
  control: JobControl,
  onProgress: (progress: EvaluationProgress) => void = () => undefined,
  read: ReadImage = readFile,
): Promise<DistanceTable> {
  const { classes, skipped } = await readClasses(await openDirectories(images));
  const failures: string[] = [];
  const startedAt = performance.now();
  const rows = await withEmbedder(model, { batchSize: batch_size }, createExecutor, (executor) =>
    computeClassDistances(
      classes,
      async (batch) => {
        if (!(await control.proceed())) throw new EvaluationCancelledError();
        return executor.embed(batch);
      },
      read,
      { batchSize: batch_size, imageSize: model.imageSize },
      (error) => failures.push(error.message),
      (done, total) =>
        onProgress({ done, total, imagesPerSecond: (1000 * done) / (performance.now() - startedAt) }),
    ),
  );
  return {
    text: formatDistanceTable(rows),
    imageCount: rows.length,
    classCount: classes.length,
    failures,
    skipped,
    largest: [...rows].sort((a, b) => b.distance - a.distance).slice(0, LARGEST_SHOWN),
  };
}

/** The most likely mistakes of a dataset. */
const LARGEST_SHOWN = 20;

/**
 * The filter table of a dataset from a model: how far each image is from the centre of its class, as the original's
 * calculate_filtering_metrics measures it, in the text form that filter_filename takes.
 */
import { readClasses } from '../../files/classes.ts';
import { openDirectories } from '../../files/open.ts';
import type { LoadedModel } from '../../models/loaded_model.ts';
import type { DistanceTable, DistanceTableRequest } from '../../protocol/models/embed.ts';
import type { EvaluationProgress } from '../../protocol/evaluate/evaluate.ts';
import type { EmbedderFactory } from '../../compute/executor.ts';
import { formatDistanceTable } from '../../formats/distance_table.ts';
import { computeClassDistances } from './class_distances.ts';
import type { ReadImage } from '../embed.ts';
import { withEmbedder } from '../embedder.ts';
import type { JobControl } from '../../protocol/job_control.ts';

/** @throws NoImagesError, EvaluationCancelledError, PermissionLostError, and what the executor throws */
export async function makeDistanceTable(
  model: LoadedModel,
  { images, batch_size }: Pick<DistanceTableRequest, 'images' | 'batch_size'>,
  createEmbedder: EmbedderFactory,
  control: JobControl,
  onProgress?: (progress: EvaluationProgress) => void,
  read?: ReadImage,
): Promise<DistanceTable> {
  const { classes, skipped } = await readClasses(await openDirectories(images));
  const failures: string[] = [];
  const rows = await withEmbedder(model, { batchSize: batch_size }, createEmbedder, (embedder) =>
    computeClassDistances(
      classes,
      (batch) => embedder.embed(batch),
      { batchSize: batch_size, imageSize: model.imageSize },
      control,
      (error) => failures.push(error.message),
      onProgress,
      read,
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

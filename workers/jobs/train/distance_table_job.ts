/**
 * The filter table of a dataset from a model: how far each image is from the centre of its class, as the original's
 * calculate_filtering_metrics measures it, in the text form that filter_filename takes.
 */
import { readClasses, type DatasetClass, type ImageFile } from '../../files/classes.ts';
import { openDirectories } from '../../files/open.ts';
import type { LoadedModel } from '../../models/loaded_model.ts';
import type { DistanceTable, DistanceTableRequest } from '../../protocol/models/embed.ts';
import type { EvaluationProgress } from '../../protocol/evaluate/evaluate.ts';
import type { EmbedderFactory } from '../../compute/executor.ts';
import { formatDistanceTable, type ImageDistance } from '../../formats/distance_table.ts';
import { embedInBatches, type Embed, type EmbeddingSettings, type ReadImage } from '../embed.ts';
import { withEmbedder } from '../embedder.ts';
import type { JobControl } from '../../protocol/job_control.ts';

/** The most likely mistakes of a dataset. */
const LARGEST_SHOWN = 20;

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

/**
 * @param onUnreadable told of each image that cannot be read; it is left out of the centre and of the result
 * @returns in the order of the classes and their images
 * @throws EvaluationCancelledError, PermissionLostError, and what the embedder throws
 */
export async function computeClassDistances(
  classes: readonly DatasetClass[],
  embed: Embed,
  settings: Pick<EmbeddingSettings, 'batchSize' | 'imageSize'>,
  control: JobControl,
  onUnreadable: (error: Error) => void,
  onProgress?: (progress: EvaluationProgress) => void,
  read?: ReadImage,
): Promise<ImageDistance[]> {
  const files = classes.flatMap(({ images }) => images);
  const classIndices = classes.flatMap(({ images }, classIndex) => images.map(() => classIndex));
  const result: ImageDistance[] = [];
  let current: { classIndex: number; files: ImageFile[]; embeddings: Float32Array[] } | undefined;
  // Embeddings of one class at a time: a batch may hold the end of one and the beginning of the next.
  const finishClass = (): void => {
    if (current) result.push(...distancesToCentre(current.files, current.embeddings));
  };
  for await (const batch of embedInBatches(embed, files, settings, control, onProgress, read)) {
    for (const { error } of batch.failures) onUnreadable(error);
    const { embeddings, dimension } = batch;
    batch.places.forEach((place, row) => {
      const classIndex = classIndices[place]!;
      if (current?.classIndex !== classIndex) {
        finishClass();
        current = { classIndex, files: [], embeddings: [] };
      }
      current.files.push(files[place]!);
      current.embeddings.push(embeddings.slice(row * dimension, (row + 1) * dimension));
    });
  }
  finishClass();
  return result;
}

/** Euclidean distances to the mean embedding, in float64. */
function distancesToCentre(
  files: readonly ImageFile[],
  embeddings: readonly Float32Array[],
): ImageDistance[] {
  const centre = new Float64Array(embeddings[0]!.length);
  for (const embedding of embeddings)
    for (let i = 0; i < centre.length; i++) centre[i]! += embedding[i]! / embeddings.length;
  return embeddings.map((embedding, index) => ({
    path: files[index]!.path,
    distance: Math.sqrt(centre.reduce((sum, value, i) => sum + (embedding[i]! - value) ** 2, 0)),
  }));
}

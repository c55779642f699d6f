/** A dataset's photos → their embeddings, with what is needed to find each photo again. */
import { readClasses } from '../../files/classes.ts';
import { openDirectories } from '../../files/open.ts';
import type { LoadedModel } from '../../models/loaded_model.ts';
import type { EvaluationProgress } from '../../protocol/evaluate/evaluate.ts';
import type { EmbeddedPhotos, InspectRequest } from '../../protocol/use/inspect.ts';
import type { EmbedderFactory } from '../../compute/executor.ts';
import { embedDataset } from '../models/embed_job.ts';
import type { ReadImage } from '../embed.ts';
import type { JobControl } from '../../protocol/job_control.ts';

/** So that the embeddings, of 512 values each, stay below some hundred megabytes. */
export const MOST_PHOTOS = 50_000;

export class TooManyPhotosError extends Error {
  override name = 'TooManyPhotosError';
  constructor(dataset: string, count: number) {
    super(
      `"${dataset}" contains ${count} photos, but at most ${MOST_PHOTOS} can be inspected at once. Choose folders with fewer people. The terminal’s "inspect" command writes the filter table of a dataset of any size.`,
    );
  }
}

/**
 * Photos that cannot be read are left out and listed.
 * @throws NoImagesError, TooManyPhotosError, EvaluationCancelledError, PermissionLostError, and what the executor throws
 */
export async function embedPhotos(
  model: LoadedModel,
  { data, batch_size, image_size }: Pick<InspectRequest, 'data' | 'batch_size' | 'image_size'>,
  createEmbedder: EmbedderFactory,
  control: JobControl,
  onProgress?: (progress: EvaluationProgress) => void,
  read?: ReadImage,
): Promise<EmbeddedPhotos> {
  const directories = await openDirectories(data);
  const { name, classes, imageCount, skipped } = await readClasses(directories, undefined, control.signal);
  if (imageCount > MOST_PHOTOS) throw new TooManyPhotosError(name, imageCount);
  const { images, embeddings, dimension, failures } = await embedDataset(
    { ...model, imageSize: image_size ?? model.imageSize },
    classes.flatMap((one, label) => one.images.map((file) => ({ file, label }))),
    batch_size,
    createEmbedder,
    control,
    onProgress,
    read,
  );
  const places = new Map(directories.map((directory, place) => [directory, place]));
  return {
    classNames: classes.map((one) => one.name),
    paths: images.map(({ file }) => file.path).join('\0'),
    folders: Uint16Array.from(images, ({ file }) => places.get(file.directory)!),
    labels: Uint32Array.from(images, ({ label }) => label),
    embeddings,
    dimension,
    failures,
    skipped,
  };
}

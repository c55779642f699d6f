/** A folder of aligned faces → embeddings, as the original's export_embeddings leaves them for NumPy. */
import { readClasses, type ImageFile } from '../../files/classes.ts';
import { openDirectories } from '../../files/open.ts';
import { npyFloats, npyIntegers, npyTexts } from '../../formats/npy.ts';
import type { LoadedModel } from '../../models/loaded_model.ts';
import type { EmbedRequest, EmbedSummary } from '../../protocol/models/embed.ts';
import type { EvaluationProgress } from '../../protocol/evaluate/evaluate.ts';
import type { EmbedderFactory } from '../../compute/executor.ts';
import { withEmbedder } from '../embedder.ts';
import { embedFiles, type ReadImage } from '../embed.ts';
import type { JobControl } from '../../protocol/job_control.ts';
import { withOutput } from '../job_output.ts';

export interface LabelledImage {
  readonly file: ImageFile;
  readonly label: number;
}

export interface EmbeddedDataset {
  /** Those that could be read. */
  readonly images: readonly LabelledImage[];
  /** l2-normalised, [images, dimension] */
  readonly embeddings: Float32Array<ArrayBuffer>;
  readonly dimension: number;
  readonly failures: readonly string[];
}

/**
 * @throws EvaluationCancelledError, PermissionLostError, EmbeddingsNotFiniteError, and what the executor throws
 */
export async function embedDataset(
  model: LoadedModel,
  images: readonly LabelledImage[],
  batchSize: number,
  createEmbedder: EmbedderFactory,
  control: JobControl,
  onProgress?: (progress: EvaluationProgress) => void,
  read?: ReadImage,
): Promise<EmbeddedDataset> {
  const settings = { batchSize, imageSize: model.imageSize };
  const files = images.map(({ file }) => file);
  const { embeddings, dimension, failures } = await withEmbedder(
    model,
    { batchSize },
    createEmbedder,
    (embedder) => embedFiles((batch) => embedder.embed(batch), files, settings, control, onProgress, read),
  );
  const kept = images.map((_, index) => index).filter((index) => !failures.has(index));
  const rows = new Float32Array(kept.length * dimension);
  kept.forEach((index, row) =>
    rows.set(embeddings.subarray(index * dimension, (index + 1) * dimension), row * dimension),
  );
  return {
    images: kept.map((index) => images[index]!),
    embeddings: rows,
    dimension,
    failures: [...failures.values()],
  };
}

/**
 * Writes embeddings.npy (float32, an image a row), labels.npy (int64, the class's place in the sorted list of classes)
 * and label_strings.npy (its name), images sorted by class and name.
 * @throws NoImagesError, EvaluationCancelledError, PermissionLostError, StorageFullError, and what the executor throws
 */
export async function embedFolder(
  model: LoadedModel,
  request: Pick<EmbedRequest, 'images' | 'output' | 'batch_size' | 'image_size'>,
  createEmbedder: EmbedderFactory,
  control: JobControl,
  onProgress?: (progress: EvaluationProgress) => void,
  read?: ReadImage,
): Promise<EmbedSummary> {
  return withOutput(request.output, async (open) => {
    const directories = await openDirectories(request.images);
    const { classes, skipped } = await readClasses(directories, undefined, control.signal);
    const images = classes.flatMap((one, label) => one.images.map((file) => ({ file, label })));
    const embedded = await embedDataset(
      { ...model, imageSize: request.image_size ?? model.imageSize },
      images,
      request.batch_size,
      createEmbedder,
      control,
      onProgress,
      read,
    );
    const labels = embedded.images.map(({ label }) => label);
    const files = [
      { path: 'labels.npy', content: npyIntegers(labels) },
      { path: 'label_strings.npy', content: npyTexts(labels.map((label) => classes[label]!.name)) },
      {
        path: 'embeddings.npy',
        content: npyFloats(embedded.embeddings, [labels.length, embedded.dimension]),
      },
    ];
    const directory = await open();
    for (const { path, content } of files) await directory.write(path, content);
    return {
      imageCount: labels.length,
      embeddingSize: embedded.dimension,
      classNames: classes.map(({ name }) => name),
      failures: embedded.failures,
      skipped,
      files: files.map(({ path, content }) => ({ path, sizeBytes: content.size })),
    };
  });
}

/**
 * How far each image's embedding is from the mean of its class: what filters a dataset, as the original's
 * calculate_filtering_metrics measures it.
 */
import type { DatasetClass, ImageFile } from '../../files/classes.ts';
import { isAboutOneFile } from '../../protocol/data/file_errors.ts';
import type { RgbImage } from '../../protocol/data/images.ts';
import { centredTransforms } from '../../compute/step/augmentation.ts';
import { stackImages } from '../../training/batch_source.ts';
import type { ImageDistance } from '../../formats/distance_table.ts';
import { cropOrPad, type Embed } from '../evaluate/evaluate_job.ts';
import { readAhead } from '../read_ahead.ts';

export interface ClassDistanceSettings {
  readonly batchSize: number;
  /** Pixels. */
  readonly imageSize: number;
}

const BATCHES_AHEAD = 2;

interface ClassImage {
  readonly file: ImageFile;
  readonly classIndex: number;
}

/**
 * @param embed takes batches of up to batchSize images; [count, embeddingSize]
 * @param onUnreadable told of each image that cannot be read; it is left out of the centre and of the result
 * @returns in the order of the classes and their images
 * @throws PermissionLostError, and what the embedder throws
 */
export async function computeClassDistances(
  classes: readonly DatasetClass[],
  embed: Embed,
  read: (file: ImageFile) => Promise<RgbImage>,
  { batchSize, imageSize }: ClassDistanceSettings,
  onUnreadable: (error: Error) => void = () => undefined,
  onProgress: (done: number, total: number) => void = () => undefined,
): Promise<ImageDistance[]> {
  const images = classes.flatMap(({ images: files }, classIndex) =>
    files.map((file): ClassImage => ({ file, classIndex })),
  );
  const result: ImageDistance[] = [];
  let current: { classIndex: number; files: ImageFile[]; embeddings: Float32Array[] } | undefined;
  let done = 0;
  // Embeddings of one class at a time: a batch may hold the end of one and the beginning of the next.
  const finishClass = (): void => {
    if (current) result.push(...distancesToCentre(current.files, current.embeddings));
  };
  const batches = readAhead(batchesOf(images, batchSize), BATCHES_AHEAD, (batch) =>
    readCrops(batch, read, imageSize, onUnreadable),
  );
  for await (const { item, result: loaded } of batches) {
    if (loaded.status === 'rejected') throw loaded.reason;
    const { readable, crops } = loaded.value;
    done += item.length;
    if (crops.length > 0) {
      const size = { width: imageSize, height: imageSize };
      const embeddings = await embed({
        count: crops.length,
        ...size,
        pixels: stackImages(crops).pixels,
        transforms: centredTransforms(crops.length, size, imageSize),
      });
      const length = embeddings.length / crops.length;
      readable.forEach(({ file, classIndex }, row) => {
        if (current?.classIndex !== classIndex) {
          finishClass();
          current = { classIndex, files: [], embeddings: [] };
        }
        current.files.push(file);
        current.embeddings.push(embeddings.slice(row * length, (row + 1) * length));
      });
    }
    onProgress(done, images.length);
  }
  finishClass();
  return result;
}

function* batchesOf<Item>(items: readonly Item[], size: number): Generator<readonly Item[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}

async function readCrops(
  batch: readonly ClassImage[],
  read: (file: ImageFile) => Promise<RgbImage>,
  imageSize: number,
  onUnreadable: (error: Error) => void,
): Promise<{ readable: ClassImage[]; crops: RgbImage[] }> {
  const readable: ClassImage[] = [];
  const crops: RgbImage[] = [];
  for (const image of batch)
    try {
      crops.push(cropOrPad(await read(image.file), imageSize));
      readable.push(image);
    } catch (error) {
      if (!isAboutOneFile(error)) throw error;
      onUnreadable(error);
    }
  return { readable, crops };
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

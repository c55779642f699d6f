/** Files or crops of faces → embeddings. Every job that runs a model on images does it here. */
import type { ImageFile } from '../files/classes.ts';
import { decodeImage } from '../files/images/decode.ts';
import type { Embedder, ImageBatch } from '../compute/executor.ts';
import { centredTransforms } from '../compute/step/augmentation.ts';
import { FolderUnavailableError } from '../protocol/data/file_errors.ts';
import type { RgbImage } from '../protocol/data/images.ts';
import type { EvaluationProgress } from '../protocol/evaluate/evaluate.ts';
import { Throttle, type JobControl } from '../protocol/job_control.ts';
import { WorkerFailedError } from '../rpc/worker_client.ts';
import { stackImages } from '../training/batch_source.ts';
import { EvaluationCancelledError } from './errors.ts';
import { readAhead } from './read_ahead.ts';

/** @returns l2-normalised embeddings, [count, embeddingSize] */
export type Embed = Embedder['embed'];

export type ReadImage = (file: ImageFile) => Promise<RgbImage>;

/** Batches whose photos are decoded while the network is busy with the one before. */
const BATCHES_AHEAD = 2;
/** Photos in memory as they were taken, which may be large; what is kept of each is its crop. */
export const DECODES_AT_ONCE = 4;
const PROGRESS_INTERVAL_MS = 250;

export interface EmbeddingSettings {
  readonly batchSize: number;
  /** Pixels. */
  readonly imageSize: number;
  /** Each image is embedded as it is and mirrored; a row is both embeddings, one after the other. Default: false. */
  readonly withMirrored?: boolean | undefined;
}

export interface EmbeddedBatch {
  /** Number of files that the batch was made of. */
  readonly fileCount: number;
  /** Of the files that could be read: their places among all files. */
  readonly places: readonly number[];
  /** [places, dimension] */
  readonly embeddings: Float32Array;
  readonly dimension: number;
  /** Of one orientation: dimension, or half of it. */
  readonly size: number;
  readonly failures: readonly { readonly place: number; readonly error: Error }[];
}

export interface EmbeddedFiles {
  /** [files, dimension]; zeros for those that failed */
  readonly embeddings: Float32Array;
  readonly dimension: number;
  /** Of one orientation: dimension, or half of it. */
  readonly size: number;
  /** By file: why it has no embedding. */
  readonly failures: ReadonlyMap<number, string>;
}

export async function readImage({ path, directory }: ImageFile): Promise<RgbImage> {
  return decodeImage(await directory.read(path), path);
}

/**
 * Embeds files batch by batch, in their order; a file that cannot be read is a failure of its batch and not the end.
 * @param embed takes batches of up to batchSize images of imageSize
 * @throws EvaluationCancelledError, FolderUnavailableError, WorkerFailedError, and what `embed` throws
 */
export async function* embedInBatches(
  embed: Embed,
  files: readonly ImageFile[],
  { batchSize, imageSize, withMirrored }: EmbeddingSettings,
  control: JobControl,
  onProgress?: (progress: EvaluationProgress) => void,
  read: ReadImage = readImage,
): AsyncGenerator<EmbeddedBatch> {
  const startedAt = performance.now();
  const progress = new Throttle(PROGRESS_INTERVAL_MS);
  let done = 0;
  const loaded = readAhead(placesInBatches(files.length, batchSize), BATCHES_AHEAD, (places) =>
    readCrops(places, files, imageSize, read, control.signal),
  );
  for await (const { item, result } of loaded) {
    if (!(await control.proceed())) throw new EvaluationCancelledError();
    if (result.status === 'rejected') throw result.reason;
    const { places, crops, failures } = result.value;
    yield {
      fileCount: item.length,
      places,
      failures,
      ...(await embedBatch(embed, crops, imageSize, withMirrored)),
    };
    done += item.length;
    if (progress.ready() || done === files.length)
      onProgress?.({
        done,
        total: files.length,
        imagesPerSecond: (1000 * done) / (performance.now() - startedAt),
      });
  }
}

/** As embedInBatches, all files at once. */
export async function embedFiles(
  embed: Embed,
  files: readonly ImageFile[],
  settings: EmbeddingSettings,
  control: JobControl,
  onProgress?: (progress: EvaluationProgress) => void,
  read?: ReadImage,
): Promise<EmbeddedFiles> {
  const failures = new Map<number, string>();
  let embeddings = new Float32Array();
  let dimension = 0;
  let size = 0;
  for await (const batch of embedInBatches(embed, files, settings, control, onProgress, read)) {
    for (const { place, error } of batch.failures) failures.set(place, error.message);
    if (batch.places.length === 0) continue;
    if (dimension === 0) {
      ({ dimension, size } = batch);
      embeddings = new Float32Array(files.length * dimension);
    }
    batch.places.forEach((place, row) =>
      embeddings.set(batch.embeddings.subarray(row * dimension, (row + 1) * dimension), place * dimension),
    );
  }
  return { embeddings, dimension, size, failures };
}

/**
 * @param crops of the network's image size, as many as one batch takes
 * @returns one embedding per crop
 */
export async function embedCrops(
  embed: Embed,
  crops: readonly RgbImage[],
  imageSize: number,
): Promise<Float32Array[]> {
  const { embeddings, dimension } = await embedBatch(embed, crops, imageSize);
  return crops.map((_, row) => embeddings.slice(row * dimension, (row + 1) * dimension));
}

async function embedBatch(
  embed: Embed,
  crops: readonly RgbImage[],
  imageSize: number,
  withMirrored = false,
): Promise<Pick<EmbeddedBatch, 'embeddings' | 'dimension' | 'size'>> {
  if (crops.length === 0) return { embeddings: new Float32Array(), dimension: 0, size: 0 };
  const batch = batchOfCrops(crops, imageSize);
  const plain = await embed(batch);
  const size = plain.length / crops.length;
  if (!withMirrored) return { embeddings: plain, dimension: size, size };
  const mirrored = await embed(mirroredBatch(batch));
  const embeddings = new Float32Array(2 * plain.length);
  for (let row = 0; row < crops.length; row++) {
    embeddings.set(plain.subarray(row * size, (row + 1) * size), 2 * row * size);
    embeddings.set(mirrored.subarray(row * size, (row + 1) * size), (2 * row + 1) * size);
  }
  return { embeddings, dimension: 2 * size, size };
}

function batchOfCrops(crops: readonly RgbImage[], imageSize: number): ImageBatch {
  const size = { width: imageSize, height: imageSize };
  return {
    count: crops.length,
    ...size,
    pixels: stackImages(crops).pixels,
    transforms: centredTransforms(crops.length, size, imageSize),
  };
}

function mirroredBatch(batch: ImageBatch): ImageBatch {
  return { ...batch, transforms: { ...batch.transforms, flip: new Uint8Array(batch.count).fill(1) } };
}

function* placesInBatches(count: number, batchSize: number): Generator<number[]> {
  for (let start = 0; start < count; start += batchSize)
    yield Array.from({ length: Math.min(batchSize, count - start) }, (_, place) => start + place);
}

/** @throws EvaluationCancelledError, FolderUnavailableError, WorkerFailedError */
async function readCrops(
  batch: readonly number[],
  files: readonly ImageFile[],
  imageSize: number,
  read: ReadImage,
  signal: AbortSignal,
): Promise<Pick<EmbeddedBatch, 'places' | 'failures'> & { readonly crops: readonly RgbImage[] }> {
  const crops: RgbImage[] = [];
  const places: number[] = [];
  const failures: { place: number; error: Error }[] = [];
  const decoded = readAhead(batch, DECODES_AT_ONCE, async (place) =>
    cropOrPad(await read(files[place]!), imageSize),
  );
  for await (const { item: place, result } of decoded) {
    if (signal.aborted) throw new EvaluationCancelledError();
    if (result.status === 'fulfilled') {
      crops.push(result.value);
      places.push(place);
    } else failures.push({ place, error: failureOfOneFile(result.reason) });
  }
  return { places, crops, failures };
}

/** @throws the error itself, where it is about all files */
export function failureOfOneFile(error: unknown): Error {
  if (error instanceof FolderUnavailableError || error instanceof WorkerFailedError) throw error;
  return error instanceof Error ? error : new Error(String(error));
}

/**
 * The image's centre, black around where it is smaller. What the executor would do with centredTransforms, done
 * before images of different sizes share a batch: a batch then takes no more than its crops.
 */
export function cropOrPad(image: RgbImage, size: number): RgbImage {
  if (image.width === size && image.height === size) return image;
  const { offsetX, offsetY } = centredTransforms(1, image, size);
  const [left, top] = [offsetX[0]!, offsetY[0]!];
  const data = new Uint8Array(size * size * 3);
  const fromX = Math.max(left, 0);
  const toX = Math.min(left + size, image.width);
  for (let y = Math.max(top, 0); y < Math.min(top + size, image.height); y++)
    data.set(
      image.data.subarray((y * image.width + fromX) * 3, (y * image.width + toX) * 3),
      ((y - top) * size + fromX - left) * 3,
    );
  return { width: size, height: size, data };
}

/** Photos in pairs → embeddings → LFW's measures. Each photo is read and embedded once, and once more when mirrored. */
import { readClasses, type DatasetClass, type ImageFile } from '../../files/classes.ts';
import { decodeImage } from '../../files/images/decode.ts';
import type { ReadableDirectory } from '../../protocol/data/directories.ts';
import { FolderUnavailableError } from '../../protocol/data/file_errors.ts';
import type { RgbImage } from '../../protocol/data/images.ts';
import { openDirectories } from '../../files/open.ts';
import { pairDistances, type EmbeddedPairs } from '../../evaluation/distances.ts';
import { NoPairsFileError, NoPairsFoundError } from '../../evaluation/errors.ts';
import { distanceHistogram } from '../../evaluation/histogram.ts';
import { generatePairs, mostPairsPerFold } from '../../evaluation/generate_pairs.ts';
import { checkCounts, DEFAULT_FAR_TARGET, measurePairs } from '../../evaluation/metrics.ts';
import { plainThreshold } from '../../evaluation/plain_threshold.ts';
import { resolvePairs, type ImagePair, type ImagePairs } from '../../evaluation/pairs.ts';
import { parsePairsFile, type PairsFile } from '../../evaluation/pairs_file.ts';
import { worstPairs, type WrongPair } from '../../evaluation/worst_pairs.ts';
import type { LoadedModel } from '../../models/loaded_model.ts';
import type {
  EvaluationOptions,
  EvaluationProgress,
  EvaluationResult,
  WrongImagePair,
} from '../../protocol/evaluate/evaluate.ts';
import { EVALUATION_LIMITS, PAIRS_LIMITS } from '../../protocol/align/limits.ts';
import { requireNumbers } from '../../protocol/number_limits.ts';
import type { PairsSource } from '../../protocol/evaluate/pairs.ts';
import type { SkippedFiles } from '../../protocol/data/skipped_files.ts';
import { crc32 } from '../../common/crc32.ts';
import { centredTransforms } from '../../compute/step/augmentation.ts';
import { stackImages } from '../../training/batch_source.ts';
import type { ExecutorFactory, ImageBatch } from '../../compute/executor.ts';
import { withEmbedder } from '../embedder.ts';
import { Throttle, type JobControl } from '../../protocol/job_control.ts';
import { readAhead } from '../read_ahead.ts';
import { EvaluationCancelledError } from '../cancelled.ts';

/** @returns l2-normalised embeddings, [count, embeddingSize] */
export type Embed = (batch: ImageBatch) => Promise<Float32Array>;

export type ReadImage = (file: ImageFile) => Promise<RgbImage>;

/** LFW's number; taken where nothing is asked for and the photos allow it. */
const DEFAULT_PAIRS_PER_FOLD = 300;
const DEFAULT_SEED = 666;

/** Batches whose photos are decoded while the network is busy with the one before. */
const BATCHES_AHEAD = 2;
/** Photos in memory as they were taken, which may be large; what is kept of each is its crop. */
const DECODES_AT_ONCE = 4;
/** LFW's own name of it. */
const PAIRS_FILE = 'pairs.txt';
const PAIRS_FILE_PATTERN = /^pairs[^/]*\.txt$/i;
const PROGRESS_INTERVAL_MS = 250;
const SKIPPED_CAUSES = 500;
/** Of each kind. */
const WORST_PAIRS = 24;

/**
 * @throws NoImagesError, MalformedPairsFileError, NoPairsFoundError, TooFewPairsError, EmbeddingsNotFiniteError,
 *   PermissionLostError, EvaluationCancelledError, and what the executor throws
 */
export async function evaluateModel(
  model: LoadedModel,
  pairs: PairsSource,
  options: EvaluationOptions,
  createExecutor: ExecutorFactory,
  control: JobControl,
  onProgress?: (progress: EvaluationProgress) => void,
): Promise<EvaluationResult> {
  requireNumbers(EVALUATION_LIMITS, { ...options, far_target: options.far_target ?? DEFAULT_FAR_TARGET });
  // What is wrong with the pairs shows before a network is built.
  const opened = await openPairs(pairs, control.signal);
  const input = {
    batchSize: options.lfw_batch_size,
    imageSize: options.image_size,
    useFixedImageStandardization: options.use_fixed_image_standardization,
  };
  return withEmbedder(model, input, createExecutor, (executor) =>
    evaluateOpenedPairs((batch) => executor.embed(batch), opened, options, control, onProgress),
  );
}

/**
 * As evaluateModel, with an embedder that exists, such as a running training's.
 * @param embed takes batches of up to lfw_batch_size images, and crops them to image_size
 * @param read the photo's pixels; the default decodes the file
 */
export async function evaluatePairs(
  embed: Embed,
  pairs: PairsSource,
  options: EvaluationOptions,
  control: JobControl,
  onProgress?: (progress: EvaluationProgress) => void,
  read?: ReadImage,
): Promise<EvaluationResult> {
  return evaluateOpenedPairs(
    embed,
    await openPairs(pairs, control.signal),
    options,
    control,
    onProgress,
    read,
  );
}

/** Pairs with their images, in folds. */
export interface OpenedPairs extends ImagePairs {
  readonly folds: number;
  /** The folders' names, for messages. */
  readonly folder: string;
  readonly skippedFiles: readonly SkippedFiles[];
}

/**
 * Reads the folders' listings. Generated pairs are as many as asked for, or as the photos allow.
 * @throws NoImagesError, NoPairsFileError, MalformedPairsFileError, NoPairsFoundError, TooFewPairsError,
 *   EvaluationCancelledError
 */
export async function openPairs(source: PairsSource, signal?: AbortSignal): Promise<OpenedPairs> {
  const { lfw_nrof_folds: folds, generate } = source;
  requireNumbers(PAIRS_LIMITS, {
    lfw_nrof_folds: folds,
    pairs_per_fold: generate?.pairsPerFold ?? DEFAULT_PAIRS_PER_FOLD,
    pairs_seed: generate?.seed ?? DEFAULT_SEED,
  });
  const directories = await openDirectories(source.images);
  const pairsText =
    source.pairsText ??
    (source.isPairsFileInside ? await cancellable(signal, readPairsFile(directories, signal)) : undefined);
  const file = pairsText === undefined ? undefined : parsePairsFile(pairsText);
  const dataset = await cancellable(signal, readClasses(directories, undefined, signal));
  const { classes, name: folder, skipped: skippedFiles } = dataset;
  const pairs = file
    ? pairsOfFile(file, classes)
    : generatePairs(classes, {
        seed: generate?.seed ?? DEFAULT_SEED,
        folds,
        pairsPerFold: Math.min(
          generate?.pairsPerFold ?? DEFAULT_PAIRS_PER_FOLD,
          // Without any, the generator says what is missing.
          Math.max(mostPairsPerFold(classes, folds), 1),
        ),
      });
  checkPairs(pairs.pairs, pairs.skipped, folds, folder);
  return { ...pairs, folds, folder, skippedFiles };
}

function pairsOfFile({ pairs, skippedFirstLine }: PairsFile, classes: readonly DatasetClass[]): ImagePairs {
  const resolved = resolvePairs(pairs, classes);
  if (skippedFirstLine === undefined) return resolved;
  const cause = `"${skippedFirstLine}" is the first line of the pairs file, which counts as its header, as in the original; put a line such as "10 300" above it to measure it`;
  return { ...resolved, skipped: [cause, ...resolved.skipped] };
}

/** @throws NoPairsFileError */
async function readPairsFile(
  directories: readonly ReadableDirectory[],
  signal: AbortSignal | undefined,
): Promise<string> {
  const found: { directory: ReadableDirectory; path: string }[] = [];
  for (const directory of directories) {
    if (await directory.exists(PAIRS_FILE)) return (await directory.read(PAIRS_FILE)).text();
    for await (const { path } of directory.list(signal))
      if (PAIRS_FILE_PATTERN.test(path)) found.push({ directory, path });
  }
  const [first, ...others] = found;
  if (!first || others.length > 0)
    throw new NoPairsFileError(
      directories.map(({ name }) => name).join(' + '),
      found.map(({ path }) => path),
    );
  return (await first.directory.read(first.path)).text();
}

async function cancellable<Result>(signal: AbortSignal | undefined, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    throw signal?.aborted ? new EvaluationCancelledError() : error;
  }
}

function checkPairs(
  pairs: readonly ImagePair[],
  skipped: readonly string[],
  folds: number,
  folder: string,
): void {
  if (pairs.length === 0 && skipped.length > 0)
    throw new NoPairsFoundError(folder, skipped.length, skipped[0]!);
  checkCounts(
    pairs.map(({ same }) => same),
    folds,
  );
}

export async function evaluateOpenedPairs(
  embed: Embed,
  opened: OpenedPairs,
  options: EvaluationOptions,
  control: JobControl,
  onProgress?: (progress: EvaluationProgress) => void,
  read: ReadImage = readFile,
): Promise<EvaluationResult> {
  const startedAt = performance.now();
  const { images, folds, folder } = opened;
  const embedded = await embedImages(embed, images, options, control, onProgress, read);
  const skipped = [...opened.skipped];
  const pairs = opened.pairs.filter(({ first, second }) => {
    const cause = embedded.failures.get(first) ?? embedded.failures.get(second);
    if (cause !== undefined) skipped.push(cause);
    return cause === undefined;
  });
  checkPairs(pairs, skipped, folds, folder);
  const embeddedPairs = {
    ...embedded,
    first: pairs.map(({ first }) => first),
    second: pairs.map(({ second }) => second),
    same: pairs.map(({ same }) => same),
  };
  const metrics = measurePairs(embeddedPairs, {
    folds,
    distanceMetric: options.lfw_distance_metric,
    subtractMean: options.lfw_subtract_mean,
    farTarget: options.far_target ?? DEFAULT_FAR_TARGET,
  });
  const { distances, same } = metrics.measured;
  const wrong = worstPairs(distances, same, metrics.bestThresholdPerFold, WORST_PAIRS);
  const named = ({ pair, ...judgement }: WrongPair): WrongImagePair => ({
    first: images[pairs[pair]!.first]!.path,
    second: images[pairs[pair]!.second]!.path,
    ...judgement,
  });
  return {
    ...metrics,
    plain: plainThreshold(plainDistances(embeddedPairs, embedded.size), embeddedPairs.same, folds),
    pairCount: pairs.length,
    skippedPairs: skipped.length,
    skippedCauses: countCauses(skipped),
    skippedFiles: opened.skippedFiles,
    imageCount: images.length - embedded.failures.size,
    durationMs: performance.now() - startedAt,
    histogram: distanceHistogram(distances, same),
    wrong: {
      ...wrong,
      falseAccepts: wrong.falseAccepts.map(named),
      falseRejects: wrong.falseRejects.map(named),
    },
    pairsChecksum: checksumOf(pairs, images),
  };
}

/** Squared Euclidean, between the embeddings of the photos as they are: the first `size` values of each row. [pairs] */
function plainDistances(pairs: EmbeddedPairs, size: number): Float64Array {
  const { embeddings, dimension } = pairs;
  if (size === dimension) return pairDistances(pairs, 0);
  const rows = embeddings.length / dimension;
  const plain = new Float32Array(rows * size);
  for (let row = 0; row < rows; row++)
    plain.set(embeddings.subarray(row * dimension, row * dimension + size), row * size);
  return pairDistances({ ...pairs, embeddings: plain, dimension: size }, 0);
}

function countCauses(skipped: readonly string[]): { cause: string; pairs: number }[] {
  const counts = new Map<string, number>();
  for (const cause of skipped) counts.set(cause, (counts.get(cause) ?? 0) + 1);
  return [...counts].slice(0, SKIPPED_CAUSES).map(([cause, count]) => ({ cause, pairs: count }));
}

/** Over the names of the pairs' images, in order. */
function checksumOf(pairs: readonly ImagePair[], images: readonly ImageFile[]): string {
  const lines = pairs.map(
    ({ first, second, same }) => `${images[first]!.path}\t${images[second]!.path}\t${same ? 1 : 0}\n`,
  );
  return crc32(new TextEncoder().encode(lines.join('')))
    .toString(16)
    .padStart(8, '0');
}

export async function readFile({ path, directory }: ImageFile): Promise<RgbImage> {
  return decodeImage(await directory.read(path), path);
}

export interface EmbeddedImages {
  /** [images, dimension]; zeros for those that failed */
  readonly embeddings: Float32Array;
  readonly dimension: number;
  /** Of one orientation: dimension, or half of it. */
  readonly size: number;
  /** By image: why it has no embedding. */
  readonly failures: ReadonlyMap<number, string>;
}

/** Each image's embedding, of one orientation or both; what cannot be read is a failure and no end. */
export async function embedImages(
  embed: Embed,
  images: readonly ImageFile[],
  options: EvaluationOptions,
  control: JobControl,
  onProgress: ((progress: EvaluationProgress) => void) | undefined,
  read: ReadImage,
): Promise<EmbeddedImages> {
  const { lfw_batch_size: batchSize, image_size: imageSize, lfw_use_flipped_images: flipped } = options;
  const failures = new Map<number, string>();
  let embeddings = new Float32Array();
  let dimension = 0;
  let size = 0;
  const startedAt = performance.now();
  const progress = new Throttle(PROGRESS_INTERVAL_MS);
  let done = 0;
  const loaded = readAhead(batchesOf(images.length, batchSize), BATCHES_AHEAD, (indices) =>
    loadCrops(indices, images, imageSize, read, control.signal),
  );
  for await (const { item: indices, result } of loaded) {
    if (!(await control.proceed())) throw new EvaluationCancelledError();
    if (result.status === 'rejected') throw result.reason;
    const crops = result.value;
    for (const { index, cause } of crops.failures) failures.set(index, cause);
    if (crops.indices.length > 0) {
      const orientations = [await embed(crops.batch)];
      if (flipped) orientations.push(await embed(mirrored(crops.batch)));
      size = orientations[0]!.length / crops.batch.count;
      if (dimension === 0) {
        dimension = size * orientations.length;
        embeddings = new Float32Array(images.length * dimension);
      }
      crops.indices.forEach((index, row) =>
        orientations.forEach((values, orientation) =>
          embeddings.set(
            values.subarray(row * size, (row + 1) * size),
            index * dimension + orientation * size,
          ),
        ),
      );
    }
    done += indices.length;
    if (progress.ready() || done === images.length)
      onProgress?.({
        done,
        total: images.length,
        imagesPerSecond: (1000 * done) / (performance.now() - startedAt),
      });
  }
  return { embeddings, dimension, size, failures };
}

function* batchesOf(count: number, batchSize: number): Generator<number[]> {
  for (let start = 0; start < count; start += batchSize)
    yield Array.from({ length: Math.min(batchSize, count - start) }, (_, place) => start + place);
}

interface LoadedCrops {
  /** Of the images in the batch. */
  readonly indices: readonly number[];
  readonly batch: ImageBatch;
  readonly failures: readonly { readonly index: number; readonly cause: string }[];
}

/** @throws PermissionLostError */
async function loadCrops(
  indices: readonly number[],
  images: readonly ImageFile[],
  imageSize: number,
  read: ReadImage,
  signal: AbortSignal,
): Promise<LoadedCrops> {
  const crops: RgbImage[] = [];
  const readable: number[] = [];
  const failures: { index: number; cause: string }[] = [];
  const size = { width: imageSize, height: imageSize };
  const decoded = readAhead(indices, DECODES_AT_ONCE, async (index) =>
    cropOrPad(await read(images[index]!), imageSize),
  );
  for await (const { item: index, result } of decoded) {
    if (signal.aborted) throw new EvaluationCancelledError();
    if (result.status === 'fulfilled') {
      crops.push(result.value);
      readable.push(index);
    } else if (result.reason instanceof FolderUnavailableError) throw result.reason;
    else failures.push({ index, cause: messageOf(result.reason) });
  }
  const pixels = crops.length === 0 ? new Uint8Array() : stackImages(crops).pixels;
  return {
    indices: readable,
    failures,
    batch: {
      count: crops.length,
      ...size,
      pixels,
      transforms: centredTransforms(crops.length, size, imageSize),
    },
  };
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

function mirrored(batch: ImageBatch): ImageBatch {
  return {
    ...batch,
    transforms: { ...batch.transforms, flip: new Uint8Array(batch.count).fill(1) },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

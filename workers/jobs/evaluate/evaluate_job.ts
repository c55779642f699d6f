/** Photos in pairs → embeddings → LFW's measures. Each photo is read and embedded once, and once more when mirrored. */
import { readClasses, type DatasetClass, type ImageFile } from '../../files/classes.ts';
import type { ReadableDirectory } from '../../protocol/data/directories.ts';
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
import type { EmbedderFactory } from '../../compute/executor.ts';
import { embedFiles, type Embed, type ReadImage } from '../embed.ts';
import { withEmbedder } from '../embedder.ts';
import type { JobControl } from '../../protocol/job_control.ts';
import { EvaluationCancelledError } from '../errors.ts';

/** LFW's number; taken where nothing is asked for and the photos allow it. */
const DEFAULT_PAIRS_PER_FOLD = 300;
const DEFAULT_SEED = 666;

/** LFW's own name of it. */
const PAIRS_FILE = 'pairs.txt';
const PAIRS_FILE_PATTERN = /^pairs[^/]*\.txt$/i;
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
  createEmbedder: EmbedderFactory,
  control: JobControl,
  onProgress?: (progress: EvaluationProgress) => void,
  read?: ReadImage,
): Promise<EvaluationResult> {
  requireNumbers(EVALUATION_LIMITS, { ...options, far_target: options.far_target ?? DEFAULT_FAR_TARGET });
  // What is wrong with the pairs shows before a network is built.
  const opened = await openPairs(pairs, control.signal);
  const input = {
    batchSize: options.lfw_batch_size,
    imageSize: options.image_size,
    useFixedImageStandardization: options.use_fixed_image_standardization,
  };
  return withEmbedder(model, input, createEmbedder, (embedder) =>
    evaluateOpenedPairs((batch) => embedder.embed(batch), opened, options, control, onProgress, read),
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
  read?: ReadImage,
): Promise<EvaluationResult> {
  const startedAt = performance.now();
  const { images, folds, folder } = opened;
  const settings = {
    batchSize: options.lfw_batch_size,
    imageSize: options.image_size,
    withMirrored: options.lfw_use_flipped_images,
  };
  const embedded = await embedFiles(embed, images, settings, control, onProgress, read);
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

/**
 * A model → files that others read, checked before anyone relies on them: what was written is read again by another
 * way and must give the same embeddings.
 */
import type { ReadableDirectory, WritableDirectory } from '../../protocol/data/directories.ts';
import { MemoryDirectory } from '../../files/memory_directory.ts';
import { MODEL_JSON, type ExportedFile } from '../../models/tfjs_graph_model.ts';
import { hashedPixels } from '../../compute/graph/hashed_tensors.ts';
import { loadFromDirectory } from '../../models/load_model.ts';
import type { LoadedModel } from '../../models/loaded_model.ts';
import { MODEL_CARD, modelCard, snippetOf } from '../../models/model_card.ts';
import { runWeights } from '../../models/run_metadata.ts';
import { onnxParameters } from '../../models/onnx_parameters.ts';
import { modelFiles, type ExportSettings } from '../../models/export_files.ts';
import type { ExportProgress, ExportRequest, ExportSummary } from '../../protocol/models/export.ts';
import { centredTransforms, prepareImages } from '../../compute/step/augmentation.ts';
import type { EmbedderFactory, ImageBatch } from '../../compute/executor.ts';
import { withEmbedder } from '../embedder.ts';
import { JobControl } from '../../protocol/job_control.ts';
import { loadForJob } from './model_job.ts';
import { withOutput } from '../job_output.ts';

const TEST_IMAGES = 2;
const TEST_SEED = 1;
/** Embeddings have length 1; another order of float32 sums stays far below this, a wrong weight does not. */
const LARGEST_ERROR = 1e-4;
/** Rounded weights move an embedding by more. A cosine of 0.9999 is a distance of 0.014. */
const LARGEST_FLOAT16_ERROR = 1e-2;

export class ExportMismatchError extends Error {
  override name = 'ExportMismatchError';
  constructor(modelName: string, error: number) {
    super(
      `The export of ${modelName} does not give the same embeddings as the model (they differ by ${error}). Do not use it. If the difference is NaN, the model's training failed: export an earlier checkpoint.`,
    );
  }
}

export class ConstantEmbeddingsError extends Error {
  override name = 'ConstantEmbeddingsError';
  constructor(modelName: string) {
    super(
      `${modelName} gives different pictures the same embedding, so it cannot tell people apart. Its training failed, or its weights are damaged. Use an earlier checkpoint, or get the file again from its source.`,
    );
  }
}

export class ExportCancelledError extends Error {
  override name = 'ExportCancelledError';
  constructor() {
    super('The export was cancelled.');
  }
}

type OnProgress = (progress: ExportProgress) => void;

/**
 * A folder gets the files, model last, and is then read; a zip is checked before its first byte is written.
 * @throws EmbeddingsNotFiniteError, ConstantEmbeddingsError, ExportMismatchError, ExportCancelledError, what loading the
 *   model throws, and what the output throws
 */
export async function exportModel(
  request: ExportRequest,
  createEmbedder: EmbedderFactory,
  control = new JobControl(),
  onProgress: OnProgress = () => undefined,
): Promise<ExportSummary> {
  return withOutput(request.output, (open) => exportInto(open, request, createEmbedder, control, onProgress));
}

async function exportInto(
  openOutput: () => Promise<WritableDirectory>,
  request: ExportRequest,
  createEmbedder: EmbedderFactory,
  control: JobControl,
  onProgress: OnProgress,
): Promise<ExportSummary> {
  const { format } = request;
  const isZip = request.output.kind === 'zip';
  const written: string[] = [];
  let folder: WritableDirectory | undefined;
  try {
    onProgress({ phase: 'loading', done: 0, total: 0 });
    const loaded = await loadForJob(request.model, control, () => new ExportCancelledError());
    const model = { ...loaded, imageSize: request.imageSize ?? loaded.imageSize };
    await proceed(control);
    const files = exportedFiles(model, request);
    const directory = isZip ? new MemoryDirectory() : (folder = await openOutput());
    // Old shards with a new description, or the other way round, would look like a model too.
    if (format === 'tfjs' && (await directory.exists(MODEL_JSON))) await directory.remove(MODEL_JSON);
    await writeFiles(
      directory,
      files,
      control,
      (done, total) => onProgress({ phase: 'writing', done, total }),
      written,
    );
    onProgress({ phase: 'verifying', done: 0, total: 0 });
    const verifiedMaxAbsError = await verify(model, request, directory, files, createEmbedder, control);
    if (isZip)
      await writeFiles(await openOutput(), files, control, (done, total) =>
        onProgress({ phase: 'packing', done, total }),
      );
    return {
      files: files.map(({ path, content }) => ({ path, sizeBytes: content.size })),
      verifiedMaxAbsError,
      weights: request.model.kind === 'run' ? runWeights(model.metadata) : undefined,
      snippet: snippetOf(model, request, files.at(-1)!.path).code,
    };
  } catch (error) {
    // Half an export in the person's folder is of no use.
    if (control.cancelled && folder)
      for (const path of written) await folder.remove(path).catch(() => undefined);
    throw error;
  }
}

/** @throws ExportCancelledError */
async function proceed(control: JobControl): Promise<void> {
  if (!(await control.proceed())) throw new ExportCancelledError();
}

/** The model itself last: where writing is cut off there is no model that looks whole. */
function exportedFiles(model: LoadedModel, settings: ExportSettings): ExportedFile[] {
  const files = modelFiles(model, settings);
  const card = modelCard(model, settings, files.at(-1)!.path);
  return [{ path: MODEL_CARD, content: new Blob([card], { type: 'text/markdown' }) }, ...files];
}

/** @param written gets the paths, as far as it comes. @throws ExportCancelledError */
async function writeFiles(
  directory: WritableDirectory,
  files: readonly ExportedFile[],
  control: JobControl,
  onProgress: (done: number, total: number) => void,
  written: string[] = [],
): Promise<void> {
  const total = files.reduce((sum, { content }) => sum + content.size, 0);
  let done = 0;
  for (const { path, content } of files) {
    await proceed(control);
    onProgress(done, total);
    written.push(path);
    await directory.write(path, content);
    done += content.size;
  }
  onProgress(done, total);
}

/**
 * @returns the largest absolute difference of the embeddings
 * @throws EmbeddingsNotFiniteError, ConstantEmbeddingsError, ExportMismatchError, ExportCancelledError
 */
async function verify(
  model: LoadedModel,
  settings: ExportSettings,
  directory: ReadableDirectory,
  files: readonly ExportedFile[],
  createEmbedder: EmbedderFactory,
  control: JobControl,
): Promise<number> {
  const batch = testImages(model.imageSize);
  const expected = await embed(model, batch, createEmbedder);
  if (isConstant(expected, batch.count)) throw new ConstantEmbeddingsError(model.name);
  await proceed(control);
  const { path } = files.at(-1)!;
  const reloaded =
    settings.format === 'tfjs'
      ? await embedWithTfjs(model, batch, directory, path)
      : await embed(await reload(model, settings, directory, path, control), batch, createEmbedder);
  await proceed(control);
  const error = largestDifference(expected, reloaded);
  // A NaN is an error too.
  if (!(error <= (settings.dtype === 'float16' ? LARGEST_FLOAT16_ERROR : LARGEST_ERROR)))
    throw new ExportMismatchError(model.name, error);
  return error;
}

/** What was written, as the model it was made from: what the file's own format says of it, and nothing else. */
async function reload(
  model: LoadedModel,
  { format }: ExportSettings,
  directory: ReadableDirectory,
  path: string,
  { signal }: JobControl,
): Promise<LoadedModel> {
  if (format === 'onnx')
    return {
      ...model,
      parameters: await onnxParameters(
        model.graph,
        new Uint8Array(await (await directory.read(path)).arrayBuffer()),
        path,
        signal,
      ),
    };
  const { graph, parameters } = await loadFromDirectory(directory, path, signal);
  // facenet-pytorch's names say nothing of image size and standardisation.
  return { ...model, graph, parameters };
}

function testImages(imageSize: number): ImageBatch {
  return {
    count: TEST_IMAGES,
    height: imageSize,
    width: imageSize,
    pixels: hashedPixels(TEST_IMAGES, imageSize, TEST_SEED),
    transforms: centredTransforms(TEST_IMAGES, { width: imageSize, height: imageSize }, imageSize),
  };
}

async function embedWithTfjs(
  model: LoadedModel,
  batch: ImageBatch,
  directory: ReadableDirectory,
  path: string,
): Promise<Float32Array> {
  const images = prepareImages(batch, model.imageSize, model.useFixedImageStandardization);
  const { embedWithGraphModel } = await import('../../models/run_graph_model.ts');
  return embedWithGraphModel(directory, path, images, model.imageSize);
}

/** Without what exporting shares with a fast inference. */
function embed(
  model: LoadedModel,
  batch: ImageBatch,
  createEmbedder: EmbedderFactory,
): Promise<Float32Array> {
  const input = { batchSize: batch.count, foldsBatchNorms: false };
  return withEmbedder(model, input, createEmbedder, (embedder) => embedder.embed(batch));
}

/** All rows are the same, value by value: no picture reaches the output. */
function isConstant(embeddings: Float32Array, count: number): boolean {
  const size = embeddings.length / count;
  return count > 1 && embeddings.every((value, at) => value === embeddings[at % size]);
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return NaN;
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    if (!(difference <= largest)) largest = difference;
    if (Number.isNaN(difference)) return NaN;
  }
  return largest;
}

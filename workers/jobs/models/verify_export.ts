/**
 * An export, checked before anyone relies on it. The program that the format is for runs the files that were written:
 * onnxruntime-web an ONNX file, TensorFlow.js a graph model. The embeddings of test images must be the model's.
 * safetensors files hold values only: this program reads them again. So it does where the other program cannot run.
 */
import type { EmbedderFactory, ImageBatch } from '../../compute/executor.ts';
import { hashedPixels } from '../../compute/graph/hashed_tensors.ts';
import { centredTransforms, prepareImages } from '../../compute/step/augmentation.ts';
import { BackendUnavailableError, selectBackend } from '../../compute/tfjs/backends.ts';
import { onnxOptions, type ExportSettings } from '../../models/export_files.ts';
import { loadFromDirectory } from '../../models/load_model.ts';
import type { LoadedModel } from '../../models/loaded_model.ts';
import { onnxParameters } from '../../models/onnx_file.ts';
import {
  embedWithOnnxModel,
  OnnxRunError,
  OnnxRuntimeUnavailableError,
} from '../../models/run_onnx_model.ts';
import type { ReadableDirectory } from '../../protocol/data/directories.ts';
import type { ExportVerification } from '../../protocol/models/export.ts';
import { withEmbedder } from '../embedder.ts';

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

export class ExportRefusedError extends Error {
  override name = 'ExportRefusedError';
  constructor(modelName: string, program: string, reason: string) {
    super(`${program} cannot run the export of ${modelName} (${reason}). Do not use it.`);
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

/**
 * @param path of the model among the written files
 * @throws EmbeddingsNotFiniteError, ConstantEmbeddingsError, ExportMismatchError, ExportRefusedError, and the signal's reason
 */
export async function verifyExport(
  model: LoadedModel,
  settings: ExportSettings,
  directory: ReadableDirectory,
  path: string,
  createEmbedder: EmbedderFactory,
  signal: AbortSignal,
): Promise<ExportVerification> {
  const batch = testImages(model.imageSize);
  const expected = await embed(model, batch, createEmbedder);
  if (isConstant(expected, batch.count)) throw new ConstantEmbeddingsError(model.name);
  signal.throwIfAborted();
  const { embeddings, ...by } = await runExport(
    model,
    settings,
    directory,
    path,
    batch,
    createEmbedder,
    signal,
  );
  signal.throwIfAborted();
  const error = largestDifference(expected, embeddings);
  // A NaN is an error too.
  if (!(error <= (settings.dtype === 'float16' ? LARGEST_FLOAT16_ERROR : LARGEST_ERROR)))
    throw new ExportMismatchError(model.name, error);
  return { ...by, maxAbsError: error };
}

type ExportRun = Omit<ExportVerification, 'maxAbsError'> & { readonly embeddings: Float32Array };

async function runExport(
  model: LoadedModel,
  settings: ExportSettings,
  directory: ReadableDirectory,
  path: string,
  batch: ImageBatch,
  createEmbedder: EmbedderFactory,
  signal: AbortSignal,
): Promise<ExportRun> {
  const readAgain = async (notRun?: ExportVerification['notRun']): Promise<ExportRun> => {
    const reloaded = await reload(model, settings, directory, path, signal);
    return { by: 'own reader', notRun, embeddings: await embed(reloaded, batch, createEmbedder) };
  };
  try {
    switch (settings.format) {
      case 'onnx':
        return {
          by: 'onnxruntime-web',
          embeddings: await runOnnx(model, settings, directory, path, batch, signal),
        };
      case 'tfjs':
        return { by: 'TensorFlow.js', embeddings: await runTfjs(model, directory, path, batch) };
      default:
        return await readAgain();
    }
  } catch (error) {
    if (error instanceof OnnxRunError)
      throw new ExportRefusedError(model.name, 'onnxruntime-web', error.message);
    if (error instanceof OnnxRuntimeUnavailableError)
      return readAgain({ program: 'onnxruntime-web', reason: error.message });
    if (error instanceof BackendUnavailableError)
      return readAgain({ program: 'TensorFlow.js', reason: error.message });
    throw error;
  }
}

async function runOnnx(
  model: LoadedModel,
  settings: ExportSettings,
  directory: ReadableDirectory,
  path: string,
  batch: ImageBatch,
  signal: AbortSignal,
): Promise<Float32Array> {
  const { imageSize } = model;
  const { inputLayout, standardization } = onnxOptions(model, settings);
  const images =
    standardization === undefined
      ? prepareImages(batch, imageSize, model.useFixedImageStandardization)
      : Float32Array.from(batch.pixels);
  const input =
    inputLayout === 'nhwc'
      ? { values: images, shape: [batch.count, imageSize, imageSize, 3] }
      : { values: toNchw(images, imageSize), shape: [batch.count, 3, imageSize, imageSize] };
  return embedWithOnnxModel(await directory.read(path), input, signal);
}

function toNchw(images: Float32Array, imageSize: number): Float32Array {
  const area = imageSize * imageSize;
  const result = new Float32Array(images.length);
  for (let image = 0; image < images.length; image += 3 * area)
    for (let pixel = 0; pixel < area; pixel++)
      for (let channel = 0; channel < 3; channel++)
        result[image + channel * area + pixel] = images[image + 3 * pixel + channel]!;
  return result;
}

async function runTfjs(
  model: LoadedModel,
  directory: ReadableDirectory,
  path: string,
  batch: ImageBatch,
): Promise<Float32Array> {
  await selectBackend();
  const images = prepareImages(batch, model.imageSize, model.useFixedImageStandardization);
  const { embedWithGraphModel } = await import('../../models/run_graph_model.ts');
  return embedWithGraphModel(directory, path, images, model.imageSize);
}

/** What was written, as the model it was made from: what the file's own format says of it, and nothing else. */
async function reload(
  model: LoadedModel,
  { format }: ExportSettings,
  directory: ReadableDirectory,
  path: string,
  signal: AbortSignal,
): Promise<LoadedModel> {
  if (format === 'onnx') {
    const bytes = new Uint8Array(await (await directory.read(path)).arrayBuffer());
    return { ...model, parameters: await onnxParameters(model.graph, bytes, path, signal) };
  }
  const { graph, parameters } = await loadFromDirectory(directory, path, signal);
  // facenet-pytorch's names say nothing of image size and standardisation.
  return { ...model, graph, parameters };
}

function testImages(imageSize: number): ImageBatch {
  const size = { width: imageSize, height: imageSize };
  return {
    count: TEST_IMAGES,
    ...size,
    pixels: hashedPixels(TEST_IMAGES, imageSize, TEST_SEED),
    transforms: centredTransforms(TEST_IMAGES, size, imageSize),
  };
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

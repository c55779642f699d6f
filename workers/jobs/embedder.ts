/** A model that is ready to embed: an executor for inference with its parameters in it. */
import { EmbeddingsNotFiniteError } from '../evaluation/errors.ts';
import type { LoadedModel } from '../models/loaded_model.ts';
import type { ExecutorFactory, ImageBatch } from '../compute/executor.ts';

export interface EmbedderInput {
  readonly batchSize: number;
  /** Pixels; default: the model's own. */
  readonly imageSize?: number | undefined;
  /** Default: the model's own. */
  readonly useFixedImageStandardization?: boolean | undefined;
  /** See ExecutorSettings; default true. */
  readonly foldsBatchNorms?: boolean | undefined;
}

/** What is left of an executor where nothing is trained. */
export interface Embedder {
  /**
   * l2-normalised, [count, embeddingSize]; count ≤ batchSize
   * @throws EmbeddingsNotFiniteError, and what the executor throws
   */
  embed(batch: ImageBatch): Promise<Float32Array>;
  dispose(): void;
}

/** Dispose of it when it is no longer needed. */
export async function createEmbedder(
  model: LoadedModel,
  input: EmbedderInput,
  createExecutor: ExecutorFactory,
): Promise<Embedder> {
  const executor = await createExecutor({
    graph: model.graph,
    batchSize: input.batchSize,
    imageSize: input.imageSize ?? model.imageSize,
    useFixedImageStandardization: input.useFixedImageStandardization ?? model.useFixedImageStandardization,
    keepProbability: 1,
    weightDecay: 0,
    prelogitsNormLossFactor: 0,
    prelogitsNormP: 1,
    centerLossFactor: 0,
    centerLossAlfa: 0,
    optimizer: 'ADAM',
    movingAverageDecay: 0,
    foldsBatchNorms: input.foldsBatchNorms,
    seed: 0,
  });
  try {
    await executor.writeParameters(model.parameters);
  } catch (error) {
    executor.dispose();
    throw error;
  }
  return {
    async embed(batch) {
      const embeddings = await executor.embed(batch);
      // Every road to an embedding leads through here.
      if (!embeddings.every(Number.isFinite)) throw new EmbeddingsNotFiniteError(model.name);
      return embeddings;
    },
    dispose: () => executor.dispose(),
  };
}

/** The embedder is disposed of when `work` ends. */
export async function withEmbedder<Result>(
  model: LoadedModel,
  input: EmbedderInput,
  createExecutor: ExecutorFactory,
  work: (embedder: Embedder) => Promise<Result>,
): Promise<Result> {
  const embedder = await createEmbedder(model, input, createExecutor);
  try {
    return await work(embedder);
  } finally {
    embedder.dispose();
  }
}

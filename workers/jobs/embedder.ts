/** A model that is ready to embed: an executor for inference with its parameters in it. */
import type { LoadedModel } from '../models/loaded_model.ts';
import type { Executor, ExecutorFactory } from '../training/executor.ts';

export interface EmbedderInput {
  readonly batchSize: number;
  /** Pixels; default: the model's own. */
  readonly imageSize?: number | undefined;
  /** Default: the model's own. */
  readonly useFixedImageStandardization?: boolean | undefined;
  /** See ExecutorSettings; default true. */
  readonly foldsBatchNorms?: boolean | undefined;
}

/** Dispose of it when it is no longer needed. */
export async function createEmbedder(
  model: LoadedModel,
  input: EmbedderInput,
  createExecutor: ExecutorFactory,
): Promise<Executor> {
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
  return executor;
}

/** The executor is disposed of when `work` ends. */
export async function withEmbedder<Result>(
  model: LoadedModel,
  input: EmbedderInput,
  createExecutor: ExecutorFactory,
  work: (executor: Executor) => Promise<Result>,
): Promise<Result> {
  const executor = await createEmbedder(model, input, createExecutor);
  try {
    return await work(executor);
  } finally {
    executor.dispose();
  }
}

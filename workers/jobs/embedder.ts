/** A model that is ready to embed: a network with the model's parameters in it. */
import { EmbeddingsNotFiniteError } from '../evaluation/errors.ts';
import type { LoadedModel } from '../models/loaded_model.ts';
import type { Embedder, EmbedderFactory } from '../compute/executor.ts';

export interface EmbedderInput {
  readonly batchSize: number;
  /** Pixels; default: the model's own. */
  readonly imageSize?: number | undefined;
  /** Default: the model's own. */
  readonly useFixedImageStandardization?: boolean | undefined;
  /** See EmbedderSettings; default true. */
  readonly foldsBatchNorms?: boolean | undefined;
}

/**
 * Dispose of it when it is no longer needed.
 * @returns an embedder that throws EmbeddingsNotFiniteError where the model gives no numbers
 */
export async function openEmbedder(
  model: LoadedModel,
  input: EmbedderInput,
  createEmbedder: EmbedderFactory,
): Promise<Embedder> {
  const embedder = await createEmbedder(
    {
      graph: model.graph,
      batchSize: input.batchSize,
      imageSize: input.imageSize ?? model.imageSize,
      useFixedImageStandardization: input.useFixedImageStandardization ?? model.useFixedImageStandardization,
      foldsBatchNorms: input.foldsBatchNorms,
    },
    model.parameters,
  );
  return {
    async embed(batch) {
      const embeddings = await embedder.embed(batch);
      // Every road to an embedding leads through here.
      if (!embeddings.every(Number.isFinite)) throw new EmbeddingsNotFiniteError(model.name);
      return embeddings;
    },
    dispose: () => embedder.dispose(),
  };
}

/** The embedder is disposed of when `work` ends. */
export async function withEmbedder<Result>(
  model: LoadedModel,
  input: EmbedderInput,
  createEmbedder: EmbedderFactory,
  work: (embedder: Embedder) => Promise<Result>,
): Promise<Result> {
  const embedder = await openEmbedder(model, input, createEmbedder);
  try {
    return await work(embedder);
  } finally {
    embedder.dispose();
  }
}

/** A model that is kept ready to embed a few faces, or many: networks for some sizes of batches, made when needed. */
import type { RgbImage } from '../../protocol/data/images.ts';
import type { LoadedModel } from '../../models/loaded_model.ts';
import { crc32 } from '../../common/crc32.ts';
import { centredTransforms } from '../../compute/step/augmentation.ts';
import { stackImages } from '../../training/batch_source.ts';
import type { ExecutorFactory } from '../../compute/executor.ts';
import { createEmbedder, type Embedder } from '../embedder.ts';

/** A network computes its whole batch, whether it is full or not. */
const BATCH_SIZES = [1, 4, 16] as const;
export const LARGEST_BATCH = BATCH_SIZES.at(-1)!;

export class FaceEmbedder {
  readonly model: LoadedModel;
  readonly #createExecutor: ExecutorFactory;
  readonly #executors = new Map<number, Promise<Embedder>>();

  constructor(model: LoadedModel, createExecutor: ExecutorFactory) {
    this.model = model;
    this.#createExecutor = createExecutor;
  }

  /**
   * @param crops of the model's image size
   * @returns l2-normalised
   */
  async embed(crops: readonly RgbImage[]): Promise<Float32Array[]> {
    const { imageSize, graph } = this.model;
    const size = { width: imageSize, height: imageSize };
    const rows: Float32Array[] = [];
    for (let start = 0; start < crops.length; start += LARGEST_BATCH) {
      const part = crops.slice(start, start + LARGEST_BATCH);
      const executor = await this.#executor(BATCH_SIZES.find((batchSize) => batchSize >= part.length)!);
      const values = await executor.embed({
        count: part.length,
        ...size,
        pixels: stackImages(part).pixels,
        transforms: centredTransforms(part.length, size, imageSize),
      });
      for (let row = 0; row < part.length; row++)
        rows.push(values.slice(row * graph.embeddingSize, (row + 1) * graph.embeddingSize));
    }
    return rows;
  }

  #executor(batchSize: number): Promise<Embedder> {
    let executor = this.#executors.get(batchSize);
    if (!executor) {
      executor = createEmbedder(this.model, { batchSize }, this.#createExecutor);
      // One that could not be made, or was lost, is tried again.
      executor.catch(() => this.#executors.delete(batchSize));
      this.#executors.set(batchSize, executor);
    }
    return executor;
  }

  async dispose(): Promise<void> {
    const executors = [...this.#executors.values()];
    this.#executors.clear();
    for (const executor of await Promise.allSettled(executors))
      if (executor.status === 'fulfilled') executor.value.dispose();
  }
}

/** Eight hexadecimal digits that change with the network's values. */
export function fingerprintOf({ graph, parameters }: LoadedModel): string {
  const lines = graph.parameters.map(({ name }) => {
    const { data } = parameters.get(name)!;
    return `${name} ${crc32(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))}`;
  });
  return crc32(new TextEncoder().encode(lines.join('\n')))
    .toString(16)
    .padStart(8, '0');
}

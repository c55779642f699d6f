/** A model that is kept ready to embed a few faces, or many: networks for some sizes of batches, made when needed. */
import type { RgbImage } from '../../protocol/data/images.ts';
import type { LoadedModel } from '../../models/loaded_model.ts';
import { crc32 } from '../../common/crc32.ts';
import type { CutOptions } from '../../detector/align.ts';
import type { Embedder, EmbedderFactory } from '../../compute/executor.ts';
import { embedCrops } from '../embed.ts';
import { openEmbedder } from '../embedder.ts';

/** A network computes its whole batch, whether it is full or not. */
const BATCH_SIZES = [1, 4, 16] as const;
export const LARGEST_BATCH = BATCH_SIZES.at(-1)!;

export class FaceEmbedder {
  readonly #model: LoadedModel;
  readonly #createEmbedder: EmbedderFactory;
  readonly #embedders = new Map<number, Promise<Embedder>>();

  constructor(model: LoadedModel, createEmbedder: EmbedderFactory) {
    this.#model = model;
    this.#createEmbedder = createEmbedder;
  }

  /** How faces are cut out of photos for this model. @param margin for a model that takes them by their boxes */
  cutOptions(margin: number): CutOptions {
    return { image_size: this.#model.imageSize, margin, alignment: this.#model.metadata?.alignment };
  }

  /**
   * @param crops of the model's image size
   * @returns a row per crop
   */
  async embed(crops: readonly RgbImage[]): Promise<Float32Array[]> {
    const rows: Float32Array[] = [];
    for (let start = 0; start < crops.length; start += LARGEST_BATCH) {
      const part = crops.slice(start, start + LARGEST_BATCH);
      const embedder = await this.#embedder(BATCH_SIZES.find((batchSize) => batchSize >= part.length)!);
      rows.push(...(await embedCrops((batch) => embedder.embed(batch), part, this.#model.imageSize)));
    }
    return rows;
  }

  #embedder(batchSize: number): Promise<Embedder> {
    let embedder = this.#embedders.get(batchSize);
    if (!embedder) {
      embedder = openEmbedder(this.#model, { batchSize }, this.#createEmbedder);
      // One that could not be made, or was lost, is tried again.
      embedder.catch(() => this.#embedders.delete(batchSize));
      this.#embedders.set(batchSize, embedder);
    }
    return embedder;
  }

  async dispose(): Promise<void> {
    const embedders = [...this.#embedders.values()];
    this.#embedders.clear();
    for (const embedder of await Promise.allSettled(embedders))
      if (embedder.status === 'fulfilled') embedder.value.dispose();
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

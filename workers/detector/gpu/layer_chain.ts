/** Passes stacks of images through a network: layer after layer, from one of two arenas into the other. */
import { convolutionTable, filterTiles, operationsOfThread, type ImageStack } from './convolution.ts';
import { vectorsOf, type LayerName, type PackedLayers } from './layers.ts';
import { pooledLength, poolTable, type PoolWindow } from './max_pool.ts';
import type { Recording } from './recording.ts';

export const VECTOR_BYTES = 16;

/**
 * Vectors per pixel of the network's input: three channels and one unused. The resizes write it into the arena `even`.
 */
const IMAGE_VECTORS = 1;

type Shape = Omit<ImageStack, 'at'>;

/** Places stacks one after the other. @param vectors number of vectors per pixel */
export function placeStacks(
  shapes: readonly Shape[],
  vectors: number,
): { readonly stacks: ImageStack[]; readonly vectors: number } {
  let at = 0;
  const stacks = shapes.map(({ images, rows, columns }) => {
    const stack = { images, rows, columns, at };
    at += images * rows * columns * vectors;
    return stack;
  });
  return { stacks, vectors: at };
}

export class LayerChain {
  readonly #recording: Recording;
  readonly #layers: PackedLayers['layers'];
  #arena: 'even' | 'odd' = 'even';
  #stacks: readonly ImageStack[];
  #vectors = IMAGE_VECTORS;

  /** @param shapes shapes of the images, which are one after the other at the beginning of the arena `even` */
  constructor(recording: Recording, layers: PackedLayers['layers'], shapes: readonly Shape[]) {
    this.#recording = recording;
    this.#layers = layers;
    const { stacks, vectors } = placeStacks(shapes, IMAGE_VECTORS);
    this.#stacks = stacks;
    recording.reserve('even', vectors * VECTOR_BYTES);
  }

  get stacks(): readonly ImageStack[] {
    return this.#stacks;
  }

  convolve(name: LayerName): this {
    const { size, filters } = this.#layers[name];
    const next = this.#next(
      this.#stacks.map(({ images, rows, columns }) => ({
        images,
        rows: rows - size + 1,
        columns: columns - size + 1,
      })),
      vectorsOf(filters),
    );
    this.#convolve(
      name,
      next.arena,
      next.stacks.map(({ at }) => at),
    );
    return this.#moveTo(next);
  }

  pool(window: PoolWindow): this {
    const next = this.#next(
      this.#stacks.map(({ images, rows, columns }) => ({
        images,
        rows: pooledLength(rows, window),
        columns: pooledLength(columns, window),
      })),
      this.#vectors,
    );
    const pairs = this.#stacks.map((input, index) => ({ input, outAt: next.stacks[index]!.at }));
    const table = poolTable(window, this.#vectors, pairs);
    this.#recording.add({
      kernel: 'pool',
      table,
      depth: 1,
      constants: 'weights',
      source: this.#arena,
      target: next.arena,
      operations: table.threads * window.size * window.size * 4,
    });
    return this.#moveTo(next);
  }

  /** Turns each image into one pixel, the input of dense layers. */
  flatten(): this {
    const { images, rows, columns, at } = this.#stacks[0]!;
    this.#stacks = [{ images: 1, rows: 1, columns: images, at }];
    this.#vectors *= rows * columns;
    return this;
  }

  /** Adds the last layer, whose outputs are kept. @param outAts the places of the outputs, in vectors */
  finish(name: LayerName, outAts: readonly number[]): void {
    this.#convolve(name, 'heads', outAts);
  }

  #convolve(name: LayerName, target: 'even' | 'odd' | 'heads', outAts: readonly number[]): void {
    const layer = this.#layers[name];
    const table = convolutionTable(
      layer,
      this.#stacks.map((input, index) => ({ input, outAt: outAts[index]! })),
    );
    const depth = filterTiles(layer);
    this.#recording.add({
      kernel: name,
      table,
      depth,
      constants: 'weights',
      source: this.#arena,
      target,
      operations: table.threads * depth * operationsOfThread(layer),
    });
  }

  #next(shapes: readonly Shape[], vectors: number) {
    const arena = this.#arena === 'even' ? ('odd' as const) : ('even' as const);
    const { stacks, vectors: total } = placeStacks(shapes, vectors);
    this.#recording.reserve(arena, total * VECTOR_BYTES);
    return { arena, stacks, pixelVectors: vectors };
  }

  #moveTo({
    arena,
    stacks,
    pixelVectors,
  }: {
    arena: 'even' | 'odd';
    stacks: readonly ImageStack[];
    pixelVectors: number;
  }): this {
    this.#arena = arena;
    this.#stacks = stacks;
    this.#vectors = pixelVectors;
    return this;
  }
}

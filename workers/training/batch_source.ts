/** The images and labels of each step, decoded ahead of time. */
import type { ImageFile } from '../files/classes.ts';
import { isAboutOneFile } from '../protocol/data/file_errors.ts';
import type { RgbImage } from '../protocol/data/images.ts';
import { centredTransforms, drawTransforms, type AugmentationOptions } from '../compute/step/augmentation.ts';
import type { LabelledBatch } from '../compute/executor.ts';
import { ShuffledQueue } from './queue.ts';
import type { ClassImages } from './split.ts';

export interface LabelledImage {
  readonly file: ImageFile;
  readonly label: number;
}

export function labelledImages(classes: readonly ClassImages<ImageFile>[]): LabelledImage[] {
  return classes.flatMap(({ images }, label) => images.map((file) => ({ file, label })));
}

export interface BatchSettings {
  readonly batchSize: number;
  readonly imageSize: number;
  readonly seed: number;
  readonly augmentation: AugmentationOptions;
}

export class NothingReadableError extends Error {
  override name = 'NothingReadableError';
  constructor(cause: string) {
    super(`None of the images can be read any more. The last error: ${cause}`);
  }
}

/** The images of this many steps are decoded ahead. */
const STEPS_AHEAD = 2;

export class BatchSource {
  readonly #images: readonly LabelledImage[];
  readonly #queue: ShuffledQueue;
  readonly #settings: BatchSettings;
  readonly #read: (file: ImageFile) => Promise<RgbImage>;
  readonly #onUnreadable: (error: Error) => void;
  readonly #ahead = new Map<number, Promise<LabelledBatch>>();
  readonly #unreadable = new Set<number>();

  /** @param onUnreadable called once per image that cannot be read; the next readable image replaces it */
  constructor(
    images: readonly LabelledImage[],
    settings: BatchSettings,
    read: (file: ImageFile) => Promise<RgbImage>,
    onUnreadable: (error: Error) => void = () => undefined,
  ) {
    this.#images = images;
    this.#queue = new ShuffledQueue(images.length, settings.seed);
    this.#settings = settings;
    this.#read = read;
    this.#onUnreadable = onUnreadable;
  }

  /**
   * @param step from 0
   * @throws FolderUnavailableError; another call for the same step reads the images again
   */
  next(step: number): Promise<LabelledBatch> {
    for (let ahead = step; ahead <= step + STEPS_AHEAD; ahead++)
      if (!this.#ahead.has(ahead)) {
        const batch = this.#load(ahead);
        // The failure belongs to the caller who requests that step. It is not kept, so another call reads again.
        batch.catch(() => {
          if (this.#ahead.get(ahead) === batch) this.#ahead.delete(ahead);
        });
        this.#ahead.set(ahead, batch);
      }
    const batch = this.#ahead.get(step)!;
    for (const earlier of this.#ahead.keys()) if (earlier <= step) this.#ahead.delete(earlier);
    return batch;
  }

  async #load(step: number): Promise<LabelledBatch> {
    const { batchSize, imageSize, augmentation, seed } = this.#settings;
    const loaded = await Promise.all(
      this.#queue.batch(step, batchSize).map((index) => this.#readFrom(index)),
    );
    const { pixels, width, height } = stackImages(loaded.map(({ image }) => image));
    return {
      count: batchSize,
      width,
      height,
      pixels,
      labels: Int32Array.from(loaded, ({ label }) => label),
      transforms: drawTransforms(batchSize, { width, height }, imageSize, augmentation, seed, step),
    };
  }

  /** The image at `index`, or the first readable one after it. */
  async #readFrom(index: number): Promise<{ image: RgbImage; label: number }> {
    let cause = '';
    for (let tries = 0; tries < this.#images.length; tries++) {
      const at = (index + tries) % this.#images.length;
      if (this.#unreadable.has(at)) continue;
      const { file, label } = this.#images[at]!;
      try {
        return { image: await this.#read(file), label };
      } catch (error) {
        if (!isAboutOneFile(error)) throw error;
        cause = error.message;
        if (!this.#unreadable.has(at)) this.#onUnreadable(error);
        this.#unreadable.add(at);
      }
    }
    throw new NothingReadableError(cause);
  }
}

/**
 * All images once, in order, cropped at the centre, without augmentation. The last batch may be smaller, and so may a
 * batch with images that cannot be read.
 * @param onUnreadable called for each image that cannot be read
 * @throws FolderUnavailableError
 */
export async function* orderedBatches(
  images: readonly LabelledImage[],
  batchSize: number,
  imageSize: number,
  read: (file: ImageFile) => Promise<RgbImage>,
  onUnreadable: (error: Error) => void = () => undefined,
): AsyncGenerator<LabelledBatch> {
  for (let at = 0; at < images.length; at += batchSize) {
    const chosen = images.slice(at, at + batchSize);
    const loaded = await Promise.allSettled(chosen.map(({ file }) => read(file)));
    const readable = loaded.flatMap((result, index) => {
      if (result.status === 'fulfilled') return [{ image: result.value, label: chosen[index]!.label }];
      if (!isAboutOneFile(result.reason)) throw result.reason;
      onUnreadable(result.reason);
      return [];
    });
    if (readable.length === 0) continue;
    const { pixels, width, height } = stackImages(readable.map(({ image }) => image));
    yield {
      count: readable.length,
      width,
      height,
      pixels,
      labels: Int32Array.from(readable, ({ label }) => label),
      transforms: centredTransforms(readable.length, { width, height }, imageSize),
    };
  }
}

/**
 * Copies all images into one array. Images of different sizes are centred in the largest width and height, with black
 * borders, as resize_image_with_crop_or_pad does. Aligned faces all have the same size.
 */
export function stackImages(images: readonly RgbImage[]): {
  pixels: Uint8Array;
  width: number;
  height: number;
} {
  const width = Math.max(...images.map((image) => image.width));
  const height = Math.max(...images.map((image) => image.height));
  const pixels = new Uint8Array(images.length * height * width * 3);
  images.forEach((image, index) => {
    const start = index * height * width * 3;
    if (image.width === width && image.height === height) return pixels.set(image.data, start);
    const left = (width - image.width) >> 1;
    const top = (height - image.height) >> 1;
    for (let y = 0; y < image.height; y++)
      pixels.set(
        image.data.subarray(y * image.width * 3, (y + 1) * image.width * 3),
        start + ((y + top) * width + left) * 3,
      );
  });
  return { pixels, width, height };
}

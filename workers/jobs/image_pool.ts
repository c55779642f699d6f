/**
 * Workers that decode images for a network, so that the worker that runs it only stacks and uploads them. They are
 * started when the first image is asked for.
 */
import type { ImageFile } from '../files/classes.ts';
import { UnreadableImageError } from '../protocol/data/file_errors.ts';
import type { RgbImage } from '../protocol/data/images.ts';
import { WorkerPool } from '../rpc/worker_pool.ts';
import type { TrainingImagesWorkerApi } from '../training_images.worker.ts';

export class ImagePool {
  /** A worker's load is the number of images that it decodes or that wait for it. */
  readonly #pool: WorkerPool<TrainingImagesWorkerApi>;

  /** @param count the wanted number of workers; there are at most as many as processor cores */
  constructor(count: number) {
    this.#pool = new WorkerPool(
      Math.max(1, Math.min(count, navigator.hardwareConcurrency || 2)),
      'worker that decodes images',
      () => new Worker(new URL('../training_images.worker.ts', import.meta.url), { type: 'module' }),
    );
  }

  /**
   * @param path for messages
   * @throws UnreadableImageError, WorkerFailedError
   */
  readonly decode = async (blob: Blob, path: string): Promise<RgbImage> => {
    const worker = this.#pool.leastBusy();
    worker.load++;
    try {
      const decoded = await worker.client.call(async (api) => api.decode(blob, path));
      if ('unreadable' in decoded) throw UnreadableImageError.saying(decoded.unreadable);
      return decoded;
    } finally {
      worker.load--;
    }
  };

  /** @throws UnreadableImageError, WorkerFailedError, and what reading the file throws */
  readonly read = async ({ path, directory }: ImageFile): Promise<RgbImage> =>
    this.decode(await directory.read(path), path);

  /** Ends the workers, and with them whatever is in progress. */
  dispose(): void {
    this.#pool.terminate();
  }
}

/**
 * Workers that decode training images, so that the worker that trains only stacks and uploads them. They are started
 * when the first image is asked for.
 */
import { releaseProxy, wrap, type Remote } from 'comlink';
import { UnreadableImageError } from '../dataset/errors.ts';
import type { RgbImage } from '../dataset/image.ts';
import type { TrainingImagesWorkerApi } from '../training_images.worker.ts';

interface PoolWorker {
  readonly worker: Worker;
  readonly api: Remote<TrainingImagesWorkerApi>;
  /** Rejects when the worker itself fails, as calls to it never do then. */
  readonly failed: Promise<never>;
  waiting: number;
}

export class ImagePool {
  readonly #count: number;
  #workers: PoolWorker[] | undefined;

  /** @param count of workers at most; no more are started than the machine has processors */
  constructor(count: number) {
    this.#count = Math.max(1, Math.min(count, navigator.hardwareConcurrency || 2));
  }

  /**
   * @param path for messages
   * @throws UnreadableImageError
   */
  readonly decode = async (blob: Blob, path: string): Promise<RgbImage> => {
    this.#workers ??= Array.from({ length: this.#count }, startWorker);
    const chosen = this.#workers.reduce((best, other) => (other.waiting < best.waiting ? other : best));
    chosen.waiting++;
    try {
      const decoded = await Promise.race([chosen.api.decode(blob, path), chosen.failed]);
      if ('unreadable' in decoded) throw UnreadableImageError.saying(decoded.unreadable);
      return decoded;
    } finally {
      chosen.waiting--;
    }
  };

  /** Ends the workers, and with them whatever is in progress. */
  dispose(): void {
    for (const { worker, api } of this.#workers ?? []) {
      api[releaseProxy]();
      worker.terminate();
    }
    this.#workers = undefined;
  }
}

function startWorker(): PoolWorker {
  const worker = new Worker(new URL('../training_images.worker.ts', import.meta.url), { type: 'module' });
  const failed = new Promise<never>((_resolve, reject) => {
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      reject(new Error(`A worker that decodes images stopped working: ${event.message}`));
    });
  });
  failed.catch(() => undefined);
  return { worker, api: wrap<TrainingImagesWorkerApi>(worker), failed, waiting: 0 };
}

/** A few workers that decode photos and keep them while the cascade looks at them. */
import { releaseProxy, wrap, type Remote } from 'comlink';
import type { DecodeWorkerApi, OpenedPhoto } from '../decode.worker.ts';
import type { CropBox } from '../mtcnn/align.ts';
import type { Box } from '../mtcnn/boxes.ts';
import type { Level } from '../mtcnn/crops.ts';
import type { AlignedFaces, CascadePhoto, PyramidOptions } from '../mtcnn/photo.ts';

/** More would only wait for the networks. */
const MAXIMUM_WORKERS = 6;

interface PoolWorker {
  readonly worker: Worker;
  readonly api: Remote<DecodeWorkerApi>;
  openPhotos: number;
}

export class PhotoPool {
  readonly #workers: PoolWorker[];

  /** @param count of workers; default: one less than the machine has processors */
  constructor(count = Math.min(Math.max((navigator.hardwareConcurrency || 2) - 1, 1), MAXIMUM_WORKERS)) {
    this.#workers = Array.from({ length: count }, () => {
      const worker = new Worker(new URL('../decode.worker.ts', import.meta.url), { type: 'module' });
      return { worker, api: wrap<DecodeWorkerApi>(worker), openPhotos: 0 };
    });
  }

  get size(): number {
    return this.#workers.length;
  }

  /** Close the photo when it is done with. @throws UnreadableImageError (as a plain error of that name) */
  async open(blob: Blob, path: string, options: PyramidOptions): Promise<PooledPhoto> {
    const chosen = this.#workers.reduce((best, other) => (other.openPhotos < best.openPhotos ? other : best));
    chosen.openPhotos++;
    const release = (): void => {
      chosen.openPhotos--;
    };
    try {
      return new PooledPhoto(chosen.api, await chosen.api.open(blob, path, options), release);
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Ends the workers, and with them whatever is in progress. */
  dispose(): void {
    for (const { worker, api } of this.#workers) {
      api[releaseProxy]();
      worker.terminate();
    }
  }
}

export class PooledPhoto implements CascadePhoto {
  readonly width: number;
  readonly height: number;
  readonly originalWidth: number;
  readonly originalHeight: number;
  readonly levels: readonly Level[];
  readonly #api: Remote<DecodeWorkerApi>;
  readonly #id: number;
  readonly #release: () => void;

  constructor(api: Remote<DecodeWorkerApi>, opened: OpenedPhoto, release: () => void) {
    this.width = opened.width;
    this.height = opened.height;
    this.originalWidth = opened.originalWidth;
    this.originalHeight = opened.originalHeight;
    this.levels = opened.levels;
    this.#api = api;
    this.#id = opened.id;
    this.#release = release;
  }

  crops(boxes: readonly Box[], size: number): Promise<Float32Array> {
    return this.#api.crops(this.#id, boxes, size);
  }

  align(boxes: readonly CropBox[], imageSize: number, withThumbnail: boolean): Promise<AlignedFaces> {
    return this.#api.align(this.#id, boxes, imageSize, withThumbnail);
  }

  close(): void {
    this.#release();
    void this.#api.close(this.#id);
  }
}

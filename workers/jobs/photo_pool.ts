/** A few workers that decode photos and keep them while the cascade looks at them. */
import { releaseProxy, wrap, type Remote } from 'comlink';
import type { DecodeWorkerApi, OpenedPhoto, PhotoTimes } from '../decode.worker.ts';
import type { CropBox } from '../mtcnn/align.ts';
import type { Detection, DetectionOptions } from '../mtcnn/cascade.ts';
import { Photo, type AlignedFaces, type PyramidOptions } from '../mtcnn/photo.ts';
import type { BackendMemory } from '../protocol/device.ts';
import type { PlainError } from '../protocol/errors.ts';

/** Each holds a group of decoded photos. */
const MAXIMUM_WORKERS = 8;

interface PoolWorker {
  readonly worker: Worker;
  readonly api: Remote<DecodeWorkerApi>;
  openPhotos: number;
}

export class PhotoPool {
  static readonly #running = new Set<PhotoPool>();
  readonly #workers: PoolWorker[];

  /** @param count of workers; default: as many as the machine has processors */
  constructor(count = Math.min(navigator.hardwareConcurrency || 2, MAXIMUM_WORKERS)) {
    this.#workers = Array.from({ length: count }, () => {
      const worker = new Worker(new URL('../decode.worker.ts', import.meta.url), { type: 'module' });
      return { worker, api: wrap<DecodeWorkerApi>(worker), openPhotos: 0 };
    });
    PhotoPool.#running.add(this);
  }

  get size(): number {
    return this.#workers.length;
  }

  /**
   * For networks that run elsewhere: with a copy of its pixels. Close the photo when it is done with.
   * @throws UnreadableImageError (as a plain error of that name)
   */
  async open(
    blob: Blob,
    path: string,
    options: PyramidOptions,
  ): Promise<{ readonly pooled: PooledPhoto; readonly photo: Photo }> {
    const worker = this.#leastBusy();
    worker.openPhotos++;
    try {
      const { data, ...opened } = await worker.api.open(blob, path, options);
      const { width, height, originalWidth, originalHeight } = opened;
      const decoded = { image: { width, height, data }, width: originalWidth, height: originalHeight };
      return {
        pooled: new PooledPhoto(worker.api, opened, releaseOf(worker)),
        photo: new Photo(decoded, options),
      };
    } catch (error) {
      worker.openPhotos--;
      throw error;
    }
  }

  /**
   * Finds the faces of some photos in one of the workers, on the processor. Close the photos when they are done with.
   * @returns in the order of the files; detections are in the decoded photos' pixels
   */
  async search(
    files: readonly { readonly blob: Blob; readonly path: string }[],
    options: PyramidOptions & DetectionOptions,
  ): Promise<PromiseSettledResult<{ photo: PooledPhoto; detection: Detection }>[]> {
    const worker = this.#leastBusy();
    worker.openPhotos += files.length;
    try {
      const searched = await worker.api.search(files, options);
      return searched.map((one) => {
        if ('error' in one) {
          worker.openPhotos--;
          return { status: 'rejected', reason: asError(one.error) };
        }
        const photo = new PooledPhoto(worker.api, one.opened, releaseOf(worker));
        return { status: 'fulfilled', value: { photo, detection: one.detection } };
      });
    } catch (error) {
      worker.openPhotos -= files.length;
      throw error;
    }
  }

  #leastBusy(): PoolWorker {
    return this.#workers.reduce((best, other) => (other.openPhotos < best.openPhotos ? other : best));
  }

  /** What all photos took so far. */
  async times(): Promise<PhotoTimes> {
    const times = await Promise.all(this.#workers.map(({ api }) => api.times()));
    const sum = (of: keyof PhotoTimes): number => times.reduce((total, one) => total + one[of], 0);
    return {
      decodeMs: sum('decodeMs'),
      resizeMs: sum('resizeMs'),
      encodeMs: sum('encodeMs'),
      networksMs: sum('networksMs'),
    };
  }

  /** What the networks in the workers of all pools that run hold. */
  static async memory(): Promise<BackendMemory> {
    const workers = [...PhotoPool.#running].flatMap((pool) => pool.#workers);
    const memory = await Promise.all(workers.map(({ api }) => api.memory()));
    return {
      usedBytes: memory.reduce((sum, { usedBytes }) => sum + usedBytes, 0),
      allocatedBytes: memory.reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0),
    };
  }

  /** Ends the workers, and with them whatever is in progress. */
  dispose(): void {
    PhotoPool.#running.delete(this);
    for (const { worker, api } of this.#workers) {
      api[releaseProxy]();
      worker.terminate();
    }
  }
}

function releaseOf(worker: PoolWorker): () => void {
  return () => {
    worker.openPhotos--;
  };
}

function asError({ name, message }: PlainError): Error {
  return Object.assign(new Error(message), { name });
}

export class PooledPhoto {
  readonly width: number;
  readonly height: number;
  readonly originalWidth: number;
  readonly originalHeight: number;
  readonly digest: string;
  readonly #api: Remote<DecodeWorkerApi>;
  readonly #id: number;
  readonly #release: () => void;

  constructor(api: Remote<DecodeWorkerApi>, opened: OpenedPhoto, release: () => void) {
    this.width = opened.width;
    this.height = opened.height;
    this.originalWidth = opened.originalWidth;
    this.originalHeight = opened.originalHeight;
    this.digest = opened.digest;
    this.#api = api;
    this.#id = opened.id;
    this.#release = release;
  }

  align(boxes: readonly CropBox[], imageSize: number, withThumbnail: boolean): Promise<AlignedFaces> {
    return this.#api.align(this.#id, boxes, imageSize, withThumbnail);
  }

  close(): void {
    this.#release();
    void this.#api.close(this.#id);
  }
}

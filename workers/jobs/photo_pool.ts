/** A few workers that decode photos and keep them while the cascade looks at them. */
import { transfer } from 'comlink';
import type {
  DecodeWorkerApi,
  OpenedPhoto,
  PhotoBlob,
  PhotoTimes,
  PhotoWithPixels,
  SearchOptions,
} from '../decode.worker.ts';
import type { FaceCut } from '../detector/align.ts';
import type { Detection } from '../detector/cascade.ts';
import { Photo, type AlignedFaces, type PhotoRegion, type PyramidOptions } from '../detector/photo.ts';
import type { RgbImage } from '../protocol/data/images.ts';
import type { BackendMemory } from '../protocol/device.ts';
import type { PlainError } from '../protocol/errors.ts';
import { WorkerPool, type PoolMember } from '../rpc/worker_pool.ts';

/** Each holds a group of decoded photos. */
const MAXIMUM_WORKERS = 8;

/** A photo whose pixels are here, too. */
export interface SentPhoto {
  readonly pooled: PooledPhoto;
  readonly photo: Photo;
}

export class PhotoPool {
  static readonly #running = new Set<PhotoPool>();
  /** A worker's load is the number of photos that it holds. */
  readonly #pool: WorkerPool<DecodeWorkerApi>;

  /** @param count the number of workers; default: one per processor core */
  constructor(count = Math.min(navigator.hardwareConcurrency || 2, MAXIMUM_WORKERS)) {
    this.#pool = new WorkerPool<DecodeWorkerApi>(
      count,
      'worker that reads photos',
      () => new Worker(new URL('../decode.worker.ts', import.meta.url), { type: 'module' }),
    );
    // The workers load while the folders are read.
    this.#pool.start();
    PhotoPool.#running.add(this);
  }

  get size(): number {
    return this.#pool.size;
  }

  /**
   * For networks that run elsewhere: with a copy of its pixels. Close the photo when it is done with.
   * @returns the number of pixels of a large photo, which is to be opened by `openLarge`
   * @throws UnreadableImageError (as a plain error of that name), WorkerFailedError
   */
  async open(file: PhotoBlob, options: PyramidOptions): Promise<SentPhoto | number> {
    return this.#opening(async (worker) => {
      const { opened, largePixelCount } = await worker.client.call((api) => api.open(file, options));
      return opened ? sentPhoto(worker, opened, options) : largePixelCount!;
    });
  }

  /** With all of its pixels. Hand back what is wanted of them by `PooledPhoto.keep`, then drop them. */
  async openLarge(file: PhotoBlob, options: PyramidOptions): Promise<SentPhoto> {
    return this.#opening(async (worker) => {
      const opened = await worker.client.call((api) => api.openLarge(file, options));
      return sentPhoto(worker, opened, options);
    });
  }

  async #opening<Opened extends SentPhoto | number>(
    open: (worker: PoolMember<DecodeWorkerApi>) => Promise<Opened>,
  ): Promise<Opened> {
    const worker = this.#pool.leastBusy();
    worker.load++;
    let isOpen = false;
    try {
      const opened = await open(worker);
      isOpen = typeof opened !== 'number';
      return opened;
    } finally {
      if (!isOpen) worker.load--;
    }
  }

  /**
   * Finds the faces of some photos in one of the workers, on the processor. Close the photos when they are done with.
   * @returns in the order of the files
   */
  async search(
    files: readonly PhotoBlob[],
    options: SearchOptions,
  ): Promise<PromiseSettledResult<{ photo: PooledPhoto; detection: Detection }>[]> {
    const worker = this.#pool.leastBusy();
    worker.load += files.length;
    try {
      const searched = await worker.client.call((api) => api.search(files, options));
      return searched.map((one) => {
        if ('error' in one) {
          worker.load--;
          return { status: 'rejected', reason: asError(one.error) };
        }
        const photo = new PooledPhoto(worker, one.opened);
        return { status: 'fulfilled', value: { photo, detection: one.detection } };
      });
    } catch (error) {
      worker.load -= files.length;
      throw error;
    }
  }

  /** What all photos took so far. */
  async times(): Promise<PhotoTimes> {
    const times = await this.#pool.callEach((api) => api.times());
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
    const pools = [...PhotoPool.#running].map((pool) => pool.#pool);
    const memory = (await Promise.all(pools.map((pool) => pool.callEach((api) => api.memory())))).flat();
    return {
      usedBytes: memory.reduce((sum, { usedBytes }) => sum + usedBytes, 0),
      allocatedBytes: memory.reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0),
    };
  }

  /** Ends the workers, and with them whatever is in progress. */
  dispose(): void {
    PhotoPool.#running.delete(this);
    this.#pool.terminate();
  }
}

function sentPhoto(
  worker: PoolMember<DecodeWorkerApi>,
  { data, ...opened }: PhotoWithPixels,
  options: PyramidOptions,
): SentPhoto {
  const { width, height } = opened;
  return { pooled: new PooledPhoto(worker, opened), photo: new Photo({ width, height, data }, options) };
}

function asError({ name, message }: PlainError): Error {
  return Object.assign(new Error(message), { name });
}

export class PooledPhoto {
  readonly width: number;
  readonly height: number;
  readonly digest: string;
  readonly #worker: PoolMember<DecodeWorkerApi>;
  readonly #id: number;

  constructor(worker: PoolMember<DecodeWorkerApi>, opened: OpenedPhoto) {
    this.width = opened.width;
    this.height = opened.height;
    this.digest = opened.digest;
    this.#worker = worker;
    this.#id = opened.id;
  }

  align(cuts: readonly FaceCut[], imageSize: number, withThumbnail: boolean): Promise<AlignedFaces> {
    return this.#worker.client.call((api) => api.align(this.#id, cuts, imageSize, withThumbnail));
  }

  /** @returns undefined for a cut without area */
  cut(cuts: readonly FaceCut[], imageSize: number): Promise<(RgbImage | undefined)[]> {
    return this.#worker.client.call((api) => api.cut(this.#id, cuts, imageSize));
  }

  /** Pixels of a large photo, from which its faces are cut. */
  keep(regions: readonly PhotoRegion[]): Promise<void> {
    const buffers = regions.map(({ image }) => image.data.buffer);
    return this.#worker.client.call((api) => api.keepRegions(this.#id, transfer(regions, buffers)));
  }

  close(): void {
    this.#worker.load--;
    // A worker that has failed holds no photo any more.
    this.#worker.client.call((api) => api.close(this.#id)).catch(() => undefined);
  }
}

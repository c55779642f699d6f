/** Small pictures of a folder's images, read when they come into sight and forgotten when there are too many. */
import { SvelteMap } from 'svelte/reactivity';
import type { DirectoryReference, Thumbnail } from '../../workers/protocol/data/dataset.ts';
import { datasetWorker } from '../session/workers.ts';

const PICTURES_KEPT = 600;
const READ_AT_ONCE = 12;

export class FolderPictures {
  readonly #references: readonly DirectoryReference[];
  readonly #sizePx: number;
  /** null for what cannot be decoded. */
  readonly #known = new SvelteMap<string, ImageBitmap | null>();
  #folder: Promise<number> | undefined;
  #wanted: readonly string[] = [];
  #isReading = false;

  constructor(references: readonly DirectoryReference[], sizePx: number) {
    this.#references = references;
    this.#sizePx = sizePx;
  }

  #open(): Promise<number> {
    this.#folder ??= datasetWorker.call((api) => api.open([...this.#references]));
    return this.#folder;
  }

  /** The paths of all images. */
  async list(): Promise<string[]> {
    const folder = await this.#open();
    return (await datasetWorker.call((api) => api.list(folder))).split('\0');
  }

  /** undefined until it is read. */
  of(path: string): ImageBitmap | null | undefined {
    return this.#known.get(path);
  }

  /** Reads these; what was wanted before and has not begun is left out. */
  want(paths: readonly string[]): void {
    this.#wanted = paths;
    if (!this.#isReading) void this.#readWanted();
  }

  async #readWanted(): Promise<void> {
    this.#isReading = true;
    try {
      for (;;) {
        const missing = this.#wanted.filter((path) => !this.#known.has(path)).slice(0, READ_AT_ONCE);
        if (missing.length === 0) break;
        const pictures = await this.read(missing);
        for (const path of missing)
          this.#known.set(path, pictures.find((picture) => picture.path === path)?.bitmap ?? null);
        this.#forget();
      }
    } catch (error) {
      // A folder that is locked again shows grey squares; the next job says so.
      console.warn(error);
    } finally {
      this.#isReading = false;
    }
  }

  /** Those of these images that can be decoded; the caller closes them. */
  read(paths: readonly string[]): Promise<Thumbnail[]> {
    return this.#pictures(paths, { sizePx: this.#sizePx, isWhole: false });
  }

  /** One photo as a whole, `sizePx` at most; undefined where it cannot be read. The caller closes it. */
  async whole(path: string, sizePx: number): Promise<ImageBitmap | undefined> {
    return (await this.#pictures([path], { sizePx, isWhole: true }))[0]?.bitmap;
  }

  async #pictures(
    paths: readonly string[],
    shape: { sizePx: number; isWhole: boolean },
  ): Promise<Thumbnail[]> {
    const folder = await this.#open();
    return datasetWorker.call((api) => api.pictures(folder, paths, shape));
  }

  /** The longest known ones, unless they are in sight. */
  #forget(): void {
    if (this.#known.size <= PICTURES_KEPT) return;
    for (const [path, bitmap] of this.#known) {
      if (this.#known.size <= PICTURES_KEPT) return;
      if (this.#wanted.includes(path)) continue;
      bitmap?.close();
      this.#known.delete(path);
    }
  }

  /** The picture has changed, or is gone: it is read again when it is wanted. */
  forget(path: string): void {
    this.#known.get(path)?.close();
    this.#known.delete(path);
  }

  close(): void {
    this.#wanted = [];
    for (const bitmap of this.#known.values()) bitmap?.close();
    this.#known.clear();
  }
}

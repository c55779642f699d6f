/**
 * What a dataset's folders hold, counted as their files are found. Of a file nothing is kept: what this takes grows with
 * the number of classes, and not with that of the files.
 */
import type { ReadableDirectory } from './directories.ts';
import { NoImagesError } from './file_errors.ts';
import { isImagePath } from './images.ts';
import { compareNames } from './names.ts';
import { isAlignmentNote, SkippedFileCount } from './skipped_file_count.ts';
import type { SkippedFiles } from './skipped_files.ts';
import type { ClassCount, DatasetTotals, ScanProgress } from './dataset.ts';

const IGNORED_EXAMPLES = 20;
const PROGRESS_INTERVAL_MS = 150;

export interface CountOptions {
  /** Whether a file is an image, by its path. */
  readonly isWanted?: ((path: string) => boolean) | undefined;
  /** Called now and then. */
  readonly onProgress?: ((count: DatasetCount) => void) | undefined;
  /** Between two calls of onProgress. */
  readonly intervalMs?: number | undefined;
}

export class DatasetCount {
  readonly ignoredExamples: string[] = [];
  fileCount = 0;
  imageCount = 0;
  ignoredCount = 0;
  readonly #skipped = new SkippedFileCount();
  readonly #isWanted: (path: string) => boolean;
  readonly #onProgress: ((count: DatasetCount) => void) | undefined;
  readonly #intervalMs: number;
  #reportedAt = performance.now();
  readonly #counts = new Map<string, number>();
  readonly #changed = new Set<string>();

  constructor({ isWanted = isImagePath, onProgress, intervalMs = PROGRESS_INTERVAL_MS }: CountOptions = {}) {
    this.#isWanted = isWanted;
    this.#onProgress = onProgress;
    this.#intervalMs = intervalMs;
  }

  get totals(): DatasetTotals {
    return { fileCount: this.fileCount, imageCount: this.imageCount, classCount: this.#counts.size };
  }

  /** Files that are not used, by reason: with the images they are all files. */
  get skipped(): SkippedFiles[] {
    return this.#skipped.groups;
  }

  /** A class folder whose files are not known yet. */
  addFolder(name: string): void {
    if (this.#counts.has(name)) return;
    this.#counts.set(name, 0);
    this.#changed.add(name);
    this.#report();
  }

  /** @returns the class that the file is an image of; undefined for what does not belong to the dataset */
  addFile(path: string): string | undefined {
    const className = this.#take(path);
    this.#report();
    return className;
  }

  #take(path: string): string | undefined {
    this.fileCount++;
    if (isAlignmentNote(path)) {
      this.#skipped.add(path);
      return undefined;
    }
    const slash = path.indexOf('/');
    if (slash <= 0 || path.includes('/', slash + 1) || !this.#isWanted(path)) {
      this.ignoredCount++;
      this.#skipped.add(path);
      if (this.ignoredExamples.length < IGNORED_EXAMPLES) this.ignoredExamples.push(path);
      return undefined;
    }
    this.imageCount++;
    const name = path.slice(0, slash);
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    this.#changed.add(name);
    return name;
  }

  #report(): void {
    const now = performance.now();
    if (!this.#onProgress || now - this.#reportedAt < this.#intervalMs) return;
    this.#reportedAt = now;
    this.#onProgress(this);
  }

  /** Since this was last asked for. */
  takeProgress(): ScanProgress {
    const changes = [...this.#changed].map((name) => ({ name, imageCount: this.#counts.get(name)! }));
    this.#changed.clear();
    return { ...this.totals, ignoredCount: this.ignoredCount, changes };
  }

  /** Sorted by name. Folders without an image are no classes. */
  get classes(): ClassCount[] {
    return [...this.#counts]
      .filter(([, imageCount]) => imageCount > 0)
      .map(([name, imageCount]) => ({ name, imageCount }))
      .sort((a, b) => compareNames(a.name, b.name));
  }
}

/**
 * Counts what lies in the folders, one file at a time; onProgress is also called at the end.
 * @param onImage told of each image
 * @throws NoImagesError, what reading the folders throws, and the signal's reason
 */
export async function walkDataset(
  directories: readonly ReadableDirectory[],
  { signal, ...options }: CountOptions & { readonly signal?: AbortSignal | undefined } = {},
  onImage?: (className: string, path: string, directory: ReadableDirectory) => void,
): Promise<DatasetCount> {
  const count = new DatasetCount(options);
  const onFolder = (name: string): void => count.addFolder(name);
  for (const directory of directories)
    for await (const { path } of directory.list(signal, onFolder)) {
      const className = count.addFile(path);
      if (className !== undefined) onImage?.(className, path, directory);
    }
  options.onProgress?.(count);
  if (count.imageCount === 0) throw new NoImagesError(datasetName(directories), count.skipped);
  return count;
}

export function datasetName(directories: readonly ReadableDirectory[]): string {
  return directories.map(({ name }) => name).join(' + ');
}

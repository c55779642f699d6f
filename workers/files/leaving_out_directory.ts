/** A folder that does not list some of its files. They can still be read by their paths. */
import type { FileListing, FileStats, ReadableDirectory } from '../protocol/data/directories.ts';
import { fileStats } from './file_stats.ts';

export class LeavingOutDirectory implements ReadableDirectory {
  readonly #directory: ReadableDirectory;
  readonly #leftOut: ReadonlySet<string>;

  constructor(directory: ReadableDirectory, leftOut: Iterable<string>) {
    this.#directory = directory;
    this.#leftOut = new Set(leftOut);
  }

  get name(): string {
    return this.#directory.name;
  }

  async *list(signal?: AbortSignal, onFolder?: (name: string) => void): AsyncGenerator<FileListing> {
    for await (const file of this.#directory.list(signal, onFolder))
      if (!this.#leftOut.has(file.path)) yield file;
  }

  read(path: string): Promise<Blob> {
    return this.#directory.read(path);
  }

  async requireThere(): Promise<void> {
    await this.#directory.requireThere?.();
  }

  stats(paths: readonly string[]): Promise<(FileStats | undefined)[]> {
    return fileStats(this.#directory, paths);
  }

  exists(path: string): Promise<boolean> {
    return this.#directory.exists(path);
  }
}

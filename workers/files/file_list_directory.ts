/** A folder chosen with <input webkitdirectory>. It is read-only, and available until the page is closed. */
import type { FileListing, FileStats, ReadableDirectory } from '../protocol/data/directories.ts';
import { FileMissingError } from '../protocol/data/file_errors.ts';
import { statsOfBlob } from './file_stats.ts';

export class FileListDirectory implements ReadableDirectory {
  readonly name: string;
  readonly #files: ReadonlyMap<string, File>;

  constructor(name: string, files: readonly { readonly path: string; readonly file: File }[]) {
    this.name = name;
    this.#files = new Map(files.map(({ path, file }) => [path, file]));
  }

  async *list(signal?: AbortSignal): AsyncIterable<FileListing> {
    for (const path of this.#files.keys()) {
      signal?.throwIfAborted();
      if (!path.split('/').some((part) => part.startsWith('.'))) yield { path };
    }
  }

  async read(path: string): Promise<Blob> {
    const file = this.#files.get(path);
    if (!file) throw new FileMissingError(path, this.name);
    return file;
  }

  async stats(paths: readonly string[]): Promise<(FileStats | undefined)[]> {
    return paths.map((path) => {
      const file = this.#files.get(path);
      return file && statsOfBlob(file);
    });
  }

  async exists(path: string): Promise<boolean> {
    return this.#files.has(path);
  }
}

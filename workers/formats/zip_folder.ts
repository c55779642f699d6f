/** A zip archive as a readable folder. Entries are unpacked on demand, and never to more than their stated size. */
import type { FileListing, ReadableDirectory } from '../protocol/data/directories.ts';
import { FileMissingError } from '../protocol/data/file_errors.ts';
import type { ZipFile } from './zip_reader.ts';

/** The limit for one file. The largest file of these models has 100 MB. */
const MAXIMUM_FILE_BYTES = 1024 * 1024 * 1024;

export class ZipFolder implements ReadableDirectory {
  readonly name: string;
  readonly #zip: ZipFile;

  constructor(zip: ZipFile) {
    this.name = zip.name;
    this.#zip = zip;
  }

  async *list(signal?: AbortSignal): AsyncIterable<FileListing> {
    for (const path of this.#zip.entries.keys()) {
      signal?.throwIfAborted();
      // The extra files of macOS also begin with a dot.
      if (!path.endsWith('/') && !path.split('/').some((part) => part.startsWith('.'))) yield { path };
    }
  }

  /** @throws FileMissingError, ZipError */
  async read(path: string): Promise<Blob> {
    if (!this.#zip.entries.has(path)) throw new FileMissingError(path, this.name);
    return this.#zip.open(path, MAXIMUM_FILE_BYTES);
  }

  async exists(path: string): Promise<boolean> {
    return this.#zip.entries.has(path);
  }
}

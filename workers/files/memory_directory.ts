/** A folder in memory, for tests and for exports as a single download. */
import type { FileListing, FileStats, WritableDirectory } from '../protocol/data/directories.ts';
import { FileMissingError } from '../protocol/data/file_errors.ts';
import { statsOfBlob } from './file_stats.ts';

export class MemoryDirectory implements WritableDirectory {
  readonly name: string;
  readonly files = new Map<string, Blob>();

  constructor(
    name = 'memory',
    files: Readonly<Record<string, Blob | string | Uint8Array<ArrayBuffer>>> = {},
  ) {
    this.name = name;
    for (const [path, content] of Object.entries(files)) this.files.set(path, asFile(path, content));
  }

  async *list(signal?: AbortSignal): AsyncIterable<FileListing> {
    for (const path of [...this.files.keys()]) {
      signal?.throwIfAborted();
      yield { path };
    }
  }

  async read(path: string): Promise<Blob> {
    const blob = this.files.get(path);
    if (!blob) throw new FileMissingError(path, this.name);
    return blob;
  }

  async exists(path: string): Promise<boolean> {
    return this.files.has(path);
  }

  async write(path: string, content: Blob | Uint8Array<ArrayBuffer> | string): Promise<void> {
    this.files.set(path, asFile(path, content));
  }

  async append(path: string, text: string): Promise<void> {
    this.files.set(path, asFile(path, new Blob([this.files.get(path) ?? '', text])));
  }

  async stats(paths: readonly string[]): Promise<(FileStats | undefined)[]> {
    return paths.map((path) => {
      const file = this.files.get(path);
      return file && statsOfBlob(file);
    });
  }

  async remove(path: string): Promise<void> {
    this.files.delete(path);
  }
}

function asFile(path: string, content: Blob | Uint8Array<ArrayBuffer> | string): File {
  return content instanceof File ? content : new File([content], path, { lastModified: Date.now() });
}

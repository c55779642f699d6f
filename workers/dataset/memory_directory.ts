/** A folder in memory: for tests, and for exports on their way to a single download. */
import type { FileListing, WritableDirectory } from './directory.ts';
import { FileMissingError } from './errors.ts';

export class MemoryDirectory implements WritableDirectory {
  readonly name: string;
  readonly files = new Map<string, Blob>();

  constructor(
    name = 'memory',
    files: Readonly<Record<string, Blob | string | Uint8Array<ArrayBuffer>>> = {},
  ) {
    this.name = name;
    for (const [path, content] of Object.entries(files)) this.files.set(path, new Blob([content]));
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
    this.files.set(path, new Blob([content]));
  }

  async remove(path: string): Promise<void> {
    this.files.delete(path);
  }
}

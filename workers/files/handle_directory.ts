/** A folder with a FileSystemDirectoryHandle: picked by the person, or in the origin's private file system. */
import type { FileListing, FileStats, WritableDirectory } from '../protocol/data/directories.ts';
import {
  FileMissingError,
  FileUnreadableError,
  FolderMissingError,
  PermissionLostError,
  StorageFullError,
} from '../protocol/data/file_errors.ts';
import { statsOfBlob } from './file_stats.ts';

/** Concurrent requests for sizes and times. Each request is a message to the browser process. */
const STATS_AT_ONCE = 16;

export class HandleDirectory implements WritableDirectory {
  readonly #handle: FileSystemDirectoryHandle;
  /**
   * The folder of the last written file. The next file is often in it, and each look-up is a message to the browser.
   */
  #lastFolder: { readonly path: string; readonly handle: FileSystemDirectoryHandle } | undefined;

  constructor(handle: FileSystemDirectoryHandle) {
    this.#handle = handle;
  }

  get name(): string {
    return this.#handle.name;
  }

  async *list(signal?: AbortSignal, onFolder?: (name: string) => void): AsyncIterable<FileListing> {
    try {
      yield* listBelow(this.#handle, '', signal, onFolder);
    } catch (error) {
      throw await this.#explain(error, this.name);
    }
  }

  async read(path: string): Promise<Blob> {
    try {
      return await (await this.#file(path)).getFile();
    } catch (error) {
      throw await this.#explain(error, path);
    }
  }

  async exists(path: string): Promise<boolean> {
    try {
      await this.#file(path);
      return true;
    } catch (error) {
      if (isNamed(error, 'NotFoundError', 'TypeMismatchError')) return false;
      throw await this.#explain(error, path);
    }
  }

  async stats(paths: readonly string[]): Promise<(FileStats | undefined)[]> {
    const found: (FileStats | undefined)[] = [];
    for (let from = 0; from < paths.length; from += STATS_AT_ONCE)
      found.push(
        ...(await Promise.all(paths.slice(from, from + STATS_AT_ONCE).map((path) => this.#statsOf(path)))),
      );
    return found;
  }

  async #statsOf(path: string): Promise<FileStats | undefined> {
    try {
      return statsOfBlob(await this.read(path));
    } catch (error) {
      if (error instanceof FileMissingError) return undefined;
      throw error;
    }
  }

  /** The stream copies the existing content first, so use this only for few, short files. */
  async append(path: string, text: string): Promise<void> {
    if (!('createWritable' in FileSystemFileHandle.prototype)) {
      const before = (await this.exists(path)) ? await this.read(path) : '';
      return this.write(path, new Blob([before, text]));
    }
    try {
      const { file } = await this.#fileToWrite(path);
      const position = (await file.getFile()).size;
      const stream = await file.createWritable({ keepExistingData: true });
      try {
        await stream.write({ type: 'write', position, data: text });
        await stream.close();
      } catch (error) {
        await stream.abort().catch(() => undefined);
        throw error;
      }
    } catch (error) {
      throw await this.#explain(error, path);
    }
  }

  /**
   * A FileSystemWritableFileStream writes to a swap file and replaces the file when it is closed. But requesting a
   * stream creates an empty file first, which is removed if writing fails. Safari before version 26 has no such
   * streams.
   */
  async write(path: string, content: Blob | Uint8Array<ArrayBuffer> | string): Promise<void> {
    try {
      if (!('createWritable' in FileSystemFileHandle.prototype)) {
        const { folder, name } = await this.#parent(path, true);
        await writeAtOnce(folder, name, content);
        return;
      }
      const { folder, file } = await this.#fileToWrite(path);
      try {
        const stream = await file.createWritable();
        try {
          await stream.write(content);
          await stream.close();
        } catch (error) {
          await stream.abort().catch(() => undefined);
          throw error;
        }
      } catch (error) {
        await removeIfEmpty(folder, file);
        throw error;
      }
    } catch (error) {
      throw await this.#explain(error, path);
    }
  }

  async remove(path: string): Promise<void> {
    try {
      const { folder, name } = await this.#parent(path, false);
      await folder.removeEntry(name);
    } catch (error) {
      throw await this.#explain(error, path);
    }
  }

  async #fileToWrite(
    path: string,
  ): Promise<{ folder: FileSystemDirectoryHandle; file: FileSystemFileHandle }> {
    const end = path.lastIndexOf('/') + 1;
    const [folderPath, name] = [path.slice(0, end), path.slice(end)];
    const last = this.#lastFolder;
    if (last?.path === folderPath)
      try {
        return { folder: last.handle, file: await last.handle.getFileHandle(name, { create: true }) };
      } catch (error) {
        // It has been removed or moved since it was listed.
        if (!isNamed(error, 'NotFoundError')) throw error;
      }
    const { folder } = await this.#parent(path, true);
    this.#lastFolder = { path: folderPath, handle: folder };
    return { folder, file: await folder.getFileHandle(name, { create: true }) };
  }

  async #parent(path: string, create: boolean): Promise<{ folder: FileSystemDirectoryHandle; name: string }> {
    const parts = path.split('/');
    const name = parts.pop()!;
    let folder = this.#handle;
    for (const part of parts) folder = await folder.getDirectoryHandle(part, { create });
    return { folder, name };
  }

  async #file(path: string): Promise<FileSystemFileHandle> {
    const { folder, name } = await this.#parent(path, false);
    return folder.getFileHandle(name);
  }

  async requireThere(): Promise<void> {
    try {
      await this.#handle.keys().next();
    } catch (error) {
      throw isNamed(error, 'NotFoundError')
        ? new FolderMissingError(this.name)
        : await this.#explain(error, this.name);
    }
  }

  async #explain(error: unknown, path: string): Promise<unknown> {
    if (isNamed(error, 'NotFoundError', 'TypeMismatchError'))
      return (await this.#isThere())
        ? new FileMissingError(path, this.name)
        : new FolderMissingError(this.name);
    if (isNamed(error, 'NotReadableError')) return new FileUnreadableError(path, 'the system refuses it');
    if (isNamed(error, 'NotAllowedError', 'SecurityError', 'NoModificationAllowedError'))
      return new PermissionLostError(this.name);
    if (isNamed(error, 'QuotaExceededError')) return new StorageFullError(path);
    return error;
  }

  /** Whether the folder itself exists. A folder without permission counts as existing. */
  async #isThere(): Promise<boolean> {
    try {
      await this.#handle.keys().next();
      return true;
    } catch (error) {
      return !isNamed(error, 'NotFoundError');
    }
  }
}

/**
 * Methods of a private file system handle in a worker, which some type libraries lack (https://fs.spec.whatwg.org/).
 */
interface WorkerFileHandle {
  createSyncAccessHandle(): Promise<{
    truncate(size: number): void;
    write(bytes: Uint8Array<ArrayBuffer>): number;
    flush(): void;
    close(): void;
  }>;
  move(newName: string): Promise<void>;
}

/** Writes to a hidden file first, and then renames it. Only in a worker, in the private file system. */
async function writeAtOnce(
  folder: FileSystemDirectoryHandle,
  name: string,
  content: Blob | Uint8Array<ArrayBuffer> | string,
): Promise<void> {
  const bytes = new Uint8Array(await new Blob([content]).arrayBuffer());
  const hiddenName = `.${name}.part`;
  const file = await folder.getFileHandle(hiddenName, { create: true });
  try {
    const access = await (file as unknown as WorkerFileHandle).createSyncAccessHandle();
    try {
      access.truncate(0);
      access.write(bytes);
      access.flush();
    } finally {
      access.close();
    }
    await (file as unknown as WorkerFileHandle).move(name);
  } catch (error) {
    await folder.removeEntry(hiddenName).catch(() => undefined);
    throw error;
  }
}

async function removeIfEmpty(folder: FileSystemDirectoryHandle, file: FileSystemFileHandle): Promise<void> {
  try {
    if ((await file.getFile()).size === 0) await folder.removeEntry(file.name);
  } catch {
    // The cause of the failed write may also prevent this. An empty file counts as not written anyway.
  }
}

/** Lists a folder's own names first, then its subfolders, so that the names of the classes are known early. */
async function* listBelow(
  folder: FileSystemDirectoryHandle,
  prefix: string,
  signal: AbortSignal | undefined,
  onFolder?: (name: string) => void,
): AsyncIterable<FileListing> {
  const subfolders: FileSystemDirectoryHandle[] = [];
  for await (const entry of folder.values()) {
    signal?.throwIfAborted();
    if (entry.name.startsWith('.')) continue;
    if (entry.kind === 'file') yield { path: prefix + entry.name };
    else {
      subfolders.push(entry as FileSystemDirectoryHandle);
      onFolder?.(entry.name);
    }
  }
  for (const subfolder of subfolders) yield* listBelow(subfolder, `${prefix}${subfolder.name}/`, signal);
}

function isNamed(error: unknown, ...names: string[]): boolean {
  return error instanceof Error && names.includes(error.name);
}

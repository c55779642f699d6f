/** Sizes and modification times of a folder's files. Reads no content if the folder knows them. */
import type { FileStats, ReadableDirectory } from '../protocol/data/directories.ts';
import { FileMissingError } from '../protocol/data/file_errors.ts';

/** Number of files per request. */
const FILES_AT_ONCE = 512;

/** @returns the figures in the order of the paths; undefined for a missing file */
export async function fileStats(
  directory: ReadableDirectory,
  paths: readonly string[],
): Promise<(FileStats | undefined)[]> {
  const found: (FileStats | undefined)[] = [];
  for (let from = 0; from < paths.length; from += FILES_AT_ONCE) {
    const some = paths.slice(from, from + FILES_AT_ONCE);
    if (directory.stats) found.push(...(await directory.stats(some)));
    else for (const path of some) found.push(await statsByReading(directory, path));
  }
  return found;
}

async function statsByReading(directory: ReadableDirectory, path: string): Promise<FileStats | undefined> {
  try {
    return statsOfBlob(await directory.read(path));
  } catch (error) {
    if (error instanceof FileMissingError) return undefined;
    throw error;
  }
}

/** The figures of a file that has been read; the time is 0 if unknown. */
export function statsOfBlob(blob: Blob): FileStats {
  return { sizeBytes: blob.size, modifiedMs: blob instanceof File ? blob.lastModified : 0 };
}

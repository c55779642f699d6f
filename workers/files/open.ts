/** Opens a folder from its reference, which can cross worker boundaries. */
import type {
  DirectoryReference,
  ReadableDirectory,
  WritableDirectory,
} from '../protocol/data/directories.ts';
import { NotWritableError } from '../protocol/data/file_errors.ts';
import { FileListDirectory } from './file_list_directory.ts';
import { HandleDirectory } from './handle_directory.ts';
import { HttpDirectory } from './http_directory.ts';
import { LeavingOutDirectory } from './leaving_out_directory.ts';

export async function openDirectory(reference: DirectoryReference): Promise<ReadableDirectory> {
  const { leftOut = [] } = reference;
  const directory =
    reference.kind === 'files'
      ? new FileListDirectory(reference.name, reference.files)
      : await openWritableDirectory(reference);
  return leftOut.length === 0 ? directory : new LeavingOutDirectory(directory, leftOut);
}

/** @throws NotWritableError */
export async function openWritableDirectory(reference: DirectoryReference): Promise<WritableDirectory> {
  switch (reference.kind) {
    case 'handle':
      return new HandleDirectory(reference.handle);
    case 'private': {
      let handle = await navigator.storage.getDirectory();
      for (const part of reference.path.split('/'))
        handle = await handle.getDirectoryHandle(part, { create: true });
      return new HandleDirectory(handle);
    }
    case 'http':
      return new HttpDirectory(reference.name, reference.url);
    case 'files':
      throw new NotWritableError(reference.name);
  }
}

export function openDirectories(references: readonly DirectoryReference[]): Promise<ReadableDirectory[]> {
  return Promise.all(references.map(openDirectory));
}

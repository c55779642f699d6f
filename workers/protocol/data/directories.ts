/**
 * Folders, wherever they are: picked with the File System Access API, dropped, chosen with <input webkitdirectory>,
 * in the origin's private file system, or served by the terminal front end. The rest of the program sees this
 * interface only.
 */

import type { ClaimRequest, ClaimState } from './claims.ts';

export interface FileListing {
  /** Relative to the folder, with forward slashes: `Tony_Blair/Tony_Blair_0001.jpg`. */
  readonly path: string;
}

export interface FileStats {
  readonly sizeBytes: number;
  /** Milliseconds since 1970; 0 where it is not known. */
  readonly modifiedMs: number;
}

export interface ReadableDirectory {
  /** The folder's own name, for messages. */
  readonly name: string;
  /**
   * Every file below the folder, streamed; hidden files (a leading dot) are left out. Order is not defined.
   * @param onFolder told of the folders directly below, where their names are known before what is in them
   */
  list(signal?: AbortSignal, onFolder?: (name: string) => void): AsyncIterable<FileListing>;
  /** @throws FileMissingError and FileUnreadableError (this file only), FolderMissingError and PermissionLostError */
  read(path: string): Promise<Blob>;
  exists(path: string): Promise<boolean>;
  /**
   * Sizes and modification times, in the order of the paths; undefined for a file that is not there. Where a folder
   * cannot tell them without the files' content, `fileStats` reads them.
   */
  stats?(paths: readonly string[]): Promise<(FileStats | undefined)[]>;
  /** Not where the folder cannot vanish. @throws FolderMissingError, PermissionLostError */
  requireThere?(): Promise<void>;
}

export interface WritableDirectory extends ReadableDirectory {
  /**
   * The file appears complete or not at all, but for an empty one, which an interrupted write may leave: it counts as
   * not written. Parent folders are made, but not the folder itself where it has been deleted.
   * @throws StorageFullError, FolderMissingError, PermissionLostError
   */
  write(path: string, content: Blob | Uint8Array<ArrayBuffer> | string): Promise<void>;
  /** Adds text to the end of a file, which is made where it is missing. Absent where a file is written once only. */
  append?(path: string, text: string): Promise<void>;
  remove(path: string): Promise<void>;
  /**
   * Makes a folder directly below this one for one owner. Only where several processes share the folder.
   * @returns false where there is something of that name already
   */
  claimFolder?(name: string): Promise<boolean>;
  /** Shares work on the folder out. Only where several processes may write into it at once. */
  claims?(request: ClaimRequest): Promise<ClaimState[]>;
  /** Removes a claimed folder again, unless something is in it. */
  releaseFolder?(name: string): Promise<void>;
}

/** How a folder crosses a worker boundary; `openDirectory` turns it into a directory. */
export type DirectoryReference = FolderReference & {
  /** Paths of photos that do not belong to the dataset: whoever reads the folder's listing does not see them. */
  readonly leftOut?: readonly string[] | undefined;
};

type FolderReference =
  | { readonly kind: 'handle'; readonly handle: FileSystemDirectoryHandle }
  /** In the origin's private file system; the path's parts are folder names, made when missing. */
  | { readonly kind: 'private'; readonly path: string }
  | {
      readonly kind: 'files';
      readonly name: string;
      readonly files: readonly { readonly path: string; readonly file: File }[];
    }
  /** A real folder that the terminal front end serves at `url` (see cli/). */
  | { readonly kind: 'http'; readonly name: string; readonly url: string };

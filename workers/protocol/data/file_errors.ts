/** What can go wrong with folders and photos; each message names the thing and the way on. */
import { describeSkipped, type SkippedFiles } from './skipped_files.ts';

export class FileMissingError extends Error {
  override name = 'FileMissingError';
  constructor(path: string, folder: string) {
    super(
      `${path} is no longer in the folder "${folder}". ${
        path.includes('\uFFFD')
          ? 'Its name is not UTF-8 (shown by �), and cannot be asked for here: rename it.'
          : 'It may have been moved or deleted since the folder was read.'
      }`,
    );
  }
}

/** One file cannot be read, though its folder can: it alone is left out, by name. */
export class FileUnreadableError extends Error {
  override name = 'FileUnreadableError';
  constructor(path: string, cause: string) {
    super(`${path} cannot be read (${cause}). Check its owner, its permissions and its drive.`);
  }
}

/**
 * A whole folder cannot be used any more. Work on it stops, or waits until the folder can be used again: it never goes
 * on without the folder's files.
 */
export abstract class FolderUnavailableError extends Error {}

export class FolderMissingError extends FolderUnavailableError {
  override name = 'FolderMissingError';
  constructor(folder: string) {
    super(
      `The folder "${folder}" is no longer there, or is empty now. It may have been moved, renamed or deleted, or its drive was removed. Put it back where it was, then go on.`,
    );
  }
}

export class PermissionLostError extends FolderUnavailableError {
  override name = 'PermissionLostError';
  constructor(folder: string) {
    super(
      `The browser no longer allows access to the folder "${folder}". Choose the folder again, or allow it when asked.`,
    );
  }
}

export class StorageFullError extends Error {
  override name = 'StorageFullError';
  constructor(path: string) {
    super(
      `There is no room left to write ${path}. Free some space and continue; what is written so far is kept.`,
    );
  }
}

export class NoImagesError extends Error {
  override name = 'NoImagesError';
  /** @param skipped what is there instead */
  constructor(folders: string, skipped: readonly SkippedFiles[] = []) {
    const others = skipped
      .filter(({ reason }) => reason === 'no-photo')
      .reduce((sum, { count }) => sum + count, 0);
    const photos = describeSkipped(skipped.filter(({ reason }) => reason !== 'no-photo'));
    super(
      `No photos were found ${photos.length > 0 ? 'where they belong in' : 'in'} "${folders}"${others ? ` (${others} other file${others === 1 ? ' was' : 's were'} ignored)` : ''}. ${photos.map((sentence) => `${sentence} `).join('')}A dataset is a folder with one subfolder per person and that person's photos (jpg, png, webp, gif, bmp, avif, tiff, ppm) in it.`,
    );
  }
}

export class UnreadableImageError extends Error {
  override name = 'UnreadableImageError';
  constructor(path: string, cause: string) {
    super(`${path} cannot be read as an image: ${cause}.`);
  }

  /** One whose message came from another worker. */
  static saying(message: string): UnreadableImageError {
    const error = new UnreadableImageError('', '');
    error.message = message;
    return error;
  }
}

/** Whether an error is about one file only, so that the work goes on with the others. */
export function isAboutOneFile(error: unknown): error is Error {
  return (
    error instanceof FileMissingError ||
    error instanceof FileUnreadableError ||
    error instanceof UnreadableImageError
  );
}

export class NotWritableError extends Error {
  override name = 'NotWritableError';
  constructor(folder: string) {
    super(
      `Nothing can be written into "${folder}". Choose an output folder, the browser's own storage or a zip file.`,
    );
  }
}

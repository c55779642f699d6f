/** What can go wrong with folders and photos; each message names the thing and the way on. */
import { describeSkipped, type SkippedFiles } from './skipped_files.ts';

export class FileMissingError extends Error {
  override name = 'FileMissingError';
  constructor(path: string, folder: string) {
    super(
      `${path} is no longer in the folder "${folder}". ${
        path.includes('\uFFFD')
          ? 'Its name is not valid UTF-8 (shown by �), so the file cannot be opened. Rename it.'
          : 'It may have been moved or deleted since the folder was read.'
      }`,
    );
  }
}

/** One file cannot be read, though its folder can: it alone is left out, by name. */
export class FileUnreadableError extends Error {
  override name = 'FileUnreadableError';
  constructor(path: string, cause: string) {
    super(`${path} cannot be read (${cause}). Check its owner, its permissions and the drive it is on.`);
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
      `The folder "${folder}" is missing or empty. It may have been moved, renamed or deleted, or its drive was removed. Put it back, then resume.`,
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
      `There is not enough space to write ${path}. Free some space and resume. What has been written so far is kept.`,
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
      `No photos were found ${photos.length > 0 ? 'in the person folders of' : 'in'} "${folders}"${others ? ` (${others} other file${others === 1 ? ' was' : 's were'} ignored)` : ''}. ${photos.map((sentence) => `${sentence} `).join('')}Choose a folder that contains one subfolder per person, with that person's photos (jpg, png, webp, gif, bmp, avif, tiff, ppm) inside.`,
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
      `"${folder}" is not writable. Choose another output folder, the browser's own storage or a zip file.`,
    );
  }
}

/** What can go wrong with folders and photos; each message names the thing and the way on. */

export class FileMissingError extends Error {
  override name = 'FileMissingError';
  constructor(path: string, folder: string) {
    super(
      `${path} is no longer in the folder "${folder}". It may have been moved or deleted since the folder was read.`,
    );
  }
}

export class PermissionLostError extends Error {
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
  constructor(folders: string, ignoredCount: number) {
    super(
      `No photos were found in "${folders}"${ignoredCount ? ` (${ignoredCount} other files were ignored)` : ''}. A dataset is a folder with one subfolder a person and that person's photos (jpg, png, webp, gif, bmp, avif) in it.`,
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

export class NotWritableError extends Error {
  override name = 'NotWritableError';
  constructor(folder: string) {
    super(
      `Nothing can be written into "${folder}". Choose an output folder, the browser's own storage or a zip file.`,
    );
  }
}

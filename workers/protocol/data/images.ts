import { photoFormatOfPath } from './photo_formats.ts';

/** A decoded photo. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  /** RGB, row-major, [height, width, 3] */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** Whether this program reads such a photo in every browser, by its name. */
export function isImagePath(path: string): boolean {
  return photoFormatOfPath(path)?.isRead === 'yes';
}

/** Also photos that only some browsers decode: the person is told about each that this one does not. */
export function isPhotoPath(path: string): boolean {
  const format = photoFormatOfPath(path);
  return format !== undefined && format.isRead !== 'no';
}

/** `a/b.c.jpg` → `b.c` */
export function baseName(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return dot > 0 ? name.slice(0, dot) : name;
}

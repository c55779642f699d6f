/** A decoded photo. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  /** RGB, row-major, [height, width, 3] */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** What browsers decode; by extension, without the dot. */
const IMAGE_EXTENSIONS = new Set(['jpg', 'jpeg', 'jfif', 'png', 'webp', 'gif', 'bmp', 'avif']);

/** What only some browsers decode (Safari), and what telephones write. */
const SOMETIMES_EXTENSIONS = new Set(['heic', 'heif']);

export function isImagePath(path: string): boolean {
  return IMAGE_EXTENSIONS.has(extensionOf(path));
}

/** Photos as they are taken: also those of which the person is to be told that this browser cannot decode them. */
export function isPhotoPath(path: string): boolean {
  return isImagePath(path) || SOMETIMES_EXTENSIONS.has(extensionOf(path));
}

function extensionOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return dot > 0 ? name.slice(dot + 1).toLowerCase() : '';
}

/** `a/b.c.jpg` → `b.c` */
export function baseName(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return dot > 0 ? name.slice(0, dot) : name;
}

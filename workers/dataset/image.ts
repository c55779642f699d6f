/** A decoded photo. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  /** RGB, row-major, [height, width, 3] */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** What browsers decode; by extension, without the dot. */
const IMAGE_EXTENSIONS = new Set(['jpg', 'jpeg', 'jfif', 'png', 'webp', 'gif', 'bmp', 'avif']);

export function isImagePath(path: string): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return dot > 0 && IMAGE_EXTENSIONS.has(name.slice(dot + 1).toLowerCase());
}

/** `a/b.c.jpg` → `b.c` */
export function baseName(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return dot > 0 ? name.slice(0, dot) : name;
}

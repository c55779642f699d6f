/** Small pictures of a dataset, spread over its classes. */
import type { Dataset, ImageFile } from './classes.ts';

/**
 * @returns at most `count` images: every class's first, then every class's second …; of more classes than `count`,
 *   evenly spaced ones
 */
export function spreadOverClasses({ classes }: Dataset, count: number): ImageFile[] {
  if (classes.length >= count)
    return Array.from({ length: count }, (_, index) => {
      const { images } = classes[Math.floor((index * classes.length) / count)]!;
      return images[0]!;
    });
  const chosen: ImageFile[] = [];
  for (let round = 0; chosen.length < count; round++) {
    const before = chosen.length;
    for (const { images } of classes) {
      const image = images[round];
      if (image && chosen.length < count) chosen.push(image);
    }
    if (chosen.length === before) break;
  }
  return chosen;
}

/** @returns the middle square of the image, `sizePx` wide; undefined for what cannot be decoded */
export async function thumbnail(blob: Blob, sizePx: number): Promise<ImageBitmap | undefined> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(blob, { imageOrientation: 'from-image' });
  } catch {
    return undefined;
  }
  const side = Math.min(bitmap.width, bitmap.height);
  try {
    return await createImageBitmap(
      bitmap,
      Math.floor((bitmap.width - side) / 2),
      Math.floor((bitmap.height - side) / 2),
      side,
      side,
      { resizeWidth: sizePx, resizeHeight: sizePx, resizeQuality: 'medium' },
    );
  } finally {
    bitmap.close();
  }
}

/** @returns the whole image, `sizePx` at most in its longer side; undefined for what cannot be decoded */
export async function smallPicture(blob: Blob, sizePx: number): Promise<ImageBitmap | undefined> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(blob, { imageOrientation: 'from-image' });
  } catch {
    return undefined;
  }
  const scale = Math.min(1, sizePx / Math.max(bitmap.width, bitmap.height));
  try {
    return await createImageBitmap(bitmap, {
      resizeWidth: Math.max(1, Math.round(bitmap.width * scale)),
      resizeHeight: Math.max(1, Math.round(bitmap.height * scale)),
      resizeQuality: 'medium',
    });
  } finally {
    bitmap.close();
  }
}

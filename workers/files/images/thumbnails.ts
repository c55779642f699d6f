/** Small pictures of photos, for all formats and sizes that the jobs read, with the same orientation. */
import { decodeForDisplay } from './decode.ts';
import { UnreadableImageError } from '../../protocol/data/file_errors.ts';

/** @returns the middle square of the image, `sizePx` wide; undefined if it cannot be decoded */
export function thumbnail(blob: Blob, path: string, sizePx: number): Promise<ImageBitmap | undefined> {
  return reduced(blob, path, sizePx, (bitmap) => {
    const side = Math.min(bitmap.width, bitmap.height);
    return createImageBitmap(
      bitmap,
      Math.floor((bitmap.width - side) / 2),
      Math.floor((bitmap.height - side) / 2),
      side,
      side,
      { resizeWidth: sizePx, resizeHeight: sizePx, resizeQuality: 'medium' },
    );
  });
}

/** @returns the whole image, with a longer side of at most `sizePx`; undefined if it cannot be decoded */
export function smallPicture(blob: Blob, path: string, sizePx: number): Promise<ImageBitmap | undefined> {
  return reduced(blob, path, sizePx, (bitmap) => {
    const scale = Math.min(1, sizePx / Math.max(bitmap.width, bitmap.height));
    return createImageBitmap(bitmap, {
      resizeWidth: Math.max(1, Math.round(bitmap.width * scale)),
      resizeHeight: Math.max(1, Math.round(bitmap.height * scale)),
      resizeQuality: 'medium',
    });
  });
}

async function reduced(
  blob: Blob,
  path: string,
  sizePx: number,
  reduce: (bitmap: ImageBitmap) => Promise<ImageBitmap>,
): Promise<ImageBitmap | undefined> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await decodeForDisplay(blob, path, sizePx);
  } catch (error) {
    // The job that reads the photo reports the problem.
    if (error instanceof UnreadableImageError) return undefined;
    throw error;
  }
  try {
    return await reduce(bitmap);
  } finally {
    bitmap.close();
  }
}

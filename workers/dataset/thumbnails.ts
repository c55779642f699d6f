/** Small pictures of photos. */

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

/** Small pictures of faces, and the camera's pictures as pixels. */
import { toImageData } from '../../files/images/decode.ts';
import type { RgbImage } from '../../protocol/data/images.ts';

/** Sharp at 56 CSS pixels on a dense screen. */
const PICTURE_PX = 112;

/** A WebP file, or a PNG file where the browser writes no WebP. */
export async function drawPicture(crop: RgbImage): Promise<Blob> {
  const bitmap = await createImageBitmap(toImageData(crop));
  const canvas = new OffscreenCanvas(PICTURE_PX, PICTURE_PX);
  const context = canvas.getContext('2d')!;
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, PICTURE_PX, PICTURE_PX);
  bitmap.close();
  return canvas.convertToBlob({ type: 'image/webp', quality: 0.85 });
}

let frameCanvas: OffscreenCanvas | undefined;

/** Closes the bitmap. */
export function frameImage(bitmap: ImageBitmap): RgbImage {
  const { width, height } = bitmap;
  if (frameCanvas?.width !== width || frameCanvas.height !== height)
    frameCanvas = new OffscreenCanvas(width, height);
  const context = frameCanvas.getContext('2d', { willReadFrequently: true })!;
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const rgba = context.getImageData(0, 0, width, height).data;
  const data = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < data.length; from += 4, to += 3) {
    data[to] = rgba[from]!;
    data[to + 1] = rgba[from + 1]!;
    data[to + 2] = rgba[from + 2]!;
  }
  return { width, height, data };
}

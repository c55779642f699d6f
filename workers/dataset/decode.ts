/**
 * Photos ↔ pixels, with the browser's own decoders: EXIF orientation applied, no colour management, alpha dropped (the
 * colour is kept as stored, as the original does, not mixed with a background).
 */
import { UnreadableImageError } from './errors.ts';
import type { RgbImage } from './image.ts';
import { isCutOff, readImageHeader } from './image_size.ts';

/** 64 megapixels are 256 MB while decoding. */
export const MAXIMUM_PIXELS = 64e6;

const HEADER_BYTES = 256 * 1024;
const TAIL_BYTES = 64 * 1024;

/**
 * @param path for messages
 * @throws UnreadableImageError
 */
export async function decodeImage(blob: Blob, path: string): Promise<RgbImage> {
  if (blob.size === 0) throw new UnreadableImageError(path, 'the file is empty');
  const head = new Uint8Array(await blob.slice(0, HEADER_BYTES).arrayBuffer());
  const header = readImageHeader(head);
  if (header?.width !== undefined && header.height !== undefined) {
    const pixels = header.width * header.height;
    if (pixels === 0) throw new UnreadableImageError(path, 'it has no pixels');
    if (pixels > MAXIMUM_PIXELS)
      throw new UnreadableImageError(
        path,
        `it has ${header.width} × ${header.height} pixels, more than ${MAXIMUM_PIXELS / 1e6} megapixels; make it smaller`,
      );
  }
  if (header && isCutOff(header.kind, new Uint8Array(await blob.slice(-TAIL_BYTES).arrayBuffer())))
    throw new UnreadableImageError(path, 'the file is cut off before its end');
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(blob, {
      colorSpaceConversion: 'none',
      premultiplyAlpha: 'none',
      imageOrientation: 'from-image',
    });
  } catch {
    throw new UnreadableImageError(
      path,
      header ? 'its content is damaged' : `it is no image that this browser can decode${kindHint(path)}`,
    );
  }
  try {
    if (bitmap.width * bitmap.height > MAXIMUM_PIXELS)
      throw new UnreadableImageError(
        path,
        `it has more than ${MAXIMUM_PIXELS / 1e6} megapixels; make it smaller`,
      );
    const mayHaveAlpha = header ? header.mayHaveAlpha : true;
    return (mayHaveAlpha ? readStraightAlpha(bitmap) : undefined) ?? readOpaque(bitmap);
  } finally {
    bitmap.close();
  }
}

function kindHint(path: string): string {
  return /\.hei[cf]$/i.test(path) ? ' (HEIC: convert it to JPEG first)' : '';
}

function readOpaque(bitmap: ImageBitmap): RgbImage {
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  context.drawImage(bitmap, 0, 0);
  return dropAlpha(context.getImageData(0, 0, width, height).data, width, height);
}

/**
 * A 2D canvas stores colours multiplied by alpha, so that transparent pixels lose theirs; a WebGL texture does not.
 * @returns undefined without WebGL, or for images larger than its textures
 */
function readStraightAlpha(bitmap: ImageBitmap): RgbImage | undefined {
  const { width, height } = bitmap;
  const gl = new OffscreenCanvas(1, 1).getContext('webgl2');
  if (!gl) return undefined;
  try {
    if (Math.max(width, height) > (gl.getParameter(gl.MAX_TEXTURE_SIZE) as number)) return undefined;
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    const framebuffer = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    const texture = gl.getParameter(gl.TEXTURE_BINDING_2D) as WebGLTexture;
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    if (gl.checkFramebufferStatus(gl.FRAMEBUFFER) !== gl.FRAMEBUFFER_COMPLETE) return undefined;
    const rgba = new Uint8Array(width * height * 4);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
    return dropAlpha(rgba, width, height);
  } finally {
    gl.getExtension('WEBGL_lose_context')?.loseContext();
  }
}

function dropAlpha(rgba: ArrayLike<number>, width: number, height: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < data.length; from += 4, to += 3) {
    data[to] = rgba[from]!;
    data[to + 1] = rgba[from + 1]!;
    data[to + 2] = rgba[from + 2]!;
  }
  return { width, height, data };
}

export function toImageData(image: RgbImage): ImageData {
  const rgba = new Uint8ClampedArray(image.width * image.height * 4);
  for (let from = 0, to = 0; from < image.data.length; from += 3, to += 4) {
    rgba[to] = image.data[from]!;
    rgba[to + 1] = image.data[from + 1]!;
    rgba[to + 2] = image.data[from + 2]!;
    rgba[to + 3] = 255;
  }
  return new ImageData(rgba, image.width, image.height);
}

export async function encodePng(image: RgbImage): Promise<Blob> {
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext('2d')!.putImageData(toImageData(image), 0, 0);
  return canvas.convertToBlob({ type: 'image/png' });
}

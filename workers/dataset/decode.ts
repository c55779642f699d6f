/**
 * Photos ↔ pixels, with the browser's own decoders: EXIF orientation applied, no colour management, alpha dropped (the
 * colour is kept as stored, as the original does, not mixed with a background).
 */
import { UnreadableImageError } from './errors.ts';
import type { RgbImage } from './image.ts';
import { isCutOff, readImageHeader, type ImageHeader } from './image_size.ts';
import { FORMAT_BYTES, photoFormatOfContent, unreadableFormatCause } from './photo_formats.ts';

/**
 * Photos with more pixels are reduced to at most so many while they are decoded. With it a decoded photo takes 7 bytes
 * a pixel (RGBA from the browser, RGB here), 112 MB.
 */
export const WORKING_PIXELS = 16e6;

/**
 * Photos with more pixels are refused. The browser decodes a photo whole (4 bytes a pixel) before it reduces it: 800 MB,
 * for one photo at a time in all workers together.
 */
export const MAXIMUM_PIXELS = 200e6;

/** Photos with more than WORKING_PIXELS wait for this lock. */
const LARGE_PHOTO_LOCK = 'decode-large-photo';

/** 4 MB of a worker's memory. */
const KEPT_CANVAS_PIXELS = 1e6;

const HEADER_BYTES = 256 * 1024;
const TAIL_BYTES = 64 * 1024;

export interface DecodedPhoto {
  /** Upright; smaller than the photo where that has more than WORKING_PIXELS. */
  readonly image: RgbImage;
  /** The photo's own size, upright. */
  readonly width: number;
  readonly height: number;
}

/**
 * @param path for messages
 * @param bytes the file's, where they have been read already
 * @throws UnreadableImageError
 */
export async function decodePhoto(blob: Blob, path: string, bytes?: Uint8Array): Promise<DecodedPhoto> {
  if (blob.size === 0) throw new UnreadableImageError(path, 'the file is empty');
  const header = await readHeader(blob, path, bytes);
  const pixels = (header?.width ?? 0) * (header?.height ?? 0);
  if (header?.width !== undefined && pixels === 0) throw new UnreadableImageError(path, 'it has no pixels');
  if (pixels > MAXIMUM_PIXELS)
    throw new UnreadableImageError(
      path,
      `it has ${header!.width} × ${header!.height} pixels, more than ${MAXIMUM_PIXELS / 1e6} megapixels; make it smaller`,
    );
  if (pixels <= WORKING_PIXELS) return decodeWhole(blob, path, header);
  const decode = (): Promise<DecodedPhoto> => decodeReduced(blob, path, header!, pixels);
  return navigator.locks === undefined ? decode() : navigator.locks.request(LARGE_PHOTO_LOCK, decode);
}

/** The pixels alone. @throws UnreadableImageError */
export async function decodeImage(blob: Blob, path: string): Promise<RgbImage> {
  return (await decodePhoto(blob, path)).image;
}

/** @throws UnreadableImageError */
export async function readFileBytes(blob: Blob, path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch {
    throw new UnreadableImageError(
      path,
      'the browser could not read the file, which was moved, changed or locked in the meantime',
    );
  }
}

async function readHeader(
  blob: Blob,
  path: string,
  bytes: Uint8Array | undefined,
): Promise<ImageHeader | undefined> {
  // One reading costs a fraction of two.
  const whole = bytes ?? (blob.size <= HEADER_BYTES ? await readFileBytes(blob, path) : undefined);
  const head = whole?.subarray(0, HEADER_BYTES) ?? (await readFileBytes(blob.slice(0, HEADER_BYTES), path));
  const tail = whole?.subarray(-TAIL_BYTES) ?? (await readFileBytes(blob.slice(-TAIL_BYTES), path));
  const header = readImageHeader(head);
  if (header && isCutOff(header.kind, tail))
    throw new UnreadableImageError(path, 'the file is cut off before its end');
  return header;
}

async function decodeWhole(blob: Blob, path: string, header: ImageHeader | undefined): Promise<DecodedPhoto> {
  const bitmap = await createBitmap(blob, path, header);
  try {
    const { width, height } = bitmap;
    // Only kinds whose header is not read here come so far.
    const share = Math.min(1, Math.sqrt(WORKING_PIXELS / (width * height)));
    const mayHaveAlpha = header ? header.mayHaveAlpha : true;
    const rgba = readCanvas(bitmap, share);
    // Most files with an alpha channel use none of it, and a WebGL context takes longer than the rest together.
    const image =
      (mayHaveAlpha && share === 1 && hasTransparency(rgba.data) ? readStraightAlpha(bitmap) : undefined) ??
      dropAlpha(rgba.data, rgba.width, rgba.height);
    return { image, width, height };
  } finally {
    bitmap.close();
  }
}

async function decodeReduced(
  blob: Blob,
  path: string,
  header: ImageHeader,
  pixels: number,
): Promise<DecodedPhoto> {
  const stored = { width: header.width!, height: header.height! };
  const share = Math.sqrt(WORKING_PIXELS / pixels);
  const bitmap = await createBitmap(blob, path, header, {
    // The height follows; which side the browser means for a photo that is turned shows afterwards.
    resizeWidth: Math.max(1, Math.floor(Math.min(stored.width, stored.height, 32_767) * share)),
    resizeQuality: 'medium',
  });
  try {
    const isTurned = bitmap.width > bitmap.height !== stored.width > stored.height;
    return {
      image: (header.mayHaveAlpha ? readStraightAlpha(bitmap) : undefined) ?? readOpaque(bitmap, 1),
      width: isTurned ? stored.height : stored.width,
      height: isTurned ? stored.width : stored.height,
    };
  } finally {
    bitmap.close();
  }
}

async function createBitmap(
  blob: Blob,
  path: string,
  header: ImageHeader | undefined,
  resize: ImageBitmapOptions = {},
): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(blob, {
      colorSpaceConversion: 'none',
      premultiplyAlpha: 'none',
      imageOrientation: 'from-image',
      ...resize,
    });
  } catch {
    throw new UnreadableImageError(path, header ? 'its content is damaged' : await undecodableCause(blob));
  }
}

async function undecodableCause(blob: Blob): Promise<string> {
  const format = photoFormatOfContent(new Uint8Array(await blob.slice(0, FORMAT_BYTES).arrayBuffer()));
  return format && format.isRead !== 'yes'
    ? unreadableFormatCause(format)
    : 'it is no image that this browser can decode';
}

function readOpaque(bitmap: ImageBitmap, share: number): RgbImage {
  const { data, width, height } = readCanvas(bitmap, share);
  return dropAlpha(data, width, height);
}

function readCanvas(bitmap: ImageBitmap, share: number): ImageData {
  const width = Math.max(1, Math.floor(bitmap.width * share));
  const height = Math.max(1, Math.floor(bitmap.height * share));
  const context = contextFor(width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/** The last one: photos of a folder often have one size, and a canvas takes longer to make than to draw on. */
let lastContext: OffscreenCanvasRenderingContext2D | undefined;

function contextFor(width: number, height: number): OffscreenCanvasRenderingContext2D {
  if (lastContext?.canvas.width === width && lastContext.canvas.height === height) return lastContext;
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })!;
  context.imageSmoothingQuality = 'medium';
  // Nothing of the photo before shows through one with transparency.
  context.globalCompositeOperation = 'copy';
  // Large ones are let go.
  lastContext = width * height <= KEPT_CANVAS_PIXELS ? context : undefined;
  return context;
}

function hasTransparency(rgba: Uint8ClampedArray): boolean {
  for (let at = 3; at < rgba.length; at += 4) if (rgba[at] !== 255) return true;
  return false;
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

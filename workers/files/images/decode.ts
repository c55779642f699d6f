/**
 * Photos → pixels at full size, with the browser's decoders (TIFF and PNM with our own). EXIF orientation is applied.
 * There is no colour management. Alpha is dropped: the colour is kept as stored, as in the original, not blended with
 * a background.
 *
 * A decoded photo takes 3 bytes per pixel. While the browser decodes it, it takes more: at most 12 bytes per pixel in
 * measurements (docs/experiments/large-photos.md), 2.4 GB for 200 megapixels. Large photos are decoded one at a time.
 */
import { UnreadableImageError } from '../../protocol/data/file_errors.ts';
import type { RgbImage } from '../../protocol/data/images.ts';
import {
  FORMAT_BYTES,
  PHOTO_FORMATS,
  photoFormatOfContent,
  unreadableFormatCause,
} from '../../protocol/data/photo_formats.ts';
import { StraightAlphaReader } from './straight_alpha.ts';
import { ByteReader } from './structure/byte_reader.ts';
import type { Orientation } from './structure/exif.ts';
import { readImageStructure, type ImageStructure } from './structure/image_structure.ts';
import { isTurnedByBrowser } from './turned_by_browser.ts';
import { UprightPixels } from './upright_pixels.ts';

/** Photos with more pixels are large. All workers and pages together hold the pixels of one of them at a time. */
export const LARGE_PHOTO_PIXELS = 16e6;

/** Photos with more pixels are refused. */
export const MAXIMUM_PIXELS = 200e6;

const LARGE_PHOTO_LOCK = 'facenet large photo';

/** Bitmaps are read in pieces, because a canvas cannot be as wide as the widest photos. */
const PIECE_WIDTH = 4096;
const PIECE_PIXELS = 2 ** 21;

/** The largest canvas to keep: 4 MB of a worker's memory. */
const KEPT_CANVAS_PIXELS = 1e6;

/** A file with a picture of a size that can be decoded. */
export interface InspectedImage extends ImageStructure {
  readonly blob: Blob;
  /** The path, for messages. */
  readonly path: string;
}

/**
 * @param bytes the content of the file, if it has been read already
 * @throws UnreadableImageError
 */
export async function inspectImage(
  blob: Blob,
  path: string,
  bytes?: Uint8Array<ArrayBuffer>,
): Promise<InspectedImage> {
  if (blob.size === 0) throw new UnreadableImageError(path, 'the file is empty');
  const reader = bytes ? ByteReader.of(bytes) : new ByteReader(blob.size, partsOf(blob, path));
  const structure = await readImageStructure(reader);
  if (!structure) {
    const format = photoFormatOfContent(await reader.bytes(0, FORMAT_BYTES));
    const cause = format
      ? unreadableFormatCause(format)
      : 'it is not in an image format that this program knows';
    throw new UnreadableImageError(path, cause);
  }
  const { width, height } = structure;
  if (structure.kind === 'heic' && (await lacksHeic())) throw new UnreadableImageError(path, HEIC_CAUSE);
  if (structure.unreadableCause !== undefined)
    throw new UnreadableImageError(path, structure.unreadableCause);
  if (structure.isCutOff) throw new UnreadableImageError(path, 'the file is cut off before its end');
  if (width * height === 0) throw new UnreadableImageError(path, 'it has no pixels');
  if (width * height > MAXIMUM_PIXELS)
    throw new UnreadableImageError(
      path,
      `it has ${width} × ${height} pixels, more than the ${MAXIMUM_PIXELS / 1e6} megapixels allowed; make it smaller`,
    );
  return { ...structure, blob, path };
}

export function isLarge({ width, height }: Pick<ImageStructure, 'width' | 'height'>): boolean {
  return width * height > LARGE_PHOTO_PIXELS;
}

/** Runs `work`, which may hold the pixels of one large photo. Calls must not be nested. */
export function inTurnOfLargePhotos<Value>(work: () => Promise<Value>): Promise<Value> {
  const { locks } = navigator as { locks?: LockManager };
  // Pages without a secure context have no Web Locks.
  return locks ? (locks.request(LARGE_PHOTO_LOCK, work) as Promise<Value>) : work();
}

/**
 * Decodes a photo upright, at full size.
 * @param path the path, for messages
 * @throws UnreadableImageError
 */
export async function decodeImage(blob: Blob, path: string): Promise<RgbImage> {
  // Files of aligned faces are small, so read them at once.
  const bytes = blob.size <= READ_WHOLE_BYTES ? await readFileBytes(blob, path) : undefined;
  const inspected = await inspectImage(blob, path, bytes);
  const decode = (): Promise<RgbImage> => decodeInspected(inspected);
  return isLarge(inspected) ? inTurnOfLargePhotos(decode) : decode();
}

const READ_WHOLE_BYTES = 1e6;

/** Decode a large photo only inside `inTurnOfLargePhotos`. @throws UnreadableImageError */
export async function decodeInspected(image: InspectedImage): Promise<RgbImage> {
  try {
    return await (image.kind === 'tiff' || image.kind === 'pnm'
      ? decodeByItself(image)
      : decodeByBrowser(image));
  } catch (error) {
    // A RangeError means that there is not enough memory.
    if (!(error instanceof RangeError)) throw error;
    const megapixels = Math.round((image.width * image.height) / 1e6);
    throw new UnreadableImageError(
      image.path,
      `there is not enough memory for its ${megapixels} megapixels; close other programs or make it smaller`,
    );
  }
}

/** @throws UnreadableImageError */
export async function readFileBytes(blob: Blob, path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch {
    throw new UnreadableImageError(
      path,
      'the browser could not read the file, which may have been moved, changed or locked',
    );
  }
}

function partsOf(blob: Blob, path: string): (from: number, to: number) => Promise<Uint8Array<ArrayBuffer>> {
  return (from, to) => readFileBytes(blob.slice(from, to), path);
}

/** Loads our own decoder when the first such photo occurs. */
async function decodeByItself(image: InspectedImage): Promise<RgbImage> {
  const { kind, width, height, orientation, blob, path } = image;
  const pixels = new UprightPixels(width, height, orientation);
  const read = partsOf(blob, path);
  try {
    if (kind === 'tiff') await (await import('./decode_tiff.ts')).decodeTiff(blob.size, read, pixels);
    else await (await import('./decode_pnm.ts')).decodePnm(read, pixels);
  } catch (error) {
    if (error instanceof UnreadableImageError || error instanceof RangeError) throw error;
    throw new UnreadableImageError(path, 'its content is damaged');
  }
  return pixels.image;
}

/** The part of the orientation that the browser does not apply. */
async function orientationLeft(image: InspectedImage): Promise<Orientation> {
  const place = image.isOrientationBehindPixels ? 'png, behind its pixels' : image.kind;
  return image.orientation === 1 || (await isTurnedByBrowser(place)) ? 1 : image.orientation;
}

/**
 * Decodes a photo for display: upright, with colour management. Copies no pixels if the browser can decode the format.
 * @param leastPx the smallest length of the shorter side, if the photo is reduced
 * @throws UnreadableImageError
 */
export async function decodeForDisplay(blob: Blob, path: string, leastPx: number): Promise<ImageBitmap> {
  const image = await inspectImage(blob, path);
  const decode = async (): Promise<ImageBitmap> => {
    const isLeftToUs = image.kind === 'tiff' || image.kind === 'pnm' || (await orientationLeft(image)) !== 1;
    if (isLeftToUs) return createImageBitmap(sampledImageData(await decodeInspected(image), leastPx));
    try {
      return await createImageBitmap(blob, { imageOrientation: 'from-image' });
    } catch {
      throw new UnreadableImageError(path, 'its content is damaged');
    }
  };
  return isLarge(image) ? inTurnOfLargePhotos(decode) : decode();
}

/**
 * Every n-th pixel of every n-th row. This is enough for a reduced picture, and avoids a second copy of a large photo.
 */
function sampledImageData({ width, height, data }: RgbImage, leastPx: number): ImageData {
  const step = Math.max(1, Math.floor(Math.min(width, height) / (2 * leastPx)));
  const [columns, rows] = [Math.ceil(width / step), Math.ceil(height / step)];
  const sampled = new Uint8Array(columns * rows * 3);
  for (let row = 0, to = 0; row < rows; row++)
    for (let column = 0; column < columns; column++, to += 3) {
      const from = (row * step * width + column * step) * 3;
      sampled[to] = data[from]!;
      sampled[to + 1] = data[from + 1]!;
      sampled[to + 2] = data[from + 2]!;
    }
  return toImageData({ width: columns, height: rows, data: sampled });
}

async function decodeByBrowser(image: InspectedImage): Promise<RgbImage> {
  const { path } = image;
  const orientation = await orientationLeft(image);
  const bitmap = await createBitmap(image);
  try {
    const { width, height } = bitmap;
    if (width * height > image.width * image.height)
      throw new UnreadableImageError(path, 'its content is damaged');
    const pixels = new UprightPixels(width, height, orientation);
    readBitmap(bitmap, image.mayHaveAlpha, pixels);
    return pixels.image;
  } finally {
    bitmap.close();
  }
}

async function createBitmap({ blob, path, kind }: InspectedImage): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(blob, {
      colorSpaceConversion: 'none',
      premultiplyAlpha: 'none',
      imageOrientation: 'from-image',
    });
  } catch {
    throw new UnreadableImageError(path, kind === 'heic' ? HEIC_CAUSE : 'its content is damaged');
  }
}

const HEIC_CAUSE = unreadableFormatCause(PHOTO_FORMATS.find(({ name }) => name === 'HEIC')!);

/** Whether the browser says that it cannot decode HEIC. Checked first, so that this is the reported fault. */
async function lacksHeic(): Promise<boolean> {
  return typeof ImageDecoder === 'function' && !(await ImageDecoder.isTypeSupported('image/heic'));
}

function readBitmap(bitmap: ImageBitmap, mayHaveAlpha: boolean, target: UprightPixels): void {
  const pieceWidth = Math.min(bitmap.width, PIECE_WIDTH);
  const pieceHeight = Math.min(bitmap.height, Math.max(1, Math.floor(PIECE_PIXELS / pieceWidth)));
  const context = contextFor(pieceWidth, pieceHeight);
  let straight: StraightAlphaReader | undefined;
  try {
    for (let top = 0; top < bitmap.height; top += pieceHeight)
      for (let left = 0; left < bitmap.width; left += pieceWidth) {
        const width = Math.min(pieceWidth, bitmap.width - left);
        const height = Math.min(pieceHeight, bitmap.height - top);
        context.drawImage(bitmap, left, top, width, height, 0, 0, width, height);
        const rgba = context.getImageData(0, 0, width, height).data;
        target.put(left, top, width, height, rgba, 4);
        // Most files with an alpha channel are opaque, and a WebGL context takes longer than everything else together.
        if (!mayHaveAlpha || !hasTransparency(rgba)) continue;
        straight ??= new StraightAlphaReader();
        const colours = straight.read(bitmap, left, top, width, height);
        if (colours) target.put(left, top, width, height, colours, 4);
      }
  } finally {
    straight?.dispose();
  }
}

/**
 * The last canvas. Photos of a folder often have the same size, and creating a canvas takes longer than drawing on it.
 */
let lastContext: OffscreenCanvasRenderingContext2D | undefined;

function contextFor(width: number, height: number): OffscreenCanvasRenderingContext2D {
  if (lastContext?.canvas.width === width && lastContext.canvas.height === height) return lastContext;
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })!;
  context.imageSmoothingEnabled = false;
  // With `copy`, the previous photo does not show through a transparent one.
  context.globalCompositeOperation = 'copy';
  // Large canvases are not kept.
  lastContext = width * height <= KEPT_CANVAS_PIXELS ? context : undefined;
  return context;
}

function hasTransparency(rgba: Uint8ClampedArray): boolean {
  for (let at = 3; at < rgba.length; at += 4) if (rgba[at] !== 255) return true;
  return false;
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

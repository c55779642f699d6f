/** Parts of images as inputs of the networks: resized by area, normalised, transposed ([width, height, channel]). */
import type { RgbImage } from '../protocol/data/images.ts';
import { resizeArea, resizeAreaBytes } from '../files/images/resize_area.ts';
import type { Box } from './boxes.ts';

function normalizePixel(value: number): number {
  return (value - 127.5) * 0.0078125;
}

/** The scales of the pyramid: 12/minsize · factor^k, as long as the shorter side has at least 12 pixels. */
export function pyramidScales(width: number, height: number, minsize: number, factor: number): number[] {
  const first = 12 / minsize;
  const scales: number[] = [];
  for (let side = Math.min(width, height) * first; side >= 12; side *= factor)
    scales.push(first * factor ** scales.length);
  return scales;
}

/** Columns of a level of the pyramid: all of them, or a part. */
export interface Level {
  readonly scale: number;
  /** Number of columns in this part. */
  readonly width: number;
  readonly height: number;
  /** [width, height, 3] */
  readonly values: Float32Array;
}

/** Width and height of a level. */
export function levelSize(image: Pick<RgbImage, 'width' | 'height'>, scale: number): [number, number] {
  return [Math.ceil(image.width * scale), Math.ceil(image.height * scale)];
}

/**
 * One level of the pyramid, in whole grey levels, as an 8-bit resize gives them.
 * @param from first column of the requested part
 * @param columns number of columns of the part; default: up to the end of the level
 */
export function pyramidLevel(image: RgbImage, scale: number, from = 0, columns?: number): Level {
  const [wholeWidth, height] = levelSize(image, scale);
  const width = columns ?? wholeWidth - from;
  const { data } = image;
  const resized = resizeAreaBytes(data, image.width, image.height, wholeWidth, height, from, width);
  const values = new Float32Array(resized.length);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++)
        values[(x * height + y) * 3 + c] = normalizePixel(resized[(y * width + x) * 3 + c]!);
  return { scale, width, height, values };
}

/**
 * The part of the image in the box, resized to size × size. Pixels outside the image are black.
 * @param box whole pixels, counted from 1, both ends included
 * @param out [size, size, 3], transposed and normalised
 * @returns false for a box without area
 */
export function cropForNetwork(image: RgbImage, box: Box, size: number, out: Float32Array): boolean {
  const width = box.x2 - box.x1 + 1;
  const height = box.y2 - box.y1 + 1;
  if (width < 1 || height < 1) return false;
  const piece = cutOut(image, box.x1 - 1, box.y1 - 1, width, height);
  const resized = resizeArea(piece, width, height, size, size);
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      for (let c = 0; c < 3; c++)
        out[(x * size + y) * 3 + c] = normalizePixel(resized[(y * size + x) * 3 + c]!);
  return true;
}

/** Cuts out a rectangle, which may reach beyond the image; pixels there are black. */
export function cutOut(
  image: RgbImage,
  left: number,
  top: number,
  width: number,
  height: number,
): Uint8Array<ArrayBuffer> {
  const piece = new Uint8Array(width * height * 3);
  const fromX = Math.max(left, 0);
  const toX = Math.min(left + width, image.width);
  if (toX <= fromX) return piece;
  for (let y = Math.max(top, 0); y < Math.min(top + height, image.height); y++)
    piece.set(
      image.data.subarray((y * image.width + fromX) * 3, (y * image.width + toX) * 3),
      ((y - top) * width + fromX - left) * 3,
    );
  return piece;
}

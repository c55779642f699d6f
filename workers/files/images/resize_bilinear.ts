/**
 * Pillow's Image.resize with BILINEAR, with exactly equal levels: a triangle filter that is as wide as the scale when
 * shrinking, 8-bit results between the horizontal and the vertical pass, and 22-bit fixed-point weights.
 */
import type { RgbImage } from '../../protocol/data/images.ts';

export const PRECISION_BITS = 32 - 8 - 2;

/** For target position t: sources first[t] … first[t] + count[t] − 1, weights from offset[t]. */
export interface FixedWeights {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly offset: Int32Array;
  /** Weights in units of 2^−PRECISION_BITS. */
  readonly weights: Int32Array;
}

export function fixedWeights(source: number, target: number): FixedWeights {
  const scale = source / target;
  const filterScale = Math.max(scale, 1);
  const first = new Int32Array(target);
  const count = new Int32Array(target);
  const offset = new Int32Array(target);
  const weights: number[] = [];
  for (let index = 0; index < target; index++) {
    const centre = (index + 0.5) * scale;
    const begin = Math.max(Math.trunc(centre - filterScale + 0.5), 0);
    const end = Math.min(Math.trunc(centre + filterScale + 0.5), source);
    const exactAt = (at: number): number => Math.max(1 - Math.abs((at - centre + 0.5) / filterScale), 0);
    let sum = 0;
    for (let at = begin; at < end; at++) sum += exactAt(at);
    first[index] = begin;
    count[index] = end - begin;
    offset[index] = weights.length;
    for (let at = begin; at < end; at++)
      weights.push(Math.trunc(0.5 + (exactAt(at) / sum) * 2 ** PRECISION_BITS));
  }
  return { first, count, offset, weights: Int32Array.from(weights) };
}

const HALF = 2 ** (PRECISION_BITS - 1);

/** @param image at least 1 × 1 */
export function resizeBilinear(image: RgbImage, width: number, height: number): RgbImage {
  // Pillow skips a pass that would change nothing.
  const narrow = image.width === width ? image.data : resizeRows(image, width);
  if (image.height === height) return { width, height, data: narrow.slice() };
  const { first, count, offset, weights } = fixedWeights(image.height, height);
  const rowLength = width * 3;
  const data = new Uint8Array(height * rowLength);
  for (let y = 0; y < height; y++) {
    for (let i = 0; i < rowLength; i++) {
      let sum = HALF;
      for (let k = 0; k < count[y]!; k++)
        sum += narrow[(first[y]! + k) * rowLength + i]! * weights[offset[y]! + k]!;
      data[y * rowLength + i] = sum >> PRECISION_BITS;
    }
  }
  return { width, height, data };
}

function resizeRows(image: RgbImage, width: number): Uint8Array<ArrayBuffer> {
  const { first, count, offset, weights } = fixedWeights(image.width, width);
  const data = new Uint8Array(image.height * width * 3);
  for (let y = 0; y < image.height; y++)
    for (let x = 0; x < width; x++) {
      const to = (y * width + x) * 3;
      for (let c = 0; c < 3; c++) {
        let sum = HALF;
        let from = (y * image.width + first[x]!) * 3 + c;
        for (let k = 0; k < count[x]!; k++, from += 3) sum += image.data[from]! * weights[offset[x]! + k]!;
        data[to + c] = sum >> PRECISION_BITS;
      }
    }
  return data;
}

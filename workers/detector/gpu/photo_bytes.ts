/**
 * Photos as they are decoded, three bytes a pixel, one after the other in a storage buffer. Not a texture: those have four
 * bytes a pixel, which the processor would have to write first, and no more than 8,192 pixels a side on every device.
 */
import type { RgbImage } from '../../protocol/data/images.ts';

/** Where a photo lies. */
export interface PlacedPhoto {
  readonly width: number;
  readonly height: number;
  /** Its first word of four bytes. */
  readonly word: number;
}

/** What a photo takes; a pixel at its end is read as two whole words. */
export function photoBytes({ width, height }: Pick<RgbImage, 'width' | 'height'>): number {
  return 4 * (Math.ceil((width * height * 3) / 4) + 1);
}

export function placePhotos(images: readonly Pick<RgbImage, 'width' | 'height'>[]): PlacedPhoto[] {
  let word = 0;
  return images.map(({ width, height }) => {
    const placed = { width, height, word };
    word += photoBytes({ width, height }) / 4;
    return placed;
  });
}

/** Writes whole words: the last bytes are copied to fill one. */
export function writePhoto(
  queue: GPUQueue,
  buffer: GPUBuffer,
  { word }: PlacedPhoto,
  { data }: RgbImage,
): void {
  const whole = data.length - (data.length % 4);
  if (whole > 0) queue.writeBuffer(buffer, 4 * word, data, 0, whole);
  if (whole === data.length) return;
  const last = new Uint8Array(4);
  last.set(data.subarray(whole));
  queue.writeBuffer(buffer, 4 * word + whole, last);
}

/**
 * `pixel_at(word, index)`: a pixel's grey levels. And `rounded(value)`: as it is, but no compiler can join the product
 * that it is given with the sum that it goes into, so that sums are rounded as in the plain code on every device.
 */
export const PHOTO_WGSL = `
@group(0) @binding(1) var<storage, read> constants: array<u32>;
@group(0) @binding(2) var<storage, read> source: array<u32>;
@group(0) @binding(3) var<storage, read_write> target_values: array<vec4f>;

fn pixel_at(word: u32, index: u32) -> vec3u {
  let byte = 3u * index;
  let at = word + byte / 4u;
  let shift = 8u * (byte % 4u);
  let low = source[at] >> shift;
  // By 32 where nothing is shifted out: in two steps, since no shift is that far.
  let bits = low | ((source[at + 1u] << (24u - shift)) << 8u);
  return vec3u(bits & 255u, (bits >> 8u) & 255u, (bits >> 16u) & 255u);
}

fn rounded(value: vec3f) -> vec3f {
  return bitcast<vec3f>(bitcast<vec3u>(value) ^ vec3u(table.zero));
}

fn normalized(value: vec3f) -> vec4f { return vec4f((value - 127.5) * 0.0078125, 0.0); }

// Source places and weights of a target place, see axis_weights.ts.
struct Span { first: u32, count: u32, weights: u32 }
fn span_at(axis: u32, index: u32) -> Span {
  let at = axis + 3u * index;
  return Span(constants[at], constants[at + 1u], constants[at + 2u]);
}`;

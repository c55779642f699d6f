/**
 * Decoded photos, three bytes per pixel, one after the other in a storage buffer. Textures would need four bytes per
 * pixel, which the CPU would have to write first, and some devices limit their sides to 8,192 pixels.
 */
import type { RgbImage } from '../../protocol/data/images.ts';

/** The place of a photo. */
export interface PlacedPhoto {
  readonly width: number;
  readonly height: number;
  /** The index of its first word of four bytes. */
  readonly word: number;
}

/** The size of a photo in the buffer. The last pixel is read as two whole words. */
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

/** Writes whole words; the last bytes are copied to fill one. */
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
 * WGSL functions. `pixel_at(word, index)`: the grey levels of a pixel. `rounded(value)`: the same value, but a
 * compiler cannot fuse the product in its argument with a following sum. So sums are rounded like those of the plain
 * code on every device.
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
  // This may shift by 32, which WGSL does not allow, so it is done in two steps.
  let bits = low | ((source[at + 1u] << (24u - shift)) << 8u);
  return vec3u(bits & 255u, (bits >> 8u) & 255u, (bits >> 16u) & 255u);
}

fn rounded(value: vec3f) -> vec3f {
  return bitcast<vec3f>(bitcast<vec3u>(value) ^ vec3u(table.zero));
}

fn normalized(value: vec3f) -> vec4f { return vec4f((value - 127.5) * 0.0078125, 0.0); }

// Source positions and weights of a target position; see axis_weights.ts.
struct Span { first: u32, count: u32, weights: u32 }
fn span_at(axis: u32, index: u32) -> Span {
  let at = axis + 3u * index;
  return Span(constants[at], constants[at + 1u], constants[at + 2u]);
}`;

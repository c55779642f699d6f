/**
 * The processing of an image between the disk and the network: rotate, crop or pad, flip, standardise. The random
 * choices are hashes of (seed, step, place in the batch). This plain arithmetic is also the oracle for the GPU kernel.
 */
import type { ImageBatch, ImageTransforms } from '../executor.ts';
import { RandomStream, hashKey, uniform } from '../../common/random.ts';

export interface AugmentationOptions {
  readonly random_crop: boolean;
  readonly random_flip: boolean;
  readonly random_rotate: boolean;
}

const MAXIMUM_ANGLE_DEGREES = 10;

/**
 * @param storedSize size of the stored images, pixels
 * @param step number of the step, from 0
 */
export function drawTransforms(
  count: number,
  storedSize: { readonly width: number; readonly height: number },
  imageSize: number,
  options: AugmentationOptions,
  seed: number,
  step: number,
): ImageTransforms {
  const transforms = centredTransforms(count, storedSize, imageSize);
  const draw = (stream: number, index: number): number => uniform(hashKey(seed, stream, step), index);
  for (let index = 0; index < count; index++) {
    if (options.random_crop) {
      transforms.offsetX[index] = randomOffset(storedSize.width, imageSize, draw(RandomStream.cropX, index));
      transforms.offsetY[index] = randomOffset(storedSize.height, imageSize, draw(RandomStream.cropY, index));
    }
    if (options.random_flip) transforms.flip[index] = draw(RandomStream.flip, index) < 0.5 ? 1 : 0;
    if (options.random_rotate)
      transforms.angleDegrees[index] = (2 * draw(RandomStream.rotate, index) - 1) * MAXIMUM_ANGLE_DEGREES;
  }
  return transforms;
}

/** A centre crop, with black borders around a smaller image; no flip and no rotation. */
export function centredTransforms(
  count: number,
  storedSize: { readonly width: number; readonly height: number },
  imageSize: number,
): ImageTransforms {
  return {
    offsetX: new Int32Array(count).fill(centredOffset(storedSize.width, imageSize)),
    offsetY: new Int32Array(count).fill(centredOffset(storedSize.height, imageSize)),
    flip: new Uint8Array(count),
    angleDegrees: new Float32Array(count),
  };
}

/** Half of the difference, rounded towards zero, as in resize_image_with_crop_or_pad. */
function centredOffset(stored: number, size: number): number {
  return Math.trunc((stored - size) / 2);
}

function randomOffset(stored: number, size: number, u: number): number {
  return stored <= size ? centredOffset(stored, size) : Math.floor(u * (stored - size + 1));
}

/**
 * @param out an array with the length of the result, which is then reused
 * @returns the network's input, [count, imageSize, imageSize, 3]
 */
export function prepareImages(
  batch: ImageBatch,
  imageSize: number,
  useFixedImageStandardization: boolean,
  out = new Float32Array(batch.count * imageSize * imageSize * 3),
): Float32Array {
  const storedLength = batch.height * batch.width * 3;
  const length = imageSize * imageSize * 3;
  for (let index = 0; index < batch.count; index++) {
    let stored = batch.pixels.subarray(index * storedLength, (index + 1) * storedLength);
    const angle = batch.transforms.angleDegrees[index]!;
    if (angle !== 0) stored = rotateBicubic(stored, batch.width, batch.height, angle);
    const target = out.subarray(index * length, (index + 1) * length);
    cropAndFlip(stored, batch, index, imageSize, target);
    if (useFixedImageStandardization) standardizeFixed(target);
    else standardizePerImage(target);
  }
  return out;
}

function cropAndFlip(
  stored: Uint8Array,
  { width, height, transforms }: ImageBatch,
  index: number,
  imageSize: number,
  target: Float32Array,
): void {
  const offsetX = transforms.offsetX[index]!;
  const offsetY = transforms.offsetY[index]!;
  const flip = transforms.flip[index] === 1;
  let at = 0;
  for (let y = 0; y < imageSize; y++) {
    const sourceY = y + offsetY;
    for (let x = 0; x < imageSize; x++, at += 3) {
      const sourceX = (flip ? imageSize - 1 - x : x) + offsetX;
      const inside = sourceX >= 0 && sourceX < width && sourceY >= 0 && sourceY < height;
      const source = (sourceY * width + sourceX) * 3;
      for (let c = 0; c < 3; c++) target[at + c] = inside ? stored[source + c]! : 0;
    }
  }
}

function standardizeFixed(values: Float32Array): void {
  for (let i = 0; i < values.length; i++) values[i] = (values[i]! - 127.5) / 128;
}

/** (p − mean)/max(std, 1/√N), as in tf.image.per_image_standardization. */
function standardizePerImage(values: Float32Array): void {
  let sum = 0;
  let squares = 0;
  // Pixels are integers below 256: both sums are exact in float64.
  for (const value of values) {
    sum += value;
    squares += value * value;
  }
  const mean = sum / values.length;
  const variance = Math.max(squares / values.length - mean * mean, 0);
  const deviation = Math.max(Math.sqrt(variance), 1 / Math.sqrt(values.length));
  for (let i = 0; i < values.length; i++) values[i] = (values[i]! - mean) / deviation;
}

/** The cubic convolution kernel of Keys 1981 with a = −0.5, the one that Pillow uses. */
function cubicWeight(distance: number): number {
  const x = Math.abs(distance);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  if (x < 2) return ((-0.5 * x + 2.5) * x - 4) * x + 2;
  return 0;
}

/**
 * Rotates counter-clockwise about the centre, at the same size. Pixel centres are mapped back into the source and
 * interpolated from 4 × 4 neighbours; border pixels are repeated. A pixel whose centre is outside the source is black.
 * @param source RGB, [height, width, 3]
 */
export function rotateBicubic(
  source: Uint8Array,
  width: number,
  height: number,
  angleDegrees: number,
): Uint8Array {
  const angle = (angleDegrees * Math.PI) / 180;
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  const centreX = width / 2;
  const centreY = height / 2;
  const target = new Uint8Array(source.length);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const dx = x + 0.5 - centreX;
      const dy = y + 0.5 - centreY;
      const sourceX = cos * dx - sin * dy + centreX;
      const sourceY = sin * dx + cos * dy + centreY;
      if (sourceX < 0 || sourceX >= width || sourceY < 0 || sourceY >= height) continue;
      const left = Math.floor(sourceX - 0.5);
      const top = Math.floor(sourceY - 0.5);
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let j = -1; j <= 2; j++) {
          const row = Math.min(Math.max(top + j, 0), height - 1);
          let rowSum = 0;
          for (let i = -1; i <= 2; i++) {
            const column = Math.min(Math.max(left + i, 0), width - 1);
            rowSum += source[(row * width + column) * 3 + c]! * cubicWeight(sourceX - 0.5 - (left + i));
          }
          sum += rowSum * cubicWeight(sourceY - 0.5 - (top + j));
        }
        target[(y * width + x) * 3 + c] = Math.min(Math.max(Math.round(sum), 0), 255);
      }
    }
  return target;
}

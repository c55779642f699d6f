/**
 * Plain loops over channel-last arrays, for operations that the WebAssembly backend of TensorFlow.js lacks (gradients)
 * or does slowly (broadcasting). Sums are float64. Arrays are [rows, channels] with rows = N·H·W unless stated
 * otherwise.
 */

export interface PoolWindow {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly size: number;
  readonly stride: number;
  readonly top: number;
  readonly left: number;
}

export function columnSums(values: Float32Array, channels: number): Float64Array {
  const sums = new Float64Array(channels);
  for (let at = 0; at < values.length; at += channels)
    for (let c = 0; c < channels; c++) sums[c]! += values[at + c]!;
  return sums;
}

/** Mean and variance by channel, in two passes: first the mean, then the mean squared distance to it. */
export function columnMoments(
  values: Float32Array,
  channels: number,
): { mean: Float32Array; variance: Float32Array } {
  const rows = values.length / channels;
  const mean = columnSums(values, channels).map((sum) => sum / rows);
  const squares = new Float64Array(channels);
  for (let at = 0; at < values.length; at += channels)
    for (let c = 0; c < channels; c++) {
      const distance = values[at + c]! - mean[c]!;
      squares[c]! += distance * distance;
    }
  return { mean: Float32Array.from(mean), variance: Float32Array.from(squares, (sum) => sum / rows) };
}

/** y = x·factor + offset, by channel */
export function scaleAndShift(
  values: Float32Array,
  factor: Float64Array,
  offset: Float64Array,
): Float32Array {
  const channels = factor.length;
  const out = new Float32Array(values.length);
  for (let at = 0; at < values.length; at += channels)
    for (let c = 0; c < channels; c++) out[at + c] = values[at + c]! * factor[c]! + offset[c]!;
  return out;
}

/** y = (x − mean)/√(variance + ε)·gamma + beta */
export function normalizeColumns(
  values: Float32Array,
  mean: Float32Array,
  variance: Float32Array,
  epsilon: number,
  beta: Float32Array,
  gamma: Float32Array | undefined,
): Float32Array {
  const factor = Float64Array.from(variance, (v, c) => (gamma ? gamma[c]! : 1) / Math.sqrt(v + epsilon));
  const offset = Float64Array.from(beta, (b, c) => b - mean[c]! * factor[c]!);
  return scaleAndShift(values, factor, offset);
}

/** The gradient of normalizeColumns with the statistics of the values themselves. */
export function normalizeColumnsGradient(
  gradient: Float32Array,
  values: Float32Array,
  mean: Float32Array,
  variance: Float32Array,
  epsilon: number,
  gamma: Float32Array | undefined,
): { input: Float32Array; beta: Float32Array; gamma: Float32Array } {
  const channels = mean.length;
  const rows = values.length / channels;
  const inverse = Float64Array.from(variance, (v) => 1 / Math.sqrt(v + epsilon));
  const gradientSum = new Float64Array(channels);
  const projectionSum = new Float64Array(channels);
  for (let at = 0; at < values.length; at += channels)
    for (let c = 0; c < channels; c++) {
      const g = gradient[at + c]!;
      gradientSum[c]! += g;
      projectionSum[c]! += g * (values[at + c]! - mean[c]!) * inverse[c]!;
    }
  const factor = Float64Array.from(inverse, (value, c) => value * (gamma ? gamma[c]! : 1));
  const input = new Float32Array(values.length);
  for (let at = 0; at < values.length; at += channels)
    for (let c = 0; c < channels; c++) {
      const normalized = (values[at + c]! - mean[c]!) * inverse[c]!;
      input[at + c] =
        (gradient[at + c]! - gradientSum[c]! / rows - (normalized * projectionSum[c]!) / rows) * factor[c]!;
    }
  return { input, beta: Float32Array.from(gradientSum), gamma: Float32Array.from(projectionSum) };
}

export function reluGradient(gradient: Float32Array, output: Float32Array): Float32Array {
  const out = new Float32Array(gradient.length);
  for (let i = 0; i < out.length; i++) if (output[i]! > 0) out[i] = gradient[i]!;
  return out;
}

export function addScaled(input: Float32Array, residual: Float32Array, scale: number): Float32Array {
  const out = new Float32Array(input.length);
  for (let i = 0; i < out.length; i++) out[i] = input[i]! + scale * residual[i]!;
  return out;
}

/** Passes the gradient of each output to the first of the largest values in its window, in row-major order. */
export function maxPoolGradient(
  gradient: Float32Array,
  input: Float32Array,
  window: PoolWindow,
): Float32Array {
  const { channels } = window;
  const out = new Float32Array(input.length);
  forEachWindow(window, (outAt, y0, y1, x0, x1, image) => {
    for (let c = 0; c < channels; c++) {
      let largest = -Infinity;
      let where = -1;
      for (let y = y0; y < y1; y++)
        for (let x = x0; x < x1; x++) {
          const at = ((image + y) * window.width + x) * channels + c;
          if (input[at]! > largest) {
            largest = input[at]!;
            where = at;
          }
        }
      if (where >= 0) out[where] = out[where]! + gradient[outAt + c]!;
    }
  });
  return out;
}

/** The gradient of an average pool that, as in TensorFlow, counts only the positions inside the image. */
export function averagePoolGradient(gradient: Float32Array, window: PoolWindow): Float32Array {
  const { channels } = window;
  const out = new Float32Array(window.batch * window.height * window.width * channels);
  forEachWindow(window, (outAt, y0, y1, x0, x1, image) => {
    const share = 1 / ((y1 - y0) * (x1 - x0));
    for (let y = y0; y < y1; y++)
      for (let x = x0; x < x1; x++) {
        const at = ((image + y) * window.width + x) * channels;
        for (let c = 0; c < channels; c++) out[at + c] = out[at + c]! + gradient[outAt + c]! * share;
      }
  });
  return out;
}

/** In calls, `image` is the number of rows before the image: its row y is row image + y of the whole array. */
function forEachWindow(
  { batch, height, width, channels, outHeight, outWidth, size, stride, top, left }: PoolWindow,
  visit: (outAt: number, y0: number, y1: number, x0: number, x1: number, image: number) => void,
): void {
  for (let n = 0; n < batch; n++)
    for (let oy = 0; oy < outHeight; oy++)
      for (let ox = 0; ox < outWidth; ox++) {
        const y = oy * stride - top;
        const x = ox * stride - left;
        visit(
          ((n * outHeight + oy) * outWidth + ox) * channels,
          Math.max(y, 0),
          Math.min(y + size, height),
          Math.max(x, 0),
          Math.min(x + size, width),
          n * height,
        );
      }
}

/**
 * Inserts stride − 1 zero rows and columns between neighbours, and `trailing` of them at the end. This turns the input
 * gradient of a strided convolution into a plain convolution.
 * @param values [batch, height, width, channels]
 * @returns [batch, (height − 1)·stride + 1 + trailing[0], (width − 1)·stride + 1 + trailing[1], channels]
 */
export function dilate(
  values: Float32Array,
  [batch, height, width, channels]: readonly [number, number, number, number],
  stride: number,
  trailing: readonly [number, number],
): { values: Float32Array; height: number; width: number } {
  const outHeight = (height - 1) * stride + 1 + trailing[0];
  const outWidth = (width - 1) * stride + 1 + trailing[1];
  const out = new Float32Array(batch * outHeight * outWidth * channels);
  for (let n = 0; n < batch; n++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const from = ((n * height + y) * width + x) * channels;
        out.set(
          values.subarray(from, from + channels),
          ((n * outHeight + y * stride) * outWidth + x * stride) * channels,
        );
      }
  return { values: out, height: outHeight, width: outWidth };
}

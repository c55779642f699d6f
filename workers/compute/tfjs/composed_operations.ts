/**
 * The executor's operations composed of stock TensorFlow.js operations. They work on every backend; WebGPU uses them.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { windowGeometry } from '../graph/shapes.ts';
import type { BatchStatistics, ConvolutionGeometry, Operations, PoolGeometry } from './operations.ts';

/** All axes except the last. */
function leadingAxes(tensor: Tensor): number[] {
  return Array.from({ length: tensor.rank - 1 }, (_, axis) => axis);
}

function tfPadding(padding: 'SAME' | 'VALID'): 'same' | 'valid' {
  return padding === 'SAME' ? 'same' : 'valid';
}

/** For each window along an axis: the number of its positions that are inside the image. */
function insideCounts(length: number, { size, stride, padding }: PoolGeometry): number[] {
  const { length: windows, before } = windowGeometry(length, size, stride, padding);
  return Array.from({ length: windows }, (_, index) => {
    const begin = index * stride - before;
    return Math.min(begin + size, length) - Math.max(begin, 0);
  });
}

/** The rows and columns that the windows of a convolution cover, including padding. */
export function paddedWindow({ input, filter, stride, padding }: ConvolutionGeometry): {
  outHeight: number;
  outWidth: number;
  top: number;
  bottom: number;
  left: number;
  right: number;
} {
  const vertical = windowGeometry(input[1], filter[0], stride, padding);
  const horizontal = windowGeometry(input[2], filter[1], stride, padding);
  return {
    outHeight: vertical.length,
    outWidth: horizontal.length,
    top: vertical.before,
    bottom: vertical.after,
    left: horizontal.before,
    right: horizontal.after,
  };
}

/**
 * The input gradient of a convolution with stride 1 and any padding.
 * @param gradient [N, outHeight, outWidth, F]
 */
export function convolveMirrored(
  gradient: Tensor4D,
  filter: Tensor4D,
  { top, bottom, left, right }: Pick<ReturnType<typeof paddedWindow>, 'top' | 'bottom' | 'left' | 'right'>,
): Tensor4D {
  return tf.tidy(() => {
    const [kernelHeight, kernelWidth] = filter.shape;
    const mirrored = tf.transpose(tf.reverse(filter, [0, 1]), [0, 1, 3, 2]);
    if (kernelHeight === 1 && kernelWidth === 1) return tf.conv2d(gradient, mirrored, 1, 'valid');
    const padded = tf.pad(gradient, [
      [0, 0],
      [kernelHeight - 1 - top, kernelHeight - 1 - bottom],
      [kernelWidth - 1 - left, kernelWidth - 1 - right],
      [0, 0],
    ]);
    return tf.conv2d(padded, mirrored, 1, 'valid');
  });
}

export class ComposedOperations implements Operations {
  conv2d(input: Tensor4D, filter: Tensor4D, geometry: ConvolutionGeometry): Tensor4D {
    return tf.conv2d(input, filter, geometry.stride, tfPadding(geometry.padding));
  }

  fusedConv2d(
    x: Tensor4D,
    filter: Tensor4D,
    { stride, padding }: ConvolutionGeometry,
    bias: Tensor1D | undefined,
    relu: boolean,
  ): Tensor4D {
    return tf.fused.conv2d({
      ...{ x, filter, strides: stride, pad: tfPadding(padding), activation: relu ? 'relu' : 'linear' },
      ...(bias ? { bias } : {}),
    });
  }

  /**
   * Stride 1: a convolution of the padded gradient with the mirrored filter, whose channel axes are swapped. It is as
   * fast as the forward pass. Larger strides: the gradient of TensorFlow.js.
   */
  conv2dInputGradient(gradient: Tensor4D, filter: Tensor4D, geometry: ConvolutionGeometry): Tensor4D {
    return tf.tidy(() => {
      if (geometry.stride !== 1)
        return tf.conv2dTranspose(
          gradient,
          filter,
          [...geometry.input],
          geometry.stride,
          tfPadding(geometry.padding),
        );
      return convolveMirrored(gradient, filter, paddedWindow(geometry));
    });
  }

  /**
   * One matrix product per position in the kernel, because the kernel of TensorFlow.js uses only one thread per
   * weight.
   */
  conv2dFilterGradient(input: Tensor4D, gradient: Tensor4D, geometry: ConvolutionGeometry): Tensor4D {
    return tf.tidy(() => {
      const [kernelHeight, kernelWidth, channels, filters] = geometry.filter;
      const { stride } = geometry;
      const { outHeight, outWidth, top, bottom, left, right } = paddedWindow(geometry);
      const rows = tf.reshape(gradient, [-1, filters]) as Tensor2D;
      const padded =
        top + bottom + left + right === 0
          ? input
          : tf.pad(input, [
              [0, 0],
              [top, bottom],
              [left, right],
              [0, 0],
            ]);
      const taps: Tensor2D[] = [];
      for (let y = 0; y < kernelHeight; y++)
        for (let x = 0; x < kernelWidth; x++) {
          const tap = tf.tidy(() => {
            const window: Tensor = tf.stridedSlice(
              padded,
              [0, y, x, 0],
              [
                geometry.input[0],
                y + (outHeight - 1) * stride + 1,
                x + (outWidth - 1) * stride + 1,
                channels,
              ],
              [1, stride, stride, 1],
            );
            return tf.matMul(tf.reshape(window, [-1, channels]) as Tensor2D, rows, true, false) as Tensor2D;
          });
          taps.push(tap);
        }
      return tf.reshape(tf.stack(taps), [...geometry.filter]) as Tensor4D;
    });
  }

  addBias<T extends Tensor>(input: T, bias: Tensor1D): T {
    return tf.add(input, bias) as T;
  }

  biasGradient(gradient: Tensor): Tensor1D {
    return tf.sum(gradient, leadingAxes(gradient)) as Tensor1D;
  }

  batchStatistics(input: Tensor): BatchStatistics {
    const { mean, variance } = tf.tidy(() => tf.moments(input, leadingAxes(input)));
    return { mean: mean as Tensor1D, variance: variance as Tensor1D };
  }

  normalize<T extends Tensor>(
    input: T,
    { mean, variance }: BatchStatistics,
    epsilon: number,
    beta: Tensor1D,
    gamma?: Tensor1D,
  ): T {
    return tf.tidy(() => {
      const inverse = tf.rsqrt(tf.add(variance, epsilon));
      const factor = gamma ? tf.mul(inverse, gamma) : inverse;
      return tf.add(tf.mul(tf.sub(input, mean), factor), beta) as T;
    });
  }

  normalizeGradient<T extends Tensor>(
    gradient: T,
    input: T,
    { mean, variance }: BatchStatistics,
    epsilon: number,
    gamma?: Tensor1D,
  ): { input: T; beta: Tensor1D; gamma?: Tensor1D } {
    return tf.tidy(() => {
      const axes = leadingAxes(gradient);
      const inverse = tf.rsqrt(tf.add(variance, epsilon));
      const normalized = tf.mul(tf.sub(input, mean), inverse);
      const scaled = gamma ? tf.mul(gradient, gamma) : gradient;
      const centred = tf.sub(scaled, tf.mean(scaled, axes));
      const projection = tf.mul(normalized, tf.mean(tf.mul(scaled, normalized), axes));
      return {
        input: tf.mul(tf.sub(centred, projection), inverse) as T,
        beta: tf.sum(gradient, axes) as Tensor1D,
        ...(gamma ? { gamma: tf.sum(tf.mul(gradient, normalized), axes) as Tensor1D } : {}),
      };
    });
  }

  relu<T extends Tensor>(input: T): T {
    return tf.relu(input);
  }

  reluGradient<T extends Tensor>(gradient: T, output: T): T {
    return tf.tidy(() => tf.mul(gradient, tf.step(output)) as T);
  }

  maxPool(input: Tensor4D, pool: PoolGeometry): Tensor4D {
    return tf.maxPool(input, pool.size, pool.stride, tfPadding(pool.padding));
  }

  maxPoolGradient(gradient: Tensor4D, input: Tensor4D, output: Tensor4D, pool: PoolGeometry): Tensor4D {
    return tf
      .engine()
      .runKernel(
        'MaxPoolGrad',
        { dy: gradient, input, output },
        { filterSize: pool.size, strides: pool.stride, pad: tfPadding(pool.padding) },
      ) as Tensor4D;
  }

  averagePool(input: Tensor4D, pool: PoolGeometry): Tensor4D {
    return tf.avgPool(input, pool.size, pool.stride, tfPadding(pool.padding));
  }

  /**
   * The WebGPU kernel of TensorFlow.js divides by the whole window even if a part of it is outside the image. The
   * forward pass, as in TensorFlow, counts only the part inside. The gradient is scaled beforehand to compensate.
   */
  averagePoolGradient(gradient: Tensor4D, input: Tensor4D, pool: PoolGeometry): Tensor4D {
    return tf.tidy(() => {
      const rows = insideCounts(input.shape[1], pool);
      const columns = insideCounts(input.shape[2], pool);
      const factors = rows.flatMap((row) =>
        columns.map((column) => (pool.size * pool.size) / (row * column)),
      );
      const scaled = tf.mul(gradient, tf.tensor4d(factors, [1, rows.length, columns.length, 1]));
      return tf
        .engine()
        .runKernel(
          'AvgPoolGrad',
          { dy: scaled, input },
          { filterSize: pool.size, strides: pool.stride, pad: tfPadding(pool.padding) },
        ) as Tensor4D;
    });
  }

  concat<T extends Tensor>(inputs: readonly T[]): T {
    return tf.concat([...inputs], inputs[0]!.rank - 1);
  }

  split<T extends Tensor>(input: T, sizes: readonly number[]): T[] {
    return tf.split(input, [...sizes], input.rank - 1);
  }

  addScaled<T extends Tensor>(input: T, residual: T, scale: number): T {
    return tf.tidy(() => tf.add(input, tf.mul(residual, scale)) as T);
  }

  scale<T extends Tensor>(input: T, factor: number): T {
    return tf.mul(input, factor) as T;
  }

  multiply<T extends Tensor>(a: T, b: T): T {
    return tf.mul(a, b) as T;
  }

  globalAveragePool(input: Tensor4D): Tensor2D {
    return tf.mean(input, [1, 2]) as Tensor2D;
  }

  globalAveragePoolGradient(
    gradient: Tensor2D,
    [batch, height, width, channels]: readonly [number, number, number, number],
  ): Tensor4D {
    return tf.tidy(() =>
      tf.tile(tf.reshape(tf.mul(gradient, 1 / (height * width)), [batch, 1, 1, channels]), [
        1,
        height,
        width,
        1,
      ]),
    ) as Tensor4D;
  }

  matMul(a: Tensor2D, b: Tensor2D, transposeA = false, transposeB = false): Tensor2D {
    return tf.matMul(a, b, transposeA, transposeB);
  }

  fusedMatMul(a: Tensor2D, b: Tensor2D, bias: Tensor1D | undefined, relu: boolean): Tensor2D {
    return tf.fused.matMul({
      ...{ a, b, activation: relu ? 'relu' : 'linear' },
      ...(bias ? { bias } : {}),
    }) as Tensor2D;
  }
}

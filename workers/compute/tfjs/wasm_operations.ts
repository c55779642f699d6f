/**
 * The executor's operations on the WebAssembly backend. Its convolutions and matrix products use XNNPACK and are fast
 * (measured 7 to 33 GFLOP/s on one core), so gradients are composed of them. Everything else is a plain loop, because
 * the backend has no gradient kernels and broadcasts slowly.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { windowGeometry } from '../graph/shapes.ts';
import { ComposedOperations, convolveMirrored, paddedWindow } from './composed_operations.ts';
import * as host from './host_kernels.ts';
import type { BatchStatistics, ConvolutionGeometry, PoolGeometry } from './operations.ts';

const read = (tensor: Tensor): Float32Array => tensor.dataSync<'float32'>() as Float32Array;

function like<T extends Tensor>(data: Float32Array, tensor: T): T {
  return tf.tensor(data, tensor.shape, 'float32') as T;
}

function poolWindow(input: Tensor4D, { size, stride, padding }: PoolGeometry): host.PoolWindow {
  const [batch, height, width, channels] = input.shape;
  const vertical = windowGeometry(height, size, stride, padding);
  const horizontal = windowGeometry(width, size, stride, padding);
  return {
    batch,
    height,
    width,
    channels,
    outHeight: vertical.length,
    outWidth: horizontal.length,
    size,
    stride,
    top: vertical.before,
    left: horizontal.before,
  };
}

export class WasmOperations extends ComposedOperations {
  override conv2dInputGradient(
    gradient: Tensor4D,
    filter: Tensor4D,
    geometry: ConvolutionGeometry,
  ): Tensor4D {
    if (geometry.stride === 1) return super.conv2dInputGradient(gradient, filter, geometry);
    const { input, stride } = geometry;
    const window = paddedWindow(geometry);
    const { top, bottom, left, right } = window;
    const [kernelHeight, kernelWidth] = geometry.filter;
    // Rows of the padded input that no window reaches get a zero gradient.
    const [, outHeight, outWidth] = gradient.shape;
    const trailing: [number, number] = [
      input[1] + top + bottom - ((outHeight - 1) * stride + kernelHeight),
      input[2] + left + right - ((outWidth - 1) * stride + kernelWidth),
    ];
    const spread = host.dilate(read(gradient), gradient.shape, stride, trailing);
    const shape: [number, number, number, number] = [
      gradient.shape[0],
      spread.height,
      spread.width,
      gradient.shape[3],
    ];
    const dilated = tf.tensor4d(spread.values, shape);
    const result = convolveMirrored(dilated, filter, window);
    dilated.dispose();
    return result;
  }

  /**
   * Computed as a convolution in which the channels are the batch, the batch is the channels, and the gradient is the
   * kernel, dilated by the stride.
   */
  override conv2dFilterGradient(
    input: Tensor4D,
    gradient: Tensor4D,
    geometry: ConvolutionGeometry,
  ): Tensor4D {
    return tf.tidy(() => {
      const [kernelHeight, kernelWidth, channels, filters] = geometry.filter;
      const { stride } = geometry;
      if (kernelHeight === 1 && kernelWidth === 1 && stride === 1) {
        // XNNPACK's matrix product does not accept transposed arguments, so transpose first.
        const columns = tf.transpose(tf.reshape(input, [-1, channels]) as Tensor2D);
        const product = tf.matMul(columns, tf.reshape(gradient, [-1, filters]) as Tensor2D);
        return tf.reshape(product, [1, 1, channels, filters]) as Tensor4D;
      }
      const { outHeight, outWidth, top, bottom, left, right } = paddedWindow(geometry);
      let padded = input;
      if (top + bottom + left + right > 0)
        padded = tf.pad(input, [
          [0, 0],
          [top, bottom],
          [left, right],
          [0, 0],
        ]);
      // Only the part that the windows reach, so that the result has the size of the kernel.
      const height = (outHeight - 1) * stride + kernelHeight;
      const width = (outWidth - 1) * stride + kernelWidth;
      if (padded.shape[1] !== height || padded.shape[2] !== width)
        padded = tf.slice(padded, [0, 0, 0, 0], [geometry.input[0], height, width, channels]);
      const swapped = tf.conv2d(
        tf.transpose(padded, [3, 1, 2, 0]),
        tf.transpose(gradient, [1, 2, 0, 3]),
        1,
        'valid',
        'NHWC',
        stride,
      );
      return tf.transpose(swapped, [1, 2, 0, 3]);
    });
  }

  override addBias<T extends Tensor>(input: T, bias: Tensor1D): T {
    const factor = new Float64Array(bias.size).fill(1);
    return like(host.scaleAndShift(read(input), factor, Float64Array.from(read(bias))), input);
  }

  override biasGradient(gradient: Tensor): Tensor1D {
    return tf.tensor1d(Float32Array.from(host.columnSums(read(gradient), gradient.shape.at(-1)!)));
  }

  override batchStatistics(input: Tensor): BatchStatistics {
    const { mean, variance } = host.columnMoments(read(input), input.shape.at(-1)!);
    return { mean: tf.tensor1d(mean), variance: tf.tensor1d(variance) };
  }

  override normalize<T extends Tensor>(
    input: T,
    statistics: BatchStatistics,
    epsilon: number,
    beta: Tensor1D,
    gamma?: Tensor1D,
  ): T {
    const { mean, variance } = statistics;
    return like(
      host.normalizeColumns(
        read(input),
        read(mean),
        read(variance),
        epsilon,
        read(beta),
        gamma && read(gamma),
      ),
      input,
    );
  }

  override normalizeGradient<T extends Tensor>(
    gradient: T,
    input: T,
    statistics: BatchStatistics,
    epsilon: number,
    gamma?: Tensor1D,
  ): { input: T; beta: Tensor1D; gamma?: Tensor1D } {
    const result = host.normalizeColumnsGradient(
      read(gradient),
      read(input),
      read(statistics.mean),
      read(statistics.variance),
      epsilon,
      gamma && read(gamma),
    );
    return {
      input: like(result.input, input),
      beta: tf.tensor1d(result.beta),
      ...(gamma ? { gamma: tf.tensor1d(result.gamma) } : {}),
    };
  }

  override reluGradient<T extends Tensor>(gradient: T, output: T): T {
    return like(host.reluGradient(read(gradient), read(output)), gradient);
  }

  override maxPoolGradient(
    gradient: Tensor4D,
    input: Tensor4D,
    _output: Tensor4D,
    pool: PoolGeometry,
  ): Tensor4D {
    return like(host.maxPoolGradient(read(gradient), read(input), poolWindow(input, pool)), input);
  }

  override averagePoolGradient(gradient: Tensor4D, input: Tensor4D, pool: PoolGeometry): Tensor4D {
    return like(host.averagePoolGradient(read(gradient), poolWindow(input, pool)), input);
  }

  override addScaled<T extends Tensor>(input: T, residual: T, scale: number): T {
    if (scale === 1) return tf.add(input, residual) as T;
    return like(host.addScaled(read(input), read(residual), scale), input);
  }

  override matMul(a: Tensor2D, b: Tensor2D, transposeA = false, transposeB = false): Tensor2D {
    return tf.tidy(() => tf.matMul(transposeA ? tf.transpose(a) : a, transposeB ? tf.transpose(b) : b));
  }
}

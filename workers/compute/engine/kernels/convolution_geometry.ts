/** The sizes of a convolution, and which of them are the rows, columns and reduction of a kernel. */
import { windowGeometry } from '../../graph/shapes.ts';
import type { Padding } from '../../graph/ir.ts';
import type { TensorView } from '../tensor_view.ts';

export interface ConvolutionGeometry {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly filters: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly stride: number;
  readonly padTop: number;
  readonly padLeft: number;
}

export function convolutionGeometry(
  input: Pick<TensorView, 'batch' | 'height' | 'width' | 'channels'>,
  filters: number,
  kernel: readonly [number, number],
  stride: number,
  padding: Padding,
): ConvolutionGeometry {
  const vertical = windowGeometry(input.height, kernel[0], stride, padding);
  const horizontal = windowGeometry(input.width, kernel[1], stride, padding);
  return {
    batch: input.batch,
    height: input.height,
    width: input.width,
    channels: input.channels,
    outHeight: vertical.length,
    outWidth: horizontal.length,
    filters,
    kernelHeight: kernel[0],
    kernelWidth: kernel[1],
    stride,
    padTop: vertical.before,
    padLeft: horizontal.before,
  };
}

/** Whether this is a 1×1 convolution of stride 1, which is a plain matrix product over the pixels. */
export function isMatrixProduct(shape: ConvolutionGeometry): boolean {
  return shape.kernelHeight === 1 && shape.kernelWidth === 1 && shape.stride === 1;
}

/** Number of multiplications and additions in the forward pass. Each gradient has as many. */
export function operationsOf(shape: ConvolutionGeometry): number {
  return (
    2 *
    shape.batch *
    shape.outHeight *
    shape.outWidth *
    shape.filters *
    shape.kernelHeight *
    shape.kernelWidth *
    shape.channels
  );
}

/** Equal for convolutions that can share a choice of variant. */
export function geometryKey(shape: ConvolutionGeometry): string {
  return [
    shape.batch,
    `${shape.height}x${shape.width}x${shape.channels}`,
    `${shape.outHeight}x${shape.outWidth}x${shape.filters}`,
    `${shape.kernelHeight}x${shape.kernelWidth}s${shape.stride}`,
  ].join('/');
}

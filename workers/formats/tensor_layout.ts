/** The order of axes: [height, width, in, out] here and in TensorFlow, [out, in, height, width] in other programs. */
import type { HostTensor } from '../protocol/tensor.ts';

/** Converts convolution weights to the order of PyTorch and ONNX. Also converts them back. */
export const HWIO_TO_OIHW: readonly number[] = [3, 2, 0, 1];
export const OIHW_TO_HWIO: readonly number[] = [2, 3, 1, 0];
export const SWAP: readonly number[] = [1, 0];

/** @param permutation axis i of the result is axis permutation[i] of the tensor */
export function permuteTensor({ shape, data }: HostTensor, permutation: readonly number[]): HostTensor {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  const newShape = permutation.map((axis) => shape[axis]!);
  const steps = permutation.map((axis) => strides[axis]!);
  const result = new Float32Array(data.length);
  const last = newShape.length - 1;
  const place = newShape.map(() => 0);
  let from = 0;
  for (let to = 0; to < result.length; to++) {
    result[to] = data[from]!;
    // Increments the index of the last axis, and carries over to the axes before it.
    let axis = last;
    from += steps[axis]!;
    while (axis >= 0 && ++place[axis]! === newShape[axis]) {
      from -= steps[axis]! * newShape[axis]!;
      place[axis] = 0;
      if (--axis >= 0) from += steps[axis]!;
    }
  }
  return { shape: newShape, data: result };
}

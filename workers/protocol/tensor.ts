/** Tensors in ordinary memory: what checkpoints, imports and exports are made of. */

export interface HostTensor {
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: Float32Array;
}

export type NamedTensors = ReadonlyMap<string, HostTensor>;

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** A host-side tensor and named collections of them: what checkpoints, imports and exports are made of. */

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

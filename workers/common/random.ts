/**
 * Counter-based random numbers: a value is a hash of (seed, stream, counter…). Any step of a run can be drawn again
 * without the steps before it, both on the CPU and in a shader.
 */

/** The 32-bit finalizer `lowbias32` (C. Wellons, "Prospecting for hash functions", 2018). uint32 → uint32. */
export function hash32(value: number): number {
  let x = value >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Folds a list of integers into one 32-bit key, in order: key ← hash32(key ⊕ (value + 0x9e3779b9)). */
export function hashKey(...values: number[]): number {
  let key = 0;
  for (const value of values) key = hash32((key ^ ((value + 0x9e3779b9) >>> 0)) >>> 0);
  return key;
}

/** Element `index` of the sequence `key`: uniform in [0, 1) with 24 bits, exact in float32. */
export function uniform(key: number, index: number): number {
  return (hash32((key + index) >>> 0) >>> 8) / 0x1000000;
}

/** The purpose of a hash. It is part of the key, so that sequences never coincide. */
export const RandomStream = {
  shuffle: 1,
  cropX: 2,
  cropY: 3,
  flip: 4,
  rotate: 5,
  dropout: 6,
  initializer: 7,
  split: 8,
  pairs: 9,
  sampleFaces: 10,
} as const;

/** A Fisher–Yates permutation of 0 … count − 1 that depends only on the key. */
export function permutation(key: number, count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(uniform(key, last) * (last + 1));
    const kept = order[last]!;
    order[last] = order[other]!;
    order[other] = kept;
  }
  return order;
}

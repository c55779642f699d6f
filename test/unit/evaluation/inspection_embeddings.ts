/** Embeddings with known structure, for the tests of inspecting datasets. */
import { uniform } from '../../../workers/common/random.ts';

/** Approximately normal numbers from a counter. */
export function normals(key: number): () => number {
  let drawn = 0;
  const next = (): number => uniform(key, drawn++) - 0.5;
  // The sum of twelve uniform numbers has a variance of one.
  return () => Array.from({ length: 12 }, next).reduce((sum, value) => sum + value, 0);
}

export interface DrawnClasses {
  /** [count, dimension], of length 1 */
  readonly values: Float32Array<ArrayBuffer>;
  readonly dimension: number;
  readonly labels: Uint32Array<ArrayBuffer>;
  readonly classCount: number;
}

/**
 * Classes around random centres.
 * @param centreOf the centre of a class; classes with the same centre are one person
 */
export function drawClasses(
  key: number,
  {
    classCount,
    photos,
    dimension = 16,
    spread = 0.3,
    centreOf = (label) => label,
  }: {
    classCount: number;
    photos: number;
    dimension?: number;
    spread?: number;
    centreOf?: (label: number) => number;
  },
): DrawnClasses {
  const normal = normals(key);
  const centres = Array.from({ length: classCount }, () => unit(Array.from({ length: dimension }, normal)));
  const labels = Uint32Array.from({ length: classCount * photos }, (_, row) => Math.floor(row / photos));
  const values = new Float32Array(labels.length * dimension);
  labels.forEach((label, row) => {
    const centre = centres[centreOf(label)]!;
    values.set(
      unit(centre.map((value) => value + (spread * normal()) / Math.sqrt(dimension))),
      row * dimension,
    );
  });
  return { values, dimension, labels, classCount };
}

export function unit(vector: readonly number[]): number[] {
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Math.hypot(...Array.from(a, (value, i) => value - b[i]!));
}

export function rowOf(
  { values, dimension }: { values: Float32Array; dimension: number },
  row: number,
): Float32Array {
  return values.subarray(row * dimension, (row + 1) * dimension);
}

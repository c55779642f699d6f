/** The centre of each class's embeddings. */
import type { Rows } from './dot_products.ts';

/** l2-normalised embeddings with their classes. */
export interface LabelledRows extends Rows {
  /** [count] */
  readonly labels: ArrayLike<number>;
  readonly classCount: number;
  /** 1 for rows that do not contribute to a centre; default: none. [count] */
  readonly isLeftOut?: Uint8Array | undefined;
}

export interface ClassCentres {
  /** The sum of each class's embeddings. [classCount, dimension] */
  readonly sums: Float64Array;
  /** [classCount] */
  readonly counts: Uint32Array;
  /** The sums scaled to length 1; zeros for a class without photos. [classCount, dimension] */
  readonly directions: Float32Array;
}

export function classCentres({
  values,
  dimension,
  labels,
  classCount,
  isLeftOut,
}: LabelledRows): ClassCentres {
  const sums = new Float64Array(classCount * dimension);
  const counts = new Uint32Array(classCount);
  for (let row = 0; row < labels.length; row++) {
    if (isLeftOut?.[row]) continue;
    const label = labels[row]!;
    counts[label]!++;
    for (let i = 0; i < dimension; i++) sums[label * dimension + i]! += values[row * dimension + i]!;
  }
  return { sums, counts, directions: unitRows(sums, dimension) };
}

/** @returns the rows scaled to length 1; a row of zeros stays zero */
export function unitRows(rows: Float64Array, dimension: number): Float32Array<ArrayBuffer> {
  const result = new Float32Array(rows.length);
  for (let start = 0; start < rows.length; start += dimension) {
    let squares = 0;
    for (let i = 0; i < dimension; i++) squares += rows[start + i]! ** 2;
    if (squares === 0) continue;
    const scale = 1 / Math.sqrt(squares);
    for (let i = 0; i < dimension; i++) result[start + i] = rows[start + i]! * scale;
  }
  return result;
}

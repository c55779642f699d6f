/**
 * Principal component analysis: the orthogonal directions in which embeddings differ most (Pearson, "On lines and
 * planes of closest fit to systems of points in space", 1901), in float64: the covariance matrix and its eigenvectors.
 * The result is exact and reproducible. The size of the matrix depends only on the length of an embedding, not on the
 * number of photos.
 */
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { rowCount, type Rows } from './dot_products.ts';
import { part, type Sliced } from './sliced.ts';

export interface PrincipalComponents {
  /** [dimension] */
  readonly mean: Float64Array;
  /** Directions of length 1, sorted by falling variance. [count, dimension] */
  readonly directions: Float64Array;
  /** The variance along each direction; the sum over all directions is totalVariance. [count] */
  readonly variances: Float64Array;
  readonly totalVariance: number;
}

const SLICE_ROWS = 32;

/**
 * The sign of a direction is arbitrary; here, its largest entry is positive.
 * @param isLeftOut 1 for rows that do not count; default: none
 */
export function* findPrincipalComponents(
  rows: Rows,
  count: number,
  isLeftOut?: Uint8Array,
): Sliced<PrincipalComponents> {
  const { dimension } = rows;
  const mean = meanRow(rows, isLeftOut);
  const covariance = yield* part(0, 0.7, covarianceMatrix(rows, mean, isLeftOut));
  const symmetric = Matrix.from1DArray(dimension, dimension, covariance as unknown as number[]);
  // The smallest eigenvalue comes first.
  const decomposition = new EigenvalueDecomposition(symmetric, { assumeSymmetric: true });
  yield 0.99;
  const { eigenvectorMatrix, realEigenvalues } = decomposition;
  const kept = Math.min(count, dimension);
  const directions = new Float64Array(kept * dimension);
  const variances = new Float64Array(kept);
  for (let component = 0; component < kept; component++) {
    const column = dimension - 1 - component;
    // Rounding can make a zero variance negative.
    variances[component] = Math.max(realEigenvalues[column]!, 0);
    let largest = 0;
    for (let i = 0; i < dimension; i++) {
      const value = eigenvectorMatrix.get(i, column);
      directions[component * dimension + i] = value;
      if (Math.abs(value) > Math.abs(largest)) largest = value;
    }
    if (largest < 0) for (let i = 0; i < dimension; i++) directions[component * dimension + i]! *= -1;
  }
  let totalVariance = 0;
  for (let i = 0; i < dimension; i++) totalVariance += covariance[i * dimension + i]!;
  return { mean, directions, variances, totalVariance };
}

function meanRow(rows: Rows, isLeftOut?: Uint8Array): Float64Array {
  const { values, dimension } = rows;
  const mean = new Float64Array(dimension);
  let counted = 0;
  for (let row = 0; row < rowCount(rows); row++) {
    if (isLeftOut?.[row]) continue;
    counted++;
    for (let i = 0; i < dimension; i++) mean[i]! += values[row * dimension + i]!;
  }
  return mean.map((sum) => sum / Math.max(counted, 1));
}

/** The covariance matrix, divided by the number of rows. [dimension, dimension] */
function* covarianceMatrix(rows: Rows, mean: Float64Array, isLeftOut?: Uint8Array): Sliced<Float64Array> {
  const { values, dimension } = rows;
  const count = rowCount(rows);
  const sums = new Float64Array(dimension * dimension);
  // Four rows per pass, because the matrix does not fit the CPU's fastest cache.
  const centred = Array.from({ length: 4 }, () => new Float64Array(dimension));
  const [a, b, c, d] = centred as [Float64Array, Float64Array, Float64Array, Float64Array];
  let counted = 0;
  let filled = 0;
  for (let row = 0; row < count; row++) {
    if (!isLeftOut?.[row]) {
      const target = centred[filled++]!;
      for (let i = 0; i < dimension; i++) target[i] = values[row * dimension + i]! - mean[i]!;
      counted++;
    }
    if (filled < 4 && row < count - 1) continue;
    for (; filled < 4; filled++) centred[filled]!.fill(0);
    filled = 0;
    for (let i = 0; i < dimension; i++) {
      const [ai, bi, ci, di] = [a[i]!, b[i]!, c[i]!, d[i]!];
      const start = i * dimension;
      for (let j = i; j < dimension; j++)
        sums[start + j]! += ai * a[j]! + bi * b[j]! + ci * c[j]! + di * d[j]!;
    }
    if (row % SLICE_ROWS === SLICE_ROWS - 1) yield row / count;
  }
  for (let i = 0; i < dimension; i++)
    for (let j = i; j < dimension; j++) {
      const value = sums[i * dimension + j]! / Math.max(counted, 1);
      sums[i * dimension + j] = value;
      sums[j * dimension + i] = value;
    }
  return sums;
}

/** Projects each row on the directions. [rows, directions] */
export function* projectRows(rows: Rows, { mean, directions }: PrincipalComponents): Sliced<Rows> {
  const { values, dimension } = rows;
  const count = rowCount(rows);
  const kept = dimension === 0 ? 0 : directions.length / dimension;
  const projected = new Float32Array(count * kept);
  for (let row = 0; row < count; row++) {
    for (let component = 0; component < kept; component++) {
      let sum = 0;
      for (let i = 0; i < dimension; i++)
        sum += (values[row * dimension + i]! - mean[i]!) * directions[component * dimension + i]!;
      projected[row * kept + component] = sum;
    }
    if (row % SLICE_ROWS === 0) yield row / count;
  }
  return { values: projected, dimension: kept };
}

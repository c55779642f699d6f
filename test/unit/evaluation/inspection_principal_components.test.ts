/** Principal components against Jacobi rotations, an independent method. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  findPrincipalComponents,
  projectRows,
} from '../../../workers/evaluation/inspection/principal_components.ts';
import { runToEnd } from '../jobs/run_to_end.ts';
import { normals } from './inspection_embeddings.ts';

/** Eigenvalues (the largest first) and eigenvectors of a symmetric matrix, by cyclic Jacobi rotations. */
function jacobi(matrix: number[][]): { values: number[]; vectors: number[][] } {
  const n = matrix.length;
  const a = matrix.map((row) => [...row]);
  const v: number[][] = a.map((_, i) => a.map((__, j) => Number(i === j)));
  for (let sweep = 0; sweep < 60; sweep++)
    for (let p = 0; p < n; p++)
      for (let q = p + 1; q < n; q++) {
        if (Math.abs(a[p]![q]!) < 1e-300) continue;
        const theta = (a[q]![q]! - a[p]![p]!) / (2 * a[p]![q]!);
        const t = Math.sign(theta || 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
        const c = 1 / Math.sqrt(t * t + 1);
        const s = t * c;
        for (let k = 0; k < n; k++) {
          const [kp, kq] = [a[k]![p]!, a[k]![q]!];
          a[k]![p] = c * kp - s * kq;
          a[k]![q] = s * kp + c * kq;
        }
        for (let k = 0; k < n; k++) {
          const [pk, qk] = [a[p]![k]!, a[q]![k]!];
          a[p]![k] = c * pk - s * qk;
          a[q]![k] = s * pk + c * qk;
        }
        for (const row of v) {
          const [rp, rq] = [row[p]!, row[q]!];
          row[p] = c * rp - s * rq;
          row[q] = s * rp + c * rq;
        }
      }
  const order = a.map((_, i) => i).sort((i, j) => a[j]![j]! - a[i]![i]!);
  return { values: order.map((i) => a[i]![i]!), vectors: order.map((i) => v.map((row) => row[i]!)) };
}

function covariance(rows: readonly (readonly number[])[]): number[][] {
  const dimension = rows[0]!.length;
  const mean = Array.from(
    { length: dimension },
    (_, i) => rows.reduce((sum, row) => sum + row[i]!, 0) / rows.length,
  );
  return mean.map((_, i) =>
    mean.map(
      (__, j) =>
        rows.reduce((sum, row) => sum + (row[i]! - mean[i]!) * (row[j]! - mean[j]!), 0) / rows.length,
    ),
  );
}

/** Points with decreasing width along the axes, then mixed. */
function drawRows(key: number, count: number, dimension: number): number[][] {
  const normal = normals(key);
  const mix = Array.from({ length: dimension }, () => Array.from({ length: dimension }, normal));
  return Array.from({ length: count }, () => {
    const raw = Array.from({ length: dimension }, (_, i) => normal() * 2 ** -i);
    return mix.map((weights) => Math.fround(weights.reduce((sum, weight, i) => sum + weight * raw[i]!, 0.7)));
  });
}

const asRows = (rows: readonly (readonly number[])[]) => ({
  values: Float32Array.from(rows.flat()),
  dimension: rows[0]!.length,
});

describe('principal components', () => {
  it('agree with an independent method on random data', () => {
    fc.assert(
      fc.property(
        fc.nat(1e6),
        fc.integer({ min: 2, max: 40 }),
        fc.integer({ min: 2, max: 7 }),
        (key, count, dimension) => {
          const rows = drawRows(key, count, dimension);
          const found = runToEnd(findPrincipalComponents(asRows(rows), dimension));
          const expected = jacobi(covariance(rows));
          const largest = expected.values[0]!;
          expect(found.totalVariance / expected.values.reduce((sum, value) => sum + value)).toBeCloseTo(
            1,
            10,
          );
          for (let component = 0; component < dimension; component++) {
            expect(Math.abs(found.variances[component]! - expected.values[component]!)).toBeLessThan(
              1e-12 * largest,
            );
            const direction = found.directions.subarray(component * dimension, (component + 1) * dimension);
            expect(Math.hypot(...direction)).toBeCloseTo(1, 12);
            expect(Math.max(...direction)).toBeCloseTo(Math.max(...direction.map(Math.abs)), 12);
            // A direction is defined only if its variance differs from the neighbouring ones.
            const gap = Math.min(
              ...expected.values.map((value, other) =>
                other === component ? Infinity : Math.abs(value - expected.values[component]!),
              ),
            );
            if (gap < 1e-4 * largest) continue;
            const cosine = direction.reduce(
              (sum, value, i) => sum + value * expected.vectors[component]![i]!,
              0,
            );
            expect(Math.abs(Math.abs(cosine) - 1)).toBeLessThan(1e-9);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('project onto themselves what varies along them', () => {
    const rows = asRows(drawRows(7, 200, 12));
    const components = runToEnd(findPrincipalComponents(rows, 4));
    const { values, dimension } = runToEnd(projectRows(rows, components));
    expect(dimension).toBe(4);
    for (let component = 0; component < 4; component++) {
      const column = Array.from({ length: 200 }, (_, row) => values[row * 4 + component]!);
      expect(column.reduce((sum, value) => sum + value) / 200).toBeCloseTo(0, 5);
      const variance = column.reduce((sum, value) => sum + value * value, 0) / 200;
      expect(variance / components.variances[component]!).toBeCloseTo(1, 5);
    }
  });

  it('ignore rows that are left out', () => {
    const rows = drawRows(3, 41, 5);
    const stray = [900, -900, 900, 900, 900];
    const isLeftOut = new Uint8Array(42);
    isLeftOut[17] = 1;
    const withStray = [...rows.slice(0, 17), stray, ...rows.slice(17)];
    const found = runToEnd(findPrincipalComponents(asRows(withStray), 5, isLeftOut));
    const expected = runToEnd(findPrincipalComponents(asRows(rows), 5));
    for (let component = 0; component < 5; component++)
      expect(found.variances[component]! / expected.variances[component]!).toBeCloseTo(1, 9);
  });

  it('exist for one row, for equal rows, and for fewer rows than values', () => {
    for (const rows of [
      [[1, 2, 3]],
      [
        [1, 2, 3],
        [1, 2, 3],
        [1, 2, 3],
      ],
      [
        [1, 0, 0],
        [0, 1, 0],
      ],
    ]) {
      const found = runToEnd(findPrincipalComponents(asRows(rows), 2));
      expect([...found.variances].every((value) => value >= 0)).toBe(true);
      const { values } = runToEnd(projectRows(asRows(rows), found));
      expect([...values].every(Number.isFinite)).toBe(true);
    }
  });
});

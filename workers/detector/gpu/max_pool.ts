/**
 * Max pools with stride 2, whose windows begin at even positions. Positions beyond the image do not count. This equals
 * TensorFlow's SAME for windows of 2, and for windows of 3 on images with an even side, which all images here have.
 */
import type { ImageStack } from './convolution.ts';
import { BEGIN_THREAD, ENTRY_POINT, TableShape, type EncodedTable } from './tables.ts';

const TABLE = new TableShape(['rows', 'columns', 'in_rows', 'in_columns', 'in_at', 'out_at'] as const);

export interface PoolWindow {
  readonly size: 2 | 3;
  readonly padding: 'SAME' | 'VALID';
}

export function pooledLength(length: number, { size, padding }: PoolWindow): number {
  return padding === 'SAME' ? Math.ceil(length / 2) : Math.floor((length - size) / 2) + 1;
}

/** @param vectors number of vectors per pixel */
export function poolTable(
  window: PoolWindow,
  vectors: number,
  pairs: readonly { readonly input: ImageStack; readonly outAt: number }[],
): EncodedTable {
  return TABLE.encode(
    pairs.map(({ input, outAt }) => {
      const [rows, columns] = [pooledLength(input.rows, window), pooledLength(input.columns, window)];
      return {
        threads: input.images * rows * columns * vectors,
        values: {
          rows,
          columns,
          in_rows: input.rows,
          in_columns: input.columns,
          in_at: input.at,
          out_at: outAt,
        },
      };
    }),
    [vectors, window.size],
  );
}

export function poolShader(): string {
  return `${TABLE.wgsl}
@group(0) @binding(2) var<storage, read> source: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> target_values: array<vec4f>;

${ENTRY_POINT} {
  ${BEGIN_THREAD}
  let entry = table.entries[entry_of(thread)];
  let vectors = table.number;
  let place = thread - entry.first;
  let vector = place % vectors;
  let pixel = place / vectors;
  let column = 2u * (pixel % entry.columns);
  let all_rows = pixel / entry.columns;
  let image = all_rows / entry.rows;
  let row = 2u * (all_rows % entry.rows);
  let end_row = min(row + table.second_number, entry.in_rows);
  let end_column = min(column + table.second_number, entry.in_columns);
  let image_at = entry.in_at + image * entry.in_rows * entry.in_columns * vectors + vector;
  var largest = source[image_at + (row * entry.in_columns + column) * vectors];
  for (var y = row; y < end_row; y++) {
    for (var x = column; x < end_column; x++) {
      largest = max(largest, source[image_at + (y * entry.in_columns + x) * vectors]);
    }
  }
  target_values[entry.out_at + place] = largest;
}
`;
}

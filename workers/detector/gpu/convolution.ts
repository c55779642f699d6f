/**
 * A convolution with stride 1 and without padding, with its bias and PReLU. Dense layers are windows of one pixel.
 * Each thread keeps some neighbouring pixels of some filters in registers and reads its operands directly. There is no
 * workgroup memory and no barrier: these slow down software adapters, and layers this narrow do not need them.
 */
import { unroll } from '../../gpu/wgsl.ts';
import { vectorsOf, type PlacedLayer } from './layers.ts';
import { BEGIN_THREAD, ENTRY_POINT, TableShape, type EncodedTable } from './tables.ts';

/** Images of one size: [images, rows, columns, channels], with channels in whole vectors. */
export interface ImageStack {
  readonly images: number;
  readonly rows: number;
  readonly columns: number;
  /** The index of the first vector of four. */
  readonly at: number;
}

const TABLE = new TableShape([
  'rows',
  'columns',
  'tiles',
  'in_rows',
  'in_columns',
  'in_at',
  'out_at',
] as const);

export function convolutionTable(
  { size, tile }: PlacedLayer,
  pairs: readonly { readonly input: ImageStack; readonly outAt: number }[],
): EncodedTable {
  return TABLE.encode(
    pairs.map(({ input, outAt }) => {
      const [rows, columns] = [input.rows - size + 1, input.columns - size + 1];
      const tiles = Math.ceil(columns / tile[0]);
      return {
        threads: input.images * rows * tiles,
        values: {
          rows,
          columns,
          tiles,
          in_rows: input.rows,
          in_columns: input.columns,
          in_at: input.at,
          out_at: outAt,
        },
      };
    }),
  );
}

/** Number of workgroups along z, for the filters. */
export function filterTiles({ filters, tile }: PlacedLayer): number {
  return vectorsOf(filters) / tile[1];
}

/** Number of multiplications and additions per thread. */
export function operationsOfThread({ size, channels, tile }: PlacedLayer): number {
  return 2 * size * size * channels * tile[0] * tile[1] * 4;
}

export function convolutionShader({ size, channels, filters, hasPrelu, tile, at }: PlacedLayer): string {
  const [pixels, vectors] = tile;
  const depth = vectorsOf(channels);
  const width = vectorsOf(filters);
  const biasAt = at + size * size * channels * width;
  const lanes = ['x', 'y', 'z', 'w'];
  /** Code for one vector of channels `d` in one row of the window. */
  const step = (laneCount: number): string => `
      let start = row_from + d;
${unroll(pixels + size - 1, (p) => `      let a${p} = source[start + ${p * depth}u];`)}
      var w = weights_from + d * ${4 * size * width}u;
${unroll(laneCount, (lane) =>
  unroll(
    size,
    (kx) => `      {
${unroll(vectors, (v) => `        let w${v} = constants[w + ${(lane * size + kx) * width + v}u];`)}
${unroll(pixels, (p) =>
  unroll(vectors, (v) => `        sum_${p}_${v} += a${p + kx}.${lanes[lane]!} * w${v};`),
)}
      }`,
  ),
)}`;
  const fullGroups = Math.floor(channels / 4);
  return `${TABLE.wgsl}
@group(0) @binding(1) var<storage, read> constants: array<vec4f>;
@group(0) @binding(2) var<storage, read> source: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> target_values: array<vec4f>;

${ENTRY_POINT} {
  ${BEGIN_THREAD}
  let entry = table.entries[entry_of(thread)];
  let place = thread - entry.first;
  let column = (place % entry.tiles) * ${pixels}u;
  let all_rows = place / entry.tiles;
  let image = all_rows / entry.rows;
  let row = all_rows % entry.rows;
  let vector = workgroup.z * ${vectors}u;
${unroll(vectors, (v) => `  let bias${v} = constants[${biasAt + v}u + vector];`)}
${unroll(pixels, (p) => unroll(vectors, (v) => `  var sum_${p}_${v} = bias${v};`))}
  let begin = entry.in_at + ((image * entry.in_rows + row) * entry.in_columns + column) * ${depth}u;
  for (var ky = 0u; ky < ${size}u; ky++) {
    let row_from = begin + ky * entry.in_columns * ${depth}u;
    let weights_from = ${at}u + ky * ${channels * size * width}u + vector;
    ${
      fullGroups > 0
        ? `for (var d = 0u; d < ${fullGroups}u; d++) {${step(4)}
    }`
        : ''
    }
    ${
      channels % 4 > 0
        ? `{
      let d = ${fullGroups}u;${step(channels % 4)}
    }`
        : ''
    }
  }
  // In a loop, so that the code for storing occurs only once in the shader. Software adapters take long to compile
  // each copy.
  var sums = array<vec4f, ${pixels * vectors}>(${unroll(pixels, (p) => unroll(vectors, (v) => `sum_${p}_${v}`, ', '), ', ')});
  let out = entry.out_at + (all_rows * entry.columns + column) * ${width}u + vector;
  let count = min(${pixels}u, entry.columns - column);
  for (var v = 0u; v < ${vectors}u; v++) {
    ${hasPrelu ? `let slopes = constants[${biasAt + width}u + vector + v];` : ''}
    for (var p = 0u; p < count; p++) {
      let value = sums[p * ${vectors}u + v];
      target_values[out + p * ${width}u + v] = ${hasPrelu ? 'max(value, vec4f(0.0)) + slopes * min(value, vec4f(0.0))' : 'value'};
    }
  }
}
`;
}

/**
 * Convolution forward and input gradient without workgroup memory. Each thread keeps a tile of the result in registers
 * and reads its operands four channels at a time. For software adapters, where barriers and workgroup memory cost more
 * than they save, and for shapes that do not fill a larger tile.
 */
import type { TensorView } from '../tensor_view.ts';
import { operationsOf, type ConvolutionGeometry } from './convolution_geometry.ts';
import { declareEpilogue, type Epilogue } from './epilogue.ts';
import { declareGather, gatherGeometry, type GatherDirection } from './gather_geometry.ts';
import { KernelBuilder, type Kernel } from './kernel.ts';
import { unroll } from '../../../gpu/wgsl.ts';

/** Rows and columns of the tile that a thread computes; columns in multiples of 4. */
export interface DirectTile {
  readonly kind: 'direct';
  readonly rows: number;
  readonly columns: number;
}

export interface ConvolutionOperands {
  readonly name: string;
  readonly shape: ConvolutionGeometry;
  /** The layer's input (forward), or the gradient of its output (input_gradient). */
  readonly source: TensorView;
  /** [kernelHeight · kernelWidth · channels, filters] */
  readonly weights: TensorView;
  readonly output: TensorView;
  readonly epilogue?: Epilogue;
}

const WORKGROUP_SIZE = 64;

export function convolutionDirect(
  direction: GatherDirection,
  operands: ConvolutionOperands,
  tile: DirectTile,
): Kernel {
  const { shape, source, weights, output, epilogue = {} } = operands;
  const geometry = gatherGeometry(shape, direction);
  const forward = direction === 'forward';
  const builder = new KernelBuilder();
  builder.view('source', source, 'read');
  builder.view('weights', weights, 'read');
  builder.declare(declareGather(builder, geometry));
  declareEpilogue(builder, output, epilogue);

  const rowTiles = Math.ceil(geometry.rows / tile.rows);
  const columnTiles = Math.ceil(geometry.columns / tile.columns);
  const threads = geometry.phases * rowTiles * columnTiles;
  const groups = tile.columns / 4;
  const depthGroups = Math.ceil(geometry.depth / 4);
  const columnGroups = Math.ceil(geometry.columns / 4);

  const channels = builder.u(shape.channels);
  const depth = builder.u(depthGroups);
  const kernelWidth = builder.i(shape.kernelWidth);
  const allColumns = builder.u(columnGroups);
  // Beyond the last channel the source reads as 0. The row of the weights must exist all the same.
  const weightRowAt = (offset: number): string =>
    shape.channels % 4 === 0 || offset === 0 ? `k + ${offset}u` : `min(k + ${offset}u, ${lastWeightRow})`;
  const lastWeightRow = builder.u(shape.kernelHeight * shape.kernelWidth * shape.channels - 1);
  const multiply = forward
    ? unroll(
        groups,
        (g) =>
          `{
      let w0 = load_weights(${weightRowAt(0)}, column + ${g}u);
      let w1 = load_weights(${weightRowAt(1)}, column + ${g}u);
      let w2 = load_weights(${weightRowAt(2)}, column + ${g}u);
      let w3 = load_weights(${weightRowAt(3)}, column + ${g}u);
${unroll(tile.rows, (i) => `      sum_${i}_${g} += a${i}.x * w0 + a${i}.y * w1 + a${i}.z * w2 + a${i}.w * w3;`)}
    }`,
      )
    : unroll(
        groups,
        (g) =>
          `{
      let w0 = load_weights(k + ${4 * g}u, d);
      let w1 = load_weights(k + ${4 * g + 1}u, d);
      let w2 = load_weights(k + ${4 * g + 2}u, d);
      let w3 = load_weights(k + ${4 * g + 3}u, d);
${unroll(tile.rows, (i) => `      sum_${i}_${g} += vec4f(dot(a${i}, w0), dot(a${i}, w1), dot(a${i}, w2), dot(a${i}, w3));`)}
    }`,
      );
  // The row of the weights. Forward: position · channels + channel of the reduction; else: position · channels +
  // column.
  const weightRow = forward
    ? `let k = position * ${channels} + 4u * d;`
    : `let k = position * ${channels} + 4u * column;`;
  // If no position falls outside the source, only rows after the last one have no pixel, and those are not stored.
  const reduction = `for (var d = 0u; d < ${depth}; d++) {
    ${weightRow}
${unroll(tile.rows, (i) =>
  geometry.needsBounds
    ? `    let a${i} = select(vec4f(0), load_source(u32(max(pixel${i}, 0)), d), pixel${i} >= 0);`
    : `    let a${i} = load_source(u32(max(pixel${i}, 0)), d);`,
)}
    ${multiply}
  }`;
  const step = forward ? 1 : shape.stride;
  const body = `
  let tile = group * ${WORKGROUP_SIZE}u + lane;
  if (tile >= ${builder.u(threads)}) { return; }
  let column = (tile % ${builder.u(columnTiles)}) * ${groups}u;
  let row = ((tile / ${builder.u(columnTiles)}) % ${builder.u(rowTiles)}) * ${tile.rows}u;
  let phase = tile / ${builder.u(columnTiles * rowTiles)};
${unroll(tile.rows, (i) => `  let row${i} = gather_row(phase, row + ${i}u);`)}
${unroll(tile.rows, (i) => unroll(groups, (g) => `  var sum_${i}_${g} = vec4f(0);`))}
  for (var ky = first_ky(phase); ky < ${builder.i(shape.kernelHeight)}; ky += ${builder.i(step)}) {
  for (var kx = first_kx(phase); kx < ${kernelWidth}; kx += ${builder.i(step)}) {
    let position = u32(ky * ${kernelWidth} + kx);
${unroll(tile.rows, (i) => `    let pixel${i} = gather_pixel(row${i}, ky, kx);`)}
    ${reduction}
  }
  }
  var sums = array<vec4f, ${tile.rows * groups}>(${unroll(tile.rows, (i) => unroll(groups, (g) => `sum_${i}_${g}`, ', '), ', ')});
  for (var i = 0u; i < ${tile.rows}u; i++) {
    let place = gather_row(phase, row + i);
    for (var g = 0u; g < ${groups}u; g++) {
      if (place.inside && column + g < ${allColumns}) { finish(place.pixel, column + g, sums[i * ${groups}u + g]); }
    }
  }`;
  return builder.build({
    name: operands.name,
    body,
    workgroupSize: WORKGROUP_SIZE,
    groups: Math.ceil(threads / WORKGROUP_SIZE),
    operations: operationsOf(shape),
  });
}

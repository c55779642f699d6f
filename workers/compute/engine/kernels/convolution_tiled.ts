/**
 * Convolution forward and input gradient as an implicit matrix product through workgroup memory. A workgroup computes
 * a tile of blockRows × blockColumns and steps over the reduction by blockDepth. While it multiplies the values of one
 * step, it fetches those of the next into registers. For real GPUs.
 */
import { operationsOf, type ConvolutionGeometry } from './convolution_geometry.ts';
import type { ConvolutionOperands } from './convolution_direct.ts';
import { declareEpilogue } from './epilogue.ts';
import { declareGather, gatherGeometry, type GatherDirection } from './gather_geometry.ts';
import { KernelBuilder, type Kernel } from './kernel.ts';
import { unroll } from '../../../gpu/wgsl.ts';
import { rowsOf } from '../tensor_view.ts';

/** All sizes are multiples of 4. A thread computes threadRows × threadColumns of the block. */
export interface BlockTile {
  readonly kind: 'tiled';
  readonly blockRows: number;
  readonly blockColumns: number;
  readonly blockDepth: number;
  readonly threadRows: number;
  readonly threadColumns: number;
}

/** The tile of a convolution forward or of its input gradient. */
export interface GatherTile extends BlockTile {
  /** Number of parts of the reduction. A separate workgroup sums each part. Default 1. */
  readonly depthSplits?: number;
}

export function threadsOf(tile: BlockTile): number {
  return (tile.blockRows / tile.threadRows) * (tile.blockColumns / tile.threadColumns);
}

/** Bytes of workgroup memory. */
export function workgroupBytesOf(tile: BlockTile): number {
  return (tile.blockRows + tile.blockColumns) * tile.blockDepth * 4;
}

/**
 * Code that multiplies the two tiles in workgroup memory, both with the reduction as the outer index. The rows and
 * columns of a thread are groups of 4 at a distance of 4 · the number of threads, so that neighbouring threads read
 * neighbouring addresses. It uses `thread_row` and `thread_column`.
 */
export function multiplyTiles(tile: BlockTile): string {
  const rowGroups = tile.threadRows / 4;
  const columnGroups = tile.threadColumns / 4;
  const rowThreads = tile.blockRows / tile.threadRows;
  const columnThreads = tile.blockColumns / tile.threadColumns;
  return `for (var depth = 0u; depth < ${tile.blockDepth}u; depth++) {
${unroll(rowGroups, (i) => `      let a${i} = tile_a[depth * ${tile.blockRows / 4}u + thread_row + ${i * rowThreads}u];`)}
${unroll(columnGroups, (g) => `      let b${g} = tile_b[depth * ${tile.blockColumns / 4}u + thread_column + ${g * columnThreads}u];`)}
${unroll(rowGroups, (i) =>
  unroll(4, (lane) =>
    unroll(
      columnGroups,
      (g) => `      sum_${4 * i + lane}_${g} = fma(vec4f(a${i}[${lane}]), b${g}, sum_${4 * i + lane}_${g});`,
    ),
  ),
)}
    }`;
}

export function declareTiles(tile: BlockTile): string {
  return `var<workgroup> tile_a: array<vec4f, ${(tile.blockDepth * tile.blockRows) / 4}>;
var<workgroup> tile_b: array<vec4f, ${(tile.blockDepth * tile.blockColumns) / 4}>;`;
}

/** Code that declares the sums and the thread's place in the block. */
export function startTile(tile: BlockTile): string {
  return `  let thread_column = lane % ${tile.blockColumns / tile.threadColumns}u;
  let thread_row = lane / ${tile.blockColumns / tile.threadColumns}u;
${unroll(tile.threadRows, (i) => unroll(tile.threadColumns / 4, (g) => `  var sum_${i}_${g} = vec4f(0);`))}`;
}

/** Code that stores the transpose of a 4 × 4 block that was read with the reduction along its vectors. */
function storeTurned(target: string, values: string, rowLength: number): string {
  return unroll(
    4,
    (k) =>
      `      ${target}[(4u * ${values}_depth + ${k}u) * ${rowLength}u + ${values}_row] = vec4f(${[0, 1, 2, 3].map((i) => `${values}${i}[${k}]`).join(', ')});`,
  );
}

/** The number of steps of `blockDepth` in the longest reduction of a tile. */
export function reductionSteps(
  shape: ConvolutionGeometry,
  direction: GatherDirection,
  depth: number,
): number {
  const { phases, depth: channels } = gatherGeometry(shape, direction);
  const side = Math.sqrt(phases);
  const positions = Math.ceil(shape.kernelHeight / side) * Math.ceil(shape.kernelWidth / side);
  return positions * Math.ceil(Math.ceil(channels / 4) / (depth / 4));
}

/**
 * @param operands with `depthSplits`, `output` has one copy of all rows per split, one after the other, and there is no
 *   epilogue; see convolution_product.ts
 */
export function convolutionTiled(
  direction: GatherDirection,
  operands: ConvolutionOperands,
  tile: GatherTile,
): Kernel {
  const { shape, source, weights, output, epilogue = {} } = operands;
  const { depthSplits = 1 } = tile;
  const geometry = gatherGeometry(shape, direction);
  const forward = direction === 'forward';
  const builder = new KernelBuilder();
  builder.view('source', source, 'read');
  builder.view('weights', weights, 'read');
  builder.declare(declareGather(builder, geometry));
  declareEpilogue(builder, output, epilogue);
  builder.declare(declareTiles(tile));

  const threads = threadsOf(tile);
  const rowTiles = Math.ceil(geometry.rows / tile.blockRows);
  const columnTiles = Math.ceil(geometry.columns / tile.blockColumns);
  const depthGroups = Math.ceil(geometry.depth / 4);
  const blockDepthGroups = tile.blockDepth / 4;
  const depthSteps = Math.ceil(depthGroups / blockDepthGroups);
  const columnGroups = Math.ceil(geometry.columns / 4);
  const blockRowGroups = tile.blockRows / 4;
  const blockColumnGroups = tile.blockColumns / 4;
  const stride = forward ? 1 : shape.stride;

  const channels = builder.u(shape.channels);
  const allDepth = builder.u(depthGroups);
  const kernelWidth = builder.i(shape.kernelWidth);
  const allColumns = builder.u(columnGroups);
  // The source's 4 × 4 blocks, at most one per thread. Weights that must be transposed are also read as 4 × 4 blocks,
  // by the last threads; other weights are read as single vectors.
  const sourceItems = blockRowGroups * blockDepthGroups;
  const turnedItems = blockColumnGroups * blockDepthGroups;
  const vectorItems = Math.ceil((tile.blockDepth * blockColumnGroups) / threads);
  if (sourceItems > threads || turnedItems > threads)
    throw new Error('A tile of this depth has too few threads to fetch it.');
  const everyThreadFetches = sourceItems === threads;
  const ifFetches = (condition: string, code: string): string =>
    everyThreadFetches && condition.startsWith('a') ? code : `if (${condition}_fetches) {\n${code}\n    }`;

  const fetchWeights = forward
    ? unroll(
        vectorItems,
        (j) => `    {
      let item = lane + ${j * threads}u;
      let depth = item / ${blockColumnGroups}u;
      let column = first_column + item % ${blockColumnGroups}u;
      b${j} = select(vec4f(0), load_weights(position * ${channels} + 4u * d + depth, min(column, ${allColumns} - 1u)), 4u * d + depth < ${builder.u(geometry.depth)});
    }`,
      )
    : ifFetches(
        'b',
        unroll(
          4,
          (i) =>
            `      b${i} = select(vec4f(0), load_weights(position * ${channels} + min(4u * (first_column + b_row) + ${i}u, ${builder.u(geometry.columns - 1)}), d + b_depth), d + b_depth < ${allDepth});`,
        ),
      );
  const storeWeights = forward
    ? unroll(vectorItems, (j) =>
        (j + 1) * threads <= tile.blockDepth * blockColumnGroups
          ? `    tile_b[lane + ${j * threads}u] = b${j};`
          : `    if (lane + ${j * threads}u < ${tile.blockDepth * blockColumnGroups}u) { tile_b[lane + ${j * threads}u] = b${j}; }`,
      )
    : ifFetches('b', storeTurned('tile_b', 'b', blockColumnGroups));
  const fetch = `{
    let position = u32(ky * ${kernelWidth} + kx);
    ${ifFetches(
      'a',
      unroll(
        4,
        (i) => `      {
        let pixel = gather_pixel(row${i}, ky, kx);
        a${i} = select(vec4f(0), load_source(u32(max(pixel, 0)), d + a_depth), pixel >= 0 && d + a_depth < ${allDepth});
      }`,
      ),
    )}
${fetchWeights}
  }`;
  const steps = `u32(max((${builder.i(shape.kernelHeight + stride - 1)} - ky) / ${builder.i(stride)}, 0) * max((${builder.i(shape.kernelWidth + stride - 1)} - kx) / ${builder.i(stride)}, 0)) * ${builder.u(depthSteps)}`;
  const tiles = geometry.phases * rowTiles * columnTiles;
  // A split begins in the middle of the reduction, at the kernel position and channels of its first step.
  const begin =
    depthSplits === 1
      ? `  var d = 0u;
  let end = ${steps};
  let begin = 0u;`
      : `  let steps = ${steps};
  let split = group / ${builder.u(tiles)};
  let share = (steps + ${builder.u(depthSplits - 1)}) / ${builder.u(depthSplits)};
  let begin = min(split * share, steps);
  let end = min(begin + share, steps);
  let across = max((${builder.i(shape.kernelWidth + stride - 1)} - kx) / ${builder.i(stride)}, 1);
  let first_position = i32(begin / ${builder.u(depthSteps)});
  var d = (begin % ${builder.u(depthSteps)}) * ${blockDepthGroups}u;
  ky += first_position / across * ${builder.i(stride)};
  kx += first_position % across * ${builder.i(stride)};`;
  const outputRow =
    depthSplits === 1 ? 'row.pixel' : `split * ${builder.u(rowsOf(output) / depthSplits)} + row.pixel`;
  const body = `
${startTile(tile)}
  let first_column = (group % ${builder.u(columnTiles)}) * ${blockColumnGroups}u;
  let first_row = ((group / ${builder.u(columnTiles)}) % ${builder.u(rowTiles)}) * ${tile.blockRows}u;
  let phase = ${depthSplits === 1 ? `group / ${builder.u(columnTiles * rowTiles)}` : `(group % ${builder.u(tiles)}) / ${builder.u(columnTiles * rowTiles)}`};
  let a_fetches = lane < ${sourceItems}u;
  let a_depth = lane % ${blockDepthGroups}u;
  let a_row = (lane / ${blockDepthGroups}u) % ${blockRowGroups}u;
${unroll(4, (i) => `  let row${i} = gather_row(phase, first_row + 4u * a_row + ${i}u);\n  var a${i} = vec4f(0);`)}
${
  forward
    ? unroll(vectorItems, (j) => `  var b${j} = vec4f(0);`)
    : `  let b_fetches = lane >= ${threads - turnedItems}u;
  let b_item = (lane + ${turnedItems}u) % ${threads}u;
  let b_depth = b_item % ${blockDepthGroups}u;
  let b_row = (b_item / ${blockDepthGroups}u) % ${blockColumnGroups}u;
${unroll(4, (i) => `  var b${i} = vec4f(0);`)}`
}
  var ky = first_ky(phase);
  var kx = first_kx(phase);
${begin}
  ${fetch}
  for (var step = begin; step < end; step++) {
    workgroupBarrier();
    ${ifFetches('a', storeTurned('tile_a', 'a', blockRowGroups))}
${storeWeights}
    workgroupBarrier();
    d += ${blockDepthGroups}u;
    if (d >= ${allDepth}) {
      d = 0u;
      kx += ${builder.i(stride)};
      if (kx >= ${kernelWidth}) {
        kx = first_kx(phase);
        ky += ${builder.i(stride)};
      }
    }
    if (step + 1u < end) ${fetch}
    ${multiplyTiles(tile)}
  }
${unroll(
  tile.threadRows / 4,
  (i) => `  for (var r = 0u; r < 4u; r++) {
    let row = gather_row(phase, first_row + 4u * (thread_row + ${i * (tile.blockRows / tile.threadRows)}u) + r);
    if (row.inside) {
${unroll(
  tile.threadColumns / 4,
  (
    g,
  ) => `      let column${g} = first_column + thread_column + ${g * (tile.blockColumns / tile.threadColumns)}u;
      if (column${g} < ${allColumns}) {
        finish(${outputRow}, column${g}, select(select(sum_${4 * i}_${g}, sum_${4 * i + 1}_${g}, r == 1u), select(sum_${4 * i + 2}_${g}, sum_${4 * i + 3}_${g}, r == 3u), r >= 2u));
      }`,
)}
    }
  }`,
)}`;
  return builder.build({
    name: operands.name,
    body,
    workgroupSize: threads,
    groups: depthSplits * tiles,
    operations: operationsOf(shape),
  });
}

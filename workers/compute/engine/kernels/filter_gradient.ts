/**
 * The gradient of a convolution's weights: for each kernel position, the product of the transposed input pixels and
 * the gradient of the output, summed over all pixels of the batch. This sum is long and its result is small, so it is
 * split: each part sums some of the pixels into a copy of the result, and a second pass adds the copies in order.
 */
import { matrixView, type Memory, type TensorView } from '../tensor_view.ts';
import { isMatrixProduct, operationsOf, type ConvolutionGeometry } from './convolution_geometry.ts';
import { declareTiles, multiplyTiles, startTile, threadsOf, type BlockTile } from './convolution_tiled.ts';
import { KernelBuilder, type Kernel } from './kernel.ts';
import { unroll } from '../../../gpu/wgsl.ts';

/** The tile of a thread without workgroup memory: input channels (rows) × filters (columns). */
export interface DirectGradientTile {
  readonly kind: 'direct';
  readonly rows: number;
  readonly columns: number;
  readonly splits: number;
}

export interface BlockGradientTile extends BlockTile {
  readonly splits: number;
}

export interface FilterGradientOperands {
  readonly name: string;
  readonly shape: ConvolutionGeometry;
  readonly input: TensorView;
  readonly gradient: TensorView;
  /** [splits · weight rows, filters] with several splits; the gradient itself with one. */
  readonly output: TensorView;
  /** Multiplies the result. It is 1 with several splits, because the second pass applies the factor then. */
  readonly scale: number;
}

const WORKGROUP_SIZE = 64;

function weightRowsOf(shape: ConvolutionGeometry): number {
  return shape.kernelHeight * shape.kernelWidth * shape.channels;
}

/** Code that sums one row of output pixels. It uses `position`, `channel` (a group of 4), `filter` and `split`. */
function sumLines(
  builder: KernelBuilder,
  shape: ConvolutionGeometry,
  splits: number,
  add: (input: string, gradient: string) => string,
): string {
  if (isMatrixProduct(shape)) {
    const pixels = shape.batch * shape.height * shape.width;
    const shareOfSplit = builder.u(Math.ceil(pixels / splits));
    return `  let end = min((split + 1u) * ${shareOfSplit}, ${builder.u(pixels)});
  for (var pixel = split * ${shareOfSplit}; pixel < end; pixel++) {
    ${add('pixel', 'pixel')}
  }`;
  }
  const { stride, padTop, padLeft } = shape;
  const lines = shape.batch * shape.outHeight;
  const shareOfSplit = builder.u(Math.ceil(lines / splits));
  const kernelWidth = builder.u(shape.kernelWidth);
  const step = builder.i(stride);
  const left = builder.i(padLeft);
  return `  let ky = i32(position / ${kernelWidth});
  let kx = i32(position % ${kernelWidth});
  let begin_x = u32(max(${left} - kx + ${builder.i(stride - 1)}, 0) / ${step});
  let end_x = u32(clamp((${builder.i(shape.width - 1 + padLeft + stride)} - kx) / ${step}, 0, ${builder.i(shape.outWidth)}));
  let end = min((split + 1u) * ${shareOfSplit}, ${builder.u(lines)});
  for (var line = split * ${shareOfSplit}; line < end; line++) {
    let y = i32(line % ${builder.u(shape.outHeight)}) * ${step} + ky - ${builder.i(padTop)};
    if (y < 0 || y >= ${builder.i(shape.height)}) { continue; }
    var pixel = u32((i32(line / ${builder.u(shape.outHeight)}) * ${builder.i(shape.height)} + y) * ${builder.i(shape.width)} + i32(begin_x) * ${step} + kx - ${left});
    for (var x = begin_x; x < end_x; x++) {
      ${add('pixel', `line * ${builder.u(shape.outWidth)} + x`)}
      pixel += ${builder.u(stride)};
    }
  }`;
}

export function filterGradientDirect(operands: FilterGradientOperands, tile: DirectGradientTile): Kernel {
  const { shape, input, gradient, output, scale } = operands;
  const builder = new KernelBuilder();
  builder.view('input', input, 'read');
  builder.view('gradient', gradient, 'read');
  builder.view('output', output, 'write');
  const channelGroups = Math.ceil(shape.channels / 4);
  const filterGroups = Math.ceil(shape.filters / 4);
  const rowGroups = tile.rows / 4;
  const columnGroups = tile.columns / 4;
  const channelTiles = Math.ceil(channelGroups / rowGroups);
  const filterTiles = Math.ceil(filterGroups / columnGroups);
  const positions = shape.kernelHeight * shape.kernelWidth;
  const threads = tile.splits * positions * channelTiles * filterTiles;
  const weightRows = weightRowsOf(shape);

  const channels = builder.u(shape.channels);
  const filters = builder.u(filterGroups);
  const rows = builder.u(weightRows);
  const factor = builder.f(scale);
  const add = (inputRow: string, gradientRow: string): string => `${unroll(
    rowGroups,
    (i) => `let a${i} = load_input(${inputRow}, channel + ${i}u);`,
  )}
${unroll(columnGroups, (g) => `      let b${g} = load_gradient(${gradientRow}, filter_group + ${g}u);`)}
${unroll(rowGroups, (i) => unroll(4, (lane) => unroll(columnGroups, (g) => `      sum_${4 * i + lane}_${g} += a${i}[${lane}] * b${g};`)))}`;
  const body = `
  let tile = group * ${WORKGROUP_SIZE}u + lane;
  if (tile >= ${builder.u(threads)}) { return; }
  let filter_group = (tile % ${builder.u(filterTiles)}) * ${columnGroups}u;
  let channel = ((tile / ${builder.u(filterTiles)}) % ${builder.u(channelTiles)}) * ${rowGroups}u;
  let position = (tile / ${builder.u(filterTiles * channelTiles)}) % ${builder.u(positions)};
  let split = tile / ${builder.u(filterTiles * channelTiles * positions)};
${unroll(tile.rows, (i) => unroll(columnGroups, (g) => `  var sum_${i}_${g} = vec4f(0);`))}
${sumLines(builder, shape, tile.splits, add)}
${unroll(
  tile.rows,
  (i) => `  if (4u * channel + ${i}u < ${channels}) {
${unroll(
  columnGroups,
  (g) =>
    `    if (filter_group + ${g}u < ${filters}) { store_output(split * ${rows} + position * ${channels} + 4u * channel + ${i}u, filter_group + ${g}u, sum_${i}_${g}${scale === 1 ? '' : ` * ${factor}`}); }`,
)}
  }`,
)}`;
  return builder.build({
    name: operands.name,
    body,
    workgroupSize: WORKGROUP_SIZE,
    groups: Math.ceil(threads / WORKGROUP_SIZE),
    operations: operationsOf(shape),
  });
}

/** The variant with workgroup memory. Each step of the reduction is blockDepth pixels. */
export function filterGradientTiled(operands: FilterGradientOperands, tile: BlockGradientTile): Kernel {
  const { shape, input, gradient, output, scale } = operands;
  const builder = new KernelBuilder();
  builder.view('input', input, 'read');
  builder.view('gradient', gradient, 'read');
  builder.view('output', output, 'write');
  builder.declare(declareTiles(tile));
  const threads = threadsOf(tile);
  const channelGroups = Math.ceil(shape.channels / 4);
  const filterGroups = Math.ceil(shape.filters / 4);
  const positions = shape.kernelHeight * shape.kernelWidth;
  const rowGroups = positions * channelGroups;
  const blockRowGroups = tile.blockRows / 4;
  const blockColumnGroups = tile.blockColumns / 4;
  const rowTiles = Math.ceil(rowGroups / blockRowGroups);
  const columnTiles = Math.ceil(filterGroups / blockColumnGroups);
  const pixels = shape.batch * shape.outHeight * shape.outWidth;
  const share = Math.ceil(Math.ceil(pixels / tile.splits) / tile.blockDepth) * tile.blockDepth;
  const inputItems = (tile.blockDepth * blockRowGroups) / threads;
  const gradientItems = (tile.blockDepth * blockColumnGroups) / threads;
  if (!Number.isInteger(inputItems) || !Number.isInteger(gradientItems) || threads % blockRowGroups !== 0)
    throw new Error('The threads of this tile do not divide what they fetch.');
  const plain = isMatrixProduct(shape);
  const [channels, filters, factor] = [builder.u(shape.channels), builder.u(filterGroups), builder.f(scale)];
  const [outPixels, outWidth] = [builder.u(shape.outHeight * shape.outWidth), builder.u(shape.outWidth)];
  const [height, width, step] = [builder.i(shape.height), builder.i(shape.width), builder.i(shape.stride)];
  const [allRowGroups, channelGroupCount] = [builder.u(rowGroups), builder.u(channelGroups)];
  const inputPixel = plain
    ? 'let inside = pixel < end; let source = pixel;'
    : `let image = pixel / ${outPixels};
      let rest = pixel % ${outPixels};
      let y = i32(rest / ${outWidth}) * ${step} + ky - ${builder.i(shape.padTop)};
      let x = i32(rest % ${outWidth}) * ${step} + kx - ${builder.i(shape.padLeft)};
      let inside = pixel < end && y >= 0 && y < ${height} && x >= 0 && x < ${width};
      let source = u32((i32(image) * ${height} + y) * ${width} + x);`;
  const fetch = `{
${unroll(
  inputItems,
  (j) => `    {
      let pixel = first + a_depth + ${j * (threads / blockRowGroups)}u;
      ${inputPixel}
      a${j} = select(vec4f(0), load_input(select(0u, source, inside), a_channel), inside && a_exists);
    }`,
)}
${unroll(
  gradientItems,
  (j) => `    {
      let item = lane + ${j * threads}u;
      let pixel = first + item / ${blockColumnGroups}u;
      let column = first_column + item % ${blockColumnGroups}u;
      b${j} = select(vec4f(0), load_gradient(select(0u, pixel, pixel < end), min(column, ${filters} - 1u)), pixel < end);
    }`,
)}
  }`;
  const weightRows = weightRowsOf(shape);
  const body = `
${startTile(tile)}
  let first_column = (group % ${builder.u(columnTiles)}) * ${blockColumnGroups}u;
  let first_row = ((group / ${builder.u(columnTiles)}) % ${builder.u(rowTiles)}) * ${blockRowGroups}u;
  let split = group / ${builder.u(columnTiles * rowTiles)};
  let a_group = first_row + lane % ${blockRowGroups}u;
  let a_depth = lane / ${blockRowGroups}u;
  let a_exists = a_group < ${allRowGroups};
  let a_position = min(a_group, ${allRowGroups} - 1u) / ${channelGroupCount};
  let a_channel = min(a_group, ${allRowGroups} - 1u) % ${channelGroupCount};
  ${plain ? '' : `let ky = i32(a_position / ${builder.u(shape.kernelWidth)});\n  let kx = i32(a_position % ${builder.u(shape.kernelWidth)});`}
${unroll(inputItems, (j) => `  var a${j} = vec4f(0);`)}
${unroll(gradientItems, (j) => `  var b${j} = vec4f(0);`)}
  var first = split * ${builder.u(share)};
  let end = min(first + ${builder.u(share)}, ${builder.u(pixels)});
  ${fetch}
  while (first < end) {
    workgroupBarrier();
${unroll(inputItems, (j) => `    tile_a[lane + ${j * threads}u] = a${j};`)}
${unroll(gradientItems, (j) => `    tile_b[lane + ${j * threads}u] = b${j};`)}
    workgroupBarrier();
    first += ${tile.blockDepth}u;
    if (first < end) ${fetch}
    ${multiplyTiles(tile)}
  }
${unroll(
  tile.threadRows / 4,
  (i) => `  {
    let row_group = first_row + thread_row + ${i * (tile.blockRows / tile.threadRows)}u;
    let channel = row_group % ${channelGroupCount};
    let row = split * ${builder.u(weightRows)} + (row_group / ${channelGroupCount}) * ${channels} + 4u * channel;
    if (row_group < ${allRowGroups}) {
${unroll(
  tile.threadColumns / 4,
  (
    g,
  ) => `      let column${g} = first_column + thread_column + ${g * (tile.blockColumns / tile.threadColumns)}u;
      if (column${g} < ${filters}) {
${unroll(
  4,
  (lane) =>
    `        ${shape.channels % 4 === 0 ? '' : `if (4u * channel + ${lane}u < ${channels}) `}{ store_output(row + ${lane}u, column${g}, sum_${4 * i + lane}_${g}${scale === 1 ? '' : ` * ${factor}`}); }`,
)}
      }`,
)}
    }
  }`,
)}`;
  return builder.build({
    name: operands.name,
    body,
    workgroupSize: threads,
    groups: tile.splits * rowTiles * columnTiles,
    operations: operationsOf(shape),
  });
}

/** result ← scale · Σ parts, in order. @param parts [splits, size] */
export function sumOfParts(
  name: string,
  parts: Memory,
  splits: number,
  size: number,
  output: Memory,
  scale: number,
): Kernel {
  const builder = new KernelBuilder();
  builder.view('parts', matrixView(parts, splits, size), 'read');
  builder.view('output', matrixView(output, 1, size), 'write');
  const vectors = Math.ceil(size / 4);
  return builder.build({
    name,
    workgroupSize: WORKGROUP_SIZE,
    groups: Math.ceil(vectors / WORKGROUP_SIZE),
    body: `
  let index = group * ${WORKGROUP_SIZE}u + lane;
  if (index >= ${builder.u(vectors)}) { return; }
  var sum = load_parts(0u, index);
  for (var part = 1u; part < ${builder.u(splits)}; part++) { sum += load_parts(part, index); }
  store_output(0u, index, sum * ${builder.f(scale)});`,
  });
}

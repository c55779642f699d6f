/**
 * A convolution forward or its input gradient, with any of its kernels. If the result is too small to keep a GPU busy,
 * the reduction is split: each part is summed into a copy of the result, and a second kernel adds the copies in order
 * and applies the epilogue.
 */
import { matrixView, rowsOf, storage, type TensorView } from '../tensor_view.ts';
import { convolutionDirect, type ConvolutionOperands, type DirectTile } from './convolution_direct.ts';
import { convolutionTiled, type GatherTile } from './convolution_tiled.ts';
import { declareEpilogue } from './epilogue.ts';
import type { GatherDirection } from './gather_geometry.ts';
import { KernelBuilder, type Kernel } from './kernel.ts';
import { perVector } from './per_vector.ts';

export type ConvolutionVariant = DirectTile | GatherTile;

export function convolutionProduct(
  direction: GatherDirection,
  operands: ConvolutionOperands,
  variant: ConvolutionVariant,
): Kernel[] {
  if (variant.kind === 'direct') return [convolutionDirect(direction, operands, variant)];
  const { depthSplits = 1 } = variant;
  if (depthSplits === 1) return [convolutionTiled(direction, operands, variant)];
  const { name, shape, source, weights, output } = operands;
  const rows = depthSplits * rowsOf(output);
  // Whole vectors, whatever the number of channels is.
  const columns = Math.ceil(output.channels / 4) * 4;
  const parts = matrixView(storage(`${name} parts`, rows * columns), rows, columns);
  return [
    convolutionTiled(direction, { name, shape, source, weights, output: parts }, variant),
    sumOfSplits(operands, parts, depthSplits),
  ];
}

/** @param parts [splits · rows of the output, columns rounded up to 4] */
function sumOfSplits(operands: ConvolutionOperands, parts: TensorView, splits: number): Kernel {
  const { name, output, epilogue = {} } = operands;
  const builder = new KernelBuilder();
  builder.view('parts', parts, 'read');
  declareEpilogue(builder, output, epilogue);
  const rows = builder.u(rowsOf(output));
  return perVector(
    builder,
    `${name} sum`,
    output,
    `var sum = load_parts(row, group_index);
  for (var split = 1u; split < ${builder.u(splits)}; split++) { sum += load_parts(split * ${rows} + row, group_index); }
  finish(row, group_index, sum);`,
  );
}

/** Convolutions and dense layers: the forward pass with fused operations, and the gradients of all operands. */
import type { ProductLayer } from '../fuse.ts';
import { biasGradientParts } from '../kernels/batch_norm.ts';
import type { ConvolutionOperands } from '../kernels/convolution_direct.ts';
import type { ConvolutionGeometry } from '../kernels/convolution_geometry.ts';
import { convolutionProduct } from '../kernels/convolution_product.ts';
import {
  filterGradientDirect,
  filterGradientTiled,
  sumOfParts,
  type FilterGradientOperands,
} from '../kernels/filter_gradient.ts';
import type { GatherDirection } from '../kernels/gather_geometry.ts';
import { columnPartsLayout } from '../kernels/reductions.ts';
import { elementTypeOf, matrixView, rowsOf, storage, type TensorView } from '../tensor_view.ts';
import { inferenceNorm, normalizeBatch } from './batch_norm.ts';
import { geometryOf, newView, type ViewShape } from './layer_shapes.ts';
import type { ProgramBuilder } from './program_builder.ts';

/**
 * In training, a batch norm needs the convolution's complete output before it can begin. Otherwise all is one kernel.
 */
export function forwardProduct(
  program: ProgramBuilder,
  layer: ProductLayer & { readonly output: string },
  shape: ViewShape,
  inputs: readonly TensorView[],
  output: TensorView,
): void {
  const { node, norm, residual } = layer;
  const geometry = geometryOf(layer, inputs[0]!);
  const bias = node.biases === undefined ? undefined : program.parameter(node.biases);
  const operands = (result: TensorView, epilogue: ConvolutionOperands['epilogue']): ConvolutionOperands => ({
    name: `${node.name} forward`,
    shape: geometry,
    source: inputs[0]!,
    weights: program.parameter(node.weights),
    output: result,
    epilogue,
  });
  if (norm && program.isTraining) {
    const raw = newView(node.name, shape);
    gather(program, 'forward', operands(raw, { bias }));
    normalizeBatch(program, norm, layer.relu, raw, output, layer.output);
    return;
  }
  gather(
    program,
    'forward',
    operands(output, {
      bias,
      norm: norm && inferenceNorm(program, norm),
      scale: residual?.scale,
      addend: residual && inputs[1]!,
      relu: layer.relu,
    }),
  );
}

/**
 * Gradients of a product's weights, biases and input. `gradient` is that of its output, without the residual's scale.
 * @param target where to write the gradient of the input; undefined if no layer needs it
 */
export function productGradients(
  program: ProgramBuilder,
  layer: ProductLayer,
  gradient: TensorView,
  input: TensorView,
  target: () => { view: TensorView; accumulate: boolean } | undefined,
): void {
  const { node, residual } = layer;
  const scale = residual?.scale ?? 1;
  const shape = geometryOf(layer, input);
  filterGradient(program, node.name, shape, input, gradient, node.weights, scale);
  if (node.biases !== undefined) biasGradient(program, node.name, gradient, node.biases, scale);
  const result = target();
  if (!result) return;
  gather(program, 'input_gradient', {
    name: `${node.name} input gradient`,
    shape,
    source: gradient,
    weights: program.parameter(node.weights),
    output: result.view,
    epilogue: { scale, addend: result.accumulate ? result.view : undefined },
  });
}

function gather(program: ProgramBuilder, direction: GatherDirection, operands: ConvolutionOperands): void {
  const elementType = elementTypeOf(operands.source.memory);
  program.uses.push({ operation: direction, shape: operands.shape, elementType });
  const variant = program.variants.convolution(direction, operands.shape, elementType);
  program.add(...convolutionProduct(direction, operands, variant));
}

function biasGradient(
  program: ProgramBuilder,
  name: string,
  gradient: TensorView,
  biases: string,
  scale: number,
): void {
  const { parts, floats } = columnPartsLayout(rowsOf(gradient), gradient.channels);
  const memory = storage('parts', floats);
  const padded = Math.ceil(gradient.channels / 4) * 4;
  program.add(
    biasGradientParts(`${name} bias gradient parts`, gradient, memory, program.cooperation),
    sumOfParts(
      `${name} bias gradient`,
      memory,
      parts,
      padded,
      { ...program.layout.region(biases), buffer: 'gradients' },
      scale,
    ),
  );
}

function filterGradient(
  program: ProgramBuilder,
  name: string,
  shape: ConvolutionGeometry,
  input: TensorView,
  gradient: TensorView,
  weights: string,
  scale: number,
): void {
  const elementType = elementTypeOf(input.memory);
  program.uses.push({ operation: 'filter_gradient', shape, elementType });
  const variant = program.variants.filterGradient(shape, elementType);
  const result = program.parameter(weights, 'gradients');
  const rows = rowsOf(result);
  const single = variant.splits === 1;
  const parts = single ? undefined : storage('filter gradient parts', variant.splits * rows * shape.filters);
  const operands: FilterGradientOperands = {
    name: `${name} filter gradient`,
    shape,
    input,
    gradient,
    output: parts ? matrixView(parts, variant.splits * rows, shape.filters) : result,
    scale: single ? scale : 1,
  };
  program.add(
    variant.kind === 'direct'
      ? filterGradientDirect(operands, variant)
      : filterGradientTiled(operands, variant),
  );
  if (parts)
    program.add(
      sumOfParts(
        `${name} filter gradient sum`,
        parts,
        variant.splits,
        rows * shape.filters,
        { ...program.layout.region(weights), buffer: 'gradients' },
        scale,
      ),
    );
}

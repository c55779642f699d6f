/** The forward pass, one layer at a time. */
import type { Layer } from '../fuse.ts';
import { addScaled, copy, dropout, relu } from '../kernels/elementwise.ts';
import { cropImages, standardizeImages } from '../kernels/images.ts';
import { l2Normalize } from '../kernels/losses.ts';
import { globalAveragePool, pool } from '../kernels/pooling.ts';
import { zeroPad } from '../kernels/zero_pad.ts';
import { freshView, sliceChannels, type TensorView } from '../tensor_view.ts';
import { forwardNorm } from './batch_norm.ts';
import { forwardProduct } from './convolution.ts';
import { branchDestinations, layerShapes, newView, type ViewShape } from './layer_shapes.ts';
import type { ProgramBuilder } from './program_builder.ts';

/**
 * Adds the kernels of all layers, from the pixels on.
 * @param given fixed places for the values of certain nodes
 * @returns the values by node
 */
export function addForward(
  program: ProgramBuilder,
  layers: readonly Layer[],
  given: ReadonlyMap<string, TensorView> = new Map(),
): Map<string, TensorView> {
  const { batchSize, imageSize } = program.settings;
  const shapes = layerShapes(layers, batchSize, imageSize, program.elementType);
  const destinations = branchDestinations(layers, shapes);
  for (const [name, view] of given) destinations.set(name, view);
  const values = new Map<string, TensorView>();
  for (const layer of layers) {
    const shape = shapes.get(layer.output)!;
    const target = (): TensorView => destinations.get(layer.output) ?? newView(layer.output, shape);
    const inputs = layer.inputs.map((name) => values.get(name)!);
    values.set(layer.output, forwardLayer(program, layer, shape, inputs, target));
  }
  return values;
}

function forwardLayer(
  program: ProgramBuilder,
  layer: Layer,
  shape: ViewShape,
  inputs: readonly TensorView[],
  target: () => TensorView,
): TensorView {
  const [input] = inputs as [TensorView];
  const name = layer.output;
  if (layer.kind === 'plain') return forwardPlain(program, layer.node, name, shape, inputs, target);
  const output = target();
  if (layer.kind === 'product') forwardProduct(program, layer, shape, inputs, output);
  else if (layer.kind === 'norm') forwardNorm(program, layer.node, layer.relu, input, output, name);
  else program.add(addScaled(`${name} add`, input, inputs[1]!, layer.node.scale, layer.relu, output));
  return output;
}

function forwardPlain(
  program: ProgramBuilder,
  node: (Layer & { kind: 'plain' })['node'],
  name: string,
  shape: ViewShape,
  inputs: readonly TensorView[],
  target: () => TensorView,
): TensorView {
  const [input] = inputs as [TensorView];
  if (node.kind === 'input') return addImages(program, shape);
  if (node.kind === 'dropout' && !dropsValues(program)) return input;
  const output = target();
  switch (node.kind) {
    case 'relu':
      program.add(relu(`${name} relu`, input, output));
      break;
    case 'max_pool':
    case 'average_pool':
      program.add(pool(`${name} pool`, node.kind, input, output, node));
      break;
    case 'concat':
      addCopies(program, name, inputs, output);
      break;
    case 'zero_pad':
      program.add(zeroPad(`${name} pad`, input, output));
      break;
    case 'global_average_pool':
      program.add(globalAveragePool(`${name} average`, input, output));
      break;
    case 'dropout': {
      const { keepProbability } = program.training;
      program.add(dropout(`${name} dropout`, input, output, keepProbability, program.region('step'), false));
      break;
    }
    case 'l2_normalize':
      program.add(l2Normalize(input, output, node.epsilon, program.cooperation));
  }
  return output;
}

export function dropsValues(program: ProgramBuilder): boolean {
  return program.isTraining && program.training.keepProbability < 1;
}

/** Copies those inputs of a concatenation that are not already in their slices. */
function addCopies(
  program: ProgramBuilder,
  name: string,
  inputs: readonly TensorView[],
  output: TensorView,
): void {
  let offset = 0;
  for (const view of inputs) {
    const slice = sliceChannels(output, offset, view.channels);
    if (!isSameView(slice, view)) program.add(copy(`${name} copy`, view, slice, false));
    offset += view.channels;
  }
}

function addImages(program: ProgramBuilder, shape: ViewShape): TensorView {
  // With a fourth, unused channel, every pixel begins at a multiple of 16 bytes.
  const view = freshView('images', shape, 4, shape.elementType);
  const buffers = {
    pixels: program.region('pixels'),
    transforms: program.region('transforms'),
    step: program.region('step'),
  };
  const fixed = program.settings.useFixedImageStandardization;
  program.add(cropImages('image crop', buffers, view, fixed));
  if (!fixed) program.add(standardizeImages('image standardization', view, program.cooperation));
  return view;
}

function isSameView(a: TensorView, b: TensorView): boolean {
  return a.memory === b.memory && a.channelOffset === b.channelOffset && a.channelStride === b.channelStride;
}

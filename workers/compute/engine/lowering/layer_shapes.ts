/** The layout of each layer's value: its shape, its element type, and the slice that holds it. */
import type { Layer, ProductLayer } from '../fuse.ts';
import { convolutionGeometry, type ConvolutionGeometry } from '../kernels/convolution_geometry.ts';
import {
  elementTypeOf,
  freshView,
  sliceChannels,
  type ElementType,
  type TensorView,
} from '../tensor_view.ts';

export interface ImageShape {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

export interface ViewShape extends ImageShape {
  readonly elementType: ElementType;
}

/** The shape of each layer's output, by its name. @param elementType the type of values that have pixels */
export function layerShapes(
  layers: readonly Layer[],
  batch: number,
  imageSize: number,
  elementType: ElementType,
): Map<string, ViewShape> {
  const shapes = new Map<string, ViewShape>();
  for (const layer of layers) {
    const first = shapes.get(layer.inputs[0] ?? '');
    shapes.set(layer.output, {
      ...outputShape(layer, first, shapes, batch, imageSize),
      elementType: outputElementType(layer, shapes, elementType),
    });
  }
  return shapes;
}

/** The places of branches: the slices of the concatenations that read them. */
export function branchDestinations(
  layers: readonly Layer[],
  shapes: ReadonlyMap<string, ViewShape>,
): Map<string, TensorView> {
  const destinations = new Map<string, TensorView>();
  const producers = new Map(layers.map((layer) => [layer.output, layer]));
  for (const layer of [...layers].reverse()) {
    if (layer.node.kind !== 'concat') continue;
    const view = destinations.get(layer.output) ?? newView(layer.output, shapes.get(layer.output)!);
    destinations.set(layer.output, view);
    let offset = 0;
    for (const input of layer.inputs) {
      const { channels } = shapes.get(input)!;
      const kind = producers.get(input)!.node.kind;
      if (!destinations.has(input) && kind !== 'input' && kind !== 'dropout')
        destinations.set(input, sliceChannels(view, offset, channels));
      offset += channels;
    }
  }
  return destinations;
}

export function newView(name: string, shape: ViewShape): TensorView {
  return freshView(name, shape, shape.channels, shape.elementType);
}

/** A gradient has the layout of its value. */
export function gradientView(name: string, value: TensorView): TensorView {
  return newView(name, { ...value, elementType: elementTypeOf(value.memory) });
}

/** A dense layer is a 1×1 convolution of images of one pixel. */
export function geometryOf(layer: ProductLayer, input: ImageShape): ConvolutionGeometry {
  const { node } = layer;
  return node.kind === 'conv2d'
    ? convolutionGeometry(input, node.filters, node.kernel, node.stride, node.padding)
    : convolutionGeometry(input, node.units, [1, 1], 1, 'VALID');
}

function outputShape(
  layer: Layer,
  input: ImageShape | undefined,
  shapes: ReadonlyMap<string, ImageShape>,
  batch: number,
  imageSize: number,
): ImageShape {
  const { node } = layer;
  if (node.kind === 'input') return { batch, height: imageSize, width: imageSize, channels: node.channels };
  if (!input) throw new Error(`${layer.output} is used before it is defined.`);
  if (layer.kind === 'product') {
    const { outHeight, outWidth, filters } = geometryOf(layer, input);
    return { batch, height: outHeight, width: outWidth, channels: filters };
  }
  switch (node.kind) {
    case 'max_pool':
    case 'average_pool': {
      const { outHeight, outWidth } = convolutionGeometry(
        input,
        input.channels,
        [node.size, node.size],
        node.stride,
        node.padding,
      );
      return { batch, height: outHeight, width: outWidth, channels: input.channels };
    }
    case 'concat':
      return {
        ...input,
        channels: layer.inputs.reduce((sum, name) => sum + shapes.get(name)!.channels, 0),
      };
    case 'zero_pad': {
      const like = shapes.get(node.like)!;
      return {
        batch,
        height: Math.max(input.height, like.height),
        width: Math.max(input.width, like.width),
        channels: Math.max(input.channels, like.channels),
      };
    }
    case 'global_average_pool':
      return { batch, height: 1, width: 1, channels: input.channels };
    default:
      return { batch: input.batch, height: input.height, width: input.width, channels: input.channels };
  }
}

/** Values without pixels are small, and the losses are sensitive to them, so they stay float32. */
function outputElementType(
  { node, inputs }: Layer,
  shapes: ReadonlyMap<string, ViewShape>,
  ofImages: ElementType,
): ElementType {
  if (node.kind === 'input') return ofImages;
  if (node.kind === 'dense' || node.kind === 'global_average_pool' || node.kind === 'l2_normalize')
    return 'float32';
  return inputs.some((name) => shapes.get(name)!.elementType === 'float16') ? 'float16' : 'float32';
}

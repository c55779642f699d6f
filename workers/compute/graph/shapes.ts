/** Shape inference with TensorFlow's padding rules. */
import type { Graph, GraphNode, Padding } from './ir.ts';

export class ImageTooSmallError extends Error {
  override name = 'ImageTooSmallError';
  constructor(imageSize: number, graph: Graph) {
    super(
      `Images of ${imageSize} × ${imageSize} pixels are too small for ${graph.name}: the smallest is ${graph.minimumImageSize}. Choose a larger image_size.`,
    );
  }
}

/** Output length and padding along one axis. With SAME, TensorFlow puts an odd pixel at the end. */
export function windowGeometry(
  length: number,
  kernel: number,
  stride: number,
  padding: Padding,
): { length: number; before: number; after: number } {
  if (padding === 'VALID') return { length: Math.floor((length - kernel) / stride) + 1, before: 0, after: 0 };
  const output = Math.ceil(length / stride);
  const total = Math.max((output - 1) * stride + kernel - length, 0);
  const before = Math.floor(total / 2);
  return { length: output, before, after: total - before };
}

/**
 * @returns the output shape of every node: [N, H, W, C] before the global average pool, [N, C] after it
 * @throws ImageTooSmallError
 */
export function inferShapes(
  graph: Graph,
  { batchSize, imageSize }: { batchSize: number; imageSize: number },
): Map<string, number[]> {
  const shapes = new Map<string, number[]>();
  const shapeOf = (name: string): number[] => {
    const shape = shapes.get(name);
    if (!shape) throw new Error(`Node ${name} is used before it is defined.`);
    return shape;
  };
  const windowed = (
    input: string,
    kernel: readonly [number, number],
    stride: number,
    padding: Padding,
    channels: number | undefined,
  ): number[] => {
    const [batch, height, width, inputChannels] = shapeOf(input) as [number, number, number, number];
    const outHeight = windowGeometry(height, kernel[0], stride, padding).length;
    const outWidth = windowGeometry(width, kernel[1], stride, padding).length;
    if (outHeight < 1 || outWidth < 1) throw new ImageTooSmallError(imageSize, graph);
    return [batch, outHeight, outWidth, channels ?? inputChannels];
  };
  const infer = (node: GraphNode): number[] => {
    switch (node.kind) {
      case 'input':
        return [batchSize, imageSize, imageSize, node.channels];
      case 'conv2d':
        return windowed(node.input, node.kernel, node.stride, node.padding, node.filters);
      case 'max_pool':
      case 'average_pool':
        return windowed(node.input, [node.size, node.size], node.stride, node.padding, undefined);
      case 'concat': {
        const parts = node.inputs.map(shapeOf);
        const channels = parts.reduce((sum, shape) => sum + shape.at(-1)!, 0);
        return [...parts[0]!.slice(0, -1), channels];
      }
      case 'zero_pad': {
        const like = shapeOf(node.like);
        return shapeOf(node.input).map((length, axis) => Math.max(length, like[axis]!));
      }
      case 'global_average_pool': {
        const shape = shapeOf(node.input);
        return [shape[0]!, shape.at(-1)!];
      }
      case 'dense':
        return [shapeOf(node.input)[0]!, node.units];
      case 'batch_norm':
      case 'relu':
      case 'residual_add':
      case 'dropout':
      case 'l2_normalize':
        return [...shapeOf(node.input)];
    }
  };
  for (const node of graph.nodes) shapes.set(node.name, infer(node));
  return shapes;
}

/** The names of the nodes that a node reads. */
export function inputsOf(node: GraphNode): readonly string[] {
  switch (node.kind) {
    case 'input':
      return [];
    case 'concat':
      return node.inputs;
    case 'residual_add':
      return [node.input, node.residual];
    case 'zero_pad':
      return [node.input, node.like];
    default:
      return [node.input];
  }
}

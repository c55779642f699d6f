/**
 * Makes a network with a fraction of the channels. It is as deep as the original one, and fast enough for many runs.
 */
import type { Graph, GraphNode, ParameterSpec } from '../../workers/compute/graph/ir.ts';

/** @param divisor divides the numbers of filters, which stay at least 4; dense layers keep their units */
export function narrowGraph(graph: Graph, divisor: number): Graph {
  if (divisor === 1) return graph;
  const channels = new Map<string, number>();
  const shapes = new Map<string, readonly number[]>();
  const nodes = graph.nodes.map((node): GraphNode => {
    const narrowed: GraphNode =
      node.kind === 'conv2d' ? { ...node, filters: Math.max(4, Math.round(node.filters / divisor)) } : node;
    channels.set(node.name, channelsOf(narrowed, channels));
    for (const [parameter, shape] of parameterShapes(narrowed, channels)) shapes.set(parameter, shape);
    return narrowed;
  });
  const parameters = graph.parameters.map((spec): ParameterSpec => ({
    ...spec,
    shape: shapes.get(spec.name)!,
  }));
  return { ...graph, nodes, parameters };
}

/** @param channels the channels of the nodes before it */
function channelsOf(node: GraphNode, channels: ReadonlyMap<string, number>): number {
  switch (node.kind) {
    case 'input':
      return node.channels;
    case 'conv2d':
      return node.filters;
    case 'dense':
      return node.units;
    case 'concat':
      return node.inputs.reduce((sum, name) => sum + channels.get(name)!, 0);
    default:
      return channels.get(node.input)!;
  }
}

function parameterShapes(
  node: GraphNode,
  channels: ReadonlyMap<string, number>,
): (readonly [string, readonly number[]])[] {
  const own = [channels.get(node.name)!];
  switch (node.kind) {
    case 'conv2d':
    case 'dense': {
      const kernel = node.kind === 'conv2d' ? node.kernel : [];
      const weights = [...kernel, channels.get(node.input)!, ...own];
      return [[node.weights, weights], ...optional(node.biases, own)];
    }
    case 'batch_norm':
      return [
        [node.beta, own],
        [node.movingMean, own],
        [node.movingVariance, own],
        ...optional(node.gamma, own),
      ];
    default:
      return [];
  }
}

function optional(
  parameter: string | undefined,
  shape: readonly number[],
): (readonly [string, readonly number[]])[] {
  return parameter === undefined ? [] : [[parameter, shape]];
}

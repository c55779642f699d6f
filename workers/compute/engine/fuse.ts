/**
 * Groups a graph's nodes into layers that one kernel or a few kernels compute together: a convolution (or dense layer)
 * with its batch norm and ReLU; the last convolution of a residual block with its bias, the scaled addition and the
 * ReLU.
 */
import type {
  BatchNormNode,
  ConcatNode,
  Conv2dNode,
  DenseNode,
  DropoutNode,
  GlobalAveragePoolNode,
  Graph,
  GraphNode,
  InputNode,
  L2NormalizeNode,
  PoolNode,
  ReluNode,
  ResidualAddNode,
  ZeroPadNode,
} from '../graph/ir.ts';
import { onlyReaders } from '../graph/readers.ts';
import { inputsOf } from '../graph/shapes.ts';

/** output = relu?(skip + scale · norm?(input ∗ weights + biases)) */
export interface ProductLayer {
  readonly kind: 'product';
  readonly node: Conv2dNode | DenseNode;
  readonly norm?: BatchNormNode | undefined;
  readonly residual?: ResidualAddNode | undefined;
  readonly relu: boolean;
}

export interface NormLayer {
  readonly kind: 'norm';
  readonly node: BatchNormNode;
  readonly relu: boolean;
}

export interface ResidualLayer {
  readonly kind: 'residual';
  readonly node: ResidualAddNode;
  readonly relu: boolean;
}

export interface PlainLayer {
  readonly kind: 'plain';
  readonly node:
    | InputNode
    | ReluNode
    | PoolNode
    | ConcatNode
    | ZeroPadNode
    | GlobalAveragePoolNode
    | DropoutNode
    | L2NormalizeNode;
}

export type Layer = (ProductLayer | NormLayer | ResidualLayer | PlainLayer) & {
  /** Names of nodes whose values the layer reads. */
  readonly inputs: readonly string[];
  /** Name of the node whose value the layer computes. */
  readonly output: string;
};

/** Ordered so that every layer comes after the layers it reads. */
export function fuseLayers(graph: Graph): Layer[] {
  const onlyReader = onlyReaders(graph);
  const fused = new Set<string>();
  /** Layers by their last node, at whose place they are computed. */
  const byLast = new Map<string, Layer>();
  const withRelu = (name: string): { output: string; relu: boolean } => {
    const next = onlyReader(name);
    return next?.kind === 'relu' ? { output: next.name, relu: true } : { output: name, relu: false };
  };
  for (const node of graph.nodes) {
    if (fused.has(node.name)) continue;
    let layer: Layer;
    switch (node.kind) {
      case 'conv2d':
      case 'dense':
        layer = productLayer(node, onlyReader, withRelu);
        break;
      case 'batch_norm':
        layer = { kind: 'norm', node, inputs: [node.input], ...withRelu(node.name) };
        break;
      case 'residual_add':
        // If a product takes this as its residual, it comes earlier in the graph and has already taken it.
        layer = { kind: 'residual', node, inputs: [node.input, node.residual], ...withRelu(node.name) };
        break;
      default:
        layer = { kind: 'plain', node, inputs: inputsOf(node), output: node.name };
    }
    for (const member of membersOf(layer)) fused.add(member);
    byLast.set(layer.output, layer);
  }
  return graph.nodes.flatMap((node) => byLast.get(node.name) ?? []);
}

function productLayer(
  node: Conv2dNode | DenseNode,
  onlyReader: (name: string) => GraphNode | undefined,
  withRelu: (name: string) => { output: string; relu: boolean },
): Layer {
  const next = onlyReader(node.name);
  if (next?.kind === 'batch_norm')
    return { kind: 'product', node, norm: next, inputs: [node.input], ...withRelu(next.name) };
  if (next?.kind === 'residual_add' && next.residual === node.name && next.input !== node.name)
    return {
      kind: 'product',
      node,
      residual: next,
      inputs: [node.input, next.input],
      ...withRelu(next.name),
    };
  return { kind: 'product', node, inputs: [node.input], ...withRelu(node.name) };
}

/** Names of the nodes that a layer computes. */
function membersOf(layer: Layer): string[] {
  const members = [layer.node.name, layer.output];
  if (layer.kind === 'product' && layer.norm) members.push(layer.norm.name);
  if (layer.kind === 'product' && layer.residual) members.push(layer.residual.name);
  return members;
}

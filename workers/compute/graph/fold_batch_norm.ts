/**
 * Folds operations with constants into the layers before them, for inference: batch norms with moving statistics, and
 * the scales of the residual branches. y = (w·x − mean)·gamma/√(variance + ε) + beta is one layer with other weights
 * and a bias (Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
 * Inference", 2018, section 3.2). It is computed in float64 and rounded once.
 *
 * The result is an ordinary graph, which every exporter can use. Unfolding turns folded weights back into a trainable
 * model, whose batch norms only add the bias.
 */
import type {
  BatchNormNode,
  Conv2dNode,
  DenseNode,
  Graph,
  GraphNode,
  ParameterSpec,
  ResidualAddNode,
} from './ir.ts';
import { onlyReaders } from './readers.ts';
import type { HostTensor, NamedTensors } from '../../protocol/tensor.ts';

type Layer = Conv2dNode | DenseNode;

export interface FoldedModel {
  /** The graph without dropout, and without the batch norms that follow a convolution or dense layer. */
  readonly graph: Graph;
  readonly parameters: Map<string, HostTensor>;
}

/** The nodes that are folded into one layer. */
interface Folding {
  readonly layer: Layer;
  readonly batchNorm: BatchNormNode | undefined;
  /** The addition whose scale becomes 1. */
  readonly residualAdd: ResidualAddNode | undefined;
  /** The name of the bias parameter; undefined for a layer that neither has nor needs a bias. */
  readonly biases: string | undefined;
}

/** @param parameters a value for each of the graph's parameters */
export function foldBatchNorms(graph: Graph, parameters: NamedTensors): FoldedModel {
  const foldings = planFoldings(graph);
  return { graph: foldGraph(graph, foldings), parameters: foldParameters(graph, parameters, foldings) };
}

/** The graph that foldBatchNorms makes of `graph`, without values. */
export function foldedGraph(graph: Graph): Graph {
  return foldGraph(graph, planFoldings(graph));
}

/**
 * Parameters of `graph`, including batch norms, that compute the same as the folded ones: beta = the bias, moving mean
 * 0, moving variance 1 − ε, gamma 1, and weights divided by the residual scale.
 * @param folded a value for each parameter of foldedGraph(graph)
 */
export function unfoldBatchNorms(graph: Graph, folded: NamedTensors): Map<string, HostTensor> {
  const parameters = new Map<string, HostTensor>();
  for (const { layer, batchNorm, residualAdd, biases } of planFoldings(graph).values()) {
    const scale = residualAdd?.scale ?? 1;
    parameters.set(layer.weights, scaled(folded.get(layer.weights)!, 1 / scale));
    if (biases === undefined) continue;
    const bias = scaled(folded.get(biases)!, 1 / scale);
    if (!batchNorm) {
      parameters.set(biases, bias);
      continue;
    }
    const constant = (value: number): HostTensor => ({
      shape: bias.shape,
      data: new Float32Array(bias.data.length).fill(value),
    });
    if (layer.biases !== undefined) parameters.set(layer.biases, constant(0));
    parameters.set(batchNorm.beta, bias);
    if (batchNorm.gamma !== undefined) parameters.set(batchNorm.gamma, constant(1));
    parameters.set(batchNorm.movingMean, constant(0));
    parameters.set(batchNorm.movingVariance, constant(1 - batchNorm.epsilon));
  }
  // Batch norms that do not follow a layer stay unchanged.
  return new Map(graph.parameters.map(({ name }) => [name, parameters.get(name) ?? folded.get(name)!]));
}

/** The foldings by layer name. A layer is not folded if its output has a second reader or is an output of the graph. */
function planFoldings(graph: Graph): Map<string, Folding> {
  const onlyReader = onlyReaders(graph);
  const foldings = new Map<string, Folding>();
  for (const layer of graph.nodes) {
    if (layer.kind !== 'conv2d' && layer.kind !== 'dense') continue;
    const after = onlyReader(layer.name);
    const batchNorm = after?.kind === 'batch_norm' ? after : undefined;
    const next = onlyReader((batchNorm ?? layer).name);
    const residualAdd =
      next?.kind === 'residual_add' &&
      next.residual === (batchNorm ?? layer).name &&
      next.scale !== 1 &&
      next.scale !== 0
        ? next
        : undefined;
    const biases = layer.biases ?? (batchNorm ? `${layer.name}/biases` : undefined);
    foldings.set(layer.name, { layer, batchNorm, residualAdd, biases });
  }
  return foldings;
}

function foldGraph(graph: Graph, foldings: ReadonlyMap<string, Folding>): Graph {
  const foldedNorms = new Set([...foldings.values()].map(({ batchNorm }) => batchNorm?.name));
  const scaledAdditions = new Set([...foldings.values()].map(({ residualAdd }) => residualAdd?.name));
  /** Maps a removed node to the node whose output replaces its own. */
  const replacements = new Map<string, string>();
  const resolve = (name: string): string => replacements.get(name) ?? name;
  const nodes: GraphNode[] = [];
  for (const node of graph.nodes) {
    if (node.kind === 'dropout' || (node.kind === 'batch_norm' && foldedNorms.has(node.name)))
      replacements.set(node.name, resolve(node.input));
    else if (node.kind === 'input') nodes.push(node);
    else if (node.kind === 'concat') nodes.push({ ...node, inputs: node.inputs.map(resolve) });
    else if (node.kind === 'zero_pad')
      nodes.push({ ...node, input: resolve(node.input), like: resolve(node.like) });
    else if (node.kind === 'residual_add')
      nodes.push({
        ...node,
        input: resolve(node.input),
        residual: resolve(node.residual),
        scale: scaledAdditions.has(node.name) ? 1 : node.scale,
      });
    else if (node.kind === 'conv2d' || node.kind === 'dense') {
      const { biases } = foldings.get(node.name)!;
      nodes.push({ ...node, input: resolve(node.input), ...(biases === undefined ? {} : { biases }) });
    } else nodes.push({ ...node, input: resolve(node.input) });
  }
  const { prelogits, embeddings, logits } = graph.outputs;
  return {
    ...graph,
    nodes,
    parameters: foldedSpecs(graph, nodes),
    outputs: {
      prelogits: resolve(prelogits),
      embeddings: resolve(embeddings),
      ...(logits === undefined ? {} : { logits: resolve(logits) }),
    },
  };
}

/** The parameters in the order of the nodes: those that nodes still name, and the biases that the folding adds. */
function foldedSpecs(graph: Graph, nodes: readonly GraphNode[]): ParameterSpec[] {
  const specs = new Map(graph.parameters.map((spec) => [spec.name, spec]));
  return nodes.flatMap((node): ParameterSpec[] => {
    if (node.kind === 'batch_norm')
      return [node.beta, node.gamma, node.movingMean, node.movingVariance]
        .filter((name) => name !== undefined)
        .map((name) => specs.get(name)!);
    if (node.kind !== 'conv2d' && node.kind !== 'dense') return [];
    const weights = specs.get(node.weights)!;
    if (node.biases === undefined) return [weights];
    const biases = specs.get(node.biases) ?? {
      name: node.biases,
      shape: [weights.shape.at(-1)!],
      trainable: true,
      regularized: false,
      initializer: 'zeros',
    };
    return [weights, biases];
  });
}

function foldParameters(
  graph: Graph,
  parameters: NamedTensors,
  foldings: ReadonlyMap<string, Folding>,
): Map<string, HostTensor> {
  const result = new Map<string, HostTensor>();
  const value = (name: string): HostTensor => parameters.get(name)!;
  for (const { layer, batchNorm, residualAdd, biases } of foldings.values()) {
    const weights = value(layer.weights);
    const channels = weights.shape.at(-1)!;
    const factor = new Float64Array(channels).fill(residualAdd?.scale ?? 1);
    const offset = new Float64Array(channels);
    if (layer.biases !== undefined) offset.set(value(layer.biases).data);
    if (batchNorm) {
      const { data: mean } = value(batchNorm.movingMean);
      const { data: variance } = value(batchNorm.movingVariance);
      const { data: beta } = value(batchNorm.beta);
      const gamma = batchNorm.gamma === undefined ? undefined : value(batchNorm.gamma).data;
      for (let c = 0; c < channels; c++) {
        const normalization = (gamma?.[c] ?? 1) / Math.sqrt(variance[c]! + batchNorm.epsilon);
        offset[c] = (offset[c]! - mean[c]!) * normalization + beta[c]!;
        factor[c] = factor[c]! * normalization;
      }
    }
    if (residualAdd) for (let c = 0; c < channels; c++) offset[c] = offset[c]! * residualAdd.scale;
    const data = new Float32Array(weights.data.length);
    for (let i = 0; i < data.length; i++) data[i] = weights.data[i]! * factor[i % channels]!;
    result.set(layer.weights, { shape: weights.shape, data });
    if (biases !== undefined) result.set(biases, { shape: [channels], data: Float32Array.from(offset) });
  }
  // Batch norms that do not follow a layer.
  for (const { name } of foldGraph(graph, foldings).parameters)
    if (!result.has(name)) result.set(name, value(name));
  return result;
}

function scaled(tensor: HostTensor, factor: number): HostTensor {
  return factor === 1 ? tensor : { shape: tensor.shape, data: tensor.data.map((value) => value * factor) };
}

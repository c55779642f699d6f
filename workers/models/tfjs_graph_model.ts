/**
 * TensorFlow.js graph models: model.json and shards of weights that plain `tf.loadGraphModel` loads.
 *
 * model.json holds a TensorFlow GraphDef in protobuf's JSON form (strings as base64, 64-bit integers as strings), a
 * signature, and the weights' manifest:
 * https://github.com/tensorflow/tfjs/tree/master/tfjs-converter#format-conversion
 * https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/graph.proto
 *
 * Batch norms and residual scales are folded into the layers, bias and ReLU fused into them, so that a model of 132
 * convolutions has 132 kernels for them. The input is standardised pixels, [-1, S, S, 3]; the output the l2-normalised
 * embeddings. Everything else of the model description can be stored in `userDefinedMetadata`.
 */
import { foldBatchNorms } from '../compute/graph/fold_batch_norm.ts';
import type { Graph, GraphNode, Padding } from '../compute/graph/ir.ts';
import { onlyReaders } from '../compute/graph/readers.ts';
import { inferShapes } from '../compute/graph/shapes.ts';
import type { NamedTensors } from '../protocol/tensor.ts';
import { toFloat16 } from '../formats/float_formats.ts';
import { bytesOf, isStoredAsFloat16, type WeightFormat } from '../formats/safetensors.ts';

/** tfjs's own converter makes shards of 4 MiB; browsers cache and load them side by side. */
export const SHARD_BYTES = 4_000_000;
export const MODEL_JSON = 'model.json';

export interface ExportedFile {
  readonly path: string;
  readonly content: Blob;
}

interface WeightSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int32';
  /** How the bytes are stored; the reader makes float32 of them. */
  readonly quantization?: { readonly dtype: 'float16' };
}

interface Attributes {
  readonly [name: string]: unknown;
}

interface NodeDefinition {
  readonly name: string;
  readonly op: string;
  readonly input?: readonly string[];
  readonly attr: Attributes;
}

/**
 * The shards first and model.json last: a folder in which writing was cut off holds no model.
 * @param graph without logits, not folded yet
 * @param metadata becomes `userDefinedMetadata`
 * @param weightFormat float16 halves the files; the reader computes with float32 all the same
 * @throws Float16RangeError
 */
export function tfjsGraphModelFiles(
  graph: Graph,
  parameters: NamedTensors,
  imageSize: number,
  metadata: Readonly<Record<string, string>>,
  weightFormat: WeightFormat = 'float32',
): ExportedFile[] {
  const folded = foldBatchNorms(graph, parameters);
  const topology = new TopologyWriter(folded.graph, folded.parameters, imageSize, weightFormat);
  const shards = inShards(topology.weights.map(({ bytes }) => bytes));
  const paths = shards.map((_, index) => `group1-shard${index + 1}of${shards.length}.bin`);
  const model = {
    format: 'graph-model',
    generatedBy: 'facenet-webgpu-trainer',
    convertedBy: null,
    signature: {
      inputs: { input: tensorInfo('input', [-1, imageSize, imageSize, 3]) },
      outputs: { embeddings: tensorInfo('embeddings', [-1, graph.embeddingSize]) },
    },
    modelTopology: {
      node: topology.nodes,
      library: {},
      versions: { producer: 1395, minConsumer: 12 },
    },
    weightsManifest: [{ paths, weights: topology.weights.map(({ spec }) => spec) }],
    userDefinedMetadata: metadata,
  };
  return [
    ...shards.map((parts, index) => ({
      path: paths[index]!,
      content: new Blob(parts, { type: 'application/octet-stream' }),
    })),
    { path: MODEL_JSON, content: new Blob([JSON.stringify(model)], { type: 'application/json' }) },
  ];
}

/** Writes the folded graph as TensorFlow nodes, with the constants that they need. */
class TopologyWriter {
  readonly nodes: NodeDefinition[] = [];
  readonly weights: { readonly spec: WeightSpec; readonly bytes: Uint8Array<ArrayBuffer> }[] = [];
  readonly #parameters: NamedTensors;
  readonly #imageSize: number;
  readonly #shapes: ReadonlyMap<string, readonly number[]>;
  readonly #weightFormat: WeightFormat;
  readonly #constants = new Set<string>();
  /** From a layer whose ReLU is fused to that ReLU, whose name the fused node takes. */
  readonly #fusedRelu: ReadonlyMap<string, string>;

  constructor(graph: Graph, parameters: NamedTensors, imageSize: number, weightFormat: WeightFormat) {
    this.#weightFormat = weightFormat;
    this.#parameters = parameters;
    this.#imageSize = imageSize;
    this.#shapes = inferShapes(graph, { batchSize: 1, imageSize });
    this.#fusedRelu = findFusedRelus(graph);
    const fused = new Set(this.#fusedRelu.values());
    for (const node of graph.nodes) if (!fused.has(node.name)) this.#write(node);
    // The signature names the output, whatever the description calls the node.
    if (graph.outputs.embeddings !== 'embeddings')
      this.#add('embeddings', 'Identity', [graph.outputs.embeddings]);
  }

  #write(node: GraphNode): void {
    const { name } = node;
    switch (node.kind) {
      case 'input':
        this.nodes.push({
          name,
          op: 'Placeholder',
          attr: {
            dtype: FLOAT,
            shape: { shape: tensorShape([-1, this.#imageSize, this.#imageSize, node.channels]) },
          },
        });
        return;
      case 'conv2d': {
        const attributes = {
          strides: integers([1, node.stride, node.stride, 1]),
          padding: paddingAttribute(node.padding),
          data_format: text('NHWC'),
          dilations: integers([1, 1, 1, 1]),
        };
        return this.#layer(name, 'Conv2D', [node.input, node.weights], node.biases, attributes);
      }
      case 'dense':
        return this.#layer(name, 'MatMul', [node.input, node.weights], node.biases, {
          transpose_a: { b: false },
          transpose_b: { b: false },
        });
      case 'batch_norm': {
        const { beta, movingMean, movingVariance } = node;
        const gamma = node.gamma ?? `${name}/gamma`;
        const channels = this.#parameters.get(beta)!.data.length;
        if (node.gamma === undefined) this.#constant(gamma, [channels], new Float32Array(channels).fill(1));
        for (const parameter of [gamma, beta, movingMean, movingVariance]) this.#parameter(parameter);
        return this.#add(name, 'FusedBatchNormV3', [node.input, gamma, beta, movingMean, movingVariance], {
          U: FLOAT,
          epsilon: { f: node.epsilon },
          data_format: text('NHWC'),
          is_training: { b: false },
        });
      }
      case 'relu':
        return this.#add(name, 'Relu', [node.input]);
      case 'max_pool':
      case 'average_pool':
        return this.#add(name, node.kind === 'max_pool' ? 'MaxPool' : 'AvgPool', [node.input], {
          ksize: integers([1, node.size, node.size, 1]),
          strides: integers([1, node.stride, node.stride, 1]),
          padding: paddingAttribute(node.padding),
          data_format: text('NHWC'),
        });
      case 'concat':
        return this.#add(name, 'ConcatV2', [...node.inputs, this.#integers('axes/channels', [], [3])], {
          N: { i: String(node.inputs.length) },
          Tidx: INTEGER,
        });
      case 'residual_add': {
        let { residual } = node;
        if (node.scale !== 1) {
          const scale = this.#constant(`${name}/scale`, [], Float32Array.of(node.scale));
          residual = `${name}/scaled`;
          this.#add(residual, 'Mul', [node.residual, scale]);
        }
        return this.#add(name, 'AddV2', [node.input, residual]);
      }
      case 'zero_pad': {
        const [input, output] = [this.#shapes.get(node.input)!, this.#shapes.get(name)!];
        const paddings = output.flatMap((length, axis) => [0, length - input[axis]!]);
        return this.#add(name, 'Pad', [node.input, this.#integers(`${name}/paddings`, [4, 2], paddings)], {
          Tpaddings: INTEGER,
        });
      }
      case 'global_average_pool':
        return this.#add(name, 'Mean', [node.input, this.#integers('axes/image', [2], [1, 2])], {
          keep_dims: { b: false },
          Tidx: INTEGER,
        });
      case 'l2_normalize': {
        // As tf.nn.l2_normalize writes it.
        const last = this.#integers('axes/last', [1], [-1]);
        const epsilon = this.#constant(`${name}/epsilon`, [], Float32Array.of(node.epsilon));
        this.#add(`${name}/Square`, 'Square', [node.input]);
        this.#add(`${name}/Sum`, 'Sum', [`${name}/Square`, last], { keep_dims: { b: true }, Tidx: INTEGER });
        this.#add(`${name}/Maximum`, 'Maximum', [`${name}/Sum`, epsilon]);
        this.#add(`${name}/Rsqrt`, 'Rsqrt', [`${name}/Maximum`]);
        return this.#add(name, 'Mul', [node.input, `${name}/Rsqrt`]);
      }
      case 'dropout':
        throw new Error(`${name}: dropout is folded away before a graph is written.`);
    }
  }

  /** A convolution or matrix product with what is fused into it. */
  #layer(
    name: string,
    op: 'Conv2D' | 'MatMul',
    inputs: readonly [string, string],
    biases: string | undefined,
    attributes: Attributes,
  ): void {
    this.#parameter(inputs[1]);
    const relu = this.#fusedRelu.get(name);
    if (biases === undefined) return this.#add(name, op, inputs, attributes);
    this.#parameter(biases);
    this.#add(relu ?? name, `_Fused${op}`, [...inputs, biases], {
      ...attributes,
      num_args: { i: '1' },
      fused_ops: { list: { s: (relu === undefined ? ['BiasAdd'] : ['BiasAdd', 'Relu']).map(base64) } },
      epsilon: { f: 0 },
    });
  }

  #add(name: string, op: string, input: readonly string[], attributes: Attributes = {}): void {
    this.nodes.push({ name, op, input, attr: { T: FLOAT, ...attributes } });
  }

  #parameter(name: string): void {
    const { shape, data } = this.#parameters.get(name) ?? {};
    if (shape && data) this.#constant(name, shape, data);
  }

  #integers(name: string, shape: readonly number[], values: readonly number[]): string {
    return this.#constant(name, shape, Int32Array.from(values));
  }

  #constant(name: string, shape: readonly number[], values: Float32Array | Int32Array): string {
    if (this.#constants.has(name)) return name;
    this.#constants.add(name);
    const isFloat = values instanceof Float32Array;
    const dtype = isFloat ? FLOAT : INTEGER;
    this.nodes.push({
      name,
      op: 'Const',
      attr: { dtype, value: { tensor: { dtype: dtype.type, tensorShape: tensorShape(shape) } } },
    });
    if (isFloat && isStoredAsFloat16(shape, this.#weightFormat))
      this.weights.push({
        spec: { name, shape, dtype: 'float32', quantization: { dtype: 'float16' } },
        bytes: new Uint8Array(toFloat16(values, name).buffer),
      });
    else
      this.weights.push({
        spec: { name, shape, dtype: isFloat ? 'float32' : 'int32' },
        bytes: isFloat ? bytesOf(values) : new Uint8Array(values.slice().buffer),
      });
    return name;
  }
}

/** From layers with a bias to the ReLU that alone reads them. */
function findFusedRelus(graph: Graph): Map<string, string> {
  const onlyReader = onlyReaders(graph);
  const fused = new Map<string, string>();
  for (const node of graph.nodes) {
    if ((node.kind !== 'conv2d' && node.kind !== 'dense') || node.biases === undefined) continue;
    const reader = onlyReader(node.name);
    if (reader?.kind === 'relu') fused.set(node.name, reader.name);
  }
  return fused;
}

/** The bytes one after the other, cut every SHARD_BYTES; nothing is copied. */
function inShards(pieces: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer>[][] {
  const shards: Uint8Array<ArrayBuffer>[][] = [];
  let room = 0;
  for (const piece of pieces)
    for (let at = 0; at < piece.length;) {
      if (room === 0) {
        shards.push([]);
        room = SHARD_BYTES;
      }
      const part = piece.subarray(at, at + room);
      shards.at(-1)!.push(part);
      at += part.length;
      room -= part.length;
    }
  return shards;
}

const FLOAT = { type: 'DT_FLOAT' } as const;
const INTEGER = { type: 'DT_INT32' } as const;

function base64(value: string): string {
  return btoa(value);
}

function text(value: string): { s: string } {
  return { s: base64(value) };
}

function integers(values: readonly number[]): { list: { i: string[] } } {
  return { list: { i: values.map(String) } };
}

function paddingAttribute(padding: Padding): { s: string } {
  return text(padding);
}

function tensorShape(shape: readonly number[]): { dim: { size: string }[] } {
  return { dim: shape.map((size) => ({ size: String(size) })) };
}

function tensorInfo(node: string, shape: readonly number[]): object {
  return { name: `${node}:0`, dtype: FLOAT.type, tensorShape: tensorShape(shape) };
}

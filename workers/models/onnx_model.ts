/**
 * ONNX: one file that onnxruntime, OpenCV and most other inference programs run.
 * https://github.com/onnx/onnx/blob/main/docs/IR.md and onnx/onnx.proto (field numbers)
 *
 * Batch norms and residual scales are folded into the layers. Activations are NCHW, as ONNX's operators take them; the
 * input may be NHWC, as images lie in memory, with a transposition inside. IR version 7 and operator set 13 (2020) are
 * the oldest in which everything needed is there, so that old programs run the file too.
 */
import type { Graph, GraphNode, Padding } from '../compute/graph/ir.ts';
import { inferShapes, windowGeometry } from '../compute/graph/shapes.ts';
import type { NamedTensors } from '../protocol/tensor.ts';
import { foldBatchNorms } from '../compute/graph/fold_batch_norm.ts';
import { toFloat16 } from '../formats/float_formats.ts';
import { ProtobufWriter } from '../formats/protobuf_writer.ts';
import { bytesOf, isStoredAsFloat16, type WeightFormat } from '../formats/safetensors.ts';
import { HWIO_TO_OIHW, permuteTensor } from '../formats/tensor_layout.ts';
import { ONNX_FLOAT, ONNX_FLOAT16, FLOAT16_SUFFIX } from '../formats/onnx_constants.ts';

const IR_VERSION = 7;
const OPERATOR_SET = 13;

export const ONNX_INT64 = 7;

/** AttributeProto.AttributeType */
const ATTRIBUTE_FLOAT = 1;
const ATTRIBUTE_INTEGER = 2;
const ATTRIBUTE_INTEGERS = 7;

export const INPUT_LAYOUTS = ['nhwc', 'nchw'] as const;
export type InputLayout = (typeof INPUT_LAYOUTS)[number];

export interface OnnxOptions {
  readonly weightFormat: WeightFormat;
  /** Of the input `input`: [N, S, S, 3] or [N, 3, S, S]. */
  readonly inputLayout: InputLayout;
  /**
   * The standardisation that the model was trained with becomes a part of the model, whose input are then the pixels'
   * values 0 … 255; undefined: the input is standardised already.
   */
  readonly standardization?: 'fixed' | 'per_image' | undefined;
}

/**
 * The batch size is free; the output `embeddings` is [N, embedding size], l2-normalised.
 * @param graph without logits, not folded yet
 * @param metadata becomes `metadata_props`
 * @returns the file's bytes in pieces; weights are not copied but for a change of layout
 * @throws Float16RangeError
 */
export function onnxModelParts(
  graph: Graph,
  parameters: NamedTensors,
  imageSize: number,
  metadata: Readonly<Record<string, string>>,
  options: OnnxOptions,
): Uint8Array<ArrayBuffer>[] {
  const folded = foldBatchNorms(graph, parameters);
  const body = new OnnxGraphWriter(folded.graph, folded.parameters, imageSize, options).finish();
  const graphSize = body.reduce((sum, { length }) => sum + length, 0);
  const head = new ProtobufWriter()
    .integer(1, IR_VERSION)
    .string(2, 'facenet-webgpu-trainer')
    .message(8, new ProtobufWriter().string(1, '').integer(2, OPERATOR_SET));
  for (const [key, value] of Object.entries(metadata))
    head.message(14, new ProtobufWriter().string(1, key).string(2, value));
  return [head.bytesHead(7, graphSize).finish(), ...body];
}

type Attribute =
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'integer'; readonly value: number }
  | { readonly kind: 'integers'; readonly value: readonly number[] };

class OnnxGraphWriter {
  /** Nodes, in topological order, then the graph's name, input and output. */
  readonly #head = new ProtobufWriter();
  readonly #initializers: Uint8Array<ArrayBuffer>[] = [];
  readonly #written = new Set<string>();
  readonly #graph: Graph;
  readonly #parameters: NamedTensors;
  readonly #imageSize: number;
  readonly #options: OnnxOptions;
  /** From the description's names to tensors here. */
  readonly #tensorOf = new Map<string, string>();
  readonly #shapes: ReadonlyMap<string, readonly number[]>;

  constructor(graph: Graph, parameters: NamedTensors, imageSize: number, options: OnnxOptions) {
    this.#graph = graph;
    this.#parameters = parameters;
    this.#imageSize = imageSize;
    this.#options = options;
    this.#shapes = inferShapes(graph, { batchSize: 1, imageSize });
  }

  finish(): Uint8Array<ArrayBuffer>[] {
    const { embeddings } = this.#graph.outputs;
    for (const node of this.#graph.nodes) this.#write(node);
    if (embeddings !== 'embeddings') this.#add('Identity', 'embeddings', [this.#of(embeddings)]);
    const size = this.#imageSize;
    this.#head
      .string(2, this.#graph.name)
      .message(
        11,
        valueInfo('input', this.#options.inputLayout === 'nhwc' ? [size, size, 3] : [3, size, size]),
      )
      .message(12, valueInfo('embeddings', [this.#graph.embeddingSize]));
    return [this.#head.finish(), ...this.#initializers];
  }

  #write(node: GraphNode): void {
    const { name } = node;
    switch (node.kind) {
      case 'input':
        return this.#input(name, node.channels);
      case 'conv2d':
        return this.#add(
          'Conv',
          name,
          [this.#of(node.input), this.#weight(node.weights, HWIO_TO_OIHW), ...this.#biases(node.biases)],
          {
            kernel_shape: { kind: 'integers', value: node.kernel },
            strides: { kind: 'integers', value: [node.stride, node.stride] },
            pads: { kind: 'integers', value: this.#pads(node.input, node.kernel, node.stride, node.padding) },
          },
        );
      case 'dense':
        return this.#add('Gemm', name, [
          this.#of(node.input),
          this.#weight(node.weights),
          ...this.#biases(node.biases),
        ]);
      case 'batch_norm': {
        const channels = this.#parameters.get(node.beta)!.data.length;
        const gamma =
          node.gamma === undefined
            ? this.#floats(`${name}/gamma`, [channels], new Float32Array(channels).fill(1))
            : this.#weight(node.gamma);
        const values = [node.beta, node.movingMean, node.movingVariance].map((each) => this.#weight(each));
        return this.#add('BatchNormalization', name, [this.#of(node.input), gamma, ...values], {
          epsilon: { kind: 'float', value: node.epsilon },
        });
      }
      case 'relu':
        return this.#add('Relu', name, [this.#of(node.input)]);
      case 'max_pool':
      case 'average_pool':
        // Padding counts in neither kind: it is no maximum, and ONNX leaves it out of averages, as TensorFlow does.
        return this.#add(node.kind === 'max_pool' ? 'MaxPool' : 'AveragePool', name, [this.#of(node.input)], {
          kernel_shape: { kind: 'integers', value: [node.size, node.size] },
          strides: { kind: 'integers', value: [node.stride, node.stride] },
          pads: {
            kind: 'integers',
            value: this.#pads(node.input, [node.size, node.size], node.stride, node.padding),
          },
        });
      case 'concat':
        return this.#add(
          'Concat',
          name,
          node.inputs.map((input) => this.#of(input)),
          { axis: { kind: 'integer', value: 1 } },
        );
      case 'residual_add': {
        let residual = this.#of(node.residual);
        if (node.scale !== 1) {
          const scale = this.#floats(`${name}/scale`, [], Float32Array.of(node.scale));
          this.#add('Mul', `${name}/scaled`, [residual, scale]);
          residual = `${name}/scaled`;
        }
        return this.#add('Add', name, [this.#of(node.input), residual]);
      }
      case 'zero_pad': {
        // [N, H, W, C] here, [N, C, H, W] there.
        const [input, output] = [this.#shapes.get(node.input)!, this.#shapes.get(name)!];
        const [, height, width, channels] = output.map((length, axis) => length - input[axis]!);
        const ends = [0, channels!, height!, width!];
        return this.#add('Pad', name, [
          this.#of(node.input),
          this.#axes(`${name}/pads`, [0, 0, 0, 0, ...ends]),
        ]);
      }
      case 'global_average_pool':
        this.#add('GlobalAveragePool', `${name}/pooled`, [this.#of(node.input)]);
        return this.#add('Flatten', name, [`${name}/pooled`], { axis: { kind: 'integer', value: 1 } });
      case 'l2_normalize': {
        const input = this.#of(node.input);
        const epsilon = this.#floats(`${name}/epsilon`, [], Float32Array.of(node.epsilon));
        this.#add('Mul', `${name}/squares`, [input, input]);
        this.#add('ReduceSum', `${name}/sum`, [`${name}/squares`, this.#axes('axes/last', [-1])], {
          keepdims: { kind: 'integer', value: 1 },
        });
        this.#add('Max', `${name}/maximum`, [`${name}/sum`, epsilon]);
        this.#add('Sqrt', `${name}/length`, [`${name}/maximum`]);
        return this.#add('Div', name, [input, `${name}/length`]);
      }
      case 'dropout':
        throw new Error(`${name}: dropout is folded away before a graph is written.`);
    }
  }

  /** Layout and standardisation come between the input and what reads it. */
  #input(name: string, channels: number): void {
    const { inputLayout, standardization } = this.#options;
    let tensor = 'input';
    const step = (
      operator: string,
      suffix: string,
      others: readonly string[] = [],
      attributes = {},
    ): string => {
      const output = `input/${suffix}`;
      this.#add(operator, output, [tensor, ...others], attributes);
      return output;
    };
    if (inputLayout === 'nhwc')
      tensor = step('Transpose', 'nchw', [], { perm: { kind: 'integers', value: [0, 3, 1, 2] } });
    if (standardization === 'fixed') {
      tensor = step('Sub', 'centred', [this.#floats('input/middle', [], Float32Array.of(127.5))]);
      tensor = step('Mul', 'standardized', [this.#floats('input/scale', [], Float32Array.of(1 / 128))]);
    } else if (standardization === 'per_image') {
      const overImage = {
        axes: { kind: 'integers', value: [1, 2, 3] },
        keepdims: { kind: 'integer', value: 1 },
      };
      const mean = step('ReduceMean', 'mean', [], overImage);
      tensor = step('Sub', 'centred', [mean]);
      this.#add('Mul', 'input/squares', [tensor, tensor]);
      this.#add('ReduceMean', 'input/variance', ['input/squares'], overImage as Record<string, Attribute>);
      this.#add('Sqrt', 'input/deviation', ['input/variance']);
      const least = 1 / Math.sqrt(this.#imageSize ** 2 * channels);
      this.#add('Max', 'input/divisor', [
        'input/deviation',
        this.#floats('input/least_deviation', [], Float32Array.of(least)),
      ]);
      tensor = step('Div', 'standardized', ['input/divisor']);
    }
    this.#tensorOf.set(name, tensor);
  }

  #of(node: string): string {
    return this.#tensorOf.get(node) ?? node;
  }

  /** Top, left, bottom, right, as TensorFlow pads at this image size. */
  #pads(
    input: string,
    kernel: readonly [number, number],
    stride: number,
    padding: Padding,
  ): readonly number[] {
    const [, height, width] = this.#shapes.get(input)!;
    const vertical = windowGeometry(height!, kernel[0], stride, padding);
    const horizontal = windowGeometry(width!, kernel[1], stride, padding);
    return [vertical.before, horizontal.before, vertical.after, horizontal.after];
  }

  #add(
    operator: string,
    output: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): void {
    const node = new ProtobufWriter();
    for (const input of inputs) node.string(1, input);
    node.string(2, output).string(3, output).string(4, operator);
    for (const [name, attribute] of Object.entries(attributes))
      node.message(5, attributeMessage(name, attribute));
    this.#head.message(1, node);
  }

  #biases(name: string | undefined): string[] {
    return name === undefined ? [] : [this.#weight(name)];
  }

  /** @param permutation of the axes, for ONNX's layout */
  #weight(name: string, permutation?: readonly number[]): string {
    const tensor = this.#parameters.get(name)!;
    const { shape, data } = permutation ? permuteTensor(tensor, permutation) : tensor;
    if (!isStoredAsFloat16(shape, this.#options.weightFormat)) return this.#floats(name, shape, data);
    if (this.#written.has(name)) return name;
    this.#written.add(name);
    const stored = name + FLOAT16_SUFFIX;
    this.#initializer(stored, shape, ONNX_FLOAT16, new Uint8Array(toFloat16(data, name).buffer));
    this.#add('Cast', name, [stored], { to: { kind: 'integer', value: ONNX_FLOAT } });
    return name;
  }

  #floats(name: string, shape: readonly number[], values: Float32Array): string {
    if (!this.#written.has(name)) this.#initializer(name, shape, ONNX_FLOAT, bytesOf(values));
    this.#written.add(name);
    return name;
  }

  #axes(name: string, values: readonly number[]): string {
    const bytes = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    if (!this.#written.has(name)) this.#initializer(name, [values.length], ONNX_INT64, bytes);
    this.#written.add(name);
    return name;
  }

  #initializer(
    name: string,
    shape: readonly number[],
    dataType: number,
    bytes: Uint8Array<ArrayBuffer>,
  ): void {
    const tensor = new ProtobufWriter();
    for (const length of shape) tensor.integer(1, length);
    const head = tensor.integer(2, dataType).string(8, name).bytesHead(9, bytes.length).finish();
    this.#initializers.push(
      new ProtobufWriter().bytesHead(5, head.length + bytes.length).finish(),
      head,
      bytes,
    );
  }
}

function attributeMessage(name: string, attribute: Attribute): ProtobufWriter {
  const message = new ProtobufWriter().string(1, name);
  switch (attribute.kind) {
    case 'float':
      return message.float(2, attribute.value).integer(20, ATTRIBUTE_FLOAT);
    case 'integer':
      return message.integer(3, attribute.value).integer(20, ATTRIBUTE_INTEGER);
    case 'integers':
      for (const value of attribute.value) message.integer(8, value);
      return message.integer(20, ATTRIBUTE_INTEGERS);
  }
}

/** A float32 tensor with a free batch size before these lengths. */
function valueInfo(name: string, lengths: readonly number[]): ProtobufWriter {
  const shape = new ProtobufWriter().message(1, new ProtobufWriter().string(2, 'N'));
  for (const length of lengths) shape.message(1, new ProtobufWriter().integer(1, length));
  const type = new ProtobufWriter().integer(1, ONNX_FLOAT).message(2, shape);
  return new ProtobufWriter().string(1, name).message(2, new ProtobufWriter().message(1, type));
}

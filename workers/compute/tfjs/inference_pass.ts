/**
 * The forward pass of inference: with moving statistics and without dropout. A convolution or dense layer is one
 * operation together with its bias and ReLU. Every value is freed after its last reader. The pass runs any graph, and
 * is fastest if the batch norms are folded (graph/fold_batch_norm.ts).
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import type { Graph, GraphNode } from '../graph/ir.ts';
import { onlyReaders } from '../graph/readers.ts';
import { inputsOf } from '../graph/shapes.ts';
import type { NamedTensors } from '../../protocol/tensor.ts';
import type { Operations } from './operations.ts';
import { computePlainNode, convolutionGeometry } from './plain_nodes.ts';

export class InferencePass {
  readonly #graph: Graph;
  readonly #operations: Operations;
  /** Parameters on the device. */
  readonly #parameters: ReadonlyMap<string, Tensor>;
  /** Maps a layer to the ReLU that it also computes. */
  readonly #fusedRelus: ReadonlyMap<string, string>;
  /** For each node, the index of the last node that reads it. */
  readonly #lastReaders: ReadonlyMap<string, number>;

  /** @param parameters a value for each of the graph's parameters; they must not change afterwards */
  constructor(graph: Graph, parameters: NamedTensors, operations: Operations) {
    this.#graph = graph;
    this.#operations = operations;
    this.#parameters = new Map(
      graph.parameters.map(({ name, shape }) => [
        name,
        // Kept beyond any open tidy, because they live as long as this pass.
        tf.keep(tf.tensor(parameters.get(name)!.data, [...shape], 'float32')),
      ]),
    );
    this.#fusedRelus = findFusedRelus(graph);
    this.#lastReaders = new Map(
      graph.nodes.flatMap((node, index) => inputsOf(node).map((input) => [input, index] as const)),
    );
  }

  /** @param image [N, S, S, 3] @returns the outputs of the `wanted` nodes, in that order; they belong to the caller */
  run(image: Tensor4D, wanted: readonly string[]): Tensor[] {
    const outputs = new Map<string, Tensor>();
    const fusedRelus = new Set(this.#fusedRelus.values());
    for (const [index, node] of this.#graph.nodes.entries()) {
      if (!fusedRelus.has(node.name))
        outputs.set(
          this.#fusedRelus.get(node.name) ?? node.name,
          node.kind === 'input' ? tf.clone(image) : this.#compute(node, outputs),
        );
      for (const input of inputsOf(node))
        if (this.#lastReaders.get(input) === index && !wanted.includes(input)) {
          outputs.get(input)?.dispose();
          outputs.delete(input);
        }
    }
    const results = wanted.map((name) => outputs.get(name)!);
    for (const [name, tensor] of outputs) if (!wanted.includes(name)) tensor.dispose();
    return results;
  }

  dispose(): void {
    for (const tensor of this.#parameters.values()) tensor.dispose();
  }

  #compute(node: GraphNode, outputs: ReadonlyMap<string, Tensor>): Tensor {
    const operations = this.#operations;
    const output = <T extends Tensor>(name: string): T => outputs.get(name) as T;
    switch (node.kind) {
      case 'input':
        throw new Error('The input is given.');
      case 'conv2d': {
        const input = output<Tensor4D>(node.input);
        const filter = this.#parameter<Tensor4D>(node.weights);
        const geometry = convolutionGeometry(node, input, filter);
        return operations.fusedConv2d(
          input,
          filter,
          geometry,
          this.#optional(node.biases),
          this.#hasFusedRelu(node),
        );
      }
      case 'dense':
        return operations.fusedMatMul(
          output<Tensor2D>(node.input),
          this.#parameter<Tensor2D>(node.weights),
          this.#optional(node.biases),
          this.#hasFusedRelu(node),
        );
      case 'batch_norm':
        return operations.normalize(
          output(node.input),
          { mean: this.#parameter(node.movingMean), variance: this.#parameter(node.movingVariance) },
          node.epsilon,
          this.#parameter(node.beta),
          this.#optional(node.gamma),
        );
      case 'dropout':
        return tf.clone(output(node.input));
      default:
        return computePlainNode(node, operations, output);
    }
  }

  #parameter<T extends Tensor>(name: string): T {
    return this.#parameters.get(name) as T;
  }

  #optional(name: string | undefined): Tensor1D | undefined {
    return name === undefined ? undefined : this.#parameter<Tensor1D>(name);
  }

  #hasFusedRelu({ name }: GraphNode): boolean {
    return this.#fusedRelus.has(name);
  }
}

function findFusedRelus(graph: Graph): Map<string, string> {
  const onlyReader = onlyReaders(graph);
  return new Map(
    graph.nodes.flatMap((node) => {
      const reader = node.kind === 'conv2d' || node.kind === 'dense' ? onlyReader(node.name) : undefined;
      return reader?.kind === 'relu' ? [[node.name, reader.name] as const] : [];
    }),
  );
}

/** The forward and backward pass of training over a graph, node by node, with the operations of one backend. */
import * as tf from '@tensorflow/tfjs-core';
import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import type { BatchNormNode, Graph, GraphNode } from '../graph/ir.ts';
import type { BatchStatistics, Operations } from './operations.ts';
import { computePlainNode, convolutionGeometry } from './plain_nodes.ts';

/** @returns the dropout mask for a node's output; undefined if nothing is dropped */
export type DropoutMask = (node: string, shape: readonly number[]) => Float32Array | undefined;

/** The result of a forward pass: the output of every node, and the statistics of the batch norms. */
export interface ForwardResult {
  readonly outputs: Map<string, Tensor>;
  /** Statistics by batch norm node. */
  readonly statistics: Map<string, BatchStatistics>;
  readonly masks: Map<string, Tensor>;
}

export class TrainingPasses {
  readonly #graph: Graph;
  readonly #operations: Operations;
  /** Gives the current device copy of a parameter. */
  readonly #parameter: (name: string) => Tensor;

  constructor(graph: Graph, operations: Operations, parameter: (name: string) => Tensor) {
    this.#graph = graph;
    this.#operations = operations;
    this.#parameter = parameter;
  }

  /** The forward pass with batch statistics and dropout. */
  forward(image: Tensor4D, dropoutMask: DropoutMask): ForwardResult {
    const result: ForwardResult = { outputs: new Map(), statistics: new Map(), masks: new Map() };
    for (const node of this.#graph.nodes)
      result.outputs.set(
        node.name,
        node.kind === 'input' ? tf.clone(image) : this.#forwardNode(node, dropoutMask, result),
      );
    return result;
  }

  #forwardNode(node: GraphNode, dropoutMask: DropoutMask, result: ForwardResult): Tensor {
    const operations = this.#operations;
    const output = <T extends Tensor>(name: string): T => result.outputs.get(name) as T;
    switch (node.kind) {
      case 'input':
        throw new Error('The input is given.');
      case 'conv2d': {
        const input = output<Tensor4D>(node.input);
        const filter = this.#parameter(node.weights) as Tensor4D;
        const convolved = operations.conv2d(input, filter, convolutionGeometry(node, input, filter));
        if (node.biases === undefined) return convolved;
        const biased = operations.addBias(convolved, this.#parameter(node.biases) as Tensor1D);
        convolved.dispose();
        return biased;
      }
      case 'dense': {
        const product = operations.matMul(
          output<Tensor2D>(node.input),
          this.#parameter(node.weights) as Tensor2D,
        );
        if (node.biases === undefined) return product;
        const biased = operations.addBias(product, this.#parameter(node.biases) as Tensor1D);
        product.dispose();
        return biased;
      }
      case 'batch_norm': {
        const input = output(node.input);
        const statistics = operations.batchStatistics(input);
        result.statistics.set(node.name, statistics);
        const beta = this.#parameter(node.beta) as Tensor1D;
        return operations.normalize(input, statistics, node.epsilon, beta, this.#gamma(node));
      }
      case 'dropout': {
        const input = output(node.input);
        const mask = dropoutMask(node.name, input.shape);
        if (!mask) return tf.clone(input);
        const maskTensor = tf.tensor(mask, input.shape, 'float32');
        result.masks.set(node.name, maskTensor);
        return operations.multiply(input, maskTensor);
      }
      default:
        return computePlainNode(node, operations, output);
    }
  }

  /**
   * @param seeds the gradients of the loss by node; they are disposed, and so are all tensors of the forward pass
   * @param onParameterGradient called once per trainable parameter; the tensor is disposed after the call
   */
  backward(
    forward: ForwardResult,
    seeds: ReadonlyMap<string, Tensor>,
    onParameterGradient: (parameter: string, gradient: Tensor) => void,
  ): void {
    const gradients = new Map<string, Tensor>(seeds);
    /** Takes ownership of `gradient`. */
    const add = (name: string, gradient: Tensor): void => {
      const earlier = gradients.get(name);
      if (earlier) {
        gradients.set(name, this.#operations.addScaled(earlier, gradient, 1));
        earlier.dispose();
        gradient.dispose();
      } else gradients.set(name, gradient);
    };
    const emit = (parameter: string, gradient: Tensor): void => {
      onParameterGradient(parameter, gradient);
      gradient.dispose();
    };
    for (const node of [...this.#graph.nodes].reverse()) {
      const gradient = gradients.get(node.name);
      if (gradient) {
        this.#backwardNode(node, gradient, forward, add, emit);
        gradient.dispose();
        gradients.delete(node.name);
      }
      // All readers of this node's output come later in the graph, so they are done.
      forward.outputs.get(node.name)?.dispose();
      forward.outputs.delete(node.name);
    }
    for (const { mean, variance } of forward.statistics.values()) tf.dispose([mean, variance]);
    for (const mask of forward.masks.values()) mask.dispose();
  }

  #backwardNode(
    node: GraphNode,
    gradient: Tensor,
    forward: ForwardResult,
    add: (name: string, gradient: Tensor) => void,
    emit: (parameter: string, gradient: Tensor) => void,
  ): void {
    const operations = this.#operations;
    const output = <T extends Tensor>(name: string): T => forward.outputs.get(name) as T;
    const isImage = (name: string): boolean => this.#graph.nodes[0]!.name === name;
    switch (node.kind) {
      case 'input':
        return;
      case 'conv2d': {
        const input = output<Tensor4D>(node.input);
        const filter = this.#parameter(node.weights) as Tensor4D;
        const shape = convolutionGeometry(node, input, filter);
        emit(node.weights, operations.conv2dFilterGradient(input, gradient as Tensor4D, shape));
        if (node.biases !== undefined) emit(node.biases, operations.biasGradient(gradient));
        if (!isImage(node.input))
          add(node.input, operations.conv2dInputGradient(gradient as Tensor4D, filter, shape));
        return;
      }
      case 'dense': {
        const weights = this.#parameter(node.weights) as Tensor2D;
        emit(
          node.weights,
          operations.matMul(output<Tensor2D>(node.input), gradient as Tensor2D, true, false),
        );
        if (node.biases !== undefined) emit(node.biases, operations.biasGradient(gradient));
        add(node.input, operations.matMul(gradient as Tensor2D, weights, false, true));
        return;
      }
      case 'batch_norm': {
        const statistics = forward.statistics.get(node.name)!;
        const result = operations.normalizeGradient(
          gradient,
          output(node.input),
          statistics,
          node.epsilon,
          this.#gamma(node),
        );
        emit(node.beta, result.beta);
        if (node.gamma !== undefined && result.gamma) emit(node.gamma, result.gamma);
        add(node.input, result.input);
        return;
      }
      case 'relu':
        return add(node.input, operations.reluGradient(gradient, output(node.name)));
      case 'max_pool': {
        const input = output<Tensor4D>(node.input);
        return add(
          node.input,
          operations.maxPoolGradient(gradient as Tensor4D, input, output<Tensor4D>(node.name), node),
        );
      }
      case 'average_pool':
        return add(
          node.input,
          operations.averagePoolGradient(gradient as Tensor4D, output<Tensor4D>(node.input), node),
        );
      case 'concat': {
        const sizes = node.inputs.map((name) => output(name).shape.at(-1)!);
        const parts = operations.split(gradient, sizes);
        node.inputs.forEach((name, index) => add(name, parts[index]!));
        return;
      }
      case 'residual_add':
        add(node.input, tf.clone(gradient));
        return add(node.residual, operations.scale(gradient, node.scale));
      case 'zero_pad':
        return add(node.input, tf.slice(gradient, [0, 0, 0, 0], output<Tensor4D>(node.input).shape));
      case 'global_average_pool': {
        const shape = output<Tensor4D>(node.input).shape;
        return add(node.input, operations.globalAveragePoolGradient(gradient as Tensor2D, shape));
      }
      case 'dropout': {
        const mask = forward.masks.get(node.name);
        return add(node.input, mask ? operations.multiply(gradient, mask) : tf.clone(gradient));
      }
      case 'l2_normalize':
        throw new Error(`No loss acts on ${node.name}: the losses act on prelogits and logits.`);
    }
  }

  #gamma(node: BatchNormNode): Tensor1D | undefined {
    return node.gamma === undefined ? undefined : (this.#parameter(node.gamma) as Tensor1D);
  }
}

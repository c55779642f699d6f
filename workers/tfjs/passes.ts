/** The forward and the reverse pass over a graph, node by node, with the operations of one backend. */
import * as tf from '@tensorflow/tfjs-core';
import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import type { BatchNormNode, Conv2dNode, Graph, GraphNode } from '../graph/ir.ts';
import { inputsOf } from '../graph/shapes.ts';
import type { BatchStatistics, ConvolutionGeometry, Operations } from './operations.ts';

/** How a training pass differs from inference. */
export interface TrainingContext {
  /** Of a dropout node's output. */
  dropoutMask(node: string, shape: readonly number[]): Float32Array | undefined;
}

/** What a forward pass leaves: every node's output that is still needed, and the batch norms' statistics. */
export interface ForwardResult {
  readonly outputs: Map<string, Tensor>;
  /** By batch norm node; training only. */
  readonly statistics: Map<string, BatchStatistics>;
  readonly masks: Map<string, Tensor>;
}

type Shape4 = [number, number, number, number];

export class GraphPasses {
  readonly #graph: Graph;
  readonly #operations: Operations;
  /** Current device copies of the parameters. */
  readonly #parameter: (name: string) => Tensor;
  /** Index of the last node that reads a node, for freeing in inference. */
  readonly #lastReader: ReadonlyMap<string, number>;

  constructor(graph: Graph, operations: Operations, parameter: (name: string) => Tensor) {
    this.#graph = graph;
    this.#operations = operations;
    this.#parameter = parameter;
    this.#lastReader = new Map(
      graph.nodes.flatMap((node, index) => inputsOf(node).map((input) => [input, index] as const)),
    );
  }

  /**
   * @param training batch statistics, dropout, and everything kept for the reverse pass; without it moving statistics,
   *   and only the nodes of `wanted` are kept
   */
  forward(
    image: Tensor4D,
    training: TrainingContext | undefined,
    wanted: ReadonlySet<string>,
  ): ForwardResult {
    const result: ForwardResult = { outputs: new Map(), statistics: new Map(), masks: new Map() };
    for (const [index, node] of this.#graph.nodes.entries()) {
      result.outputs.set(
        node.name,
        node.kind === 'input' ? tf.clone(image) : this.#forwardNode(node, training, result),
      );
      if (training) continue;
      for (const input of inputsOf(node))
        if (this.#lastReader.get(input) === index && !wanted.has(input)) {
          result.outputs.get(input)?.dispose();
          result.outputs.delete(input);
        }
    }
    return result;
  }

  #forwardNode(node: GraphNode, training: TrainingContext | undefined, result: ForwardResult): Tensor {
    const operations = this.#operations;
    const output = <T extends Tensor>(name: string): T => result.outputs.get(name) as T;
    switch (node.kind) {
      case 'input':
        throw new Error('The input is given.');
      case 'conv2d': {
        const input = output<Tensor4D>(node.input);
        const filter = this.#parameter(node.weights) as Tensor4D;
        const convolved = operations.conv2d(input, filter, geometry(node, input, filter));
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
        const statistics = training ? operations.batchStatistics(input) : this.#movingStatistics(node);
        if (training) result.statistics.set(node.name, statistics);
        return operations.normalize(input, statistics, node.epsilon, this.#beta(node), this.#gamma(node));
      }
      case 'relu':
        return operations.relu(output(node.input));
      case 'max_pool':
        return operations.maxPool(output(node.input), node);
      case 'average_pool':
        return operations.averagePool(output(node.input), node);
      case 'concat':
        return operations.concat(node.inputs.map((name) => output(name)));
      case 'residual_add':
        return operations.addScaled(output(node.input), output(node.residual), node.scale);
      case 'global_average_pool':
        return operations.globalAveragePool(output(node.input));
      case 'dropout': {
        const input = output(node.input);
        const mask = training?.dropoutMask(node.name, input.shape);
        if (!mask) return tf.clone(input);
        const maskTensor = tf.tensor(mask, input.shape, 'float32');
        result.masks.set(node.name, maskTensor);
        return operations.multiply(input, maskTensor);
      }
      case 'l2_normalize': {
        const input = output<Tensor2D>(node.input);
        return tf.tidy(() => {
          const squares = tf.sum(tf.square(input), -1, true);
          return tf.mul(input, tf.rsqrt(tf.maximum(squares, node.epsilon)));
        });
      }
    }
  }

  /**
   * @param seeds gradients of the loss by node; they are disposed, as are all of the forward pass's tensors
   * @param onParameterGradient called once for each trainable parameter; the tensor is disposed after the call
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
      // All readers of this node's output come later in the graph: they are done.
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
        const shape = geometry(node, input, filter);
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

  #movingStatistics(node: BatchNormNode): BatchStatistics {
    return {
      mean: this.#parameter(node.movingMean) as Tensor1D,
      variance: this.#parameter(node.movingVariance) as Tensor1D,
    };
  }

  #beta(node: BatchNormNode): Tensor1D {
    return this.#parameter(node.beta) as Tensor1D;
  }

  #gamma(node: BatchNormNode): Tensor1D | undefined {
    return node.gamma === undefined ? undefined : (this.#parameter(node.gamma) as Tensor1D);
  }
}

function geometry(node: Conv2dNode, input: Tensor4D, filter: Tensor4D): ConvolutionGeometry {
  return {
    input: input.shape as Shape4,
    filter: filter.shape as Shape4,
    stride: node.stride,
    padding: node.padding,
  };
}

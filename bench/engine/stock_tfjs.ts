/**
 * The same training step with stock TensorFlow.js, for comparison with the engine: its operations, its gradients
 * (tf.variableGrads) and its ADAM, on its current backend.
 */
import * as tf from '@tensorflow/tfjs';
import type { Tensor, Tensor1D, Tensor2D, Tensor4D, Variable } from '@tensorflow/tfjs';
import type { Graph, GraphNode } from '../../workers/compute/graph/ir.ts';
import { initializeParameters } from '../../workers/compute/graph/initialize.ts';
import { prepareImages } from '../../workers/compute/step/augmentation.ts';
import { benchBatch, benchSettings, type EngineBenchOptions } from './engine_bench.ts';

export interface StockReport {
  readonly backend: string;
  /** Times with and without the naive kernel of TensorFlow.js for input gradients. The smaller time counts. */
  readonly trainingStepMs: { readonly naive: number; readonly notNaive: number };
  readonly bestTrainingStepMs: number;
  readonly forwardMs: number;
}

const FLAG = 'WEBGPU_USE_NAIVE_CONV2D_TRANSPOSE';

/** @param options those of the engine; one step before the `steps` measured ones does not count */
export async function benchStock(
  options: EngineBenchOptions,
  onMessage: (message: string) => void = () => undefined,
): Promise<StockReport> {
  const settings = benchSettings(options);
  const { graph } = settings;
  const variables = new Map<string, Variable>();
  for (const [name, { shape, data }] of initializeParameters(graph, 1)) {
    const { trainable } = graph.parameters.find((spec) => spec.name === name)!;
    variables.set(name, tf.variable(tf.tensor(data, [...shape]), trainable));
  }
  const batch = benchBatch(settings);
  const images = tf.tensor4d(
    prepareImages(batch, settings.imageSize, settings.useFixedImageStandardization),
    [batch.count, settings.imageSize, settings.imageSize, 3],
  );
  const labels = tf.oneHot(tf.tensor1d(batch.labels, 'int32'), graph.classes).toFloat() as Tensor2D;
  // TensorFlow.js applies epsilon like TensorFlow 2. The cost is the same.
  const optimizer = tf.train.adam(0.01, 0.9, 0.999, 0.1);

  const loss = (): tf.Scalar => {
    const { logits, prelogits } = forward(graph, variables, images, settings.keepProbability);
    const crossEntropy = tf.losses.softmaxCrossEntropy(labels, logits);
    const squares = graph.parameters
      .filter(({ regularized }) => regularized)
      .map(({ name }) => tf.sum(tf.square(variables.get(name)!)));
    // Not addN, because its kernel binds one buffer per summand, and there are more than a device allows.
    const total = squares.reduce((sum, square) => tf.add(sum, square));
    const regularization = tf.mul(total, settings.weightDecay / 2);
    const norm = tf.mul(
      tf.mean(tf.sum(tf.add(tf.abs(prelogits), 1e-4), -1)),
      settings.prelogitsNormLossFactor,
    );
    return tf.addN([crossEntropy as Tensor, regularization, norm]) as tf.Scalar;
  };
  const step = async (): Promise<void> => {
    const value = tf.tidy(() => {
      const { value, grads } = tf.variableGrads(loss);
      optimizer.applyGradients(Object.entries(grads).map(([name, tensor]) => ({ name, tensor })));
      return value;
    });
    await value.data();
    value.dispose();
  };
  const timeOf = async (work: () => Promise<void>): Promise<number> => {
    await work();
    const startedAt = performance.now();
    for (let index = 0; index < options.steps; index++) await work();
    return (performance.now() - startedAt) / options.steps;
  };
  const timeStep = async (naive: boolean): Promise<number> => {
    if (tf.getBackend() === 'webgpu') tf.env().set(FLAG, naive);
    const duration = await timeOf(step);
    onMessage(`stock tfjs, ${FLAG} ${naive}: ${duration.toFixed(0)} ms`);
    return duration;
  };
  const notNaive = await timeStep(false);
  const naive = await timeStep(true);
  const forwardMs = await timeOf(async () => {
    const value = tf.tidy(() => forward(graph, variables, images, 1).prelogits);
    await value.data();
    value.dispose();
  });
  tf.dispose([images, labels]);
  optimizer.dispose();
  for (const variable of variables.values()) variable.dispose();
  return {
    backend: tf.getBackend(),
    trainingStepMs: { naive, notNaive },
    bestTrainingStepMs: Math.min(naive, notNaive),
    forwardMs,
  };
}

function forward(
  graph: Graph,
  variables: ReadonlyMap<string, Variable>,
  images: Tensor4D,
  keepProbability: number,
): { logits: Tensor2D; prelogits: Tensor2D } {
  const values = new Map<string, Tensor>();
  for (const node of graph.nodes)
    values.set(node.name, forwardNode(node, values, variables, images, keepProbability));
  return {
    logits: values.get(graph.outputs.logits!) as Tensor2D,
    prelogits: values.get(graph.outputs.prelogits) as Tensor2D,
  };
}

function forwardNode(
  node: GraphNode,
  values: ReadonlyMap<string, Tensor>,
  variables: ReadonlyMap<string, Variable>,
  images: Tensor4D,
  keepProbability: number,
): Tensor {
  const value = <T extends Tensor>(name: string): T => values.get(name) as T;
  const variable = <T extends Tensor>(name: string): T => variables.get(name) as unknown as T;
  const pad = (padding: 'SAME' | 'VALID') => (padding === 'SAME' ? ('same' as const) : ('valid' as const));
  switch (node.kind) {
    case 'input':
      return images;
    case 'conv2d': {
      const result = tf.conv2d(
        value<Tensor4D>(node.input),
        variable<Tensor4D>(node.weights),
        node.stride,
        pad(node.padding),
      );
      return node.biases === undefined ? result : tf.add(result, variable<Tensor1D>(node.biases));
    }
    case 'dense': {
      const result = tf.matMul(value<Tensor2D>(node.input), variable<Tensor2D>(node.weights));
      return node.biases === undefined ? result : tf.add(result, variable<Tensor1D>(node.biases));
    }
    case 'batch_norm': {
      const input = value(node.input);
      const axes = Array.from({ length: input.rank - 1 }, (_, axis) => axis);
      const { mean, variance } = tf.moments(input, axes);
      // The gradient needs a scale.
      const scale = tf.ones([input.shape.at(-1)!]) as Tensor1D;
      return tf.batchNorm(
        input,
        mean as Tensor1D,
        variance as Tensor1D,
        variable<Tensor1D>(node.beta),
        scale,
        node.epsilon,
      );
    }
    case 'relu':
      return tf.relu(value(node.input));
    case 'max_pool':
      return tf.maxPool(value<Tensor4D>(node.input), node.size, node.stride, pad(node.padding));
    case 'average_pool':
      return tf.avgPool(value<Tensor4D>(node.input), node.size, node.stride, pad(node.padding));
    case 'concat':
      return tf.concat(
        node.inputs.map((name) => value(name)),
        -1,
      );
    case 'residual_add':
      return tf.add(value(node.input), tf.mul(value(node.residual), node.scale));
    case 'zero_pad': {
      const input = value<Tensor4D>(node.input);
      const like = value<Tensor4D>(node.like).shape;
      return tf.pad(
        input,
        input.shape.map((length, axis) => [0, Math.max(like[axis]! - length, 0)] as [number, number]),
      );
    }
    case 'global_average_pool':
      return tf.mean(value(node.input), [1, 2]);
    case 'dropout':
      return keepProbability < 1 ? tf.dropout(value(node.input), 1 - keepProbability) : value(node.input);
    case 'l2_normalize': {
      const input = value(node.input);
      return tf.mul(input, tf.rsqrt(tf.maximum(tf.sum(tf.square(input), -1, true), node.epsilon)));
    }
  }
}

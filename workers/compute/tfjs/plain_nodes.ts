/** Nodes without parameters, which are the same in training and in inference. */
import * as tf from '@tensorflow/tfjs-core';
import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import type {
  ConcatNode,
  Conv2dNode,
  GlobalAveragePoolNode,
  L2NormalizeNode,
  PoolNode,
  ReluNode,
  ResidualAddNode,
  ZeroPadNode,
} from '../graph/ir.ts';
import type { ConvolutionGeometry, Operations } from './operations.ts';

export type PlainNode =
  ReluNode | PoolNode | ConcatNode | ResidualAddNode | ZeroPadNode | GlobalAveragePoolNode | L2NormalizeNode;

/** @param output gives the output of a node by its name */
export function computePlainNode(
  node: PlainNode,
  operations: Operations,
  output: <T extends Tensor>(name: string) => T,
): Tensor {
  switch (node.kind) {
    case 'relu':
      return operations.relu(output(node.input));
    case 'max_pool':
      return operations.maxPool(output<Tensor4D>(node.input), node);
    case 'average_pool':
      return operations.averagePool(output<Tensor4D>(node.input), node);
    case 'concat':
      return operations.concat(node.inputs.map((name) => output(name)));
    case 'residual_add':
      return operations.addScaled(output(node.input), output(node.residual), node.scale);
    case 'zero_pad': {
      const input = output<Tensor4D>(node.input);
      const like = output<Tensor4D>(node.like).shape;
      const added = input.shape.map(
        (length, axis) => [0, Math.max(like[axis]! - length, 0)] as [number, number],
      );
      // TensorFlow.js hands a tensor that needs no zeros on as it is: its memory would be freed twice.
      return added.every(([, after]) => after === 0) ? tf.clone(input) : tf.pad(input, added);
    }
    case 'global_average_pool':
      return operations.globalAveragePool(output<Tensor4D>(node.input));
    case 'l2_normalize': {
      const input = output<Tensor2D>(node.input);
      return tf.tidy(() => {
        const squares = tf.sum(tf.square(input), -1, true);
        return tf.mul(input, tf.rsqrt(tf.maximum(squares, node.epsilon)));
      });
    }
  }
}

type Shape4 = [number, number, number, number];

export function convolutionGeometry(
  node: Conv2dNode,
  input: Tensor4D,
  filter: Tensor4D,
): ConvolutionGeometry {
  return {
    input: input.shape as Shape4,
    filter: filter.shape as Shape4,
    stride: node.stride,
    padding: node.padding,
  };
}

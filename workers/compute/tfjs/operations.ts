/**
 * The operations that the TensorFlow.js executor needs. `composed_operations.ts` composes them of stock operations,
 * for any backend. `wasm_operations.ts` replaces those that the WebAssembly backend lacks or does slowly. Every
 * returned tensor is new and belongs to the caller. Arguments stay unchanged.
 */
import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import type { Padding } from '../graph/ir.ts';

export interface ConvolutionGeometry {
  /** [N, H, W, C] */
  readonly input: readonly [number, number, number, number];
  /** [kernelHeight, kernelWidth, C, F] */
  readonly filter: readonly [number, number, number, number];
  readonly stride: number;
  readonly padding: Padding;
}

export interface PoolGeometry {
  readonly size: number;
  readonly stride: number;
  readonly padding: Padding;
}

/** Batch statistics over all axes except the last; `variance` is the biased one. [C] each. */
export interface BatchStatistics {
  readonly mean: Tensor1D;
  readonly variance: Tensor1D;
}

export interface Operations {
  conv2d(input: Tensor4D, filter: Tensor4D, geometry: ConvolutionGeometry): Tensor4D;
  /** relu?(input ∗ filter + biases) */
  fusedConv2d(
    input: Tensor4D,
    filter: Tensor4D,
    geometry: ConvolutionGeometry,
    biases: Tensor1D | undefined,
    relu: boolean,
  ): Tensor4D;
  conv2dInputGradient(gradient: Tensor4D, filter: Tensor4D, geometry: ConvolutionGeometry): Tensor4D;
  conv2dFilterGradient(input: Tensor4D, gradient: Tensor4D, geometry: ConvolutionGeometry): Tensor4D;
  /** [..., C] + [C] */
  addBias<T extends Tensor>(input: T, bias: Tensor1D): T;
  /** The sum over all axes except the last. */
  biasGradient(gradient: Tensor): Tensor1D;
  batchStatistics(input: Tensor): BatchStatistics;
  /** (x − mean)/√(variance + ε)·gamma + beta */
  normalize<T extends Tensor>(
    input: T,
    statistics: BatchStatistics,
    epsilon: number,
    beta: Tensor1D,
    gamma?: Tensor1D,
  ): T;
  /** The gradient of `normalize` with the input's own batch statistics. */
  normalizeGradient<T extends Tensor>(
    gradient: T,
    input: T,
    statistics: BatchStatistics,
    epsilon: number,
    gamma?: Tensor1D,
  ): { input: T; beta: Tensor1D; gamma?: Tensor1D };
  relu<T extends Tensor>(input: T): T;
  /** gradient where output > 0, else 0 */
  reluGradient<T extends Tensor>(gradient: T, output: T): T;
  maxPool(input: Tensor4D, pool: PoolGeometry): Tensor4D;
  /** Passes the gradient to the first of the largest values in each window. */
  maxPoolGradient(gradient: Tensor4D, input: Tensor4D, output: Tensor4D, pool: PoolGeometry): Tensor4D;
  averagePool(input: Tensor4D, pool: PoolGeometry): Tensor4D;
  averagePoolGradient(gradient: Tensor4D, input: Tensor4D, pool: PoolGeometry): Tensor4D;
  /** Concatenates along the last axis. */
  concat<T extends Tensor>(inputs: readonly T[]): T;
  split<T extends Tensor>(input: T, sizes: readonly number[]): T[];
  /** input + scale · residual */
  addScaled<T extends Tensor>(input: T, residual: T, scale: number): T;
  scale<T extends Tensor>(input: T, factor: number): T;
  /** The elementwise product. */
  multiply<T extends Tensor>(a: T, b: T): T;
  globalAveragePool(input: Tensor4D): Tensor2D;
  globalAveragePoolGradient(
    gradient: Tensor2D,
    inputShape: readonly [number, number, number, number],
  ): Tensor4D;
  matMul(a: Tensor2D, b: Tensor2D, transposeA?: boolean, transposeB?: boolean): Tensor2D;
  /** relu?(a·b + biases) */
  fusedMatMul(a: Tensor2D, b: Tensor2D, biases: Tensor1D | undefined, relu: boolean): Tensor2D;
}

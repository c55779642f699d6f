/** Batch norms: with batch statistics in training, with moving statistics in inference, and their gradient. */
import type { BatchNormNode } from '../../graph/ir.ts';
import {
  batchStatisticsParts,
  normalize,
  normalizeGradient,
  normalizeGradientParts,
  normalizeWithMovingStatistics,
  type BatchNormOperands,
} from '../kernels/batch_norm.ts';
import type { InferenceNorm } from '../kernels/epilogue.ts';
import { columnPartsLayout } from '../kernels/reductions.ts';
import { rowsOf, storage, type TensorView } from '../tensor_view.ts';
import type { ProgramBuilder } from './program_builder.ts';

/** A batch norm that does not follow a convolution. @param name the name of the layer's output */
export function forwardNorm(
  program: ProgramBuilder,
  node: BatchNormNode,
  withRelu: boolean,
  input: TensorView,
  output: TensorView,
  name: string,
): void {
  if (program.isTraining) return normalizeBatch(program, node, withRelu, input, output, name);
  const norm = inferenceNorm(program, node);
  program.add(normalizeWithMovingStatistics(`${name} normalize`, input, output, norm, withRelu));
}

export function inferenceNorm(program: ProgramBuilder, node: BatchNormNode): InferenceNorm {
  return {
    mean: program.parameter(node.movingMean),
    variance: program.parameter(node.movingVariance),
    beta: program.parameter(node.beta),
    gamma: node.gamma === undefined ? undefined : program.parameter(node.gamma),
    epsilon: node.epsilon,
  };
}

/** Normalises with batch statistics, and updates the moving ones. @param name the name of the layer's output */
export function normalizeBatch(
  program: ProgramBuilder,
  node: BatchNormNode,
  withRelu: boolean,
  input: TensorView,
  output: TensorView,
  name: string,
): void {
  const paddedChannels = Math.ceil(input.channels / 4) * 4;
  const { cooperation, layout } = program;
  const operands: BatchNormOperands = {
    name: `${node.name} statistics`,
    input,
    parts: storage('parts', columnPartsLayout(rowsOf(input), input.channels).floats),
    statistics: storage(`${node.name} statistics`, 2 * paddedChannels),
    beta: program.parameter(node.beta),
    gamma: node.gamma === undefined ? undefined : program.parameter(node.gamma),
    epsilon: node.epsilon,
    relu: withRelu,
  };
  program.add(
    batchStatisticsParts(operands, cooperation),
    normalize(
      { ...operands, name: `${node.name} normalize` },
      output,
      {
        mean: layout.region(node.movingMean),
        variance: layout.region(node.movingVariance),
        decay: node.decay,
      },
      cooperation,
    ),
  );
  program.norms.set(name, operands);
}

/**
 * Turns the gradient of a batch norm's output (after its ReLU) into that of its input.
 * @param name the name of the layer's output
 */
export function normGradient(
  program: ProgramBuilder,
  node: BatchNormNode,
  name: string,
  gradient: TensorView,
): void {
  const kept = program.norms.get(name)!;
  const operands: BatchNormOperands = {
    ...kept,
    name: `${node.name} gradient sums`,
    parts: storage('parts', columnPartsLayout(rowsOf(kept.input), kept.input.channels).floats),
  };
  const { cooperation } = program;
  program.add(
    normalizeGradientParts(operands, gradient, cooperation),
    normalizeGradient(
      { ...operands, name: `${node.name} gradient` },
      gradient,
      program.parameter(node.beta, 'gradients'),
      node.gamma === undefined ? undefined : program.parameter(node.gamma, 'gradients'),
      cooperation,
    ),
  );
}

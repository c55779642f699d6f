/**
 * Batch norm in training (Ioffe & Szegedy 2015), in two passes each way. Forward: means and squared deviations of the
 * parts, then one pass that merges the parts and normalises with ReLU. Backward: two sums, then one pass that
 * overwrites the gradient in place. The parts are merged with the formula of Chan, Golub & LeVeque 1979. Within a
 * part, values are taken relative to its first row, so that large squares do not cancel.
 */
import { rowsOf, type BufferRegion, type Memory, type TensorView } from '../tensor_view.ts';
import { matrixView } from '../tensor_view.ts';
import { declareEpilogue, type InferenceNorm } from './epilogue.ts';
import { KernelBuilder, type Kernel } from './kernel.ts';
import { perVector } from './per_vector.ts';
import { columnParts, columnSums, type Cooperation } from './reductions.ts';

export interface BatchNormOperands {
  readonly name: string;
  /** The values to normalise: the output of the convolution. */
  readonly input: TensorView;
  /** [parts · 2, channels]: working memory for both directions. */
  readonly parts: Memory;
  /** [2, channels rounded up to 4]: mean and 1/√(variance + ε) of the batch. */
  readonly statistics: Memory;
  readonly beta: TensorView;
  readonly gamma?: TensorView | undefined;
  readonly epsilon: number;
  readonly relu: boolean;
}

const WORKGROUP_SIZE = 64;

/** Rows that one thread normalises after merging the parts. */
function rowsPerThread(rows: number, cooperation: Cooperation): number {
  return Math.min(rows, cooperation === 'alone' ? 64 : 16);
}

/** Means (even rows) and sums of squared deviations (odd rows) of the parts. */
export function batchStatisticsParts(operands: BatchNormOperands, cooperation: Cooperation): Kernel {
  const { name, input, parts } = operands;
  const builder = new KernelBuilder();
  const rows = rowsOf(input);
  builder.view('input', input, 'read');
  builder.view('parts', columnParts(parts, rows, input.channels).view, 'write');
  return columnSums(builder, {
    name,
    rows,
    channels: input.channels,
    sums: 2,
    cooperation,
    code: {
      prepare: 'let origin = load_input(first_row, group_index);',
      add: `let difference = load_input(row, group_index) - origin;
    sum_0 += difference;
    sum_1 += difference * difference;`,
      finish: `store_parts(2u * part, group_index, origin + sum_0 / row_count);
    store_parts(2u * part + 1u, group_index, max(sum_1 - sum_0 * sum_0 / row_count, vec4f(0)));`,
    },
  });
}

export interface MovingStatistics {
  readonly mean: BufferRegion;
  readonly variance: BufferRegion;
  readonly decay: number;
}

/** Merges the parts, updates the moving statistics, and normalises. */
export function normalize(
  operands: BatchNormOperands,
  output: TensorView,
  moving: MovingStatistics,
  cooperation: Cooperation,
): Kernel {
  const { name, input, epsilon, relu, beta, gamma } = operands;
  const rows = rowsOf(input);
  const { parts, rowsPerPart, view } = columnParts(operands.parts, rows, input.channels);
  const builder = new KernelBuilder();
  builder.view('input', input, 'read');
  builder.view('parts', view, 'read');
  builder.view('output', output, 'write');
  builder.view('statistics', matrixView(operands.statistics, 2, view.channels), 'write');
  builder.view('beta', beta, 'read');
  if (gamma) builder.view('gamma', gamma, 'read');
  builder.view('moving_mean', matrixView(moving.mean, 1, input.channels), 'write');
  builder.view('moving_variance', matrixView(moving.variance, 1, input.channels), 'write');
  const groups = Math.ceil(input.channels / 4);
  const blocks = Math.ceil(rows / rowsPerThread(rows, cooperation));
  const lastRows = rows - (parts - 1) * rowsPerPart;
  const unbiased = rows > 1 ? 1 / (rows - 1) : 1;
  return builder.build({
    name,
    workgroupSize: WORKGROUP_SIZE,
    groups: Math.ceil((groups * blocks) / WORKGROUP_SIZE),
    body: `
  let thread = group * ${WORKGROUP_SIZE}u + lane;
  if (thread >= ${builder.u(groups * blocks)}) { return; }
  let group_index = thread % ${builder.u(groups)};
  let block = thread / ${builder.u(groups)};
  var mean = load_parts(${builder.u(2 * (parts - 1))}, group_index) * ${builder.f(lastRows / rows)};
  for (var part = 0u; part < ${builder.u(parts - 1)}; part++) { mean += load_parts(2u * part, group_index) * ${builder.f(rowsPerPart / rows)}; }
  let last_difference = load_parts(${builder.u(2 * (parts - 1))}, group_index) - mean;
  var deviations = load_parts(${builder.u(2 * parts - 1)}, group_index) + ${builder.f(lastRows)} * last_difference * last_difference;
  for (var part = 0u; part < ${builder.u(parts - 1)}; part++) {
    let difference = load_parts(2u * part, group_index) - mean;
    deviations += load_parts(2u * part + 1u, group_index) + ${builder.f(rowsPerPart)} * difference * difference;
  }
  let inverse_deviation = 1.0 / sqrt(deviations * ${builder.f(1 / rows)} + ${builder.f(epsilon)});
  if (block == 0u) {
    store_statistics(0u, group_index, mean);
    store_statistics(1u, group_index, inverse_deviation);
    store_moving_mean(0u, group_index, ${builder.f(moving.decay)} * load_moving_mean(0u, group_index) + ${builder.f(1 - moving.decay)} * mean);
    store_moving_variance(0u, group_index, ${builder.f(moving.decay)} * load_moving_variance(0u, group_index) + ${builder.f(1 - moving.decay)} * (deviations * ${builder.f(unbiased)}));
  }
  let factor = inverse_deviation${gamma ? ' * load_gamma(0u, group_index)' : ''};
  let beta = load_beta(0u, group_index);
  for (var row = block; row < ${builder.u(rows)}; row += ${builder.u(blocks)}) {
    let value = (load_input(row, group_index) - mean) * factor + beta;
    store_output(row, group_index, ${relu ? 'max(value, vec4f(0))' : 'value'});
  }`,
  });
}

/** Normalises with moving statistics, if there is no convolution before it whose kernel could do that. */
export function normalizeWithMovingStatistics(
  name: string,
  input: TensorView,
  output: TensorView,
  norm: InferenceNorm,
  relu: boolean,
): Kernel {
  const builder = new KernelBuilder();
  builder.view('input', input, 'read');
  declareEpilogue(builder, output, { norm, relu });
  return perVector(builder, name, input, 'finish(row, group_index, load_input(row, group_index));');
}

/** Code for the gradient at the ReLU's input, from that at its output. It can use the variable `normal`. */
function gradientBeforeRelu({ relu, gamma }: BatchNormOperands): string {
  const load = 'load_gradient(row, group_index)';
  return relu ? `select(vec4f(0), ${load}, normal${gamma ? ' * gamma' : ''} + beta > vec4f(0))` : load;
}

function loadParameters({ relu, gamma }: BatchNormOperands): string {
  return [
    'let mean = load_statistics(0u, group_index);',
    'let inverse_deviation = load_statistics(1u, group_index);',
    relu ? 'let beta = load_beta(0u, group_index);' : '',
    gamma ? 'let gamma = load_gamma(0u, group_index);' : '',
  ].join('\n  ');
}

function bindParameters(builder: KernelBuilder, { relu, gamma, beta }: BatchNormOperands): void {
  if (relu) builder.view('beta', beta, 'read');
  if (gamma) builder.view('gamma', gamma, 'read');
}

/** Sums for each part: Σ gradient (even rows) and Σ gradient · normalised value (odd rows). */
export function normalizeGradientParts(
  operands: BatchNormOperands,
  gradient: TensorView,
  cooperation: Cooperation,
): Kernel {
  const { name, input } = operands;
  const rows = rowsOf(input);
  const { view } = columnParts(operands.parts, rows, input.channels);
  const builder = new KernelBuilder();
  builder.view('input', input, 'read');
  builder.view('gradient', gradient, 'read');
  builder.view('parts', view, 'write');
  builder.view('statistics', matrixView(operands.statistics, 2, view.channels), 'read');
  bindParameters(builder, operands);
  return columnSums(builder, {
    name,
    rows,
    channels: input.channels,
    sums: 2,
    cooperation,
    code: {
      prepare: loadParameters(operands),
      add: `let normal = (load_input(row, group_index) - mean) * inverse_deviation;
    let gradient = ${gradientBeforeRelu(operands)};
    sum_0 += gradient;
    sum_1 += gradient * normal;`,
      finish: `store_parts(2u * part, group_index, sum_0);
    store_parts(2u * part + 1u, group_index, sum_1);`,
    },
  });
}

/** Sums the parts to the gradients of beta and gamma, and turns the output's gradient into the input's, in place. */
export function normalizeGradient(
  operands: BatchNormOperands,
  gradient: TensorView,
  betaGradient: TensorView,
  gammaGradient: TensorView | undefined,
  cooperation: Cooperation,
): Kernel {
  const { name, input, gamma } = operands;
  const rows = rowsOf(input);
  const { parts, view } = columnParts(operands.parts, rows, input.channels);
  const builder = new KernelBuilder();
  builder.view('input', input, 'read');
  builder.view('gradient', gradient, 'write');
  builder.view('parts', view, 'read');
  builder.view('statistics', matrixView(operands.statistics, 2, view.channels), 'read');
  builder.view('beta_gradient', betaGradient, 'write');
  if (gammaGradient) builder.view('gamma_gradient', gammaGradient, 'write');
  bindParameters(builder, operands);
  const groups = Math.ceil(input.channels / 4);
  const blocks = Math.ceil(rows / rowsPerThread(rows, cooperation));
  return builder.build({
    name,
    workgroupSize: WORKGROUP_SIZE,
    groups: Math.ceil((groups * blocks) / WORKGROUP_SIZE),
    body: `
  let thread = group * ${WORKGROUP_SIZE}u + lane;
  if (thread >= ${builder.u(groups * blocks)}) { return; }
  let group_index = thread % ${builder.u(groups)};
  let block = thread / ${builder.u(groups)};
  var sum = load_parts(0u, group_index);
  var weighted_sum = load_parts(1u, group_index);
  for (var part = 1u; part < ${builder.u(parts)}; part++) {
    sum += load_parts(2u * part, group_index);
    weighted_sum += load_parts(2u * part + 1u, group_index);
  }
  if (block == 0u) {
    store_beta_gradient(0u, group_index, sum);
    ${gammaGradient ? 'store_gamma_gradient(0u, group_index, weighted_sum);' : ''}
  }
  ${loadParameters(operands)}
  let factor = inverse_deviation${gamma ? ' * gamma' : ''};
  let mean_gradient = sum * ${builder.f(1 / rows)};
  let slope = weighted_sum * ${builder.f(1 / rows)};
  for (var row = block; row < ${builder.u(rows)}; row += ${builder.u(blocks)}) {
    let normal = (load_input(row, group_index) - mean) * inverse_deviation;
    let gradient = ${gradientBeforeRelu(operands)};
    store_gradient(row, group_index, factor * (gradient - mean_gradient - normal * slope));
  }`,
  });
}

/** Sums of the rows of each part, for the gradient of a bias. The odd rows of `parts` stay unused. */
export function biasGradientParts(
  name: string,
  gradient: TensorView,
  parts: Memory,
  cooperation: Cooperation,
): Kernel {
  const builder = new KernelBuilder();
  const rows = rowsOf(gradient);
  const { view } = columnParts(parts, rows, gradient.channels);
  builder.view('gradient', gradient, 'read');
  builder.view('parts', view, 'write');
  return columnSums(builder, {
    name,
    rows,
    channels: gradient.channels,
    sums: 1,
    cooperation,
    code: {
      prepare: '',
      add: 'sum_0 += load_gradient(row, group_index);',
      finish: 'store_parts(part, group_index, sum_0);',
    },
  });
}

/**
 * One optimizer step over a range of the flat parameter buffer, with weight decay and the exponential moving average
 * in the same pass: the formulas of workers/compute/step/optimizers.ts and host_parameters.ts. Also the sums of
 * squares for the regularisation loss and the norm of the gradient.
 */
import { OPTIMIZER_CONSTANTS } from '../../step/optimizers.ts';
import type { OptimizerName } from '../../../protocol/train/options.ts';
import type { BufferName, BufferRegion, Memory } from '../tensor_view.ts';
import { STEP_STRUCT } from '../step_values.ts';
import { KernelBuilder, type Kernel } from './kernel.ts';
import { float } from '../../../gpu/wgsl.ts';
import { declareLossScale } from './loss_scale.ts';

const WORKGROUP_SIZE = 64;

/** Code that updates `value` and the slots by the gradient `g`. For ADAM, `step.rate` includes the bias correction. */
function update(optimizer: OptimizerName): string {
  switch (optimizer) {
    case 'ADAGRAD':
      return `slot_0[index] += g * g;
  value -= step.rate * g / sqrt(slot_0[index]);`;
    case 'ADADELTA': {
      const { rho, epsilon } = OPTIMIZER_CONSTANTS.ADADELTA;
      return `let accumulated = ${float(rho)} * slot_0[index] + ${float(1 - rho)} * g * g;
  let change = sqrt(slot_1[index] + ${float(epsilon)}) / sqrt(accumulated + ${float(epsilon)}) * g;
  slot_0[index] = accumulated;
  slot_1[index] = ${float(rho)} * slot_1[index] + ${float(1 - rho)} * change * change;
  value -= step.rate * change;`;
    }
    case 'ADAM': {
      const { beta1, beta2, epsilon } = OPTIMIZER_CONSTANTS.ADAM;
      return `let m = ${float(beta1)} * slot_0[index] + ${float(1 - beta1)} * g;
  let v = ${float(beta2)} * slot_1[index] + ${float(1 - beta2)} * g * g;
  slot_0[index] = m;
  slot_1[index] = v;
  value -= step.rate * m / (sqrt(v) + ${float(epsilon)});`;
    }
    case 'RMSPROP': {
      const { decay, momentum, epsilon } = OPTIMIZER_CONSTANTS.RMSPROP;
      return `let mean_square = slot_0[index] + ${float(1 - decay)} * (g * g - slot_0[index]);
  let moved = ${float(momentum)} * slot_1[index] + step.rate * g / sqrt(mean_square + ${float(epsilon)});
  slot_0[index] = mean_square;
  slot_1[index] = moved;
  value -= moved;`;
    }
    case 'MOM': {
      const { momentum } = OPTIMIZER_CONSTANTS.MOM;
      return `let accumulated = ${float(momentum)} * slot_0[index] + g;
  slot_0[index] = accumulated;
  value -= step.rate * (g + ${float(momentum)} * accumulated);`;
    }
  }
}

export interface OptimizerOptions {
  readonly optimizer: OptimizerName;
  readonly slots: number;
  readonly weightDecay: number;
  readonly hasMovingAverage: boolean;
  /** Weight decay applies to the parameters before this place in the flat buffer; a multiple of 4. */
  readonly regularizedFloats: number;
  /** The loss scale, if the gradients are multiplied by it. The kernel divides them by it, also in their buffer. */
  readonly lossScale?: BufferRegion | undefined;
}

/** Updates `floats` parameters from `offset` on in the flat buffers; both are multiples of the storage alignment. */
export function optimizerStep(
  options: OptimizerOptions,
  offset: number,
  floats: number,
  step: BufferRegion,
): Kernel {
  const { optimizer, slots, weightDecay, hasMovingAverage, regularizedFloats, lossScale } = options;
  const region = (buffer: BufferName): BufferRegion => ({ kind: 'region', buffer, offset, floats });
  const builder = new KernelBuilder();
  builder.declare(STEP_STRUCT);
  builder.memory('step', step, 'Step', 'uniform');
  builder.memory('parameters', region('parameters'), 'vec4f', 'write');
  builder.memory('gradients', region('gradients'), 'vec4f', 'write');
  if (slots > 0) builder.memory('slot_0', region('slot_0'), 'vec4f', 'write');
  if (slots > 1) builder.memory('slot_1', region('slot_1'), 'vec4f', 'write');
  if (hasMovingAverage) builder.memory('moving_average', region('moving_average'), 'vec4f', 'write');
  const unscale = lossScale
    ? `${declareLossScale(builder, lossScale)}
  g /= loss_factor;
  gradients[index] = g;`
    : '';
  const vectors = floats / 4;
  const decayed = Math.min(Math.max((regularizedFloats - offset) / 4, 0), vectors);
  return builder.build({
    name: `${optimizer} step`,
    workgroupSize: WORKGROUP_SIZE,
    groups: Math.ceil(vectors / WORKGROUP_SIZE),
    operations: floats * 8,
    body: `
  let index = group * ${WORKGROUP_SIZE}u + lane;
  if (index >= ${vectors}u) { return; }
  var value = parameters[index];
  var g = gradients[index];
  ${unscale}${
    weightDecay === 0 || decayed === 0
      ? ''
      : `if (index < ${decayed}u) {
    g += ${float(weightDecay)} * value;
    gradients[index] = g;
  }`
  }
  ${lossScale ? 'if (is_skipped) { return; }' : ''}${update(optimizer)}
  parameters[index] = value;
  ${hasMovingAverage ? 'moving_average[index] -= step.average_rate * (moving_average[index] - value);' : ''}`,
  });
}

/**
 * Sums of squares over a range of the parameters or the gradients, one sum per thread. They are summed in blocks, so
 * that small squares are not lost in a large sum.
 * @param output gets the sums of the parts, from `firstPart` on
 */
export function squareParts(
  buffer: 'parameters' | 'gradients',
  offset: number,
  floats: number,
  output: Memory,
  firstPart: number,
  parts: number,
): Kernel {
  const builder = new KernelBuilder();
  builder.memory('values', { kind: 'region', buffer, offset, floats }, 'vec4f');
  builder.memory('squares', output, 'f32', 'write');
  const vectors = floats / 4;
  const share = Math.ceil(vectors / parts);
  return builder.build({
    name: `sum of squared ${buffer}`,
    workgroupSize: WORKGROUP_SIZE,
    groups: Math.ceil(parts / WORKGROUP_SIZE),
    operations: floats * 2,
    body: `
  let part = group * ${WORKGROUP_SIZE}u + lane;
  if (part >= ${parts}u) { return; }
  var sum = vec4f(0);
  for (var block = 0u; block < ${share}u; block += 64u) {
    var block_sum = vec4f(0);
    for (var i = block; i < min(block + 64u, ${share}u); i++) {
      let index = i * ${parts}u + part;
      if (index < ${vectors}u) { let value = values[index]; block_sum += value * value; }
    }
    sum += block_sum;
  }
  squares[${firstPart}u + part] = sum.x + sum.y + sum.z + sum.w;`,
  });
}

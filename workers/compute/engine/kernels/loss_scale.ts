/**
 * Dynamic loss scaling (Micikevicius et al., "Mixed Precision Training", 2018). With float16, the gradients of the
 * losses are multiplied by a factor, so that small gradients of activations do not become zero. The optimizer divides
 * by it. If the gradient of a parameter is not finite, the factor was too large: the step changes no parameter, and
 * the factor is halved. After many good steps it is doubled. All of this happens on the GPU, without a readback.
 *
 * At a factor of 1 no step is skipped: the factor is not the cause then, and the run should end as it does with
 * float32.
 */
import type { BufferRegion } from '../tensor_view.ts';
import { KernelBuilder, type Kernel } from './kernel.ts';
import { float } from '../../../gpu/wgsl.ts';

export const LOSS_SCALING = {
  /** An eighth of the value that overflowed with the smallest networks and batches; small gradients need far less. */
  initial: 2 ** 12,
  smallest: 1,
  largest: 2 ** 24,
  /** After this many good steps in a row, the factor is doubled. */
  growthInterval: 2000,
} as const;

/** Places in the buffer: three floats that are part of a checkpoint, and an integer that is 0 between steps. */
const FACTOR = 0;
const GOOD_STEPS = 1;
const SKIPPED_STEPS = 2;
const NOT_FINITE = 3;
export const LOSS_SCALE_STATE_FLOATS = 3;
export const LOSS_SCALE_FLOATS = 4;

const WORKGROUP_SIZE = 64;

/** The loss scale of a new run. */
export function initialLossScale(): Float32Array<ArrayBuffer> {
  return Float32Array.of(LOSS_SCALING.initial, 0, 0, 0);
}

/** The code ` * factor` for the gradient of a loss; empty without loss scaling. */
export function scaledByLoss(builder: KernelBuilder, lossScale: BufferRegion | undefined): string {
  if (!lossScale) return '';
  builder.memory('loss_scale', lossScale, 'f32');
  return ` * loss_scale[${FACTOR}]`;
}

/** Declares for the optimizer: `loss_factor`, and `is_skipped` (whether this step changes nothing). */
export function declareLossScale(builder: KernelBuilder, lossScale: BufferRegion): string {
  builder.memory('loss_scale', lossScale, 'u32');
  return `let loss_factor = bitcast<f32>(loss_scale[${FACTOR}]);
  let is_skipped = loss_scale[${NOT_FINITE}] != 0u && loss_factor > ${float(LOSS_SCALING.smallest)};`;
}

/** Records whether any gradient in a range of the flat buffer is infinite or NaN. */
export function findNotFinite(offset: number, floats: number, lossScale: BufferRegion): Kernel {
  const builder = new KernelBuilder();
  // Compared as integers, because a shader compiler may assume that no float is infinite.
  builder.memory('gradients', { kind: 'region', buffer: 'gradients', offset, floats }, 'vec4u');
  builder.memory('loss_scale', lossScale, 'atomic<u32>', 'write');
  const vectors = floats / 4;
  return builder.build({
    name: 'search for gradients that are not finite',
    workgroupSize: WORKGROUP_SIZE,
    groups: Math.ceil(vectors / WORKGROUP_SIZE),
    body: `
  let index = group * ${WORKGROUP_SIZE}u + lane;
  if (index >= ${vectors}u) { return; }
  let exponent = vec4u(0x7f800000u);
  if (any((gradients[index] & exponent) == exponent)) { atomicOr(&loss_scale[${NOT_FINITE}], 1u); }`,
  });
}

/** Computes the factor of the next step. Runs after the optimizer. */
export function updateLossScale(lossScale: BufferRegion): Kernel {
  const { smallest, largest, growthInterval } = LOSS_SCALING;
  const builder = new KernelBuilder();
  builder.memory('loss_scale', lossScale, 'u32', 'write');
  return builder.build({
    name: 'loss scale',
    workgroupSize: 1,
    groups: 1,
    body: `
  var factor = bitcast<f32>(loss_scale[${FACTOR}]);
  var good_steps = bitcast<f32>(loss_scale[${GOOD_STEPS}]);
  var skipped_steps = bitcast<f32>(loss_scale[${SKIPPED_STEPS}]);
  if (loss_scale[${NOT_FINITE}] != 0u) {
    if (factor > ${float(smallest)}) { skipped_steps += 1.0; }
    factor = max(0.5 * factor, ${float(smallest)});
    good_steps = 0.0;
  } else {
    good_steps += 1.0;
    if (good_steps >= ${float(growthInterval)}) {
      if (factor < ${float(largest)}) { factor *= 2.0; }
      good_steps = 0.0;
    }
  }
  loss_scale[${FACTOR}] = bitcast<u32>(factor);
  loss_scale[${GOOD_STEPS}] = bitcast<u32>(good_steps);
  loss_scale[${SKIPPED_STEPS}] = bitcast<u32>(skipped_steps);
  loss_scale[${NOT_FINITE}] = 0u;`,
  });
}

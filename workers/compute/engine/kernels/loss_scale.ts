/**
 * Dynamic loss scaling (Micikevicius et al., "Mixed Precision Training", 2018): with float16 the losses' gradients are
 * multiplied by a factor, so that small gradients of activations do not become zero on their way; the optimizer divides
 * by it again. Where a parameter's gradient is not finite the factor was too large: the step changes no parameter and
 * the factor is halved. After many good steps it is doubled. All of it happens on the GPU, without an answer to wait for.
 *
 * At a factor of 1 nothing is left out: then it is not the factor, and the run shall end as it does with float32.
 */
import type { BufferRegion } from '../tensor_view.ts';
import { KernelBuilder, type Kernel } from './kernel.ts';
import { float } from '../../../gpu/wgsl.ts';

export const LOSS_SCALING = {
  /** An eighth of what was too much for the smallest networks and batches, and far more than small gradients need. */
  initial: 2 ** 12,
  smallest: 1,
  largest: 2 ** 24,
  /** Good steps in a row after which the factor is doubled. */
  growthInterval: 2000,
} as const;

/** Places in the buffer: three floats that a checkpoint keeps, and an integer that is 0 between steps. */
const FACTOR = 0;
const GOOD_STEPS = 1;
const SKIPPED_STEPS = 2;
const NOT_FINITE = 3;
export const LOSS_SCALE_STATE_FLOATS = 3;
export const LOSS_SCALE_FLOATS = 4;

const WORKGROUP_SIZE = 64;

/** Of a new run. */
export function initialLossScale(): Float32Array<ArrayBuffer> {
  return Float32Array.of(LOSS_SCALING.initial, 0, 0, 0);
}

/** ` * factor` for a loss's gradient; nothing without loss scaling. */
export function scaledByLoss(builder: KernelBuilder, lossScale: BufferRegion | undefined): string {
  if (!lossScale) return '';
  builder.memory('loss_scale', lossScale, 'f32');
  return ` * loss_scale[${FACTOR}]`;
}

/** For the optimizer: `loss_factor`, and `is_skipped`, whether this step is to change nothing. */
export function declareLossScale(builder: KernelBuilder, lossScale: BufferRegion): string {
  builder.memory('loss_scale', lossScale, 'u32');
  return `let loss_factor = bitcast<f32>(loss_scale[${FACTOR}]);
  let is_skipped = loss_scale[${NOT_FINITE}] != 0u && loss_factor > ${float(LOSS_SCALING.smallest)};`;
}

/** Notes whether any gradient in a range of the flat buffer is infinite or not a number. */
export function findNotFinite(offset: number, floats: number, lossScale: BufferRegion): Kernel {
  const builder = new KernelBuilder();
  // As integers: a shader's compiler may take it that no float is infinite.
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

/** The factor of the next step; after the optimizer. */
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

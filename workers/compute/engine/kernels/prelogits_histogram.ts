/**
 * The histogram of |prelogits| for stat.h5, as in the original. It is counted on the GPU during a run and read once per
 * epoch, so that no step waits for half a million values.
 */
import { PRELOGITS_BINS } from '../../../protocol/train/runs.ts';
import { STEP_STRUCT } from '../step_values.ts';
import { rowsOf, type BufferRegion, type TensorView } from '../tensor_view.ts';
import { KernelBuilder, type Kernel } from './kernel.ts';
import { float } from '../../../gpu/wgsl.ts';

/**
 * Adds the values of the batch to the counts, which are unsigned integers.
 * @param maximum the end of the last bin; larger values count in the last bin
 */
export function prelogitsHistogram(
  prelogits: TensorView,
  buffers: { readonly step: BufferRegion; readonly histogram: BufferRegion },
  maximum: number,
): Kernel {
  const builder = new KernelBuilder();
  builder.declare(STEP_STRUCT);
  builder.memory('step', buffers.step, 'Step', 'uniform');
  builder.memory('histogram', buffers.histogram, 'atomic<u32>', 'write');
  builder.view('prelogits', prelogits, 'read');
  const channels = prelogits.channels;
  const groups = Math.ceil(channels / 4);
  return builder.build({
    name: 'prelogits histogram',
    workgroupSize: 64,
    groups: Math.ceil((rowsOf(prelogits) * groups) / 64),
    body: `
  let thread = group * 64u + lane;
  let row = thread / ${groups}u;
  let g = thread % ${groups}u;
  if (row >= step.count) { return; }
  let places = clamp(abs(load_prelogits(row, g)) * ${float(maximum > 0 ? PRELOGITS_BINS / maximum : 0)}, vec4f(0), vec4f(${PRELOGITS_BINS - 1}));
  for (var channel = 0u; channel < 4u; channel++) {
    if (4u * g + channel < ${channels}u) { atomicAdd(&histogram[u32(places[channel])], 1u); }
  }`,
  });
}

/** The long-lived buffers of a run. */
import { canTrain, type ExecutorSettings } from '../../executor.ts';
import { optimizerSlots } from '../../step/optimizers.ts';
import { PRELOGITS_BINS } from '../../../protocol/train/runs.ts';
import type { FlatLayout } from '../flat_layout.ts';
import { TRANSFORM_WORDS } from '../kernels/images.ts';
import { LOSS_SCALE_FLOATS } from '../kernels/loss_scale.ts';
import { METRIC_FLOATS } from '../kernels/losses.ts';
import { STEP_FLOATS } from '../step_values.ts';
import type { BufferName } from '../tensor_view.ts';

/** Their sizes, floats. Buffers that are not needed are missing. */
export function bufferFloats(
  settings: ExecutorSettings,
  { trainableFloats, statisticsFloats }: FlatLayout,
  pixelBytes: number,
): Map<BufferName, number> {
  const { graph, batchSize, precision } = settings;
  const sizes = new Map<BufferName, number>([
    ['parameters', trainableFloats],
    ['statistics', statisticsFloats],
    ['pixels', Math.ceil(pixelBytes / 4)],
    ['transforms', batchSize * TRANSFORM_WORDS],
    ['labels', batchSize],
    ['step', STEP_FLOATS],
    ['metrics', METRIC_FLOATS],
    ['embeddings', batchSize * graph.embeddingSize],
  ]);
  if (canTrain(settings)) {
    const { optimizer, movingAverageDecay } = settings;
    sizes.set('gradients', trainableFloats);
    for (const index of optimizerSlots(optimizer).keys())
      sizes.set(index === 0 ? 'slot_0' : 'slot_1', trainableFloats);
    if (movingAverageDecay > 0) sizes.set('moving_average', trainableFloats);
    // As in the original, centres follow the prelogits even if the factor of their loss is 0.
    sizes.set('centers', graph.classes * graph.embeddingSize);
    sizes.set('prelogits_histogram', PRELOGITS_BINS);
    if (precision === 'float16') sizes.set('loss_scale', LOSS_SCALE_FLOATS);
  }
  return sizes;
}

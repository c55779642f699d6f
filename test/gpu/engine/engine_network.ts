/** A small network with every kind of node, and batches for it, for the tests of the engine as an executor. */
import { GraphBuilder } from '../../../workers/compute/graph/builder.ts';
import type { Graph } from '../../../workers/compute/graph/ir.ts';
import { drawTransforms } from '../../../workers/compute/step/augmentation.ts';
import type { TrainerSettings, LabelledBatch } from '../../../workers/compute/executor.ts';
import { hash32 } from '../../../workers/common/random.ts';

export const IMAGE_SIZE = 18;
export const STORED_SIZE = 22;
export const BATCH_SIZE = 6;
export const CLASSES = 5;

export function smallGraph(): Graph {
  const builder = new GraphBuilder(0.9);
  const image = builder.input(3);
  const prelogits = builder.scope('Small', () => {
    let layer = builder.convolution(image, 8, 3, 'Conv2d_1', { stride: 2, padding: 'VALID' });
    layer = builder.maxPool(layer, 'MaxPool_1', { size: 3, stride: 2, padding: 'SAME' });
    layer = builder.scope('Block', () => {
      const branch0 = builder.scope('Branch_0', () => builder.convolution(layer, 4, 1, 'Conv2d_1x1'));
      const branch1 = builder.scope('Branch_1', () => {
        const inner = builder.convolution(layer, 8, [1, 3], 'Conv2d_1x3');
        return builder.convolution(inner, 8, [3, 1], 'Conv2d_3x1');
      });
      const branch2 = builder.scope('Branch_2', () => {
        const pooled = builder.averagePool(layer, 'AvgPool', { size: 3, stride: 1, padding: 'SAME' });
        return builder.convolution(pooled, 4, 1, 'Conv2d_1x1', { normalization: 'bias' });
      });
      const up = builder.convolution(builder.concat([branch0, branch1, branch2]), 8, 1, 'Conv2d_up', {
        normalization: 'bias',
        relu: false,
      });
      return builder.relu(builder.residualAdd(layer, up, 0.3));
    });
    // A shortcut with fewer pixels and channels than the layers that it bridges.
    layer = builder.scope('Shortcut', () => {
      const wide = builder.convolution(layer, 10, 3, 'Conv2d_wide', { normalization: 'bias', relu: false });
      const low = builder.averagePool(layer, 'AvgPool_low', { size: 2, stride: 2, padding: 'VALID' });
      return builder.relu(builder.residualAdd(builder.zeroPad(low, wide, 'Pad'), wide, 0.3));
    });
    layer = builder.scope('Reduction', () => {
      const branch0 = builder.scope('Branch_0', () =>
        builder.convolution(layer, 7, 3, 'Conv2d_3x3', { stride: 2 }),
      );
      const branch1 = builder.scope('Branch_1', () =>
        builder.maxPool(layer, 'MaxPool', { size: 3, stride: 2, padding: 'SAME' }),
      );
      return builder.concat([branch0, branch1]);
    });
    layer = builder.globalAveragePool(layer);
    layer = builder.dropout(layer);
    return builder.dense(layer, 8, 'Bottleneck', 'batch_norm');
  });
  return builder.finish('small', prelogits, CLASSES, IMAGE_SIZE);
}

/** A few kernels, which are compiled in a second. @param classes 0: for embedding only */
export function tinyGraph(classes: number): Graph {
  const builder = new GraphBuilder(0.9);
  const features = builder.convolution(builder.input(3), 4, 3, 'Conv2d_1', { stride: 2 });
  const prelogits = builder.dense(builder.globalAveragePool(features), 4, 'Bottleneck', 'batch_norm');
  return builder.finish('tiny', prelogits, classes, 8);
}

export function smallSettings(overrides: Partial<TrainerSettings> = {}): TrainerSettings {
  return {
    graph: smallGraph(),
    batchSize: BATCH_SIZE,
    imageSize: IMAGE_SIZE,
    useFixedImageStandardization: true,
    keepProbability: 0.8,
    weightDecay: 5e-4,
    prelogitsNormLossFactor: 5e-3,
    prelogitsNormP: 1,
    centerLossFactor: 0.02,
    centerLossAlfa: 0.9,
    optimizer: 'ADAM',
    movingAverageDecay: 0.9999,
    seed: 7,
    ...overrides,
  };
}

/**
 * Noise on stripes that depend on the class, cropped and flipped by the step's random choices. Rotation is optional,
 * because it rounds to whole levels, which may differ by one between two implementations.
 */
export function smallBatch(step: number, count = BATCH_SIZE, random_rotate = false): LabelledBatch {
  const size = { width: STORED_SIZE, height: STORED_SIZE };
  const labels = Int32Array.from({ length: count }, (_, index) => hash32(1000 * step + index) % CLASSES);
  const length = STORED_SIZE * STORED_SIZE * 3;
  const pixels = Uint8Array.from({ length: count * length }, (_, at) => {
    const image = Math.floor(at / length);
    const wave = 40 * Math.sin(((at % length) * (labels[image]! + 1)) / 40);
    return 100 + wave + (hash32(at + 7919 * step) % 50);
  });
  const augmentation = { random_crop: true, random_flip: true, random_rotate };
  return {
    count,
    ...size,
    pixels,
    labels,
    transforms: drawTransforms(count, size, IMAGE_SIZE, augmentation, 3, step),
  };
}

/** Kernels chosen by measurement: each shape measured once, kept, and used from then on. */
import { expect, it } from 'vitest';
import { createEngineExecutor } from '../../../workers/compute/engine/executor.ts';
import type { TunedChoices, TuningCache } from '../../../workers/compute/engine/tuning.ts';
import { GraphBuilder } from '../../../workers/compute/graph/builder.ts';
import { hashedParameters, hashedPixels } from '../../../workers/compute/graph/hashed_tensors.ts';
import { centredTransforms } from '../../../workers/compute/step/augmentation.ts';
import type { TrainerSettings } from '../../../workers/compute/executor.ts';

const builder = new GraphBuilder();
let layer = builder.convolution(builder.input(3), 24, 3, 'First');
layer = builder.convolution(layer, 32, 3, 'Second', { stride: 2 });
const prelogits = builder.dense(builder.globalAveragePool(layer), 8, 'Bottleneck', 'batch_norm');
const graph = builder.finish('small', prelogits, 3, 8);

const SETTINGS: TrainerSettings = {
  graph,
  batchSize: 4,
  imageSize: 24,
  useFixedImageStandardization: true,
  keepProbability: 1,
  weightDecay: 0,
  prelogitsNormLossFactor: 0,
  prelogitsNormP: 1,
  centerLossFactor: 0,
  centerLossAlfa: 0.95,
  optimizer: 'ADAM',
  movingAverageDecay: 0,
  seed: 1,
};

class MemoryCache implements TuningCache {
  saves = 0;
  choices: TunedChoices | undefined;
  async load(): Promise<TunedChoices | undefined> {
    return this.choices;
  }
  async save(_adapter: string, choices: TunedChoices): Promise<void> {
    this.saves++;
    this.choices = choices;
  }
}

async function lossWith(tuningCache?: TuningCache): Promise<number> {
  const executor = await createEngineExecutor(SETTINGS, tuningCache ? { tuningCache } : {});
  await executor.writeParameters(hashedParameters(graph, 1));
  const batch = {
    count: 4,
    width: 24,
    height: 24,
    pixels: hashedPixels(4, 24, 1),
    labels: Int32Array.of(0, 1, 2, 0),
    transforms: centredTransforms(4, { width: 24, height: 24 }, 24),
  };
  await executor.trainStep(batch, 0, 0.01);
  const { totalLoss } = await executor.trainStep(batch, 1, 0.01);
  executor.dispose();
  return totalLoss;
}

it('measures each shape once, keeps the choices, and computes the same with them', async () => {
  const cache = new MemoryCache();
  const untuned = await lossWith();
  const tuned = await lossWith(cache);
  expect(Math.abs(tuned - untuned)).toBeLessThan(1e-5 * untuned);
  expect(cache.saves).toBe(1);
  // Forward and filter gradient of both layers, and the second one's input gradient, where worth measuring.
  expect(Object.keys(cache.choices!).length).toBeGreaterThanOrEqual(3);
  expect(await lossWith(cache)).toBe(tuned);
  expect(cache.saves).toBe(1);
});

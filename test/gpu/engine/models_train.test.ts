/**
 * The gradients of each network on WebAssembly, on the smallest possible images. A small step against the gradient
 * must lower the loss as predicted, and each weight must have a gradient. In the deep network, a batch norm over four
 * values amplifies any change of an early layer, so only the layers after the last such batch norm change there.
 */
import { expect, it } from 'vitest';
import { hashedPixels } from '../../../workers/compute/graph/hashed_tensors.ts';
import { initializeParameters } from '../../../workers/compute/graph/initialize.ts';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import { selectBackend } from '../../../workers/compute/tfjs/backends.ts';
import { TfjsExecutor } from '../../../workers/compute/tfjs/executor.ts';
import { centredTransforms } from '../../../workers/compute/step/augmentation.ts';

const BATCH_SIZE = 4;
/** The predicted change of the loss: small enough to be nearly linear, and large enough for float32. */
const PROMISED_DECREASE = 1e-3;

it.each([
  ['squeezenet', /./],
  ['inception_resnet_v2', /Bottleneck|Logits/],
])('%s', async (name, isMoved) => {
  await selectBackend('wasm');
  const graph = buildModel(name, { embeddingSize: 16, classes: 4 });
  const imageSize = graph.minimumImageSize;
  const executor = new TfjsExecutor(
    {
      graph,
      batchSize: BATCH_SIZE,
      imageSize,
      useFixedImageStandardization: true,
      keepProbability: 0.8,
      weightDecay: 0,
      prelogitsNormLossFactor: 0,
      prelogitsNormP: 1,
      centerLossFactor: 0,
      centerLossAlfa: 0.95,
      optimizer: 'ADAGRAD',
      movingAverageDecay: 0,
      seed: 666,
    },
    'wasm',
  );
  const parameters = initializeParameters(graph, 666);
  await executor.writeParameters(parameters);
  const size = { width: imageSize, height: imageSize };
  const batch = {
    count: BATCH_SIZE,
    ...size,
    pixels: hashedPixels(BATCH_SIZE, imageSize, 666),
    labels: Int32Array.of(0, 1, 2, 3),
    transforms: centredTransforms(BATCH_SIZE, size, imageSize),
  };
  // The same step twice, with the same dropout mask. A learning rate of 0 changes nothing.
  const before = (await executor.trainStep(batch, 0, 0)).totalLoss;
  const gradients = await executor.readGradients();
  const norms = new Map(
    [...gradients].map(([parameter, { data }]) => [
      parameter,
      data.reduce((sum, value) => sum + value * value, 0),
    ]),
  );
  const moved = [...gradients].filter(([parameter]) => isMoved.test(parameter));
  const rate = PROMISED_DECREASE / moved.reduce((sum, [parameter]) => sum + norms.get(parameter)!, 0);
  for (const [parameter, { data }] of moved) {
    const values = parameters.get(parameter)!.data;
    data.forEach((value, i) => (values[i] = values[i]! - rate * value));
  }
  await executor.writeParameters(parameters);
  const after = (await executor.trainStep(batch, 0, 0)).totalLoss;
  executor.dispose();

  expect([...norms.keys()].sort()).toEqual(
    graph.parameters.flatMap((spec) => (spec.trainable ? [spec.name] : [])).sort(),
  );
  const unreached = [...norms].filter(([parameter, norm]) => parameter.endsWith('weights') && !(norm > 0));
  expect(unreached).toEqual([]);
  expect((before - after) / PROMISED_DECREASE).toBeGreaterThan(0.8);
  expect((before - after) / PROMISED_DECREASE).toBeLessThan(1.2);
});

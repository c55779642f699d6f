/**
 * TensorFlow.js' inference with folded batch norms and fused layers, against the graph node by node; on WebAssembly.
 */
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { hashedParameters, hashedPixels } from '../../../workers/compute/graph/hashed_tensors.ts';
import type { Graph } from '../../../workers/compute/graph/ir.ts';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import { MODEL_NAMES } from '../../../workers/protocol/train/networks.ts';
import { TfjsExecutor } from '../../../workers/compute/tfjs/executor.ts';
import { centredTransforms } from '../../../workers/compute/step/augmentation.ts';
import type { LabelledBatch } from '../../../workers/compute/executor.ts';
import { smallBatch, smallSettings } from '../../gpu/engine/engine_network.ts';

beforeAll(async () => {
  await tf.setBackend('wasm');
  await tf.ready();
});

/** The tolerance relative to the largest values. */
function relativeDifference(found: Float32Array, expected: Float32Array): number {
  expect(found.length).toBe(expected.length);
  let [difference, largest] = [0, 0];
  expected.forEach((value, index) => {
    difference = Math.max(difference, Math.abs(value - found[index]!));
    largest = Math.max(largest, Math.abs(value));
  });
  return difference / largest;
}

function imagesFor(graph: Graph, count: number): LabelledBatch {
  const size = { width: graph.minimumImageSize, height: graph.minimumImageSize };
  return {
    count,
    ...size,
    pixels: hashedPixels(count, size.width, 3),
    labels: Int32Array.from({ length: count }, (_, index) => index % 2),
    transforms: centredTransforms(count, size, size.width),
  };
}

describe('embeddings and losses are those of the graph as it is', () => {
  it.each(MODEL_NAMES)('%s', async (name) => {
    const graph = buildModel(name, { embeddingSize: 16, classes: 3 });
    const batch = imagesFor(graph, 2);
    const imageSize = graph.minimumImageSize;
    const settings = smallSettings({ graph, imageSize, batchSize: 2 });
    const folding = new TfjsExecutor(settings, 'folding');
    const plain = new TfjsExecutor({ ...settings, foldsBatchNorms: false }, 'plain');
    for (const executor of [folding, plain]) await executor.writeParameters(hashedParameters(graph, 5));

    expect(relativeDifference(await folding.embed(batch), await plain.embed(batch))).toBeLessThan(1e-5);
    const [found, expected] = [await folding.evaluateBatch(batch), await plain.evaluateBatch(batch)];
    for (const figure of ['crossEntropy', 'prelogitsNorm', 'totalLoss'] as const)
      expect(Math.abs(found[figure] / expected[figure] - 1), figure).toBeLessThan(1e-5);
    for (const executor of [folding, plain]) executor.dispose();
  });
});

it('follows the parameters as they change, and leaves no tensor behind', async () => {
  const settings = smallSettings();
  const before = tf.memory().numTensors;
  const trained = new TfjsExecutor(settings, 'trained');
  await trained.writeParameters(hashedParameters(settings.graph, 5));
  const batch = smallBatch(0);
  const first = await trained.embed(batch);
  expect(await trained.embed(batch)).toEqual(first);
  await trained.trainStep(batch, 0, 0.05);
  const second = await trained.embed(batch);
  expect(relativeDifference(second, first)).toBeGreaterThan(1e-3);

  const fresh = new TfjsExecutor({ ...settings, foldsBatchNorms: false }, 'fresh');
  await fresh.writeParameters(await trained.readParameters());
  expect(relativeDifference(second, await fresh.embed(batch))).toBeLessThan(1e-5);

  const held = tf.memory().numTensors;
  for (let repetition = 0; repetition < 3; repetition++) {
    await trained.embed(batch);
    await trained.evaluateBatch(batch);
  }
  expect(tf.memory().numTensors).toBe(held);
  for (const executor of [trained, fresh]) executor.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

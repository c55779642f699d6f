/**
 * The TensorFlow.js executor in a real browser: on WebAssembly against the reference fixture, and on WebGPU against
 * WebAssembly with a small network (the whole one takes minutes on a software adapter; `facenet conformance --executor
 * tfjs --backend webgpu` runs it).
 */
import { commands } from 'vitest/browser';
import { describe, expect, it } from 'vitest';
import {
  runModelConformance,
  type ModelFixture,
} from '../../../workers/jobs/conformance/model_conformance.ts';
import { GraphBuilder } from '../../../workers/compute/graph/builder.ts';
import { hashedParameters, hashedPixels } from '../../../workers/compute/graph/hashed_tensors.ts';
import type { Graph } from '../../../workers/compute/graph/ir.ts';
import type { NamedTensors } from '../../../workers/protocol/tensor.ts';
import { selectBackend } from '../../../workers/compute/tfjs/backends.ts';
import { TfjsExecutor } from '../../../workers/compute/tfjs/executor.ts';
import { drawTransforms } from '../../../workers/compute/step/augmentation.ts';
import type { TrainerSettings } from '../../../workers/compute/executor.ts';

const fixture = await commands
  .readFile('../shared/fixtures/inception-resnet-v1.json')
  .then((text) => JSON.parse(text) as ModelFixture)
  .catch(() => undefined);

it.skipIf(!fixture)('meets the bounds of the reference on WebAssembly', async () => {
  await selectBackend('wasm');
  const report = await runModelConformance(fixture!, async (settings) => new TfjsExecutor(settings, 'wasm'));
  expect(report.bounds.filter(({ holds }) => !holds)).toEqual([]);
});

/** One of each kind of node, with odd sizes. */
function smallGraph(): Graph {
  const builder = new GraphBuilder(0.9);
  const image = builder.input(3);
  const prelogits = builder.scope('Small', () => {
    let layer = builder.convolution(image, 7, 3, 'Strided', { stride: 2, padding: 'VALID' });
    layer = builder.maxPool(layer, 'MaxPool', { size: 3, stride: 2, padding: 'VALID' });
    const wide = builder.convolution(layer, 5, [1, 7], 'Wide');
    const tall = builder.convolution(layer, 4, [7, 1], 'Tall');
    const average = builder.averagePool(layer, 'AveragePool', { size: 3, stride: 1, padding: 'SAME' });
    const up = builder.convolution(builder.concat([wide, tall, average]), 7, 1, 'Up', {
      normalization: 'bias',
      relu: false,
    });
    layer = builder.relu(builder.residualAdd(layer, up, 0.17));
    layer = builder.convolution(layer, 9, 3, 'Halving', { stride: 2 });
    layer = builder.dropout(builder.globalAveragePool(layer));
    return builder.dense(layer, 6, 'Bottleneck', 'batch_norm');
  });
  return builder.finish('small', prelogits, 3, 20);
}

describe('the two backends', () => {
  async function twoSteps(backend: 'wasm' | 'webgpu'): Promise<{ losses: number[]; values: NamedTensors }> {
    await selectBackend(backend);
    const graph = smallGraph();
    const settings: TrainerSettings = {
      graph,
      batchSize: 5,
      imageSize: 33,
      useFixedImageStandardization: false,
      keepProbability: 0.8,
      weightDecay: 1e-3,
      prelogitsNormLossFactor: 1e-2,
      prelogitsNormP: 2,
      centerLossFactor: 1e-2,
      centerLossAlfa: 0.9,
      optimizer: 'RMSPROP',
      movingAverageDecay: 0.99,
      seed: 666,
    };
    const executor = new TfjsExecutor(settings, backend);
    await executor.writeParameters(hashedParameters(graph, 3));
    const losses: number[] = [];
    let embeddings = new Float32Array();
    for (let step = 0; step < 2; step++) {
      const stored = { width: 37, height: 35 };
      const pixels = hashedPixels(5, 37, step).subarray(0, 5 * 37 * 35 * 3);
      const options = { random_crop: true, random_flip: true, random_rotate: true };
      const batch = {
        count: 5,
        ...stored,
        pixels,
        labels: Int32Array.of(0, 1, 2, 1, 0),
        transforms: drawTransforms(5, stored, 33, options, 666, step),
      };
      losses.push((await executor.trainStep(batch, step, 0.1)).totalLoss);
      embeddings = new Float32Array(await executor.embed(batch));
    }
    const values = new Map([
      ...(await executor.readParameters()),
      ...(await executor.readState()),
      ['embeddings', { shape: [5, 6], data: embeddings }] as const,
    ]);
    executor.dispose();
    return { losses, values };
  }

  it('agree on losses, parameters, state and embeddings after two steps', async () => {
    const wasm = await twoSteps('wasm');
    const webgpu = await twoSteps('webgpu');
    wasm.losses.forEach((loss, index) => expect(webgpu.losses[index]).toBeCloseTo(loss, 4));
    expect([...webgpu.values.keys()].sort()).toEqual([...wasm.values.keys()].sort());
    for (const [name, { data }] of wasm.values) {
      const other = webgpu.values.get(name)!.data;
      const difference = data.reduce((most, value, i) => Math.max(most, Math.abs(value - other[i]!)), 0);
      const size = data.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
      expect(difference / size, name).toBeLessThan(1e-3);
    }
  });
});

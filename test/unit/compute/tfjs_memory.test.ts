/** A network that does not fit WebAssembly's memory is refused before the start, with a size that fits. */
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import { elementCount } from '../../../workers/protocol/tensor.ts';
import { TfjsExecutor } from '../../../workers/compute/tfjs/executor.ts';
import {
  requireWasmFit,
  WASM_MEMORY_BYTES,
  wasmBytes,
  WasmMemoryError,
} from '../../../workers/compute/tfjs/memory.ts';
import type { TrainerSettings, LabelledBatch } from '../../../workers/compute/executor.ts';

beforeAll(async () => {
  await tf.setBackend('wasm');
  await tf.ready();
});

interface Sizes {
  readonly model?: string;
  readonly classes: number;
  readonly embeddingSize: number;
  readonly batchSize: number;
  readonly imageSize: number;
}

function settingsOf({ model = 'squeezenet', classes, embeddingSize, ...rest }: Sizes): TrainerSettings {
  return {
    ...{ graph: buildModel(model, { classes, embeddingSize }), ...rest },
    ...{ useFixedImageStandardization: true, keepProbability: 0.8, weightDecay: 5e-4 },
    ...{ prelogitsNormLossFactor: 5e-4, prelogitsNormP: 1, centerLossFactor: 0, centerLossAlfa: 0.95 },
    ...{ optimizer: 'ADAM', movingAverageDecay: 0.9999, seed: 1 },
  };
}

function refusal(sizes: Sizes): string {
  try {
    new TfjsExecutor(settingsOf(sizes), 'wasm').dispose();
  } catch (error) {
    expect(error).toBeInstanceOf(WasmMemoryError);
    return (error as Error).message;
  }
  throw new Error('Nothing was refused.');
}

describe('a network on WebAssembly', () => {
  it('for too many people is refused with the number that fits', () => {
    const sizes = { classes: 100_000, embeddingSize: 4096, batchSize: 8, imageSize: 64 };
    const message = refusal(sizes);
    expect(message).toMatch(/100000 people with 4096 embedding values each need about \d+ MB/);
    const classes = Number(/at most (\d+) people fit/.exec(message)![1]);
    expect(classes).toBeGreaterThan(1000);
    const fitting = { ...sizes, batchSize: 2 };
    requireWasmFit(settingsOf({ ...fitting, classes }));
    expect(() => requireWasmFit(settingsOf({ ...fitting, classes: classes + 1 }))).toThrow(WasmMemoryError);
  });

  it.each([
    ['training', 10],
    ['embedding', 0],
  ])('with a batch too large is refused with the batch_size that fits: %s', (_, classes) => {
    const sizes = { classes, embeddingSize: 128, batchSize: 4000, imageSize: 160 };
    const batchSize = Number(/largest batch_size that fits is (\d+)/.exec(refusal(sizes))![1]);
    expect(batchSize).toBeGreaterThan(4);
    requireWasmFit(settingsOf({ ...sizes, batchSize }));
    expect(() => requireWasmFit(settingsOf({ ...sizes, batchSize: batchSize + 1 }))).toThrow(WasmMemoryError);
  });

  it('with images too large is refused with the image_size that fits', () => {
    const sizes = { classes: 0, embeddingSize: 128, batchSize: 8, imageSize: 20_000 };
    const imageSize = Number(/largest image_size that fits is (\d+)/.exec(refusal(sizes))![1]);
    expect(imageSize).toBeGreaterThan(160);
    requireWasmFit(settingsOf({ ...sizes, batchSize: 1, imageSize }));
  });

  it('takes at most the estimated memory, and not much less', async () => {
    const settings = settingsOf({ classes: 20_000, embeddingSize: 128, batchSize: 8, imageSize: 96 });
    const executor = new TfjsExecutor(settings, 'wasm');
    await executor.writeParameters(
      new Map(
        settings.graph.parameters.map(({ name, shape }) => [
          name,
          { shape, data: new Float32Array(elementCount(shape)).fill(0.01) },
        ]),
      ),
    );
    const { batchSize: count, imageSize: size } = settings;
    const batch: LabelledBatch = {
      ...{ count, height: size, width: size, pixels: new Uint8Array(count * size * size * 3).fill(9) },
      labels: new Int32Array(count),
      transforms: {
        ...{ offsetX: new Int32Array(count), offsetY: new Int32Array(count) },
        ...{ flip: new Uint8Array(count), angleDegrees: new Float32Array(count) },
      },
    };
    for (const step of [0, 1]) await executor.trainStep(batch, step, 0.01);
    const { wasm } = tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } };
    const estimated = wasmBytes(settings);
    expect(wasm.HEAPU8.length).toBeLessThanOrEqual(estimated);
    expect(wasm.HEAPU8.length).toBeGreaterThan(estimated / 2);
    expect(estimated).toBeLessThan(WASM_MEMORY_BYTES);
    executor.dispose();
  });
});

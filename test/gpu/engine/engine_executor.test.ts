/** The engine as an executor: the same numbers as with TensorFlow.js, and runs that repeat and resume bit for bit. */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createEngineExecutor, type EngineExecutor } from '../../../workers/compute/engine/executor.ts';
import {
  BatchTooLargeError,
  HalfPrecisionUnavailableError,
  WrongBatchError,
} from '../../../workers/gpu/errors.ts';
import { initializeParameters } from '../../../workers/compute/graph/initialize.ts';
import type { NamedTensors } from '../../../workers/protocol/tensor.ts';
import { TfjsExecutor } from '../../../workers/compute/tfjs/executor.ts';
import { trainerSettings, type TrainerSettings } from '../../../workers/compute/executor.ts';
import { ShapeMismatchError } from '../../../workers/compute/step/host_parameters.ts';
import type { EngineDevice } from '../../../workers/gpu/device.ts';
import { compareExecutors } from './engine_executor_checks.ts';
import { openTestDevice } from './engine_support.ts';
import { BATCH_SIZE, smallBatch, smallSettings } from './engine_network.ts';

// All use one device, and the first executor stays, so the others find compiled pipelines.
let shared: EngineDevice;
let keeper: EngineExecutor;
beforeAll(async () => {
  shared = await openTestDevice();
  keeper = await createEngineExecutor(smallSettings(), { device: shared.device });
});
afterAll(() => {
  keeper.dispose();
  shared.dispose();
});

const open = new Set<EngineExecutor>();
async function engine(overrides: Partial<TrainerSettings> = {}): Promise<EngineExecutor> {
  const executor = await createEngineExecutor(smallSettings(overrides), { device: shared.device });
  await executor.writeParameters(initializeParameters(executor.settings.graph, 5));
  open.add(executor);
  return executor;
}
afterEach(() => {
  for (const executor of open) executor.dispose();
  open.clear();
});

/** Steps of which up to three are in flight. @returns their losses */
async function train(executor: EngineExecutor, first: number, last: number): Promise<number[]> {
  const losses: Promise<number>[] = [];
  for (let step = first; step < last; step++) {
    if (step - first >= executor.stepsInFlight) await losses[step - first - executor.stepsInFlight];
    losses.push(
      executor.trainStep(smallBatch(step, BATCH_SIZE, true), step, 0.01).then(({ totalLoss }) => totalLoss),
    );
  }
  return Promise.all(losses);
}

function bits(tensors: NamedTensors): Map<string, number[]> {
  return new Map([...tensors].map(([name, { data }]) => [name, [...new Uint32Array(data.slice().buffer)]]));
}

describe('against the tfjs executor', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
    await tf.ready();
  });
  const cases: readonly (readonly [string, Partial<TrainerSettings>])[] = [
    ['ADAM', {}],
    [
      'ADAGRAD, standardised per image',
      { optimizer: 'ADAGRAD', useFixedImageStandardization: false, prelogitsNormP: 2, keepProbability: 1 },
    ],
    ['ADADELTA', { optimizer: 'ADADELTA', prelogitsNormP: 3, centerLossFactor: 0 }],
    ['RMSPROP, nothing kept', { optimizer: 'RMSPROP', weightDecay: 0, movingAverageDecay: 0 }],
    ['MOM', { optimizer: 'MOM' }],
  ];
  for (const [name, overrides] of cases)
    it(name, async () => {
      const executor = await engine(overrides);
      const oracle = new TfjsExecutor(executor.settings, 'tfjs on the processor');
      const differences = await compareExecutors(trainerSettings(executor.settings), executor, oracle, 2);
      // Two float32 computations of a network with batch norms over few values.
      for (const [figure, difference] of Object.entries(differences))
        expect(difference, figure).toBeLessThan(2e-4);
    });
});

it('moves the centres also where their loss has no weight, as the original does', async () => {
  const without = await engine({ centerLossFactor: 0 });
  const first = await without.trainStep(smallBatch(0), 0, 0.001);
  const second = await without.trainStep(smallBatch(0), 1, 0.001);
  // At first the centres are zero; after a step of 1 − alfa towards the same images the distance is smaller.
  const { data } = (await without.readState()).get('centers')!;
  expect(data.some((value) => value !== 0)).toBe(true);
  expect(second.centerLoss).toBeLessThan(first.centerLoss);
  expect(second.totalLoss).toBeCloseTo(
    second.crossEntropy +
      second.regularization +
      trainerSettings(without.settings).prelogitsNormLossFactor * second.prelogitsNorm,
    4,
  );
});

it('counts the prelogits of its steps', async () => {
  const counting = await engine({ prelogitsHistMax: 0.5 });
  const oracle = new TfjsExecutor(counting.settings, 'tfjs on the processor');
  await oracle.writeParameters(await counting.readParameters());
  for (const executor of [counting, oracle]) await executor.trainStep(smallBatch(0), 0, 0.01);
  const [found, expected] = [await counting.takePrelogitsHistogram(), await oracle.takePrelogitsHistogram()];
  const sum = (counts: Float64Array): number => counts.reduce((total, count) => total + count, 0);
  expect(sum(found)).toBe(BATCH_SIZE * counting.settings.graph.embeddingSize);
  expect(sum(expected)).toBe(sum(found));
  // A value near the end of a bin may count in the next one.
  let [difference, reached] = [0, 0];
  found.forEach((count, bin) => {
    reached += count - expected[bin]!;
    difference = Math.max(difference, Math.abs(reached));
  });
  expect(difference).toBeLessThanOrEqual(1);
  expect(sum(await counting.takePrelogitsHistogram())).toBe(0);
});

it('repeats a run to the bit, in constant memory, making nothing after the first step', async () => {
  const first = await engine();
  await train(first, 0, 1);
  const bytes = first.bytes;
  const { device } = first.device;
  const made = (['createBuffer', 'createBindGroup', 'createComputePipelineAsync'] as const).map((name) =>
    vi.spyOn(device, name),
  );
  const losses = await train(first, 1, 200);
  for (const spy of made) expect(spy).not.toHaveBeenCalled();
  expect(first.bytes).toBe(bytes);
  expect(losses.every(Number.isFinite)).toBe(true);
  expect(losses.at(-1)!).toBeLessThan(losses[0]!);

  const second = await engine();
  expect((await train(second, 0, 200)).slice(1)).toEqual(losses);
});

it('resumes from what it read, bit for bit', async () => {
  const whole = await engine();
  await train(whole, 0, 10);
  const half = await engine();
  await train(half, 0, 5);
  const parameters = await half.readParameters();
  const state = await half.readState();
  const resumed = await engine();
  await resumed.writeParameters(parameters);
  await resumed.writeState(state);
  await train(resumed, 5, 10);
  expect(bits(await resumed.readParameters())).toEqual(bits(await whole.readParameters()));
  expect(bits(await resumed.readState())).toEqual(bits(await whole.readState()));
});

it('refuses float16 where the adapter has no half precision', async ({ skip }) => {
  const adapter = await navigator.gpu.requestAdapter();
  // With shader-f16 it runs, and test/e2e/half_precision tests it.
  if (adapter!.features.has('shader-f16')) skip('this adapter has shader-f16');
  await expect(engine({ precision: 'float16' })).rejects.toThrow(HalfPrecisionUnavailableError);
});

it('says what it cannot take', async () => {
  const executor = await engine();
  await expect(executor.trainStep(smallBatch(0, 3), 0, 0.01)).rejects.toThrow(WrongBatchError);
  await expect(executor.embed(smallBatch(0, BATCH_SIZE + 1))).rejects.toThrow(WrongBatchError);
  const [name] = executor.settings.graph.parameters.map((spec) => spec.name);
  await expect(
    executor.writeParameters(new Map([[name!, { shape: [1], data: new Float32Array(1) }]])),
  ).rejects.toThrow(ShapeMismatchError);
  const tooLarge = createEngineExecutor(smallSettings({ batchSize: 4_000_000 }));
  await expect(tooLarge).rejects.toThrow(BatchTooLargeError);
});

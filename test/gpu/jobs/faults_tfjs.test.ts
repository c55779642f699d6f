/**
 * TensorFlow.js on WebGPU when its device is lost, with a small network: compiling a whole one twice takes a software
 * adapter minutes. What a run does with a lost device is in faults.test.ts.
 */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { DeviceLostError } from '../../../workers/gpu/errors.ts';
import { initializeParameters } from '../../../workers/compute/graph/initialize.ts';
import { chooseExecutor } from '../../../workers/jobs/executors.ts';
import type { Trainer } from '../../../workers/compute/executor.ts';
import { BATCH_SIZE, smallBatch, smallSettings } from '../engine/engine_network.ts';

async function executor(): Promise<Trainer> {
  const { createTrainer } = await chooseExecutor({ executor: 'tfjs', backend: 'webgpu' });
  const created = await createTrainer(smallSettings());
  await created.writeParameters(initializeParameters(created.settings.graph, 5));
  return created;
}

it('fails at once, and starts again with the same numbers', async () => {
  const first = await executor();
  const batch = smallBatch(0, BATCH_SIZE);
  const { totalLoss } = await first.trainStep(batch, 0, 0.01);
  const { device } = tf.backend() as unknown as { readonly device: GPUDevice };
  const lostAt = performance.now();
  const inFlight = first.trainStep(batch, 1, 0.01);
  device.destroy();
  await expect(inFlight).rejects.toThrow(DeviceLostError);
  await expect(first.trainStep(batch, 1, 0.01)).rejects.toThrow(DeviceLostError);
  first.dispose();
  const second = await executor();
  console.log(`TensorFlow.js has a new device after ${Math.round(performance.now() - lostAt)} ms`);
  expect((tf.backend() as unknown as { readonly device: GPUDevice }).device).not.toBe(device);
  expect((await second.trainStep(batch, 0, 0.01)).totalLoss).toBe(totalLoss);
  second.dispose();
});

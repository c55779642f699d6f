/** The GPU's memory stays flat over photos of many sizes. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { trimGpuMemory } from '../../workers/mtcnn/trim_memory.ts';
import { selectBackend } from '../../workers/tfjs/backends.ts';

it('gives unused WebGPU buffers back and leaves used ones alone', async () => {
  await selectBackend('webgpu');
  const memory = (): number =>
    (tf.memory() as unknown as { numBytesAllocatedInGPU: number }).numBytesAllocatedInGPU;
  const kept = tf.tidy(() => tf.add(tf.tensor1d([1, 2, 3]), 1));
  const after: number[] = [];
  for (let size = 1000; size < 1030; size++) {
    const sum = tf.tidy(() => tf.sum(tf.mul(tf.ones([size, 100]), 2)));
    expect((await sum.data())[0]).toBe(size * 200);
    sum.dispose();
    trimGpuMemory(2 * 1024 * 1024);
    after.push(memory());
  }
  // Each size needs some 0.8 MB of its own: 30 sizes without trimming would be 24 MB.
  expect(Math.max(...after)).toBeLessThan(6 * 1024 * 1024);
  expect([...(await tf.mul(kept, 10).data())]).toEqual([20, 30, 40]);
  const again = tf.tidy(() => tf.sum(tf.mul(tf.ones([1000, 100]), 3)));
  expect((await again.data())[0]).toBe(300_000);
});

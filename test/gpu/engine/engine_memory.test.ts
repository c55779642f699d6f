/** Photos of other sizes: the buffer for pixels grows, and everything that it replaces is freed. */
import { expect, it, vi } from 'vitest';
import { createEngineExecutor } from '../../../workers/compute/engine/executor.ts';
import { GpuError } from '../../../workers/gpu/errors.ts';
import { hashedParameters } from '../../../workers/compute/graph/hashed_tensors.ts';
import { centredTransforms } from '../../../workers/compute/step/augmentation.ts';
import type { LabelledBatch } from '../../../workers/compute/executor.ts';
import { smallSettings, tinyGraph } from './engine_network.ts';

const BATCH_SIZE = 3;
const IMAGE_SIZE = 8;

const graph = tinyGraph(2);

/** Noise whose middle part, which the network sees, does not depend on the size. */
function batchOf(size: number): LabelledBatch {
  const pixels = new Uint8Array(BATCH_SIZE * size * size * 3).fill(7);
  const margin = (size - IMAGE_SIZE) / 2;
  for (let n = 0; n < BATCH_SIZE; n++)
    for (let y = 0; y < IMAGE_SIZE; y++)
      for (let x = 0; x < IMAGE_SIZE * 3; x++)
        pixels[((n * size + y + margin) * size + margin) * 3 + x] = (n * 97 + y * 31 + x * x) % 256;
  return {
    count: BATCH_SIZE,
    width: size,
    height: size,
    pixels,
    labels: Int32Array.from({ length: BATCH_SIZE }, (_, index) => index % 2),
    transforms: centredTransforms(BATCH_SIZE, { width: size, height: size }, IMAGE_SIZE),
  };
}

/** Counts the buffers of a device. */
function watchBuffers(device: GPUDevice): { readonly alive: Set<GPUBuffer>; readonly bytes: () => number } {
  const alive = new Set<GPUBuffer>();
  const create = device.createBuffer.bind(device);
  vi.spyOn(device, 'createBuffer').mockImplementation((descriptor) => {
    const buffer = create(descriptor);
    alive.add(buffer);
    const destroy = buffer.destroy.bind(buffer);
    vi.spyOn(buffer, 'destroy').mockImplementation(() => {
      alive.delete(buffer);
      return destroy();
    });
    return buffer;
  });
  return { alive, bytes: () => [...alive].reduce((sum, { size }) => sum + size, 0) };
}

it('grows for larger photos, frees the smaller buffer, and computes the same', async () => {
  const device = await (await navigator.gpu.requestAdapter())!.requestDevice();
  const { alive, bytes } = watchBuffers(device);
  const executor = await createEngineExecutor(
    smallSettings({ graph, batchSize: BATCH_SIZE, imageSize: IMAGE_SIZE }),
    { device },
  );
  await executor.writeParameters(hashedParameters(graph, 1));
  const embeddings = await executor.embed(batchOf(IMAGE_SIZE));
  await executor.trainStep(batchOf(IMAGE_SIZE), 0, 0);
  const { bytes: bytesBefore } = executor;
  /** The uniforms with the numbers of kernels, which are not part of a run's memory. */
  const others = bytes() - bytesBefore;
  const buffersBefore = alive.size;
  const pixelsBefore = executor.run.buffer('pixels').size;
  const createBindGroup = vi.spyOn(device, 'createBindGroup');
  const createPipeline = vi.spyOn(device, 'createComputePipelineAsync');
  const created = vi.mocked(device.createBuffer).mock.calls;

  let step = 1;
  for (const size of [20, 32, 64, 60]) {
    const createdBefore = created.length;
    createBindGroup.mockClear();
    const grows = size !== 60;
    // Steps that read the smaller buffer may be in progress when it is freed.
    const losses = await Promise.all(
      [size - 2, size, size, size].map((each) => executor.trainStep(batchOf(each), step++, 0)),
    );
    for (const { totalLoss } of losses) expect(Number.isFinite(totalLoss)).toBe(true);
    const pixels = executor.run.buffer('pixels').size;
    const largest = grows ? size : 64;
    expect(pixels).toBe(BATCH_SIZE * largest * largest * 3);
    expect(alive.size).toBe(buffersBefore);
    expect(executor.bytes).toBe(bytesBefore - pixelsBefore + pixels);
    expect(bytes()).toBe(executor.bytes + others);
    expect(created.length - createdBefore).toBe(grows ? 2 : 0);
    // One image kernel each in the programs for training, evaluation and embedding.
    expect(createBindGroup).toHaveBeenCalledTimes(grows ? 2 * 3 : 0);
  }
  expect(createPipeline).not.toHaveBeenCalled();
  // The learning rate was 0, but the moving statistics have changed. With the initial ones, everything is as before.
  await executor.writeParameters(hashedParameters(graph, 1));
  for (const size of [IMAGE_SIZE, 64]) expect(await executor.embed(batchOf(size))).toEqual(embeddings);

  const failed = executor.run.growPixels(device.limits.maxStorageBufferBindingSize + 4);
  await expect(failed).rejects.toThrow(GpuError);
  expect(bytes()).toBe(executor.bytes + others);
  expect(await executor.embed(batchOf(64))).toEqual(embeddings);

  executor.dispose();
  expect(alive.size).toBe(0);
  device.destroy();
});

/**
 * Whatever the GPU reports, at compile time or later, becomes an error with a name and, where there is one, a
 * kernel's.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EngineDevice } from '../../../workers/gpu/device.ts';
import { Dispatcher, submitDispatches, type Resolve } from '../../../workers/compute/engine/dispatcher.ts';
import {
  DeviceLostError,
  EngineClosedError,
  GpuError,
  GpuOutOfMemoryError,
} from '../../../workers/gpu/errors.ts';
import { createEngineExecutor, type EngineExecutor } from '../../../workers/compute/engine/executor.ts';
import { KernelBuilder, type Kernel } from '../../../workers/compute/engine/kernels/kernel.ts';
import { matrixView, storage } from '../../../workers/compute/engine/tensor_view.ts';
import type { ImageBatch } from '../../../workers/compute/executor.ts';
import { centredTransforms } from '../../../workers/compute/step/augmentation.ts';
import { smallSettings, tinyGraph } from './engine_network.ts';
import { openTestDevice } from './engine_support.ts';

/** @returns the error with which the work ends */
function failureOf(work: Promise<unknown>): Promise<Error> {
  return work.then(
    () => new Error('Nothing went wrong.'),
    (reason: unknown) => reason as Error,
  );
}

function expectGpuError(error: Error | undefined, kernel: string): void {
  expect(error).toBeInstanceOf(GpuError);
  expect((error as GpuError).kernel).toBe(kernel);
  expect(error!.message).toContain(kernel);
  expect(error!.message).toContain('tfjs');
}

describe('a kernel that the device refuses', () => {
  let device: EngineDevice;
  beforeEach(async () => {
    device = await openTestDevice();
  });
  afterEach(() => device.dispose());

  const input = matrixView(storage('input', 64), 16, 4);
  const output = matrixView(storage('output', 64), 16, 4);
  const copyKernel = (change: { body?: string; workgroupSize?: number; groups?: number } = {}): Kernel => {
    const builder = new KernelBuilder();
    builder.view('input', input, 'read');
    builder.view('output', output, 'write');
    return builder.build({
      name: 'Block/Conv2d_7 copy',
      workgroupSize: 16,
      groups: 1,
      body: 'store_output(lane, 0u, load_input(lane, 0u));',
      ...change,
    });
  };
  /** Both memories in one buffer, one after the other. */
  function places(usage: GPUBufferUsageFlags = GPUBufferUsage.STORAGE, outputAt = 256): Resolve {
    const buffer = device.device.createBuffer({ label: 'arena', size: 512, usage });
    return (memory) => ({ buffer, offset: memory === input.memory ? 0 : outputAt, size: 256 });
  }
  const compile = (kernel: Kernel, resolve = places()): Promise<unknown> =>
    new Dispatcher(device).compile([copyKernel(), kernel], resolve);

  it('compiles when nothing is wrong', async () => {
    await compile(copyKernel());
    expect(device.failure).toBeUndefined();
  });

  it('for its shader', async () => {
    const error = await failureOf(compile(copyKernel({ body: 'store_output(lane, 0u, nonsense);' })));
    expectGpuError(error, 'Block/Conv2d_7 copy');
    expect(error.message).toMatch(/line \d+: .*nonsense/);
  });

  it('for its workgroup', async () => {
    const error = await failureOf(compile(copyKernel({ workgroupSize: 1 << 20 })));
    expectGpuError(error, 'Block/Conv2d_7 copy');
  });

  it('for a buffer of the wrong kind', async () => {
    const error = await failureOf(compile(copyKernel(), places(GPUBufferUsage.COPY_SRC)));
    expectGpuError(error, 'Block/Conv2d_7 copy');
    expect(error.message).toContain('arena');
  });

  it('for memories that overlap, which shows only when it is encoded', async () => {
    const error = await failureOf(compile(copyKernel(), places(GPUBufferUsage.STORAGE, 0)));
    expectGpuError(error, 'Block/Conv2d_7 copy');
    expect(device.failure).toBeUndefined();
  });

  it('for a grid that is too large, where only the debug group has a name', async () => {
    const error = await failureOf(compile(copyKernel({ groups: 65535 * 65536 })));
    expectGpuError(error, 'Block/Conv2d_7 copy');
    expect(error.message).toContain('65536');
  });

  it('is reported without the wait for an unnamed failure, which may be a loss', async () => {
    const startedAt = performance.now();
    const named = new GpuError('Block/Conv2d_7 copy', 'refused');
    expect(await failureOf(device.guard(Promise.reject(named)))).toBe(named);
    expect(performance.now() - startedAt).toBeLessThan(1000);
    const unnamed = device.guard(Promise.reject(new DOMException('gone', 'AbortError')), 'reading');
    const error = await failureOf(unnamed);
    expect(performance.now() - startedAt).toBeGreaterThan(1900);
    expectGpuError(error, 'reading');
  });

  it('because it ran out of memory', async () => {
    vi.spyOn(device.device, 'popErrorScope').mockImplementation(() =>
      Promise.resolve(new GPUOutOfMemoryError('no room')),
    );
    const error = await failureOf(device.checked('the network’s memory', 3e9, () => undefined));
    expect(error).toBeInstanceOf(GpuOutOfMemoryError);
    expect(error.message).toContain('3000 MB');
    expect(error.message).toContain('batch_size');
  });
});

const SETTINGS = smallSettings({ graph: tinyGraph(0), batchSize: 2, imageSize: 8, centerLossFactor: 0 });
const SIZE = { width: 8, height: 8 };
const BATCH: ImageBatch = {
  count: 2,
  ...SIZE,
  pixels: new Uint8Array(2 * 8 * 8 * 3).fill(100),
  transforms: centredTransforms(2, SIZE, 8),
};

describe('a run', () => {
  let executor: EngineExecutor;
  beforeEach(async () => {
    executor = await createEngineExecutor(SETTINGS);
    await executor.embed(BATCH);
  });
  afterEach(() => executor.dispose());

  async function expectStopped(error: Error): Promise<void> {
    for (const later of [executor.embed(BATCH), executor.readParameters()])
      expect(await failureOf(later)).toBe(error);
  }

  it('whose kernels use a buffer that is gone', async () => {
    executor.run.buffer('parameters').destroy();
    const error = await failureOf(executor.embed(BATCH));
    expectGpuError(error, 'parameters, embedding');
    await expectStopped(error);
  });

  it('whose dispatch does not fit its bind group, named by the kernel', async () => {
    const dispatches = executor.run.program('embedding');
    const first = dispatches[0]!;
    const other = dispatches.find(({ layout }) => layout !== first.layout)!;
    submitDispatches(executor.device, [{ ...first, bindGroup: other.bindGroup }], 'embedding');
    const error = await failureOf(executor.embed(BATCH));
    expectGpuError(error, other.kernel.name);
    await expectStopped(error);
  });

  it('that reports an error long after its cause', async () => {
    const { device } = executor.device;
    const label = executor.run.program('embedding')[1]!.kernel.name;
    device.dispatchEvent(
      new GPUUncapturedErrorEvent('uncapturederror', {
        error: new GPUInternalError(`The driver failed in [ComputePipeline "${label}"].`),
      }),
    );
    const error = await failureOf(executor.embed(BATCH));
    expectGpuError(error, label);
    await expectStopped(error);
  });

  it('that runs out of memory', async () => {
    executor.device.device.dispatchEvent(
      new GPUUncapturedErrorEvent('uncapturederror', { error: new GPUOutOfMemoryError('no room') }),
    );
    const error = await failureOf(executor.embed(BATCH));
    expect(error).toBeInstanceOf(GpuOutOfMemoryError);
    expect(error.message).toContain('no room');
  });

  it('whose device the program destroys while embeddings are under way', async () => {
    const embeddings = [1, 2, 3].map(() => failureOf(executor.embed(BATCH)));
    await Promise.resolve();
    executor.device.device.destroy();
    const errors = await Promise.all(embeddings);
    for (const error of errors) expect(error).toBeInstanceOf(DeviceLostError);
    expect(errors[0]!.message).toContain('destroy');
    await expectStopped(errors[0]!);
  });

  it('that is closed while embeddings are under way', async () => {
    const embeddings = [1, 2, 3].map(() => failureOf(executor.embed(BATCH)));
    await Promise.resolve();
    executor.dispose();
    const errors = await Promise.all(embeddings);
    for (const error of errors) expect(error).toBeInstanceOf(EngineClosedError);
    await expectStopped(errors[0]!);
  });
});

it('training steps under way fail with the loss of their device', async () => {
  const executor = await createEngineExecutor({ ...SETTINGS, graph: tinyGraph(2) });
  const batch = { ...BATCH, labels: Int32Array.of(0, 1) };
  await executor.trainStep(batch, 0, 0.01);
  const others = [1, 2].map((step) => failureOf(executor.trainStep(batch, step, 0.01)));
  // The device is destroyed in the same task, so neither step can have ended.
  await Promise.resolve();
  executor.device.device.destroy();
  for (const error of await Promise.all(others)) expect(error).toBeInstanceOf(DeviceLostError);
  executor.dispose();
});

describe('a device that is given', () => {
  const open = async (): Promise<GPUDevice> => (await navigator.gpu.requestAdapter())!.requestDevice();

  it('and is destroyed while the network is compiled', async () => {
    const device = await open();
    const creation = failureOf(createEngineExecutor(SETTINGS, { device }));
    device.destroy();
    expect(await creation).toBeInstanceOf(DeviceLostError);
  });

  it('and was destroyed before', async () => {
    const device = await open();
    device.destroy();
    const error = await failureOf(createEngineExecutor(SETTINGS, { device }));
    expect(error).toBeInstanceOf(DeviceLostError);
  });

  it('and is destroyed while the engine is at work', async () => {
    const device = await open();
    const executor = await createEngineExecutor(SETTINGS, { device });
    const embedding = failureOf(executor.embed(BATCH));
    await Promise.resolve();
    device.destroy();
    expect(await embedding).toBeInstanceOf(DeviceLostError);
    executor.dispose();
  });

  it('stays open when the engine on it is closed', async () => {
    const device = await open();
    const executor = await createEngineExecutor(SETTINGS, { device });
    const embeddings = await executor.embed(BATCH);
    executor.dispose();
    const next = await createEngineExecutor(SETTINGS, { device });
    expect(await next.embed(BATCH)).toEqual(embeddings);
    next.dispose();
    device.destroy();
  });
});

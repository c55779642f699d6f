/** The description of the device, with failures of the browser's WebGPU at every step. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ADAPTER_LIMIT_MS, describeDevice } from '../../../workers/gpu/describe_device.ts';

beforeEach(() => void vi.useFakeTimers());

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function stubAdapter(requestAdapter: () => Promise<unknown>): void {
  vi.stubGlobal('navigator', { gpu: { requestAdapter } });
}

it('is the processor where WebGPU never answers', async () => {
  stubAdapter(() => new Promise(() => undefined));
  const described = describeDevice();
  await vi.advanceTimersByTimeAsync(ADAPTER_LIMIT_MS);
  expect(await described).toMatchObject({ backend: 'wasm', hasWebGpu: false });
});

it('is the processor where WebGPU throws', async () => {
  stubAdapter(() => Promise.reject(new Error('blocked')));
  expect(await describeDevice()).toMatchObject({ backend: 'wasm', hasWebGpu: false });
});

it('is the graphics processor that answers, and nothing waits for the limit', async () => {
  const info = { vendor: 'nvidia', architecture: 'hopper', device: '', description: '' };
  stubAdapter(() => Promise.resolve({ info }));
  expect(await describeDevice()).toMatchObject({ backend: 'webgpu', adapter: 'nvidia hopper' });
  expect(vi.getTimerCount()).toBe(0);
});

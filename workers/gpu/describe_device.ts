/** Describes the machine's GPU and CPU without loading TensorFlow.js. */
import type { DeviceInfo } from '../protocol/device.ts';
import { isSoftwareAdapter } from './software_adapter.ts';

/**
 * An adapter is found within a second or two. With Chromium's Vulkan on Mesa's llvmpipe the answer never comes, and
 * every job would wait for it.
 */
export const ADAPTER_LIMIT_MS = 30_000;

export async function describeDevice(): Promise<DeviceInfo> {
  const adapter = await requestAdapter();
  if (!adapter)
    return {
      backend: 'wasm',
      hasWebGpu: false,
      isSoftware: true,
      adapter: '',
      advice:
        'This browser has no WebGPU, or its WebGPU does not respond, so everything runs on the CPU instead of the GPU. The results are the same, but it is many times slower. Current versions of Chrome, Edge and Safari support WebGPU; Firefox does on some systems.',
    };
  const { vendor, architecture, device, description } = adapter.info;
  const isSoftware =
    isSoftwareAdapter(vendor, architecture, device, description) || adapter.info.isFallbackAdapter === true;
  const name = [vendor, architecture].filter(Boolean).join(' ') || description || 'unnamed adapter';
  return isSoftware
    ? {
        backend: 'wasm',
        hasWebGpu: true,
        isSoftware: true,
        adapter: `${architecture || description || name} (software)`,
        advice:
          'No GPU was found (the browser only simulates one), so everything runs on the CPU. The results are the same, but it is many times slower.',
      }
    : { backend: 'webgpu', hasWebGpu: true, isSoftware: false, adapter: name, advice: '' };
}

async function requestAdapter(): Promise<GPUAdapter | null> {
  const gpu = (globalThis.navigator as Navigator | undefined)?.gpu;
  if (!gpu) return null;
  let limit: ReturnType<typeof setTimeout> | undefined;
  try {
    return await Promise.race([
      gpu.requestAdapter({ powerPreference: 'high-performance' }),
      new Promise<null>((resolve) => (limit = setTimeout(resolve, ADAPTER_LIMIT_MS, null))),
    ]);
  } catch {
    // A browser that blocks the GPU (policy, blocklist) may throw instead of returning null.
    return null;
  } finally {
    clearTimeout(limit);
  }
}

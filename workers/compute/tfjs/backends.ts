/** Chooses and starts a TensorFlow.js backend, once per worker. */
import * as tf from '@tensorflow/tfjs-core';
import wasmUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url';
import wasmSimdUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import wasmThreadedUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url';
import type { BackendName, DeviceInfo } from '../../protocol/device.ts';
import { describeDevice } from '../../gpu/describe_device.ts';
import { forgetLostBackend, watchCurrentDevice } from './device_loss.ts';

export { describeDevice } from '../../gpu/describe_device.ts';

export class BackendUnavailableError extends Error {
  override name = 'BackendUnavailableError';
}

/** TensorFlow.js can start only one backend at a time: of two concurrent starts, one would fail. */
let starting: Promise<unknown> = Promise.resolve();

/**
 * Makes `requested` the current backend. Without a request it chooses WebGPU on a machine with a real GPU, and
 * WebAssembly on others (a software adapter is some 30 times slower than WebAssembly on the same CPU).
 * @returns the description of the device; `backend` is the one that now runs
 * @throws BackendUnavailableError
 */
export function selectBackend(requested?: BackendName): Promise<DeviceInfo> {
  const selected = starting.then(() => startBackend(requested));
  starting = selected.catch(() => undefined);
  return selected;
}

async function startBackend(requested?: BackendName): Promise<DeviceInfo> {
  const device = await describeDevice();
  const backend = requested ?? device.backend;
  forgetLostBackend();
  if (tf.getBackend() !== backend) {
    if (backend === 'webgpu') {
      if (!device.hasWebGpu)
        throw new BackendUnavailableError(
          'The backend webgpu was chosen, but this browser has no WebGPU. Choose the backend wasm instead.',
        );
      await import('@tensorflow/tfjs-backend-webgpu');
    } else {
      const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
      setWasmPaths({
        'tfjs-backend-wasm.wasm': wasmUrl,
        'tfjs-backend-wasm-simd.wasm': wasmSimdUrl,
        'tfjs-backend-wasm-threaded-simd.wasm': wasmThreadedUrl,
      });
    }
    if (!(await tf.setBackend(backend)))
      throw new BackendUnavailableError(
        `TensorFlow.js could not start its ${backend} backend on this machine.`,
      );
    await tf.ready();
    watchCurrentDevice();
  }
  return { ...device, backend };
}

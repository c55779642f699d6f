/**
 * TensorFlow.js does not notice that its WebGPU device is lost: calls hang, or return zeros. With this module, each
 * call of an executor fails as soon as the device reports its loss, and the next choice of the backend creates it
 * again.
 */
import * as tf from '@tensorflow/tfjs-core';
import { DeviceLostError } from '../../gpu/errors.ts';
import type { Trainer } from '../executor.ts';

const BACKEND = 'webgpu';
/** The priority with which tfjs-backend-webgpu registers itself. */
const PRIORITY = 3;

const lostDevices = new WeakSet<GPUDevice>();
const watchedDevices = new WeakSet<GPUDevice>();

/** The device of the current backend; undefined on WebAssembly. */
function currentDevice(): GPUDevice | undefined {
  return tf.getBackend() === BACKEND
    ? (tf.backend() as unknown as { readonly device: GPUDevice }).device
    : undefined;
}

/** Call this after a backend has been chosen. */
export function watchCurrentDevice(): void {
  const device = currentDevice();
  if (!device || watchedDevices.has(device)) return;
  watchedDevices.add(device);
  void device.lost.then(() => lostDevices.add(device));
}

/** Removes a backend whose device is lost, so that choosing it again starts a new one. */
export function forgetLostBackend(): void {
  const device = currentDevice();
  const factory = tf.findBackendFactory(BACKEND);
  if (!device || !lostDevices.has(device) || !factory) return;
  tf.removeBackend(BACKEND);
  tf.registerBackend(BACKEND, factory, PRIORITY);
}

/** Wraps a new executor on the current backend, so that its calls fail when the device is lost. */
export function failingWithDevice(executor: Trainer): Trainer {
  const device = currentDevice();
  if (!device) return executor;
  const lost = device.lost.then(({ reason, message }): never => {
    throw new DeviceLostError(message || reason);
  });
  lost.catch(() => undefined);
  return new Proxy(executor, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== 'function') return value;
      return (...values: unknown[]) => {
        let result: unknown;
        try {
          result = (value as (...values: unknown[]) => unknown).apply(target, values);
        } catch (error) {
          // Tensors of a lost device can no longer be disposed properly, and do not need to be.
          if (lostDevices.has(device)) return undefined;
          throw error;
        }
        if (!(result instanceof Promise)) return result;
        // A call may fail because of the loss before the device reports it.
        const explained = result.catch(async (error: unknown) => {
          await Promise.race([lost, new Promise((resolve) => setTimeout(resolve, LOSS_NOTICE_MS))]);
          throw error;
        });
        return Promise.race([explained, lost]);
      };
    },
  });
}

const LOSS_NOTICE_MS = 200;

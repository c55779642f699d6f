/**
 * TensorFlow.js does not notice that its WebGPU device is lost: calls hang, or answer with zeros. Here each call of an
 * executor fails as soon as the device says so, and the backend is made anew when it is next chosen.
 */
import * as tf from '@tensorflow/tfjs-core';
import { DeviceLostError } from '../../gpu/errors.ts';
import type { Trainer } from '../executor.ts';

const BACKEND = 'webgpu';
/** Of tfjs-backend-webgpu's own registration. */
const PRIORITY = 3;

const lostDevices = new WeakSet<GPUDevice>();
const watchedDevices = new WeakSet<GPUDevice>();

/** Of the backend that is current; undefined on WebAssembly. */
function currentDevice(): GPUDevice | undefined {
  return tf.getBackend() === BACKEND
    ? (tf.backend() as unknown as { readonly device: GPUDevice }).device
    : undefined;
}

/** After a backend was chosen. */
export function watchCurrentDevice(): void {
  const device = currentDevice();
  if (!device || watchedDevices.has(device)) return;
  watchedDevices.add(device);
  void device.lost.then(() => lostDevices.add(device));
}

/** Lets go of a backend whose device is lost, so that choosing it starts a new one. */
export function forgetLostBackend(): void {
  const device = currentDevice();
  const factory = tf.findBackendFactory(BACKEND);
  if (!device || !lostDevices.has(device) || !factory) return;
  tf.removeBackend(BACKEND);
  tf.registerBackend(BACKEND, factory, PRIORITY);
}

/** The executor, made just now on the current backend, with calls that fail when its device is lost. */
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
          // Tensors of a lost device can no longer be disposed of in order, and need not be.
          if (lostDevices.has(device)) return undefined;
          throw error;
        }
        if (!(result instanceof Promise)) return result;
        // What fails for want of the device may fail before the device says that it is lost.
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

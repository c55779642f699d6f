/** Which executor runs a network: the WebGPU engine, or TensorFlow.js on WebGPU or WebAssembly. */
import type { BackendName, DeviceInfo } from '../protocol.ts';
import { describeDevice, selectBackend } from '../tfjs/backends.ts';
import { TfjsExecutor } from '../tfjs/executor.ts';
import type { ExecutorFactory } from '../training/executor.ts';

export interface ExecutorChoice {
  /** Default: what suits the machine. */
  readonly executor?: 'engine' | 'tfjs' | undefined;
  readonly backend?: BackendName | undefined;
}

export interface ChosenExecutor {
  readonly device: DeviceInfo;
  readonly create: ExecutorFactory;
}

/** @throws BackendUnavailableError */
export async function chooseExecutor(choice: ExecutorChoice = {}): Promise<ChosenExecutor> {
  const device = await selectBackend(choice.backend);
  const description =
    device.backend === 'webgpu'
      ? `TensorFlow.js on WebGPU (${device.adapter})`
      : 'TensorFlow.js on WebAssembly';
  return { device, create: async (settings) => new TfjsExecutor(settings, description) };
}

export { describeDevice };

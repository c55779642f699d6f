/** Which executor runs a network: the WebGPU engine, or TensorFlow.js on WebGPU or WebAssembly. */
import type { BackendName, DeviceInfo } from '../protocol/device.ts';
import { storedTuningCache } from './tuning_cache.ts';
import { BackendUnavailableError, describeDevice, selectBackend } from '../compute/tfjs/backends.ts';
import {
  embeddersFrom,
  type EmbedderFactory,
  type ExecutorSettings,
  type Trainer,
  type TrainerFactory,
} from '../compute/executor.ts';

export interface ExecutorChoice {
  /** Default: the engine on WebGPU, TensorFlow.js on WebAssembly. */
  readonly executor?: 'engine' | 'tfjs' | undefined;
  /** Default: WebGPU where there is a graphics processor, WebAssembly where there is none. */
  readonly backend?: BackendName | undefined;
}

export interface ChosenExecutor {
  readonly device: DeviceInfo;
  readonly createTrainer: TrainerFactory;
  readonly createEmbedder: EmbedderFactory;
}

/** @throws BackendUnavailableError */
export async function chooseExecutor({ executor, backend }: ExecutorChoice = {}): Promise<ChosenExecutor> {
  const device = await describeDevice();
  const chosenBackend = backend ?? (executor === 'engine' ? 'webgpu' : device.backend);
  if ((executor ?? (chosenBackend === 'webgpu' ? 'engine' : 'tfjs')) === 'tfjs')
    return chooseTfjs(chosenBackend);
  if (chosenBackend !== 'webgpu')
    throw new BackendUnavailableError(
      'The engine runs on WebGPU only. Choose the backend webgpu, or the executor tfjs for WebAssembly.',
    );
  if (!device.hasWebGpu)
    throw new BackendUnavailableError(
      'The engine needs WebGPU, which this browser does not offer. Choose the backend wasm to use the CPU.',
    );
  const { createEngineExecutor } = await import('../compute/engine/executor.ts');
  // A simulated adapter has one good choice; measuring it would only take time.
  const options = device.isSoftware ? {} : { tuningCache: storedTuningCache };
  return {
    device: { ...device, backend: 'webgpu' },
    createTrainer: (settings) => createEngineExecutor(settings, options),
    createEmbedder: embeddersFrom((settings) => createEngineExecutor(settings, options)),
  };
}

async function chooseTfjs(backend: BackendName): Promise<ChosenExecutor> {
  const device = await selectBackend(backend);
  const { TfjsExecutor } = await import('../compute/tfjs/executor.ts');
  const { failingWithDevice } = await import('../compute/tfjs/device_loss.ts');
  const description =
    backend === 'webgpu' ? `TensorFlow.js on WebGPU (${device.adapter})` : 'TensorFlow.js on WebAssembly';
  const create = async (settings: ExecutorSettings): Promise<Trainer> => {
    if (settings.precision === 'float16')
      throw new BackendUnavailableError(
        `The precision float16 runs on the WebGPU engine only, but this is ${description}. Choose the precision float32, or a browser with a GPU.`,
      );
    return failingWithDevice(new TfjsExecutor(settings, description));
  };
  return { device, createTrainer: create, createEmbedder: embeddersFrom(create) };
}

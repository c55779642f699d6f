/** WebGPU without a browser: Dawn, from the npm package `webgpu`. */
import { CommandError } from '../system/errors.ts';

/** Kept as long as the process lives: adapters go with it. */
let gpu: GPU | undefined;

/**
 * Gives this process what a browser has: the WebGPU globals and navigator.gpu.
 * @param flags of Dawn, as `disable-dawn-features=…`
 * @throws CommandError
 */
export async function installWebGpu(flags: readonly string[] = []): Promise<void> {
  if (gpu) return;
  try {
    const { create, globals } = await import('webgpu');
    Object.assign(globalThis, globals);
    gpu = create([...flags]);
  } catch (error) {
    throw new CommandError(
      'WebGPU for Node could not be loaded on this system. Leave --runtime out to use a browser.',
      { cause: error },
    );
  }
  // Node 20 has no navigator, later versions have one without a GPU.
  if (!('navigator' in globalThis))
    Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true });
  Object.defineProperty(globalThis.navigator, 'gpu', { value: gpu, configurable: true });
}

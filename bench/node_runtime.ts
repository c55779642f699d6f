/** Node with Dawn, the npm package `webgpu`, as a place where benchmarks run. */
import { create, globals } from 'webgpu';
import type { EngineBenchOptions } from './engine_bench.ts';
import type { EngineComparison } from './run_engine_bench.ts';

/** Kept as long as the process lives: adapters go with it. */
let gpu: GPU | undefined;

/** Gives this process what a browser has: the WebGPU globals and navigator.gpu. */
export function installWebGpu(): void {
  if (gpu) return;
  Object.assign(globalThis, globals);
  gpu = create([]);
  // Node 20 has no navigator, later versions have one without a GPU.
  if (!('navigator' in globalThis))
    Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true });
  Object.defineProperty(globalThis.navigator, 'gpu', { value: gpu, configurable: true });
}

export async function runInNode(
  options: EngineBenchOptions,
  stock: boolean,
  onMessage: (message: string) => void,
): Promise<EngineComparison> {
  installWebGpu();
  const { runEngineBench } = await import('./run_engine_bench.ts');
  return runEngineBench(options, stock, onMessage);
}

/** Runs benchmarks in Node with Dawn (the npm package `webgpu`). */
import { installWebGpu } from '../cli/browser/node_webgpu.ts';
import type { EngineBenchOptions } from './engine/engine_bench.ts';
import type { EngineComparison } from './engine/run_engine_bench.ts';

export async function runInNode(
  options: EngineBenchOptions,
  stock: boolean,
  onMessage: (message: string) => void,
): Promise<EngineComparison> {
  // Timestamps in nanoseconds instead of coarser steps.
  await installWebGpu(['disable-dawn-features=timestamp_quantization']);
  const { runEngineBench } = await import('./engine/run_engine_bench.ts');
  return runEngineBench(options, stock, onMessage);
}

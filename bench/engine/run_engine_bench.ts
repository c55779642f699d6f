/** The benchmark of the engine and its peer, in a page or in Node. */
import { benchEngine, type EngineBenchOptions, type EngineBenchReport } from './engine_bench.ts';
import type { StockReport } from './stock_tfjs.ts';

export interface EngineComparison {
  readonly engine: EngineBenchReport;
  readonly stock?: StockReport | undefined;
  /** Time of stock's training step divided by the engine's. */
  readonly speedup?: number | undefined;
}

/** @param withStock whether to run stock TensorFlow.js, too, which takes some ten times as long */
export async function runEngineBench(
  options: EngineBenchOptions,
  withStock: boolean,
  onMessage: (message: string) => void,
): Promise<EngineComparison> {
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new Error('There is no WebGPU adapter to measure.');
  const engine = await benchEngine(options, adapter, onMessage);
  if (!withStock) return { engine };
  const tf = await import('@tensorflow/tfjs');
  await import('@tensorflow/tfjs-backend-webgpu');
  if (!(await tf.setBackend('webgpu'))) throw new Error('TensorFlow.js could not start its webgpu backend.');
  await tf.ready();
  const { benchStock } = await import('./stock_tfjs.ts');
  const stock = await benchStock({ ...options, steps: 1 }, onMessage);
  return { engine, stock, speedup: stock.bestTrainingStepMs / engine.trainingStepMs };
}

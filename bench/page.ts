/** The functions that the benchmark's page offers to chromium_runtime.ts. */
import type { EngineBenchOptions } from './engine/engine_bench.ts';
import { runEngineBench, type EngineComparison } from './engine/run_engine_bench.ts';

export interface BenchPage {
  bench: {
    engine(options: EngineBenchOptions, withStock: boolean): Promise<EngineComparison>;
  };
}

(globalThis as unknown as BenchPage).bench = {
  engine: (options, withStock) =>
    runEngineBench(options, withStock, (message) => {
      console.log(message);
    }),
};

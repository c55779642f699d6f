/**
 * The benchmark in Node with Dawn. Run by scripts/bench.mjs, with the options as JSON in the first argument; writes the
 * report as JSON to standard output and progress to standard error.
 */
import { create, globals } from 'webgpu';
import type { EngineBenchOptions } from './engine_bench.ts';

export interface NodeBenchArguments {
  readonly options: EngineBenchOptions;
  readonly stock: boolean;
}

Object.assign(globalThis, globals);
// Referenced as long as the process lives: the adapter goes with it.
const gpu = create([]);
// What tfjs looks for. Node 20 has no navigator, later versions have one without a GPU.
const navigator = (globalThis.navigator ?? {}) as { gpu?: GPU };
Object.defineProperty(navigator, 'gpu', { value: gpu, configurable: true });
if (!globalThis.navigator) Object.defineProperty(globalThis, 'navigator', { value: navigator });

const { options, stock } = JSON.parse(process.argv[2] ?? '{}') as NodeBenchArguments;
const { runEngineBench } = await import('./run_engine_bench.ts');
const report = await runEngineBench(options, stock, (message) => process.stderr.write(`${message}\n`));
process.stdout.write(`${JSON.stringify(report)}\n`);
// Dawn keeps threads that would keep the process.
process.exit(0);

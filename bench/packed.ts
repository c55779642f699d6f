/**
 * The entry point of `npm run pack_bench -- FOLDER`: the benchmarks that need neither a browser nor npm's packages,
 * for a machine that has only Node and a GPU.
 */
import { adapterBenchmark } from './adapter_command.ts';
import { conformanceBenchmark } from './conformance_command.ts';
import { engineBenchmark } from './engine/engine_command.ts';
import { precisionBenchmark } from './precision/precision_command.ts';
import { runBenchmarks, type Benchmark } from './run_benchmarks.ts';

/** Without the flags that choose a browser. */
const { runtime: _always, software: _inChromium, ...engineFlags } = engineBenchmark.flags;
const engineInNode: Benchmark = {
  ...engineBenchmark,
  flags: engineFlags,
  run: (context) => engineBenchmark.run({ ...context, flags: { ...context.flags, runtime: 'node' } }),
};

process.exit(
  await runBenchmarks(
    {
      usage: ['Usage: node bench.mjs [benchmark] [--json] [flags]'],
      benchmarks: {
        adapter: adapterBenchmark,
        conformance: conformanceBenchmark,
        engine: engineInNode,
        precision: precisionBenchmark,
      },
      defaultBenchmark: 'engine',
    },
    process.argv.slice(2),
  ),
);

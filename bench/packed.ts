/**
 * The benchmarks that need neither a browser nor npm's packages: the entry of what `npm run pack_bench -- FOLDER` makes
 * for a machine that has a GPU and nothing else.
 */
import { adapterBenchmark } from './adapter_command.ts';
import { conformanceBenchmark } from './conformance_command.ts';
import { engineBenchmark } from './engine/engine_command.ts';
import { precisionBenchmark } from './precision/precision_command.ts';
import { runBenchmarks, type Benchmark } from './run_benchmarks.ts';

/** There is no browser to choose. */
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

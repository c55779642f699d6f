/** The benchmarks by their names, as `npm run bench -- <name> [flags]` runs them. */
import { alignBenchmark } from './align/align_command.ts';
import { dataBenchmark } from './data/data_command.ts';
import { embedBenchmark } from './embed/embed_command.ts';
import { engineBenchmark } from './engine/engine_command.ts';
import { largePhotosBenchmark } from './large_photos/large_photos_command.ts';
import { precisionBenchmark } from './precision/precision_command.ts';
import { runBenchmarks } from './run_benchmarks.ts';

/** @returns the exit code */
export function main(args: readonly string[]): Promise<number> {
  return runBenchmarks(
    {
      usage: [
        'Usage: npm run bench -- [benchmark] [--json] [flags]',
        'One line of JSON and nothing else: npm run --silent bench -- [benchmark] --json > report.json',
      ],
      // To add a benchmark, add a line here.
      benchmarks: {
        engine: engineBenchmark,
        embed: embedBenchmark,
        precision: precisionBenchmark,
        data: dataBenchmark,
        align: alignBenchmark,
        large_photos: largePhotosBenchmark,
      },
      defaultBenchmark: 'engine',
    },
    args,
  );
}

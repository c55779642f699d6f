/** `conformance`: the same as the terminal's command with `--runtime node`, for machines that only have the pack. */
import { readFileSync } from 'node:fs';
import { installWebGpu } from '../cli/browser/node_webgpu.ts';
import { runConformance } from '../workers/jobs/conformance/run.ts';
import type { Benchmark } from './run_benchmarks.ts';
import { choosePrecision } from './precision/precision_flag.ts';

export const conformanceBenchmark: Benchmark = {
  description: 'the engine’s numbers against those of a fixture file; exit code 1 when a bound does not hold',
  flags: {
    fixture: { type: 'string', help: 'the fixture’s .json file' },
    precision: { type: 'string', help: 'of activations: float32 or float16, which needs shader-f16' },
  },
  async run({ flags, onMessage }) {
    if (typeof flags.fixture !== 'string') throw new Error('--fixture must name a fixture’s .json file.');
    await installWebGpu();
    const { createEngineExecutor } = await import('../workers/compute/engine/executor.ts');
    const { figures, bounds, device } = await runConformance(
      readFileSync(flags.fixture, 'utf8'),
      async () => (settings) => createEngineExecutor(settings),
      onMessage,
      choosePrecision(flags.precision),
    );
    const broken = bounds.filter((bound) => !bound.holds).map(({ figure }) => figure);
    return {
      report: { ...figures, holds: broken.length === 0, device },
      lines: Object.entries(figures).map(
        ([figure, value]) => `${figure}  ${value}${broken.includes(figure) ? '  FAILS' : ''}`,
      ),
      failure: broken.length > 0 ? `${broken.join(', ')}: over the bound.` : undefined,
    };
  },
};

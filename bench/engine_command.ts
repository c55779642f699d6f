/** `npm run bench -- engine`: the engine beside stock tfjs-webgpu, and beside PyTorch where it is installed. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { DEFAULT_ENGINE_BENCH, type EngineBenchOptions } from './engine_bench.ts';
import type { Benchmark } from './main.ts';
import type { EngineComparison } from './run_engine_bench.ts';

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

export interface EngineReport extends EngineComparison {
  readonly runtime: 'node' | 'chromium';
  /** What pytorch_step.py prints; absent where PyTorch is not installed. */
  readonly pytorch?: unknown;
}

export const engineBenchmark: Benchmark = {
  description: 'training step, forward pass, convolutions, memory; beside stock tfjs-webgpu',
  flags: {
    runtime: { type: 'string', help: 'node or chromium (default chromium)' },
    batch: { type: 'string', help: `images in a batch (default ${DEFAULT_ENGINE_BENCH.batch})` },
    image_size: { type: 'string', help: `pixels (default ${DEFAULT_ENGINE_BENCH.imageSize})` },
    steps: { type: 'string', help: `measured steps (default ${DEFAULT_ENGINE_BENCH.steps})` },
    model_def: { type: 'string', help: `the network (default ${DEFAULT_ENGINE_BENCH.model})` },
    tune: { type: 'boolean', help: 'choose kernels by measuring them first' },
    software: { type: 'boolean', help: 'the software adapter, even where there is a GPU (chromium)' },
    skip_stock: { type: 'boolean', help: 'leave stock tfjs out, which takes some ten times as long' },
  },
  async run({ flags, onMessage }) {
    const whole = (flag: string, fallback: number): number => {
      const text = flags[flag];
      const value = text === undefined ? fallback : Number(text);
      if (!Number.isInteger(value) || value < 1) throw new Error(`--${flag} must be a whole number above 0.`);
      return value;
    };
    const options: EngineBenchOptions = {
      ...DEFAULT_ENGINE_BENCH,
      batch: whole('batch', DEFAULT_ENGINE_BENCH.batch),
      imageSize: whole('image_size', DEFAULT_ENGINE_BENCH.imageSize),
      steps: whole('steps', DEFAULT_ENGINE_BENCH.steps),
      model: String(flags.model_def ?? DEFAULT_ENGINE_BENCH.model),
      tune: flags.tune === true,
    };
    const stock = flags.skip_stock !== true;
    const runtime = String(flags.runtime ?? 'chromium');
    let comparison: EngineComparison;
    if (runtime === 'node') {
      const { runInNode } = await import('./node_runtime.ts');
      comparison = await runInNode(options, stock, onMessage);
    } else if (runtime === 'chromium') {
      const { runInChromium } = await import('./chromium_runtime.ts');
      comparison = await runInChromium(options, stock, flags.software === true, onMessage);
    } else throw new Error(`--runtime is node or chromium, not ${runtime}.`);
    const report: EngineReport = { runtime, ...comparison, pytorch: measurePytorch(options) };
    return { report, lines: describe(report) };
  },
};

/** Undefined where there is no Python, no PyTorch or no GPU for it. */
function measurePytorch(options: EngineBenchOptions): unknown {
  const { status, stdout } = spawnSync(
    process.env.PYTHON ?? 'python3',
    [here('pytorch_step.py'), '--batch', String(options.batch), '--image_size', String(options.imageSize)],
    { encoding: 'utf8' },
  );
  return status === 0 ? (JSON.parse(stdout) as unknown) : undefined;
}

function describe({ runtime, engine, stock, speedup, pytorch }: EngineReport): string[] {
  const lines = [
    `Adapter                  ${engine.adapter}${engine.isSoftware ? ' (software)' : ''}, ${runtime}`,
    `Measured peak            ${engine.peakGflops.toFixed(1)} GFLOP/s`,
    `Batch, image             ${engine.batch} × ${engine.imageSize} pixels`,
    `Training step            ${engine.trainingStepMs.toFixed(1)} ms, ${engine.imagesPerSecond.toFixed(2)} images/s, ${engine.trainingGflops.toFixed(2)} GFLOP/s`,
    `Forward pass             ${engine.forwardMs.toFixed(1)} ms`,
    `Compilation              ${engine.compileMs.toFixed(0)} ms, ${engine.pipelines} pipelines`,
    `Dispatches a step        ${engine.dispatches}`,
    `JavaScript a step        ${engine.javascriptMsPerStep.toFixed(1)} ms`,
    `Planned GPU memory       ${(engine.plannedBytes / 1e6).toFixed(0)} MB`,
  ];
  if (stock)
    lines.push(
      `Stock tfjs, training     ${stock.bestTrainingStepMs.toFixed(0)} ms (naive transpose ${stock.trainingStepMs.naive.toFixed(0)}, not ${stock.trainingStepMs.notNaive.toFixed(0)})`,
      `Stock tfjs, forward      ${stock.forwardMs.toFixed(0)} ms`,
      `Engine over stock        ${speedup!.toFixed(1)} ×`,
    );
  if (pytorch) lines.push(`PyTorch                  ${JSON.stringify(pytorch)}`);
  lines.push('', 'Operation        convolution                        count      ms   GFLOP/s   % of peak');
  for (const figure of engine.convolutions)
    lines.push(
      [
        figure.operation.padEnd(16),
        figure.shape.padEnd(34),
        String(figure.count).padStart(5),
        figure.milliseconds.toFixed(2).padStart(8),
        figure.gflops.toFixed(2).padStart(9),
        (100 * figure.shareOfPeak).toFixed(0).padStart(11),
      ].join(' '),
    );
  return lines;
}

/** `npm run bench -- engine`: the engine compared with stock tfjs-webgpu, and with PyTorch if installed. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { DEFAULT_ENGINE_BENCH, type EngineBenchOptions } from './engine_bench.ts';
import { describeProfile } from './engine_profile.ts';
import type { Benchmark } from '../run_benchmarks.ts';
import type { EngineComparison } from './run_engine_bench.ts';
import { choosePrecision } from '../precision/precision_flag.ts';

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

export interface EngineReport extends EngineComparison {
  readonly runtime: 'node' | 'chromium';
  /** The output of pytorch_step.py. Absent without PyTorch or a GPU for it. */
  readonly pytorch?: PytorchReport | undefined;
  /** Time of PyTorch's eager float32 step (TF32 off, the faster memory layout) divided by the engine's. */
  readonly overPytorch?: number | undefined;
}

interface PytorchReport {
  readonly device: string;
  readonly fp32_ms: number;
  readonly fp32_channels_last_ms: number;
  readonly tf32_ms: number;
  readonly tf32_channels_last_ms: number;
}

export const engineBenchmark: Benchmark = {
  description: 'training step, forward pass, convolutions, memory; compared with stock tfjs-webgpu',
  flags: {
    runtime: { type: 'string', help: 'node or chromium (default chromium)' },
    batch: { type: 'string', help: `images per batch (default ${DEFAULT_ENGINE_BENCH.batch})` },
    image_size: { type: 'string', help: `pixels (default ${DEFAULT_ENGINE_BENCH.imageSize})` },
    steps: { type: 'string', help: `measured steps (default ${DEFAULT_ENGINE_BENCH.steps})` },
    model_def: { type: 'string', help: `the network (default ${DEFAULT_ENGINE_BENCH.model})` },
    tune: { type: 'boolean', help: 'choose kernels by measuring them first' },
    profile: { type: 'boolean', help: 'the GPU’s time by kind of kernel, and the ten slowest dispatches' },
    precision: { type: 'string', help: 'of activations: float32 or float16, which needs shader-f16' },
    software: { type: 'boolean', help: 'use the software adapter even if there is a GPU (chromium)' },
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
      profile: flags.profile === true,
      precision: choosePrecision(flags.precision),
    };
    const stock = flags.skip_stock !== true;
    const runtime = String(flags.runtime ?? 'chromium');
    let comparison: EngineComparison;
    if (runtime === 'node') {
      const { runInNode } = await import('../node_runtime.ts');
      comparison = await runInNode(options, stock, onMessage);
    } else if (runtime === 'chromium') {
      const { runInChromium } = await import('../chromium_runtime.ts');
      comparison = await runInChromium(options, stock, flags.software === true, onMessage);
    } else throw new Error(`--runtime is node or chromium, not ${runtime}.`);
    const pytorch = measurePytorch(options);
    const report: EngineReport = {
      runtime,
      ...comparison,
      pytorch,
      overPytorch: pytorch && pytorchStepMs(pytorch) / comparison.engine.trainingStepMs,
    };
    return { report, lines: describe(report) };
  },
};

/** undefined without Python, PyTorch or a GPU for it. */
function measurePytorch(options: EngineBenchOptions): PytorchReport | undefined {
  const { status, stdout } = spawnSync(
    process.env.PYTHON ?? 'python3',
    [here('pytorch_step.py'), '--batch', String(options.batch), '--image_size', String(options.imageSize)],
    { encoding: 'utf8' },
  );
  return status === 0 ? (JSON.parse(stdout) as PytorchReport) : undefined;
}

function pytorchStepMs({ fp32_ms, fp32_channels_last_ms }: PytorchReport): number {
  return Math.min(fp32_ms, fp32_channels_last_ms);
}

function describe({ runtime, engine, stock, speedup, pytorch, overPytorch }: EngineReport): string[] {
  const lines = [
    `Adapter                  ${engine.adapter}${engine.isSoftware ? ' (software)' : ''}, ${runtime}`,
    `Measured peak            ${engine.peakGflops.toFixed(1)} GFLOP/s`,
    `Batch, image             ${engine.batch} × ${engine.imageSize} pixels, activations in ${engine.precision}`,
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
  if (pytorch)
    lines.push(
      `PyTorch, training        ${pytorchStepMs(pytorch).toFixed(1)} ms on ${pytorch.device}`,
      `  float32                ${pytorch.fp32_ms.toFixed(1)} ms, channels_last ${pytorch.fp32_channels_last_ms.toFixed(1)} ms`,
      `  TF32                   ${pytorch.tf32_ms.toFixed(1)} ms, channels_last ${pytorch.tf32_channels_last_ms.toFixed(1)} ms`,
      `Engine over PyTorch      ${overPytorch!.toFixed(2)} ×`,
    );
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
  if (engine.profile) lines.push(...describeProfile(engine.profile));
  return lines;
}

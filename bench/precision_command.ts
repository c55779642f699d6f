/**
 * `npm run bench -- precision`: the same run with float32 and with float16, from the same start on the same batches.
 * What it shows is whether float16 ends where float32 does, and what it saves. Small differences grow while a network is
 * trained, so there is a control: float32 from a start that is rounded to the 11 bits of float16. It runs in Node with
 * Dawn.
 */
import { installWebGpu } from '../cli/node_webgpu.ts';
import { createEngineExecutor } from '../workers/engine/executor.ts';
import { float16ToNumber, toFloat16 } from '../workers/formats/float_formats.ts';
import { initializeParameters } from '../workers/graph/initialize.ts';
import type { HostTensor, NamedTensors } from '../workers/graph/tensor.ts';
import { hashKey, uniform } from '../workers/random.ts';
import { centredTransforms } from '../workers/training/augmentation.ts';
import type { LabelledBatch } from '../workers/training/executor.ts';
import { PRECISIONS, type Precision } from '../workers/training/options.ts';
import { DEFAULT_ENGINE_BENCH, benchSettings, type EngineBenchOptions } from './engine_bench.ts';
import type { Benchmark } from './main.ts';

const DEFAULTS = { batch: 8, imageSize: 80, classes: 10, steps: 40 };
const LEARNING_RATE = 0.02;
/** Waves that a class's picture is the sum of. */
const WAVES = 4;

export interface PrecisionRun {
  readonly precision: Precision;
  /** Whether the parameters it began with were rounded to 11 bits: the control. */
  readonly isStartRounded: boolean;
  readonly adapter: string;
  readonly bytes: number;
  readonly stepMs: number;
  /** Cross entropy of each step's batch. */
  readonly losses: readonly number[];
  /** Mean of the last quarter of the losses. */
  readonly finalLoss: number;
  /** Steps that loss scaling left out, with float16. */
  readonly skippedSteps: number;
}

export const precisionBenchmark: Benchmark = {
  description: 'the same training run with float32 and float16 activations; in Node',
  flags: {
    batch: { type: 'string', help: `images in a batch (default ${DEFAULTS.batch})` },
    image_size: { type: 'string', help: `pixels (default ${DEFAULTS.imageSize})` },
    classes: { type: 'string', help: `classes (default ${DEFAULTS.classes})` },
    steps: { type: 'string', help: `steps of each run (default ${DEFAULTS.steps})` },
  },
  async run({ flags, onMessage }) {
    const whole = (flag: string, fallback: number): number => {
      const value = Number(flags[flag] ?? fallback);
      if (!Number.isInteger(value) || value < 2) throw new Error(`--${flag} must be a whole number above 1.`);
      return value;
    };
    const options: EngineBenchOptions = {
      ...DEFAULT_ENGINE_BENCH,
      batch: whole('batch', DEFAULTS.batch),
      imageSize: whole('image_size', DEFAULTS.imageSize),
      classes: whole('classes', DEFAULTS.classes),
      steps: whole('steps', DEFAULTS.steps),
    };
    await installWebGpu();
    const runs: PrecisionRun[] = [];
    for (const precision of PRECISIONS)
      runs.push(await trainWith({ ...options, precision }, false, onMessage));
    runs.push(await trainWith({ ...options, precision: 'float32' }, true, onMessage));
    return { report: { ...options, precision: undefined, runs }, lines: describe(runs) };
  },
};

async function trainWith(
  options: EngineBenchOptions,
  isStartRounded: boolean,
  onMessage: (message: string) => void,
): Promise<PrecisionRun> {
  const settings = benchSettings(options);
  const executor = await createEngineExecutor(settings);
  try {
    const start = initializeParameters(settings.graph, 1);
    await executor.writeParameters(isStartRounded ? rounded(start) : start);
    const losses: number[] = [];
    let startedAt = performance.now();
    for (let step = 0; step < options.steps; step++) {
      // The first step pays for what the driver puts off.
      if (step === 1) startedAt = performance.now();
      const batch = learnableBatch(options, step);
      const { crossEntropy } = await executor.trainStep(batch, step, LEARNING_RATE);
      losses.push(crossEntropy);
      onMessage(`${options.precision}, step ${step + 1}: ${crossEntropy.toFixed(4)}`);
    }
    const stepMs = (performance.now() - startedAt) / (options.steps - 1);
    const [, , skippedSteps = 0] = (await executor.readState()).get('loss_scale')?.data ?? [];
    const last = losses.slice(-Math.ceil(options.steps / 4));
    return {
      precision: options.precision,
      isStartRounded,
      adapter: executor.device.name,
      bytes: executor.bytes,
      stepMs,
      losses,
      finalLoss: last.reduce((sum, loss) => sum + loss, 0) / last.length,
      skippedSteps,
    };
  } finally {
    executor.dispose();
  }
}

function rounded(tensors: NamedTensors): Map<string, HostTensor> {
  return new Map(
    [...tensors].map(([name, { shape, data }]) => [
      name,
      { shape, data: Float32Array.from(toFloat16(data, name), float16ToNumber) },
    ]),
  );
}

/** A class is a sum of waves of its own; a photo of it is moved, lit and disturbed at random. */
function learnableBatch({ batch, imageSize, classes }: EngineBenchOptions, step: number): LabelledBatch {
  const draws = hashKey(2, step);
  const pixels = new Uint8Array(batch * imageSize * imageSize * 3);
  const labels = new Int32Array(batch);
  let at = 0;
  for (let image = 0; image < batch; image++) {
    const draw = (index: number): number => uniform(draws, 8 * image + index);
    const label = (labels[image] = Math.floor(draw(0) * classes));
    const own = hashKey(3, label);
    const waves = Array.from({ length: 3 * WAVES }, (_, index) => ({
      across: 12 * uniform(own, 3 * index) - 6,
      down: 12 * uniform(own, 3 * index + 1) - 6,
      phase: 2 * Math.PI * uniform(own, 3 * index + 2),
    }));
    const [left, top, light, contrast] = [draw(1) / 8, draw(2) / 8, 100 + 50 * draw(3), 15 + 15 * draw(4)];
    const noise = hashKey(step, image);
    for (let y = 0; y < imageSize; y++)
      for (let x = 0; x < imageSize; x++)
        for (let channel = 0; channel < 3; channel++) {
          let value = light + 40 * (uniform(noise, at) - 0.5);
          for (const { across, down, phase } of waves.slice(channel * WAVES, (channel + 1) * WAVES))
            value +=
              contrast * Math.sin(across * (x / imageSize + left) + down * (y / imageSize + top) + phase);
          pixels[at++] = Math.min(Math.max(Math.round(value), 0), 255);
        }
  }
  const size = { width: imageSize, height: imageSize };
  return { count: batch, ...size, pixels, labels, transforms: centredTransforms(batch, size, imageSize) };
}

function describe(runs: readonly PrecisionRun[]): string[] {
  return runs.map(
    ({ precision, isStartRounded, adapter, bytes, stepMs, losses, finalLoss, skippedSteps }) =>
      `${precision}${isStartRounded ? ', rounded start' : ''}  loss ${losses[0]!.toFixed(4)} → ${finalLoss.toFixed(4)}, ${(bytes / 1e6).toFixed(0)} MB, ${stepMs.toFixed(0)} ms a step, ${skippedSteps} steps skipped, ${adapter}`,
  );
}

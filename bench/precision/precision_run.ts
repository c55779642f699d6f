/** One training run of the precision benchmark: a start, a precision, and batches that depend on the start. */
import { createEngineExecutor } from '../../workers/compute/engine/executor.ts';
import { float16ToNumber, toFloat16 } from '../../workers/formats/float_formats.ts';
import { initializeParameters } from '../../workers/compute/graph/initialize.ts';
import type { HostTensor, NamedTensors } from '../../workers/protocol/tensor.ts';
import { hashKey, uniform } from '../../workers/common/random.ts';
import { centredTransforms } from '../../workers/compute/step/augmentation.ts';
import type { LabelledBatch } from '../../workers/compute/executor.ts';
import { DEFAULT_ENGINE_BENCH, benchSettings } from '../engine/engine_bench.ts';
import { narrowGraph } from './narrow_graph.ts';

/**
 * `control` is float32 from initial values that are rounded to the 11 bits of float16. Small differences grow during
 * training, and the control shows by how much.
 */
export const PRECISION_KINDS = ['float32', 'control', 'float16'] as const;
export type PrecisionKind = (typeof PRECISION_KINDS)[number];

export interface PrecisionOptions {
  readonly model: string;
  /** The divisor of the network's channels; 1: the whole network. */
  readonly narrow: number;
  readonly batch: number;
  readonly imageSize: number;
  readonly classes: number;
  readonly steps: number;
  readonly learningRate: number;
}

export interface PrecisionRun {
  readonly kind: PrecisionKind;
  /** Seed of the initial parameters and of the batches. */
  readonly start: number;
  readonly adapter: string;
  readonly bytes: number;
  readonly stepMs: number;
  /** Cross entropy of each step's batch. */
  readonly losses: readonly number[];
  /** Number of steps that loss scaling skipped, with float16. */
  readonly skippedSteps: number;
}

export async function runWithPrecision(
  kind: PrecisionKind,
  start: number,
  options: PrecisionOptions,
  onMessage: (message: string) => void,
): Promise<PrecisionRun> {
  const precision = kind === 'float16' ? 'float16' : 'float32';
  const whole = benchSettings({ ...DEFAULT_ENGINE_BENCH, ...options, precision });
  const settings = { ...whole, graph: narrowGraph(whole.graph, options.narrow) };
  const executor = await createEngineExecutor(settings);
  try {
    const parameters = initializeParameters(settings.graph, start);
    await executor.writeParameters(kind === 'control' ? rounded(parameters) : parameters);
    const losses: number[] = [];
    let startedAt = performance.now();
    for (let step = 0; step < options.steps; step++) {
      // The first step includes work that the driver has postponed.
      if (step === 1) startedAt = performance.now();
      const batch = learnableBatch(options, start, step);
      const { crossEntropy } = await executor.trainStep(batch, step, options.learningRate);
      losses.push(crossEntropy);
      onMessage(`start ${start}, ${kind}, step ${step + 1}: ${crossEntropy.toFixed(4)}`);
    }
    const stepMs = (performance.now() - startedAt) / (options.steps - 1);
    const [, , skippedSteps = 0] = (await executor.readState()).get('loss_scale')?.data ?? [];
    return {
      kind,
      start,
      adapter: executor.device.name,
      bytes: executor.bytes,
      stepMs,
      losses,
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

/** Number of waves whose sum is the picture of a class. */
const WAVES = 4;

/** Each class has a different sum of waves. A photo of it is randomly shifted, lit and disturbed. */
export function learnableBatch(
  { batch, imageSize, classes }: PrecisionOptions,
  start: number,
  step: number,
): LabelledBatch {
  const draws = hashKey(2, start, step);
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
    const noise = hashKey(start, step, image);
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

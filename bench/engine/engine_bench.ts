/**
 * Measures the engine on the available adapter: the whole training step, the forward pass, the most expensive
 * convolutions relative to the adapter's peak, and the same training step in stock TensorFlow.js on WebGPU. Runs in
 * Node and in a page.
 */
import { createEngineExecutor, type EngineExecutor } from '../../workers/compute/engine/executor.ts';
import type { EngineDevice } from '../../workers/gpu/device.ts';
import { submitDispatches } from '../../workers/compute/engine/dispatcher.ts';
import {
  operationsOf,
  type ConvolutionGeometry,
} from '../../workers/compute/engine/kernels/convolution_geometry.ts';
import { KernelBuilder, type Kernel } from '../../workers/compute/engine/kernels/kernel.ts';
import type { ConvolutionUse } from '../../workers/compute/engine/lowering/program_builder.ts';
import { matrixView, storage } from '../../workers/compute/engine/tensor_view.ts';
import { convolutionKernels, measureKernels, type TuningCache } from '../../workers/compute/engine/tuning.ts';
import { defaultVariants, variantKey } from '../../workers/compute/engine/variants.ts';
import { initializeParameters } from '../../workers/compute/graph/initialize.ts';
import { buildModel } from '../../workers/compute/graph/models/index.ts';
import { hashedPixels } from '../../workers/compute/graph/hashed_tensors.ts';
import { centredTransforms } from '../../workers/compute/step/augmentation.ts';
import type { TrainerSettings, LabelledBatch } from '../../workers/compute/executor.ts';
import { profileTraining, type EngineProfile, type ProfileUnavailable } from './engine_profile.ts';
import type { Precision } from '../../workers/protocol/train/options.ts';

export interface EngineBenchOptions {
  readonly batch: number;
  readonly imageSize: number;
  readonly model: string;
  readonly classes: number;
  readonly embeddingSize: number;
  /** Number of measured steps. One more step before them does not count. */
  readonly steps: number;
  /** Whether to choose kernels by measurement first. */
  readonly tune: boolean;
  /** The type in which activations are stored. */
  readonly precision: Precision;
  /** Whether to measure the GPU time of each kernel. */
  readonly profile: boolean;
}

export const DEFAULT_ENGINE_BENCH: EngineBenchOptions = {
  batch: 4,
  imageSize: 80,
  model: 'inception_resnet_v1',
  classes: 10,
  embeddingSize: 512,
  steps: 3,
  tune: false,
  precision: 'float32',
  profile: false,
};

export interface ConvolutionFigure {
  readonly operation: ConvolutionUse['operation'];
  readonly shape: string;
  /** Number of convolutions with this shape in the network. */
  readonly count: number;
  readonly gflop: number;
  readonly milliseconds: number;
  readonly gflops: number;
  readonly shareOfPeak: number;
}

export interface EngineBenchReport {
  readonly adapter: string;
  readonly isSoftware: boolean;
  readonly precision: Precision;
  readonly batch: number;
  readonly imageSize: number;
  readonly peakGflops: number;
  readonly compileMs: number;
  readonly trainingStepMs: number;
  readonly trainingGflops: number;
  readonly imagesPerSecond: number;
  readonly forwardMs: number;
  readonly dispatches: number;
  readonly pipelines: number;
  readonly javascriptMsPerStep: number;
  readonly plannedBytes: number;
  readonly convolutions: readonly ConvolutionFigure[];
  readonly profile?: EngineProfile | ProfileUnavailable | undefined;
}

export function benchSettings(options: EngineBenchOptions): TrainerSettings {
  return {
    graph: buildModel(options.model, { embeddingSize: options.embeddingSize, classes: options.classes }),
    batchSize: options.batch,
    imageSize: options.imageSize,
    useFixedImageStandardization: true,
    keepProbability: 0.8,
    weightDecay: 5e-4,
    prelogitsNormLossFactor: 5e-4,
    prelogitsNormP: 1,
    centerLossFactor: 0,
    centerLossAlfa: 0.95,
    optimizer: 'ADAM',
    movingAverageDecay: 0.9999,
    precision: options.precision,
    seed: 1,
  };
}

export function benchBatch({ batchSize, imageSize, graph }: TrainerSettings): LabelledBatch {
  return {
    count: batchSize,
    height: imageSize,
    width: imageSize,
    pixels: hashedPixels(batchSize, imageSize, 1),
    labels: Int32Array.from({ length: batchSize }, (_, index) => index % Math.max(graph.classes, 1)),
    transforms: centredTransforms(batchSize, { width: imageSize, height: imageSize }, imageSize),
  };
}

/** A kernel that only multiplies and adds in registers, which gives the peak rate of the adapter. */
function peakKernel(threads: number, iterations: number): Kernel {
  const builder = new KernelBuilder();
  const lanes = Array.from({ length: 8 }, (_, index) => index);
  builder.view('output', matrixView(storage('peak', threads * 4), threads, 4), 'write');
  return builder.build({
    name: 'peak',
    workgroupSize: 64,
    groups: threads / 64,
    // Eight independent chains of four lanes.
    operations: threads * iterations * lanes.length * 8,
    body: `
  let thread = group * 64u + lane;
  let factor = vec4f(0.999 + f32(thread) * 1e-9);
${lanes.map((index) => `  var sum${index} = vec4f(f32(thread) + ${index}.5);`).join('\n')}
  for (var i = 0u; i < ${iterations}u; i++) {
${lanes.map((index) => `    sum${index} = fma(sum${index}, factor, vec4f(0.25));`).join('\n')}
  }
  store_output(thread, 0u, ${lanes.map((index) => `sum${index}`).join(' + ')});`,
  });
}

export async function measurePeakGflops(device: EngineDevice): Promise<number> {
  const kernel = device.traits.isSoftware ? peakKernel(4096, 512) : peakKernel(1 << 20, 4096);
  return kernel.operations / (await measureKernels(device, [kernel])) / 1e6;
}

function memoryCache(): TuningCache {
  return { load: () => Promise.resolve(undefined), save: () => Promise.resolve() };
}

/** The shapes with the most operations in the network, each with its three operations. */
function hottestConvolutions(uses: readonly ConvolutionUse[], count: number): ConvolutionUse[][] {
  const byShape = new Map<string, ConvolutionUse[]>();
  for (const use of uses) {
    const key = variantKey('forward', use.shape);
    byShape.set(key, [...(byShape.get(key) ?? []), use]);
  }
  const total = (group: readonly ConvolutionUse[]): number =>
    group.reduce((sum, { shape }) => sum + operationsOf(shape), 0);
  return [...byShape.values()].sort((a, b) => total(b) - total(a)).slice(0, count);
}

async function measureConvolutions(
  executor: EngineExecutor,
  peak: number,
  onMessage: (message: string) => void,
): Promise<ConvolutionFigure[]> {
  const { device } = executor;
  const variants = defaultVariants(device.traits);
  const figures: ConvolutionFigure[] = [];
  for (const group of hottestConvolutions(executor.run.plan.lowering.uses, 10)) {
    const { shape, elementType } = group[0]!;
    for (const operation of ['forward', 'input_gradient', 'filter_gradient'] as const) {
      const variant =
        operation === 'filter_gradient'
          ? variants.filterGradient(shape)
          : variants.convolution(operation, shape);
      const milliseconds = await measureKernels(
        device,
        convolutionKernels(operation, shape, variant, elementType).kernels,
      );
      const gflops = operationsOf(shape) / milliseconds / 1e6;
      figures.push({
        operation,
        shape: describeShape(shape),
        // Inference programs also list forward passes, but filter gradients are listed once per convolution.
        count: group.filter((use) => use.operation === 'filter_gradient').length,
        gflop: operationsOf(shape) / 1e9,
        milliseconds,
        gflops,
        shareOfPeak: gflops / peak,
      });
      onMessage(`${operation} ${describeShape(shape)}: ${gflops.toFixed(2)} GFLOP/s`);
    }
  }
  return figures;
}

function describeShape(shape: ConvolutionGeometry): string {
  return `${shape.height}×${shape.width}×${shape.channels} → ${shape.filters}, ${shape.kernelHeight}×${shape.kernelWidth}/${shape.stride}`;
}

export async function benchEngine(
  options: EngineBenchOptions,
  adapter: GPUAdapter,
  onMessage: (message: string) => void = () => undefined,
): Promise<EngineBenchReport> {
  const settings = benchSettings(options);
  const startedAt = performance.now();
  const executor = await createEngineExecutor(settings, {
    adapter,
    ...(options.tune ? { tuningCache: memoryCache() } : {}),
  });
  try {
    const compileMs = performance.now() - startedAt;
    const { device } = executor;
    onMessage(`${executor.description}: ready after ${(compileMs / 1000).toFixed(1)} s`);
    await executor.writeParameters(initializeParameters(settings.graph, 1));
    const batch = benchBatch(settings);
    await executor.trainStep(batch, 0, 0.01);
    const trainingStepMs = await timeSteps(executor, batch, options.steps);
    onMessage(`training step: ${trainingStepMs.toFixed(1)} ms`);
    await executor.embed(batch);
    const forwardMs = await timeOf(async () => {
      for (let step = 0; step < options.steps; step++) await executor.embed(batch);
    }, options.steps);
    onMessage(`forward: ${forwardMs.toFixed(1)} ms`);
    const javascriptMsPerStep = timeEncoding(executor);
    await device.device.queue.onSubmittedWorkDone();
    const peakGflops = await measurePeakGflops(device);
    const operations = executor.run
      .program('training')
      .reduce((sum, dispatch) => sum + dispatch.operations, 0);
    return {
      adapter: device.name,
      isSoftware: device.traits.isSoftware,
      precision: options.precision,
      batch: options.batch,
      imageSize: options.imageSize,
      peakGflops,
      compileMs,
      trainingStepMs,
      trainingGflops: operations / trainingStepMs / 1e6,
      imagesPerSecond: (1000 * options.batch) / trainingStepMs,
      forwardMs,
      dispatches: executor.dispatches('training'),
      pipelines: executor.run.pipelineCount,
      javascriptMsPerStep,
      plannedBytes: executor.run.plan.bytes,
      convolutions: await measureConvolutions(executor, peakGflops, onMessage),
      profile: options.profile ? await profileTraining(executor, settings.graph) : undefined,
    };
  } finally {
    executor.dispose();
  }
}

async function timeSteps(executor: EngineExecutor, batch: LabelledBatch, steps: number): Promise<number> {
  return timeOf(async () => {
    const pending: Promise<unknown>[] = [];
    for (let step = 1; step <= steps; step++) {
      if (pending.length >= executor.stepsInFlight) await pending[pending.length - executor.stepsInFlight];
      pending.push(executor.trainStep(batch, step, 0.01));
    }
    await Promise.all(pending);
  }, steps);
}

async function timeOf(work: () => Promise<void>, repetitions: number): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) / repetitions;
}

/** CPU time for encoding and submitting a training step, milliseconds. The GPU may still be busy afterwards. */
function timeEncoding(executor: EngineExecutor): number {
  const startedAt = performance.now();
  submitDispatches(executor.device, executor.run.program('training'), 'training step');
  return performance.now() - startedAt;
}

/**
 * The WebGPU engine as an executor of the training loop. The network is compiled once into programs of kernels, which
 * are replayed in each step. For a step, the CPU does a few uploads and submits one list of dispatches. It reads the
 * metrics when the GPU has finished the step, up to three steps later.
 */
import type { NamedTensors } from '../../protocol/tensor.ts';
import { dropoutKey } from '../step/dropout.ts';
import {
  canTrain,
  trainerSettings,
  type ExecutorSettings,
  type ImageBatch,
  type LabelledBatch,
  type Trainer,
  type TrainerSettings,
} from '../executor.ts';
import type { StepMetrics } from '../../protocol/train/runs.ts';
import { OPTIMIZER_CONSTANTS } from '../step/optimizers.ts';
import { planRun, requireFit } from './capacity.ts';
import { openDevice, type EngineDevice } from '../../gpu/device.ts';
import { submitDispatches } from './dispatcher.ts';
import { HalfPrecisionUnavailableError, WrongBatchError } from '../../gpu/errors.ts';
import { encodeTransforms } from './kernels/images.ts';
import { METRICS, METRIC_FLOATS } from './kernels/losses.ts';
import type { ProgramKind } from './lowering.ts';
import { CompiledRun } from './plan.ts';
import { ReadbackRing } from './readback.ts';
import { RunState } from './run_state.ts';
import { encodeStepValues, type StepValues } from './step_values.ts';
import { tuneVariants, type TuningCache } from './tuning.ts';
import { defaultVariants, type Variants } from './variants.ts';

export interface EngineOptions {
  /** A device to share; default: a new one with the adapter's limits. */
  readonly device?: GPUDevice;
  /** Default: the browser's. */
  readonly adapter?: GPUAdapter;
  /**
   * Stores measured choices of kernels. Without it, nothing is measured. The choice decides the order of additions, so
   * a run is bit-reproducible without this cache, or if the cache already has the choice.
   */
  readonly tuningCache?: TuningCache;
  /** Overrides every choice. For tests and benchmarks. */
  readonly variants?: Variants;
}

const STEPS_IN_FLIGHT = 3;

/**
 * @throws WebGpuUnavailableError, HalfPrecisionUnavailableError, BatchTooLargeError, GpuOutOfMemoryError, GpuError
 */
export async function createEngineExecutor(
  settings: ExecutorSettings,
  options: EngineOptions = {},
): Promise<EngineExecutor> {
  const device = await openDevice(options);
  try {
    const { limits, features } = device.device;
    if (settings.precision === 'float16' && !features.has('shader-f16'))
      throw new HalfPrecisionUnavailableError(device.name);
    const defaults = options.variants ?? defaultVariants(device.traits);
    let plan = planRun(settings, limits, defaults);
    requireFit(settings, plan, limits, device.traits);
    if (options.tuningCache && !options.variants) {
      const variants = await tuneVariants(device, plan.lowering.uses, options.tuningCache);
      plan = planRun(settings, limits, variants);
      requireFit(settings, plan, limits, device.traits);
    }
    return new EngineExecutor(settings, device, await CompiledRun.create(plan, device));
  } catch (error) {
    device.dispose();
    throw error;
  }
}

export class EngineExecutor implements Trainer {
  readonly settings: ExecutorSettings;
  readonly description: string;
  readonly stepsInFlight = STEPS_IN_FLIGHT;
  readonly #device: EngineDevice;
  readonly #run: CompiledRun;
  readonly #state: RunState;
  readonly #metrics: ReadbackRing;
  readonly #embeddings: ReadbackRing;
  #pixelCapacity: number;
  /** Calls take effect one after the other, in their order. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(settings: ExecutorSettings, device: EngineDevice, run: CompiledRun) {
    this.settings = settings;
    this.#device = device;
    this.#run = run;
    this.description = `WebGPU engine (${device.name}${settings.precision === 'float16' ? ', float16' : ''})`;
    this.#metrics = new ReadbackRing(device, METRIC_FLOATS * 4, STEPS_IN_FLIGHT);
    this.#embeddings = new ReadbackRing(device, run.buffer('embeddings').size, 1);
    this.#pixelCapacity = run.buffer('pixels').size;
    this.#state = new RunState(settings, device, run);
  }

  /** GPU memory in use, bytes. */
  get bytes(): number {
    return this.#run.bytes + this.#metrics.bytes + this.#embeddings.bytes;
  }

  /** Number of dispatches of a program. */
  dispatches(program: ProgramKind): number {
    return this.#run.program(program).length;
  }

  /** The compiled run, for profiling and benchmarks. */
  get run(): CompiledRun {
    return this.#run;
  }

  get device(): EngineDevice {
    return this.#device;
  }

  async trainStep(batch: LabelledBatch, step: number, learningRate: number): Promise<StepMetrics> {
    const { settings } = this;
    if (settings.graph.outputs.logits === undefined)
      throw new Error('A graph without classes cannot be trained.');
    trainerSettings(settings);
    if (batch.count !== settings.batchSize) throw new WrongBatchError(batch.count, settings.batchSize, true);
    const { result } = await this.#inOrder(async () => {
      await this.#fitPixels(batch);
      return this.#metrics.read((target) => {
        this.#upload(batch, step, learningRate);
        this.#state.beginStep();
        submitDispatches(this.#device, this.#run.program('training'), 'training step', (encoder) =>
          encoder.copyBufferToBuffer(this.#run.buffer('metrics'), 0, target, 0, METRIC_FLOATS * 4),
        );
      });
    });
    const values = await result;
    return { ...this.#stepMetrics(values), gradientNorm: metricsOf(values).gradientNorm };
  }

  #stepMetrics(result: Float32Array): StepMetrics {
    const values = metricsOf(result);
    const { weightDecay, prelogitsNormLossFactor, centerLossFactor } = trainerSettings(this.settings);
    const regularization = (weightDecay * values.squaredWeights) / 2;
    return {
      totalLoss:
        values.crossEntropy +
        regularization +
        prelogitsNormLossFactor * values.prelogitsNorm +
        centerLossFactor * values.centerLoss,
      crossEntropy: values.crossEntropy,
      regularization,
      prelogitsNorm: values.prelogitsNorm,
      centerLoss: values.centerLoss,
      accuracy: values.accuracy,
    };
  }

  async evaluateBatch(batch: LabelledBatch): Promise<StepMetrics> {
    if (this.settings.graph.outputs.logits === undefined)
      throw new Error('A graph without classes has no accuracy.');
    const { result } = await this.#infer(batch, 'evaluation', this.#metrics, METRIC_FLOATS * 4);
    return this.#stepMetrics(await result);
  }

  async takePrelogitsHistogram(): Promise<Float64Array> {
    return this.#inOrder(() => this.#state.takePrelogitsHistogram());
  }

  async embed(batch: ImageBatch): Promise<Float32Array> {
    const { size } = this.#run.buffer('embeddings');
    const { result } = await this.#infer(batch, 'embedding', this.#embeddings, size);
    return (await result).slice(0, batch.count * this.settings.graph.embeddingSize);
  }

  async readGradients(): Promise<NamedTensors> {
    return this.#inOrder(() => this.#state.readGradients());
  }

  async readParameters(): Promise<NamedTensors> {
    return this.#inOrder(() => this.#state.readParameters());
  }

  /** @throws ShapeMismatchError before anything is written */
  async writeParameters(tensors: NamedTensors): Promise<void> {
    await this.#inOrder(this.#state.parametersWriter(tensors));
  }

  async readState(): Promise<NamedTensors> {
    return this.#inOrder(() => this.#state.readState());
  }

  /** @throws ShapeMismatchError before anything is written */
  async writeState(tensors: NamedTensors): Promise<void> {
    await this.#inOrder(this.#state.stateWriter(tensors));
  }

  dispose(): void {
    this.#metrics.dispose();
    this.#embeddings.dispose();
    this.#run.dispose();
    this.#device.dispose();
  }

  // Order --------------------------------------------------------------------------------------------------------

  /** Runs `work` after all earlier calls have been queued on the GPU. */
  #inOrder<Value>(work: () => Value | Promise<Value>): Promise<Value> {
    const next = this.#last.then(() => {
      if (this.#device.failure) throw this.#device.failure;
      return work();
    });
    this.#last = next.catch(() => undefined);
    return next;
  }

  async #infer(
    batch: ImageBatch,
    program: ProgramKind,
    ring: ReadbackRing,
    bytes: number,
  ): Promise<{ readonly result: Promise<Float32Array> }> {
    if (batch.count > this.settings.batchSize)
      throw new WrongBatchError(batch.count, this.settings.batchSize, false);
    return this.#inOrder(async () => {
      await this.#fitPixels(batch);
      return ring.read((target) => {
        this.#upload(batch, 0, 0);
        const source = this.#run.buffer(program === 'embedding' ? 'embeddings' : 'metrics');
        submitDispatches(this.#device, this.#run.program(program), program, (encoder) =>
          encoder.copyBufferToBuffer(source, 0, target, 0, bytes),
        );
      });
    });
  }

  // Uploads ------------------------------------------------------------------------------------------------------

  /** Stored images that are larger than all before need a larger buffer. In a run, all have the same size. */
  async #fitPixels({ pixels }: ImageBatch): Promise<void> {
    if (pixels.byteLength <= this.#pixelCapacity) return;
    await this.#run.growPixels(pixels.byteLength);
    this.#pixelCapacity = this.#run.buffer('pixels').size;
  }

  #upload(batch: ImageBatch & { readonly labels?: Int32Array }, step: number, learningRate: number): void {
    const { queue } = this.#device.device;
    uploadBytes(queue, this.#run.buffer('pixels'), batch.pixels);
    queue.writeBuffer(this.#run.buffer('transforms'), 0, encodeTransforms(batch));
    if (batch.labels) queue.writeBuffer(this.#run.buffer('labels'), 0, new Int32Array(batch.labels));
    queue.writeBuffer(
      this.#run.buffer('step'),
      0,
      encodeStepValues({
        ...(canTrain(this.settings) ? trainingValues(this.settings, step, learningRate) : INFERENCE_VALUES),
        count: batch.count,
        storedHeight: batch.height,
        storedWidth: batch.width,
      }),
    );
  }
}

type TrainingValues = Pick<StepValues, 'rate' | 'averageRate' | 'dropoutKey'>;

/** No kernel of an embedding reads them. */
const INFERENCE_VALUES: TrainingValues = { rate: 0, averageRate: 0, dropoutKey: 0 };

function trainingValues(
  { optimizer, movingAverageDecay, seed }: TrainerSettings,
  step: number,
  learningRate: number,
): TrainingValues {
  return {
    rate: optimizer === 'ADAM' ? adamRate(learningRate, step + 1) : learningRate,
    // min(decay, (1 + n)/(10 + n)) with n = step + 1 updates, including this one.
    averageRate: 1 - Math.min(movingAverageDecay, (2 + step) / (11 + step)),
    dropoutKey: dropoutKey(seed, step),
  };
}

/** ADAM's learning rate, corrected for the start of its two averages at zero. @param t number of the step, from 1 */
function adamRate(learningRate: number, t: number): number {
  const { beta1, beta2 } = OPTIMIZER_CONSTANTS.ADAM;
  return (learningRate * Math.sqrt(1 - beta2 ** t)) / (1 - beta1 ** t);
}

function metricsOf(values: Float32Array): Record<(typeof METRICS)[number], number> {
  return Object.fromEntries(METRICS.map((name, index) => [name, values[index]!])) as Record<
    (typeof METRICS)[number],
    number
  >;
}

/** Writes the whole words, then the padded rest, because writeBuffer needs multiples of 4 bytes. */
function uploadBytes(queue: GPUQueue, buffer: GPUBuffer, bytes: Uint8Array): void {
  const whole = bytes.byteLength - (bytes.byteLength % 4);
  const data =
    bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
  queue.writeBuffer(buffer, 0, data, 0, whole);
  if (whole === bytes.byteLength) return;
  const rest = new Uint8Array(4);
  rest.set(data.subarray(whole));
  queue.writeBuffer(buffer, whole, rest);
}

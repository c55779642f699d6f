/**
 * The WebGPU engine as an executor of the training loop: the network compiled once into programs of kernels, which are
 * replayed each step. A step costs the processor a few uploads and one list of dispatches; its metrics are read when
 * the GPU has got there, up to three steps later.
 */
import { elementCount, type HostTensor, type NamedTensors } from '../graph/tensor.ts';
import type { ParameterSpec } from '../graph/ir.ts';
import { dropoutKey } from '../training/dropout.ts';
import type {
  Executor,
  ExecutorSettings,
  ImageBatch,
  LabelledBatch,
  StepMetrics,
} from '../training/executor.ts';
import { ShapeMismatchError } from '../training/host_parameters.ts';
import { OPTIMIZER_CONSTANTS, optimizerSlots } from '../training/optimizers.ts';
import { planRun, requireFit } from './capacity.ts';
import { openDevice, type EngineDevice } from './device.ts';
import { submitDispatches } from './dispatcher.ts';
import { HalfPrecisionUnavailableError, WrongBatchError } from './errors.ts';
import { encodeTransforms } from './kernels/images.ts';
import { LOSS_SCALE_STATE_FLOATS, initialLossScale } from './kernels/loss_scale.ts';
import { METRICS, METRIC_FLOATS } from './kernels/losses.ts';
import { PRELOGITS_BINS } from '../training/prelogits_histogram.ts';
import type { ProgramKind } from './lowering.ts';
import { CompiledRun } from './plan.ts';
import { ReadbackRing } from './readback.ts';
import { encodeStepValues } from './step_values.ts';
import type { BufferName } from './tensor_view.ts';
import { tuneVariants, type TuningCache } from './tuning.ts';
import { defaultVariants, type Variants } from './variants.ts';

export interface EngineOptions {
  /** A device to share; default: a new one with the adapter's limits. */
  readonly device?: GPUDevice;
  /** Default: the browser's. */
  readonly adapter?: GPUAdapter;
  /**
   * Where measured choices of kernels are kept. Without one nothing is measured: then, and whenever the choice is
   * already in the cache, a run repeats to the bit, since the choice decides the order of additions.
   */
  readonly tuningCache?: TuningCache;
  /** Instead of any choice. For tests and benchmarks. */
  readonly variants?: Variants;
}

const STEPS_IN_FLIGHT = 3;
const MOVING_AVERAGE = 'ExponentialMovingAverage';
const CENTERS = 'centers';
/** [factor, good steps in a row, skipped steps] of loss scaling. */
const LOSS_SCALE = 'loss_scale';

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

export class EngineExecutor implements Executor {
  readonly settings: ExecutorSettings;
  readonly description: string;
  readonly stepsInFlight = STEPS_IN_FLIGHT;
  readonly #device: EngineDevice;
  readonly #run: CompiledRun;
  readonly #metrics: ReadbackRing;
  readonly #embeddings: ReadbackRing;
  /** State tensors that exist: all of them after the first step, before it those that were written. */
  readonly #stateNames = new Set<string>();
  #hasStepped = false;
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
    if (settings.graph.classes > 0) this.#initializeState();
  }

  /** GPU memory in use, bytes. */
  get bytes(): number {
    return this.#run.bytes + this.#metrics.bytes + this.#embeddings.bytes;
  }

  /** Number of dispatches of a program. */
  dispatches(program: ProgramKind): number {
    return this.#run.program(program).length;
  }

  /** For profiling and benchmarks. */
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
    if (batch.count !== settings.batchSize) throw new WrongBatchError(batch.count, settings.batchSize, true);
    const { result } = await this.#inOrder(async () => {
      await this.#fitPixels(batch);
      return this.#metrics.read((target) => {
        this.#upload(batch, step, learningRate);
        if (!this.#hasStepped) this.#startState();
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
    const { weightDecay, prelogitsNormLossFactor, centerLossFactor } = this.settings;
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
    return this.#inOrder(async () => {
      const counts = await this.#readBuffer('prelogits_histogram');
      const { device } = this.#device;
      const encoder = device.createCommandEncoder();
      encoder.clearBuffer(this.#run.buffer('prelogits_histogram'));
      device.queue.submit([encoder.finish()]);
      return Float64Array.from(new Uint32Array(counts.buffer, 0, PRELOGITS_BINS));
    });
  }

  async embed(batch: ImageBatch): Promise<Float32Array> {
    const { size } = this.#run.buffer('embeddings');
    const { result } = await this.#infer(batch, 'embedding', this.#embeddings, size);
    return (await result).slice(0, batch.count * this.settings.graph.embeddingSize);
  }

  async readGradients(): Promise<NamedTensors> {
    return this.#inOrder(() => {
      const specs = this.settings.graph.parameters.filter(({ trainable }) => trainable);
      return this.#hasStepped ? this.#readTensors(specs, () => 'gradients') : Promise.resolve(new Map());
    });
  }

  async readParameters(): Promise<NamedTensors> {
    return this.#inOrder(() =>
      this.#readTensors(this.settings.graph.parameters, ({ trainable }) =>
        trainable ? 'parameters' : 'statistics',
      ),
    );
  }

  /** @throws ShapeMismatchError before anything is written */
  async writeParameters(tensors: NamedTensors): Promise<void> {
    const specs = this.settings.graph.parameters.filter(({ name }) => tensors.has(name));
    for (const spec of specs) requireShape(spec.name, spec.shape, tensors.get(spec.name)!);
    await this.#inOrder(() => {
      for (const { name, trainable } of specs)
        this.#writeTensor(trainable ? 'parameters' : 'statistics', name, tensors.get(name)!);
    });
  }

  async readState(): Promise<NamedTensors> {
    return this.#inOrder(async () => {
      const state = new Map<string, HostTensor>();
      const { graph } = this.settings;
      for (const { suffix, buffer } of this.#stateBuffers()) {
        const specs = graph.parameters.filter(({ name }) => this.#stateNames.has(`${name}/${suffix}`));
        for (const [name, tensor] of await this.#readTensors(specs, () => buffer))
          state.set(`${name}/${suffix}`, tensor);
      }
      if (graph.classes > 0) {
        const shape = [graph.classes, graph.embeddingSize];
        const data = await this.#readBuffer('centers');
        state.set(CENTERS, { shape, data: data.slice(0, elementCount(shape)) });
      }
      if (this.#hasLossScale)
        state.set(LOSS_SCALE, {
          shape: [LOSS_SCALE_STATE_FLOATS],
          data: (await this.#readBuffer('loss_scale')).slice(0, LOSS_SCALE_STATE_FLOATS),
        });
      return state;
    });
  }

  /** @throws ShapeMismatchError before anything is written */
  async writeState(tensors: NamedTensors): Promise<void> {
    const { graph } = this.settings;
    const specs = new Map(graph.parameters.map((spec) => [spec.name, spec]));
    const buffers = new Map(this.#stateBuffers().map(({ suffix, buffer }) => [suffix, buffer]));
    const writes: (() => void)[] = [];
    for (const [name, tensor] of tensors) {
      const slash = name.lastIndexOf('/');
      const spec = specs.get(name.slice(0, slash));
      const buffer = buffers.get(name.slice(slash + 1));
      if (!spec?.trainable || !buffer) continue;
      requireShape(name, spec.shape, tensor);
      writes.push(() => {
        this.#stateNames.add(name);
        this.#writeTensor(buffer, spec.name, tensor);
      });
    }
    const centers = tensors.get(CENTERS);
    if (centers && graph.classes > 0 && centers.data.length === graph.classes * graph.embeddingSize)
      writes.push(() =>
        this.#device.device.queue.writeBuffer(this.#run.buffer('centers'), 0, new Float32Array(centers.data)),
      );
    const lossScale = tensors.get(LOSS_SCALE);
    if (lossScale && this.#hasLossScale && lossScale.data.length === LOSS_SCALE_STATE_FLOATS)
      writes.push(() =>
        this.#device.device.queue.writeBuffer(
          this.#run.buffer('loss_scale'),
          0,
          new Float32Array(lossScale.data),
        ),
      );
    await this.#inOrder(() => writes.forEach((write) => write()));
  }

  dispose(): void {
    this.#metrics.dispose();
    this.#embeddings.dispose();
    this.#run.dispose();
    this.#device.dispose();
  }

  // Order --------------------------------------------------------------------------------------------------------

  /** Runs `work` when all earlier calls have been queued on the GPU. */
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

  /** Stored images larger than any before need a larger buffer; in a run all are of one size. */
  async #fitPixels({ pixels }: ImageBatch): Promise<void> {
    if (pixels.byteLength <= this.#pixelCapacity) return;
    await this.#run.growPixels(pixels.byteLength);
    this.#pixelCapacity = this.#run.buffer('pixels').size;
  }

  #upload(batch: ImageBatch & { readonly labels?: Int32Array }, step: number, learningRate: number): void {
    const { queue } = this.#device.device;
    const { settings } = this;
    uploadBytes(queue, this.#run.buffer('pixels'), batch.pixels);
    queue.writeBuffer(this.#run.buffer('transforms'), 0, encodeTransforms(batch));
    if (batch.labels) queue.writeBuffer(this.#run.buffer('labels'), 0, new Int32Array(batch.labels));
    queue.writeBuffer(
      this.#run.buffer('step'),
      0,
      encodeStepValues({
        rate: settings.optimizer === 'ADAM' ? adamRate(learningRate, step + 1) : learningRate,
        // min(decay, (1 + n)/(10 + n)) with n = step + 1 updates, this one included.
        averageRate: 1 - Math.min(settings.movingAverageDecay, (2 + step) / (11 + step)),
        dropoutKey: dropoutKey(settings.seed, step),
        count: batch.count,
        storedHeight: batch.height,
        storedWidth: batch.width,
      }),
    );
  }

  // State --------------------------------------------------------------------------------------------------------

  #stateBuffers(): { readonly suffix: string; readonly buffer: BufferName }[] {
    const { optimizer, movingAverageDecay, graph } = this.settings;
    if (graph.classes === 0) return [];
    const buffers = optimizerSlots(optimizer).map(({ suffix }, index) => ({
      suffix,
      buffer: (index === 0 ? 'slot_0' : 'slot_1') as BufferName,
    }));
    return movingAverageDecay > 0
      ? [...buffers, { suffix: MOVING_AVERAGE, buffer: 'moving_average' }]
      : buffers;
  }

  get #hasLossScale(): boolean {
    const { precision, graph } = this.settings;
    return precision === 'float16' && graph.classes > 0;
  }

  /** What does not begin with the zero that a new buffer has. */
  #initializeState(): void {
    const { queue } = this.#device.device;
    if (this.#hasLossScale) queue.writeBuffer(this.#run.buffer('loss_scale'), 0, initialLossScale());
    for (const [index, { initial }] of optimizerSlots(this.settings.optimizer).entries()) {
      if (initial === 0) continue;
      const buffer = this.#run.buffer(index === 0 ? 'slot_0' : 'slot_1');
      queue.writeBuffer(buffer, 0, new Float32Array(buffer.size / 4).fill(initial));
    }
  }

  /** Before the first step: moving averages that were not written start at the parameters. */
  #startState(): void {
    const { device } = this.#device;
    const { lowering } = this.#run.plan;
    const encoder = device.createCommandEncoder();
    for (const { name, trainable } of this.settings.graph.parameters) {
      if (!trainable) continue;
      for (const { suffix, buffer } of this.#stateBuffers()) {
        const state = `${name}/${suffix}`;
        if (suffix === MOVING_AVERAGE && !this.#stateNames.has(state)) {
          const { offset, floats } = lowering.layout.region(name);
          encoder.copyBufferToBuffer(
            this.#run.buffer('parameters'),
            offset * 4,
            this.#run.buffer(buffer),
            offset * 4,
            floats * 4,
          );
        }
        this.#stateNames.add(state);
      }
    }
    device.queue.submit([encoder.finish()]);
    this.#hasStepped = true;
  }

  #writeTensor(buffer: BufferName, parameter: string, { data }: HostTensor): void {
    const { offset } = this.#run.plan.lowering.layout.region(parameter);
    this.#device.device.queue.writeBuffer(this.#run.buffer(buffer), offset * 4, new Float32Array(data));
  }

  async #readTensors(
    specs: readonly ParameterSpec[],
    bufferOf: (spec: ParameterSpec) => BufferName,
  ): Promise<Map<string, HostTensor>> {
    const { layout } = this.#run.plan.lowering;
    const contents = new Map<BufferName, Float32Array>();
    const tensors = new Map<string, HostTensor>();
    for (const spec of specs) {
      const buffer = bufferOf(spec);
      let values = contents.get(buffer);
      if (!values) contents.set(buffer, (values = await this.#readBuffer(buffer)));
      const { offset } = layout.region(spec.name);
      tensors.set(spec.name, {
        shape: spec.shape,
        data: values.slice(offset, offset + elementCount(spec.shape)),
      });
    }
    return tensors;
  }

  /** Through a buffer that lives for the call: what is read this way is read between steps, and large. */
  async #readBuffer(name: BufferName): Promise<Float32Array> {
    const source = this.#run.buffer(name);
    const { device } = this.#device;
    const target = await this.#device.checked(`reading ${name}`, source.size, () =>
      device.createBuffer({
        label: `${name} readback`,
        size: source.size,
        usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
      }),
    );
    try {
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(source, 0, target, 0, source.size);
      device.queue.submit([encoder.finish()]);
      await this.#device.guard(target.mapAsync(GPUMapMode.READ));
      return new Float32Array(target.getMappedRange().slice(0));
    } finally {
      target.destroy();
    }
  }
}

function requireShape(name: string, expected: readonly number[], { shape }: HostTensor): void {
  if (expected.join() !== shape.join()) throw new ShapeMismatchError(name, expected, shape);
}

/** ADAM's learning rate with the correction of its two averages' start at zero. @param t number of the step, from 1 */
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

/** Whole words, then the rest padded: writeBuffer takes multiples of 4 bytes. */
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

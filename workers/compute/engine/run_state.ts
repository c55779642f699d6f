/**
 * The state of a run between steps, under the names of the checkpoint: parameters and moving statistics, optimizer
 * slots, moving averages, centres, the loss scale. It is in the run's long-lived buffers. Nothing here waits for
 * steps, because the executor calls it in order.
 */
import { elementCount } from '../../protocol/tensor.ts';
import { type HostTensor, type NamedTensors } from '../../protocol/tensor.ts';
import type { ParameterSpec } from '../graph/ir.ts';
import { canTrain, type ExecutorSettings } from '../executor.ts';
import { ShapeMismatchError } from '../step/host_parameters.ts';
import { optimizerSlots } from '../step/optimizers.ts';
import { PRELOGITS_BINS } from '../../protocol/train/runs.ts';
import type { EngineDevice } from '../../gpu/device.ts';
import { LOSS_SCALE_STATE_FLOATS, initialLossScale } from './kernels/loss_scale.ts';
import type { CompiledRun } from './plan.ts';
import type { BufferName } from './tensor_view.ts';

const MOVING_AVERAGE = 'ExponentialMovingAverage';
const CENTERS = 'centers';
/** The tensor of loss scaling: [factor, good steps in a row, skipped steps]. */
const LOSS_SCALE = 'loss_scale';

export class RunState {
  readonly #settings: ExecutorSettings;
  readonly #device: EngineDevice;
  readonly #run: CompiledRun;
  /** State tensors that exist: before the first step, those that were written; afterwards, all of them. */
  readonly #stateNames = new Set<string>();
  #hasStepped = false;

  constructor(settings: ExecutorSettings, device: EngineDevice, run: CompiledRun) {
    this.#settings = settings;
    this.#device = device;
    this.#run = run;
    this.#initialize();
  }

  /** Called before each step. Before the first one, moving averages that were not written are set to the parameters. */
  beginStep(): void {
    if (this.#hasStepped) return;
    const { device } = this.#device;
    const { layout } = this.#run.plan.lowering;
    const encoder = device.createCommandEncoder();
    for (const { name, trainable } of this.#settings.graph.parameters) {
      if (!trainable) continue;
      for (const { suffix, buffer } of this.#stateBuffers()) {
        const state = `${name}/${suffix}`;
        if (suffix === MOVING_AVERAGE && !this.#stateNames.has(state)) {
          const { offset, floats } = layout.region(name);
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

  /** The gradients of the last step; empty before the first. */
  async readGradients(): Promise<Map<string, HostTensor>> {
    if (!this.#hasStepped) return new Map();
    const specs = this.#settings.graph.parameters.filter(({ trainable }) => trainable);
    return this.#readTensors(specs, () => 'gradients');
  }

  readParameters(): Promise<Map<string, HostTensor>> {
    return this.#readTensors(this.#settings.graph.parameters, parameterBuffer);
  }

  /** @returns a function that writes the parameters. @throws ShapeMismatchError */
  parametersWriter(tensors: NamedTensors): () => void {
    const specs = this.#settings.graph.parameters.filter(({ name }) => tensors.has(name));
    for (const spec of specs) requireShape(spec.name, spec.shape, tensors.get(spec.name)!);
    return () => {
      for (const spec of specs) this.#writeTensor(parameterBuffer(spec), spec.name, tensors.get(spec.name)!);
    };
  }

  async readState(): Promise<Map<string, HostTensor>> {
    const state = new Map<string, HostTensor>();
    const { graph } = this.#settings;
    for (const { suffix, buffer } of this.#stateBuffers()) {
      const specs = graph.parameters.filter(({ name }) => this.#stateNames.has(`${name}/${suffix}`));
      for (const [name, tensor] of await this.#readTensors(specs, () => buffer))
        state.set(`${name}/${suffix}`, tensor);
    }
    if (canTrain(this.#settings)) {
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
  }

  /** @returns a function that writes the state. @throws ShapeMismatchError */
  stateWriter(tensors: NamedTensors): () => void {
    const { graph } = this.#settings;
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
    if (centers && canTrain(this.#settings) && centers.data.length === graph.classes * graph.embeddingSize)
      writes.push(() => this.#writeBuffer('centers', centers));
    const lossScale = tensors.get(LOSS_SCALE);
    if (lossScale && this.#hasLossScale && lossScale.data.length === LOSS_SCALE_STATE_FLOATS)
      writes.push(() => this.#writeBuffer('loss_scale', lossScale));
    return () => writes.forEach((write) => write());
  }

  /** The counts since the last call. */
  async takePrelogitsHistogram(): Promise<Float64Array> {
    const counts = await this.#readBuffer('prelogits_histogram');
    const { device } = this.#device;
    const encoder = device.createCommandEncoder();
    encoder.clearBuffer(this.#run.buffer('prelogits_histogram'));
    device.queue.submit([encoder.finish()]);
    return Float64Array.from(new Uint32Array(counts.buffer, 0, PRELOGITS_BINS));
  }

  #stateBuffers(): { readonly suffix: string; readonly buffer: BufferName }[] {
    if (!canTrain(this.#settings)) return [];
    const { optimizer, movingAverageDecay } = this.#settings;
    const buffers = optimizerSlots(optimizer).map(({ suffix }, index) => ({
      suffix,
      buffer: slotBuffer(index),
    }));
    return movingAverageDecay > 0
      ? [...buffers, { suffix: MOVING_AVERAGE, buffer: 'moving_average' }]
      : buffers;
  }

  get #hasLossScale(): boolean {
    return this.#settings.precision === 'float16' && canTrain(this.#settings);
  }

  /** Sets the values whose initial value is not the zero of a new buffer. */
  #initialize(): void {
    if (!canTrain(this.#settings)) return;
    const { queue } = this.#device.device;
    if (this.#hasLossScale) queue.writeBuffer(this.#run.buffer('loss_scale'), 0, initialLossScale());
    for (const [index, { initial }] of optimizerSlots(this.#settings.optimizer).entries()) {
      if (initial === 0) continue;
      const buffer = this.#run.buffer(slotBuffer(index));
      queue.writeBuffer(buffer, 0, new Float32Array(buffer.size / 4).fill(initial));
    }
  }

  #writeTensor(buffer: BufferName, parameter: string, { data }: HostTensor): void {
    const { offset } = this.#run.plan.lowering.layout.region(parameter);
    this.#device.device.queue.writeBuffer(this.#run.buffer(buffer), offset * 4, new Float32Array(data));
  }

  #writeBuffer(buffer: BufferName, { data }: HostTensor): void {
    this.#device.device.queue.writeBuffer(this.#run.buffer(buffer), 0, new Float32Array(data));
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

  /** Reads through a temporary buffer, because these values are large and are read only between steps. */
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

/** The buffer that holds a parameter. */
function parameterBuffer({ trainable }: ParameterSpec): BufferName {
  return trainable ? 'parameters' : 'statistics';
}

function slotBuffer(index: number): BufferName {
  return index === 0 ? 'slot_0' : 'slot_1';
}

function requireShape(name: string, expected: readonly number[], { shape }: HostTensor): void {
  if (expected.join() !== shape.join()) throw new ShapeMismatchError(name, expected, shape);
}

/**
 * Helpers for the engine's tests: running single kernels over poisoned memory, and float64 references. They need
 * neither a test runner nor a browser, so the same checks run in Node.
 */
import { EngineDevice, openDevice } from '../../../workers/gpu/device.ts';
import { Dispatcher, submitDispatches } from '../../../workers/compute/engine/dispatcher.ts';
import { alignFloats } from '../../../workers/compute/engine/flat_layout.ts';
import type { ConvolutionGeometry } from '../../../workers/compute/engine/kernels/convolution_geometry.ts';
import { encodeTransforms } from '../../../workers/compute/engine/kernels/images.ts';
import type { Kernel, NumberMode } from '../../../workers/compute/engine/kernels/kernel.ts';
import { encodeStepValues } from '../../../workers/compute/engine/step_values.ts';
import type { BufferRegion, Memory, TensorView } from '../../../workers/compute/engine/tensor_view.ts';
import {
  elementTypeOf,
  freshView,
  rowsOf,
  type ElementType,
} from '../../../workers/compute/engine/tensor_view.ts';
import { float16ToNumber, toFloat16 } from '../../../workers/formats/float_formats.ts';
import { hashKey, uniform } from '../../../workers/common/random.ts';
import type { ImageBatch } from '../../../workers/compute/executor.ts';

/** NaN as a float32 and as two float16. */
const NOT_A_NUMBER = 0xffffffff;

export type Values = Float32Array | Int32Array | Uint32Array;

export function openTestDevice(adapter?: GPUAdapter): Promise<EngineDevice> {
  return openDevice({ adapter });
}

/** Uniform in [−1, 1), the same on every run. */
export function randomValues(count: number, seed: number): Float32Array {
  const key = hashKey(seed, 77);
  return Float32Array.from({ length: count }, (_, index) => 2 * uniform(key, index) - 1);
}

/** Integers and choices drawn by hash, for shapes that are arbitrary but the same on every run. */
export class Draws {
  readonly #key: number;
  #count = 0;

  constructor(seed: number) {
    this.#key = hashKey(seed, 91);
  }

  /** An integer from `first` to `last`, both included. */
  integer(first: number, last: number): number {
    return first + Math.floor(uniform(this.#key, this.#count++) * (last - first + 1));
  }

  pick<Value>(choices: readonly Value[]): Value {
    return choices[this.integer(0, choices.length - 1)]!;
  }
}

/** A view in a wider memory, like a branch of a concatenation. */
export function slicedView(
  name: string,
  shape: Parameters<typeof freshView>[1],
  before: number,
  after: number,
  elementType: ElementType = 'float32',
): TensorView {
  const view = freshView(name, shape, before + shape.channels + after, elementType);
  return { ...view, channelOffset: before };
}

function bufferKey(memory: Memory): Memory | string {
  return memory.kind === 'region' ? memory.buffer : memory;
}

/**
 * Runs kernels over memories that are NaN except for `contents`.
 * @param contents by memory; for a region, the content of its whole buffer
 * @returns the requested memories after the kernels
 */
export async function runKernels(
  device: EngineDevice,
  kernels: readonly Kernel[],
  contents: ReadonlyMap<Memory, Values>,
  wanted: readonly Memory[],
  numbers?: NumberMode,
): Promise<Float32Array[]> {
  const { device: gpu } = device;
  const memories = new Set(kernels.flatMap((kernel) => kernel.bindings.map(({ memory }) => memory)));
  const sizes = new Map<Memory | string, number>();
  for (const memory of [...memories, ...contents.keys()]) {
    const end = memory.kind === 'region' ? memory.offset + memory.floats : alignFloats(memory.floats);
    sizes.set(bufferKey(memory), Math.max(sizes.get(bufferKey(memory)) ?? 64, end));
  }
  // Storages share one buffer, as in the engine.
  const places = new Map<Memory, number>();
  let arenaFloats = 0;
  for (const [key, floats] of sizes)
    if (typeof key !== 'string') {
      places.set(key, arenaFloats);
      arenaFloats += floats;
    }
  const make = (floats: number): GPUBuffer => {
    const buffer = gpu.createBuffer({
      size: alignFloats(floats) * 4,
      usage:
        GPUBufferUsage.STORAGE | GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
      mappedAtCreation: true,
    });
    new Uint32Array(buffer.getMappedRange()).fill(NOT_A_NUMBER);
    buffer.unmap();
    return buffer;
  };
  const arena = make(arenaFloats);
  const buffers = new Map<string, GPUBuffer>();
  for (const [key, floats] of sizes) if (typeof key === 'string') buffers.set(key, make(floats));
  const place = (memory: Memory): { buffer: GPUBuffer; offset: number } =>
    memory.kind === 'region'
      ? { buffer: buffers.get(memory.buffer)!, offset: memory.offset * 4 }
      : { buffer: arena, offset: places.get(memory)! * 4 };
  for (const [memory, values] of contents) {
    const { buffer, offset } = place(memory);
    gpu.queue.writeBuffer(buffer, offset, values as Values & ArrayBufferView<ArrayBuffer>);
  }
  const dispatcher = new Dispatcher(device, numbers);
  const dispatches = await dispatcher.compile(kernels, (memory) => ({
    ...place(memory),
    size: Math.ceil(memory.floats / 4) * 16,
  }));
  submitDispatches(device, dispatches, 'test');
  const results: Float32Array[] = [];
  for (const memory of wanted) {
    const { buffer, offset } = place(memory);
    const size = memory.floats * 4;
    const target = gpu.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    const encoder = gpu.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, offset, target, 0, size);
    gpu.queue.submit([encoder.finish()]);
    await device.guard(target.mapAsync(GPUMapMode.READ));
    results.push(new Float32Array(target.getMappedRange().slice(0)));
    target.destroy();
  }
  dispatcher.dispose();
  for (const buffer of [arena, ...buffers.values()]) buffer.destroy();
  if (device.failure) throw device.failure;
  return results;
}

/** The values of the view as [rows, channels]. */
export function valuesOfView(memory: Float32Array, view: TensorView): Float32Array {
  const { channels, channelOffset, channelStride } = view;
  const rows = rowsOf(view);
  const values = new Float32Array(rows * channels);
  const halves = new Uint16Array(memory.buffer, memory.byteOffset, 2 * memory.length);
  const isHalf = elementTypeOf(view.memory) === 'float16';
  for (let row = 0; row < rows; row++)
    for (let c = 0; c < channels; c++) {
      const at = row * channelStride + channelOffset + c;
      values[row * channels + c] = isHalf ? float16ToNumber(halves[at]!) : memory[at]!;
    }
  return values;
}

/** Rounds values as a float16 view stores them. */
export function roundedToHalf(values: Float32Array): Float32Array {
  return Float32Array.from(toFloat16(values, 'values'), float16ToNumber);
}

/** Number of overwritten values around a view, in a memory that was NaN there. */
export function strayWrites(memory: Float32Array, view: TensorView): number {
  const { channels, channelOffset, channelStride } = view;
  let strays = 0;
  for (const [index, value] of memory.entries()) {
    const channel = (index % channelStride) - channelOffset;
    const isInside = index < rowsOf(view) * channelStride && channel >= 0 && channel < channels;
    if (!isInside && !Number.isNaN(value)) strays++;
  }
  return strays;
}

/** Memory contents that show `values` through the view; NaN elsewhere. */
export function memoryOfView(values: Float32Array, view: TensorView): Float32Array {
  const { channels, channelOffset, channelStride } = view;
  const words = new Uint32Array(view.memory.floats).fill(NOT_A_NUMBER);
  const isHalf = elementTypeOf(view.memory) === 'float16';
  const memory = isHalf ? new Uint16Array(words.buffer) : new Float32Array(words.buffer);
  const stored = isHalf ? toFloat16(values, 'values') : values;
  for (let index = 0; index < values.length; index++) {
    const row = Math.floor(index / channels);
    memory[row * channelStride + channelOffset + (index % channels)] = stored[index]!;
  }
  return new Float32Array(words.buffer);
}

/** The largest difference divided by the largest expected magnitude; NaN if any value is NaN. */
export function relativeError(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) return NaN;
  let largest = 0;
  let difference = 0;
  for (let index = 0; index < expected.length; index++) {
    const error = Math.abs(found[index]! - expected[index]!);
    if (Number.isNaN(error)) return NaN;
    largest = Math.max(largest, Math.abs(expected[index]!));
    difference = Math.max(difference, error);
  }
  return difference / Math.max(largest, 1e-30);
}

export function region(buffer: BufferRegion['buffer'], floats: number, offset = 0): BufferRegion {
  return { kind: 'region', buffer, offset, floats };
}

// References in float64 --------------------------------------------------------------------------------------------

/** Calls `visit` with the flat indices of every multiplication of a convolution: input, weight, output. */
function everyProduct(
  shape: ConvolutionGeometry,
  visit: (input: number, weight: number, output: number) => void,
): void {
  const { batch, height, width, channels, outHeight, outWidth, filters, kernelHeight, kernelWidth } = shape;
  for (let n = 0; n < batch; n++)
    for (let oy = 0; oy < outHeight; oy++)
      for (let ox = 0; ox < outWidth; ox++)
        for (let ky = 0; ky < kernelHeight; ky++)
          for (let kx = 0; kx < kernelWidth; kx++) {
            const y = oy * shape.stride + ky - shape.padTop;
            const x = ox * shape.stride + kx - shape.padLeft;
            if (y < 0 || y >= height || x < 0 || x >= width) continue;
            const input = ((n * height + y) * width + x) * channels;
            const output = ((n * outHeight + oy) * outWidth + ox) * filters;
            for (let c = 0; c < channels; c++) {
              const weight = ((ky * kernelWidth + kx) * channels + c) * filters;
              for (let f = 0; f < filters; f++) visit(input + c, weight + f, output + f);
            }
          }
}

export function convolutionReference(
  operation: 'forward' | 'input_gradient' | 'filter_gradient',
  shape: ConvolutionGeometry,
  /** forward: input, weights; input_gradient: output's gradient, weights; filter_gradient: input, gradient. */
  first: Float32Array,
  second: Float32Array,
): Float64Array {
  const sizes = {
    forward: shape.batch * shape.outHeight * shape.outWidth * shape.filters,
    input_gradient: shape.batch * shape.height * shape.width * shape.channels,
    filter_gradient: shape.kernelHeight * shape.kernelWidth * shape.channels * shape.filters,
  };
  const result = new Float64Array(sizes[operation]);
  if (operation === 'forward')
    everyProduct(shape, (input, weight, output) => {
      result[output]! += first[input]! * second[weight]!;
    });
  else if (operation === 'input_gradient')
    everyProduct(shape, (input, weight, output) => {
      result[input]! += first[output]! * second[weight]!;
    });
  else
    everyProduct(shape, (input, weight, output) => {
      result[weight]! += first[input]! * second[output]!;
    });
  return result;
}

/** Mean and biased variance of each channel. */
export function momentsReference(
  values: Float32Array,
  channels: number,
): { mean: Float64Array; variance: Float64Array } {
  const rows = values.length / channels;
  const mean = new Float64Array(channels);
  const variance = new Float64Array(channels);
  for (let index = 0; index < values.length; index++) mean[index % channels]! += values[index]! / rows;
  for (let index = 0; index < values.length; index++)
    variance[index % channels]! += (values[index]! - mean[index % channels]!) ** 2 / rows;
  return { mean, variance };
}

/** The operands of the kernels that crop images: their regions, and a batch in their format. */
export function imageInputs(batch: ImageBatch): {
  readonly regions: Readonly<Record<'pixels' | 'transforms' | 'step', BufferRegion>>;
  readonly contents: Map<Memory, Values>;
} {
  const words = new Uint32Array(Math.ceil(batch.pixels.length / 4));
  new Uint8Array(words.buffer).set(batch.pixels);
  const transforms = encodeTransforms(batch);
  const step = encodeStepValues({
    rate: 0,
    averageRate: 0,
    dropoutKey: 0,
    count: batch.count,
    storedHeight: batch.height,
    storedWidth: batch.width,
  });
  const regions = {
    pixels: region('pixels', words.length),
    transforms: region('transforms', transforms.length),
    step: region('step', step.length),
  };
  return {
    regions,
    contents: new Map<Memory, Values>([
      [regions.pixels, words],
      [regions.transforms, transforms],
      [regions.step, step],
    ]),
  };
}

/**
 * Prepares kernels for a device: pipelines and bind groups are made once and then replayed. Equal shaders share a
 * pipeline. A long kernel is cut into several dispatches, because the system resets a GPU if one dispatch lasts
 * seconds.
 */
import type { EngineDevice } from '../../gpu/device.ts';
import { createComputePipeline } from '../../gpu/compute_pipeline.ts';
import { MAXIMUM_WORKGROUPS } from '../../gpu/wgsl.ts';
import { encodeNumbers, gridOf, shaderOf, type Kernel, type NumberMode } from './kernels/kernel.ts';
import type { Memory } from './tensor_view.ts';
import { OPERATIONS_PER_SUBMISSION } from '../../gpu/submission.ts';

export interface Dispatch {
  readonly kernel: Kernel;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly layout: GPUBindGroupLayout;
  /** Bound after the kernel's memories: its numbers and its base. */
  readonly uniforms: readonly GPUBufferBinding[];
  readonly x: number;
  readonly y: number;
  /** Number of multiplications and additions of this dispatch. */
  readonly operations: number;
}

/** Finds the buffer range of a memory on the device. */
export type Resolve = (memory: Memory) => GPUBufferBinding;

/** Most operations of one dispatch: far less than a second's work for the slowest adapter of each kind. */
const MAXIMUM_OPERATIONS = { software: 1e9, hardware: 1e10 } as const;
/** Binding offsets of uniforms are multiples of this. */
const UNIFORM_ALIGNMENT = 256;

/** The largest number of workgroups in one dispatch of a kernel. */
function groupsPerDispatch({ operations, groups }: Kernel, isSoftware: boolean): number {
  const limit = MAXIMUM_OPERATIONS[isSoftware ? 'software' : 'hardware'];
  const wanted = Math.min(Math.ceil(operations / limit) || 1, groups);
  return wanted === 1 ? groups : Math.min(Math.ceil(groups / wanted), MAXIMUM_WORKGROUPS);
}

/** The number of dispatches that kernels are cut into. */
export function countDispatches(kernels: readonly Kernel[], isSoftware: boolean): number {
  return kernels.reduce(
    (sum, kernel) => sum + Math.ceil(kernel.groups / groupsPerDispatch(kernel, isSoftware)),
    0,
  );
}

export class Dispatcher {
  readonly #device: EngineDevice;
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  readonly #uniforms: GPUBuffer[] = [];
  readonly #numbers: NumberMode;

  /** @param numbers default: the mode that suits the adapter */
  constructor(
    device: EngineDevice,
    numbers: NumberMode = device.traits.isSoftware ? 'uniform' : 'constants',
  ) {
    this.#device = device;
    this.#numbers = numbers;
  }

  /** Number of different pipelines. */
  get pipelineCount(): number {
    return this.#pipelines.size;
  }

  /** @throws GpuError with the kernel's name */
  async compile(kernels: readonly Kernel[], resolve: Resolve): Promise<Dispatch[]> {
    this.#device.addKernelNames(kernels.map(({ name }) => name));
    const pieces = kernels.flatMap((kernel) => this.#pieces(kernel));
    const buffer = await this.#uniformBuffer(pieces);
    const dispatches = await Promise.all(
      pieces.map(async ({ kernel, groups, first, count, numbersAt, baseAt }): Promise<Dispatch> => {
        const hasBase = baseAt !== undefined;
        const uniforms: GPUBufferBinding[] = [];
        if (numbersAt !== undefined)
          uniforms.push({
            buffer: buffer!,
            offset: numbersAt,
            size: encodeNumbers(kernel, groups).byteLength,
          });
        if (hasBase) uniforms.push({ buffer: buffer!, offset: baseAt, size: 16 });
        const pipeline = await this.#pipeline(kernel, groups, hasBase);
        const layout = this.#layout(kernel, hasBase);
        const bindGroup = await this.#bindGroup(kernel, layout, uniforms, resolve);
        const grid = hasBase ? { x: Math.min(groups, count - first), y: 1 } : gridOf(groups);
        return {
          kernel,
          pipeline,
          bindGroup,
          layout,
          uniforms,
          ...grid,
          operations: (kernel.operations * grid.x * grid.y) / count,
        };
      }),
    );
    await this.#rehearse(dispatches);
    return dispatches;
  }

  /**
   * The same dispatches after some memories have moved. Dispatches that bind none of these memories are kept.
   * @throws GpuError with the kernel's name
   */
  async rebind(
    dispatches: readonly Dispatch[],
    resolve: Resolve,
    hasMoved: (memory: Memory) => boolean,
  ): Promise<Dispatch[]> {
    const rebound = await Promise.all(
      dispatches.map(async (dispatch) => {
        const { kernel, layout, uniforms } = dispatch;
        if (!kernel.bindings.some(({ memory }) => hasMoved(memory))) return dispatch;
        return { ...dispatch, bindGroup: await this.#bindGroup(kernel, layout, uniforms, resolve) };
      }),
    );
    await this.#rehearse(rebound.filter((dispatch, index) => dispatch !== dispatches[index]));
    return rebound;
  }

  /**
   * Encodes the dispatches once without submitting them, each in a debug group with the name of its kernel. Validation
   * errors then name their kernel, and steps need no debug groups.
   */
  async #rehearse(dispatches: readonly Dispatch[]): Promise<void> {
    const { device } = this.#device;
    await this.#device.checked('the list of kernels', 0, () => {
      const encoder = device.createCommandEncoder({ label: 'rehearsal' });
      const pass = encoder.beginComputePass();
      for (const dispatch of dispatches) {
        pass.pushDebugGroup(dispatch.kernel.name);
        encodeDispatch(pass, dispatch);
        pass.popDebugGroup();
      }
      pass.end();
      encoder.finish();
    });
  }

  /** Cuts a kernel into dispatches, and places their numbers in the uniforms. */
  #pieces(kernel: Kernel): Piece[] {
    const count = kernel.groups;
    const groups = groupsPerDispatch(kernel, this.#device.traits.isSoftware);
    const pieces: Piece[] = [];
    for (let first = 0; first < count; first += groups)
      pieces.push({ kernel, groups, first, count, numbersAt: undefined, baseAt: undefined });
    return pieces;
  }

  /** Places the numbers and bases of all dispatches in one buffer. */
  async #uniformBuffer(pieces: Piece[]): Promise<GPUBuffer | undefined> {
    const chunks: Uint32Array[] = [];
    let size = 0;
    const place = (words: Uint32Array): number => {
      const at = size;
      chunks.push(words);
      size += Math.ceil(words.byteLength / UNIFORM_ALIGNMENT) * UNIFORM_ALIGNMENT;
      return at;
    };
    for (const piece of pieces) {
      if (this.#numbers === 'uniform') piece.numbersAt = place(encodeNumbers(piece.kernel, piece.groups));
      if (piece.groups < piece.count) piece.baseAt = place(Uint32Array.of(piece.first, 0, 0, 0));
    }
    if (size === 0) return undefined;
    const buffer = await this.#device.checked('the kernels’ numbers', size, () =>
      this.#device.device.createBuffer({
        label: 'numbers',
        size,
        usage: GPUBufferUsage.UNIFORM,
        mappedAtCreation: true,
      }),
    );
    const target = new Uint32Array(buffer.getMappedRange());
    let at = 0;
    for (const words of chunks) {
      target.set(words, at / 4);
      at += Math.ceil(words.byteLength / UNIFORM_ALIGNMENT) * UNIFORM_ALIGNMENT;
    }
    buffer.unmap();
    this.#uniforms.push(buffer);
    return buffer;
  }

  /** Frees everything that the dispatches own. The memories are not among that. */
  dispose(): void {
    for (const buffer of this.#uniforms) buffer.destroy();
    this.#uniforms.length = 0;
    this.#pipelines.clear();
  }

  #layout(kernel: Kernel, hasBase: boolean): GPUBindGroupLayout {
    const types = kernel.bindings.map(({ access }): GPUBufferBindingType => {
      if (access === 'uniform') return 'uniform';
      return access === 'read' ? 'read-only-storage' : 'storage';
    });
    if (this.#numbers === 'uniform') types.push('uniform');
    if (hasBase) types.push('uniform');
    const key = types.join();
    let layout = this.#layouts.get(key);
    if (!layout) {
      layout = this.#device.device.createBindGroupLayout({
        label: key,
        entries: types.map((type, binding) => ({
          binding,
          visibility: GPUShaderStage.COMPUTE,
          buffer: { type },
        })),
      });
      this.#layouts.set(key, layout);
    }
    return layout;
  }

  #pipeline(kernel: Kernel, groups: number, hasBase: boolean): Promise<GPUComputePipeline> {
    const code = shaderOf(kernel, { groups, numbers: this.#numbers, hasBase });
    let pipeline = this.#pipelines.get(code);
    if (!pipeline) {
      pipeline = this.#createPipeline(kernel, code, hasBase);
      this.#pipelines.set(code, pipeline);
    }
    return pipeline;
  }

  #createPipeline(kernel: Kernel, code: string, hasBase: boolean): Promise<GPUComputePipeline> {
    const layout = this.#device.device.createPipelineLayout({
      bindGroupLayouts: [this.#layout(kernel, hasBase)],
    });
    return createComputePipeline(this.#device, kernel.name, code, layout);
  }

  #bindGroup(
    kernel: Kernel,
    layout: GPUBindGroupLayout,
    uniforms: readonly GPUBufferBinding[],
    resolve: Resolve,
  ): Promise<GPUBindGroup> {
    const resources = [...kernel.bindings.map(({ memory }) => resolve(memory)), ...uniforms];
    return this.#device.checked(kernel.name, 0, () =>
      this.#device.device.createBindGroup({
        label: kernel.name,
        layout,
        entries: resources.map((resource, binding) => ({ binding, resource })),
      }),
    );
  }
}

interface Piece {
  readonly kernel: Kernel;
  /** Workgroups: the most per dispatch, the first of this dispatch, and all of the kernel. */
  readonly groups: number;
  readonly first: number;
  readonly count: number;
  numbersAt: number | undefined;
  baseAt: number | undefined;
}

function encodeDispatch(pass: GPUComputePassEncoder, { pipeline, bindGroup, x, y }: Dispatch): void {
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  pass.dispatchWorkgroups(x, y);
}

/**
 * Encodes the dispatches in order and submits them in a few command buffers.
 * @param label the name of the command buffers in errors
 * @param finish adds commands to the last command buffer
 */
export function submitDispatches(
  { device, traits }: EngineDevice,
  dispatches: readonly Dispatch[],
  label: string,
  finish?: (encoder: GPUCommandEncoder) => void,
): void {
  const limit = OPERATIONS_PER_SUBMISSION[traits.isSoftware ? 'software' : 'hardware'];
  let index = 0;
  do {
    const encoder = device.createCommandEncoder({ label });
    const pass = encoder.beginComputePass({ label });
    let operations = 0;
    for (; index < dispatches.length && operations < limit; index++) {
      const dispatch = dispatches[index]!;
      encodeDispatch(pass, dispatch);
      operations += dispatch.operations;
    }
    pass.end();
    if (index >= dispatches.length) finish?.(encoder);
    device.queue.submit([encoder.finish()]);
  } while (index < dispatches.length);
}

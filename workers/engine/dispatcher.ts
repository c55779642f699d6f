/**
 * Kernels made ready for a device: pipelines and bind groups, made once, and replayed. Equal shaders share a pipeline.
 * A kernel that would run long is cut into several dispatches, since a GPU whose one dispatch lasts seconds is taken
 * for hung and reset.
 */
import type { EngineDevice } from './device.ts';
import { GpuError } from './errors.ts';
import { MAXIMUM_WORKGROUPS, gridOf, shaderOf, type Kernel } from './kernels/kernel.ts';
import type { Memory } from './tensor_view.ts';

export interface Dispatch {
  readonly kernel: Kernel;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly x: number;
  readonly y: number;
  /** Multiplications and additions of this dispatch. */
  readonly operations: number;
}

/** Where a memory lies on the device. */
export type Resolve = (memory: Memory) => GPUBufferBinding;

/** Operations of a single dispatch at most: far less than a second's work for the slowest adapter of each kind. */
const MAXIMUM_OPERATIONS = { software: 1e9, hardware: 1e10 } as const;
/** Binding offsets of uniforms are multiples of this. */
const UNIFORM_ALIGNMENT = 256;

export class Dispatcher {
  readonly #device: EngineDevice;
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  readonly #bases: GPUBuffer[] = [];

  constructor(device: EngineDevice) {
    this.#device = device;
  }

  /** @throws GpuError with the kernel's name */
  async compile(kernels: readonly Kernel[], resolve: Resolve): Promise<Dispatch[]> {
    const compiled = await Promise.all(kernels.map((kernel) => this.#compileKernel(kernel, resolve)));
    return compiled.flat();
  }

  async #compileKernel(kernel: Kernel, resolve: Resolve): Promise<Dispatch[]> {
    const limit = MAXIMUM_OPERATIONS[this.#device.traits.isSoftware ? 'software' : 'hardware'];
    const pieces = Math.min(Math.ceil(kernel.operations / limit) || 1, kernel.groups);
    if (pieces === 1) {
      const pipeline = await this.#pipeline(kernel, kernel.groups, false);
      const bindGroup = await this.#bindGroup(kernel, resolve);
      return [{ kernel, pipeline, bindGroup, ...gridOf(kernel.groups), operations: kernel.operations }];
    }
    const groups = Math.min(Math.ceil(kernel.groups / pieces), MAXIMUM_WORKGROUPS);
    const pipeline = await this.#pipeline(kernel, groups, true);
    const firsts = Array.from({ length: Math.ceil(kernel.groups / groups) }, (_, index) => index * groups);
    const bases = await this.#baseBuffer(kernel.name, firsts);
    return Promise.all(
      firsts.map(async (first, index) => ({
        kernel,
        pipeline,
        bindGroup: await this.#bindGroup(kernel, resolve, {
          buffer: bases,
          offset: index * UNIFORM_ALIGNMENT,
          size: 16,
        }),
        x: Math.min(groups, kernel.groups - first),
        y: 1,
        operations: kernel.operations / firsts.length,
      })),
    );
  }

  /** Frees what the dispatches hold besides the memories they were given. */
  dispose(): void {
    for (const buffer of this.#bases) buffer.destroy();
    this.#bases.length = 0;
    this.#pipelines.clear();
  }

  async #baseBuffer(name: string, firsts: readonly number[]): Promise<GPUBuffer> {
    const size = firsts.length * UNIFORM_ALIGNMENT;
    const { device } = this.#device;
    const buffer = await this.#device.checked(name, size, () =>
      device.createBuffer({
        label: `${name} bases`,
        size,
        usage: GPUBufferUsage.UNIFORM,
        mappedAtCreation: true,
      }),
    );
    const words = new Uint32Array(buffer.getMappedRange());
    for (const [index, first] of firsts.entries()) words[(index * UNIFORM_ALIGNMENT) / 4] = first;
    buffer.unmap();
    this.#bases.push(buffer);
    return buffer;
  }

  #layout(kernel: Kernel, hasBase: boolean): GPUBindGroupLayout {
    const types = kernel.bindings.map(({ access }): GPUBufferBindingType => {
      if (access === 'uniform') return 'uniform';
      return access === 'read' ? 'read-only-storage' : 'storage';
    });
    if (hasBase) types.push('uniform');
    const key = types.join();
    let layout = this.#layouts.get(key);
    if (!layout) {
      layout = this.#device.device.createBindGroupLayout({
        label: key,
        entries: types.map((type, binding) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } })),
      });
      this.#layouts.set(key, layout);
    }
    return layout;
  }

  #pipeline(kernel: Kernel, groups: number, hasBase: boolean): Promise<GPUComputePipeline> {
    const code = shaderOf(kernel, groups, hasBase ? kernel.bindings.length : undefined);
    let pipeline = this.#pipelines.get(code);
    if (!pipeline) {
      pipeline = this.#createPipeline(kernel, code, hasBase);
      this.#pipelines.set(code, pipeline);
    }
    return pipeline;
  }

  async #createPipeline(kernel: Kernel, code: string, hasBase: boolean): Promise<GPUComputePipeline> {
    const { device } = this.#device;
    const label = kernel.name;
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ label, code });
    const moduleError = device.popErrorScope();
    const invalid = await moduleError;
    if (invalid) {
      const { messages } = await module.getCompilationInfo();
      const detail = messages.map(({ lineNum, message }) => `line ${lineNum}: ${message}`).join('; ');
      throw new GpuError(label, detail || invalid.message);
    }
    try {
      return await device.createComputePipelineAsync({
        label,
        layout: device.createPipelineLayout({ bindGroupLayouts: [this.#layout(kernel, hasBase)] }),
        compute: { module, entryPoint: 'main' },
      });
    } catch (error) {
      throw new GpuError(label, error instanceof Error ? error.message : String(error));
    }
  }

  #bindGroup(kernel: Kernel, resolve: Resolve, base?: GPUBufferBinding): Promise<GPUBindGroup> {
    const resources = kernel.bindings.map(({ memory }) => resolve(memory));
    if (base) resources.push(base);
    return this.#device.checked(kernel.name, 0, () =>
      this.#device.device.createBindGroup({
        label: kernel.name,
        layout: this.#layout(kernel, base !== undefined),
        entries: resources.map((resource, binding) => ({ binding, resource })),
      }),
    );
  }
}

/** Operations after which the commands so far are handed to the queue. */
const OPERATIONS_PER_SUBMISSION = { software: 4e9, hardware: 2e11 } as const;

/** Encodes the dispatches in order and submits them, in a few command buffers. @param finish adds to the last one */
export function submitDispatches(
  { device, traits }: EngineDevice,
  dispatches: readonly Dispatch[],
  finish?: (encoder: GPUCommandEncoder) => void,
): void {
  const limit = OPERATIONS_PER_SUBMISSION[traits.isSoftware ? 'software' : 'hardware'];
  let index = 0;
  do {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    let operations = 0;
    for (; index < dispatches.length && operations < limit; index++) {
      const dispatch = dispatches[index]!;
      pass.setPipeline(dispatch.pipeline);
      pass.setBindGroup(0, dispatch.bindGroup);
      pass.dispatchWorkgroups(dispatch.x, dispatch.y);
      operations += dispatch.operations;
    }
    pass.end();
    if (index >= dispatches.length) finish?.(encoder);
    device.queue.submit([encoder.finish()]);
  } while (index < dispatches.length);
}

/**
 * A kernel: WGSL with its bindings and numbers, as data. Kernels are written against views; the builder binds each memory once
 * (WebGPU refuses a buffer range that is bound twice and written), and makes the functions `load_<name>(row, group)`
 * and `store_<name>(row, group, value)`, which move channels 4·group … 4·group + 3 of a row. Channels that the view
 * has not read as 0 and are not written. Values are float32 in every kernel; a memory of float16 is converted where it
 * is loaded and stored, so that there is one kernel for both.
 *
 * Numbers that do not shape the code (sizes, strides, factors) stand in the WGSL as marks. A shader is made with the
 * numbers written into it, which is what a graphics processor's compiler wants, or with the numbers read from a
 * uniform, so that many kernels share one pipeline, which is what adapters need that take half a second to compile one.
 */
import {
  elementTypeOf,
  isVectorAligned,
  type BufferName,
  type ElementType,
  type Memory,
  type TensorView,
} from '../tensor_view.ts';
import { MAXIMUM_WORKGROUPS, float } from '../../../gpu/wgsl.ts';

/** What a memory is an array of, by what it holds. */
const SCALARS: Readonly<Record<ElementType, string>> = { float32: 'f32', float16: 'f16' };
const VECTORS: Readonly<Record<ElementType, string>> = { float32: 'vec4f', float16: 'vec4h' };

export interface KernelBinding {
  readonly variable: string;
  readonly memory: Memory;
  /** How the buffer is declared. */
  readonly access: 'read' | 'read_write' | 'uniform';
  /** Whether this kernel changes it. */
  readonly writes: boolean;
}

export interface Kernel {
  /** For errors and profiles: what it does, and for which layer. */
  readonly name: string;
  readonly bindings: readonly KernelBinding[];
  /** Everything but the entry point. */
  readonly declarations: string;
  /** Of `fn main`; sees `group` (linear index of the workgroup) and `lane` (index in the workgroup). */
  readonly body: string;
  /** What the marks in the WGSL stand for. */
  readonly numbers: readonly KernelNumber[];
  readonly workgroupSize: number;
  /** Number of workgroups. */
  readonly groups: number;
  /** Multiplications and additions, for splitting long dispatches and for the benchmark. */
  readonly operations: number;
}

export interface KernelNumber {
  readonly type: 'u32' | 'i32' | 'f32';
  readonly value: number;
}

interface NamedView {
  readonly name: string;
  readonly view: TensorView;
  readonly writes: boolean;
}

interface NamedMemory {
  readonly name: string;
  readonly memory: Memory;
  readonly type: string;
  readonly access: 'read' | 'write' | 'uniform';
}

export class KernelBuilder {
  readonly #views: NamedView[] = [];
  readonly #memories: NamedMemory[] = [];
  readonly #declarations: string[] = [];
  readonly #numbers: KernelNumber[] = [];

  /** An unsigned integer that may differ between kernels of the same code. */
  u(value: number): string {
    return this.#number('u32', value);
  }

  i(value: number): string {
    return this.#number('i32', value);
  }

  f(value: number): string {
    return this.#number('f32', value);
  }

  #number(type: KernelNumber['type'], value: number): string {
    return `@${this.#numbers.push({ type, value }) - 1}@`;
  }

  /** Gives the body `load_<name>`, and `store_<name>` if it is written. */
  view(name: string, view: TensorView, access: 'read' | 'write'): void {
    this.#views.push({ name, view, writes: access === 'write' });
  }

  /** Gives the body the variable `<name>` of a WGSL type. A memory bound this way is bound by no view. */
  memory(name: string, memory: Memory, type: string, access: 'read' | 'write' | 'uniform' = 'read'): void {
    this.#memories.push({ name, memory, type, access });
  }

  declare(wgsl: string): void {
    this.#declarations.push(wgsl);
  }

  build(kernel: {
    readonly name: string;
    readonly body: string;
    readonly workgroupSize: number;
    readonly groups: number;
    readonly operations?: number;
  }): Kernel {
    const bindings: KernelBinding[] = [];
    const declarations: string[] = [];
    const writtenBuffers = new Set<BufferName>();
    for (const { memory, writes } of [
      ...this.#views.map((named) => ({ memory: named.view.memory, writes: named.writes })),
      ...this.#memories.map((named) => ({ memory: named.memory, writes: named.access === 'write' })),
    ])
      if (writes && memory.kind === 'region') writtenBuffers.add(memory.buffer);

    const declare = (variable: string, memory: Memory, type: string, use: 'read' | 'write' | 'uniform') => {
      // Storages share buffers, and a buffer has one usage in a dispatch: all are read_write.
      const access =
        use === 'uniform'
          ? 'uniform'
          : memory.kind === 'storage' || writtenBuffers.has(memory.buffer)
            ? 'read_write'
            : 'read';
      const space = access === 'uniform' ? 'uniform' : `storage, ${access}`;
      declarations.push(
        `@group(0) @binding(${bindings.length}) var<${space}> ${variable}: ${access === 'uniform' ? type : `array<${type}>`};`,
      );
      bindings.push({ variable, memory, access, writes: use === 'write' });
    };

    const byMemory = new Map<string, NamedView[]>();
    for (const named of this.#views) {
      const key = memoryKey(named.view.memory);
      byMemory.set(key, [...(byMemory.get(key) ?? []), named]);
    }
    for (const views of byMemory.values()) {
      const variable = `memory_${views[0]!.name}`;
      const vectors = views.every(({ view }) => isVectorAligned(view));
      const writes = views.some((named) => named.writes);
      const { memory } = views[0]!.view;
      declare(
        variable,
        memory,
        (vectors ? VECTORS : SCALARS)[elementTypeOf(memory)],
        writes ? 'write' : 'read',
      );
      for (const named of views) declarations.push(accessors(this, named, variable, vectors));
    }
    for (const { name, memory, type, access } of this.#memories) declare(name, memory, type, access);
    return {
      name: kernel.name,
      bindings,
      declarations: [...this.#declarations, ...declarations].join('\n'),
      body: kernel.body,
      numbers: this.#numbers,
      workgroupSize: kernel.workgroupSize,
      groups: kernel.groups,
      operations: kernel.operations ?? 0,
    };
  }
}

const storageNumbers = new WeakMap<Memory, number>();
let nextStorageNumber = 0;

/** Equal for memories that are the same place. */
function memoryKey(memory: Memory): string {
  if (memory.kind === 'region') return `${memory.buffer}/${memory.offset}/${memory.floats}`;
  let number = storageNumbers.get(memory);
  if (number === undefined) {
    number = nextStorageNumber++;
    storageNumbers.set(memory, number);
  }
  return `storage ${number}`;
}

function accessors(
  builder: KernelBuilder,
  { name, view, writes }: NamedView,
  variable: string,
  vectors: boolean,
): string {
  const { channels, channelOffset, channelStride, memory } = view;
  const isHalf = elementTypeOf(memory) === 'float16';
  const loaded = (value: string, type: 'f32' | 'vec4f'): string => (isHalf ? `${type}(${value})` : value);
  const stored = (value: string, type: 'f16' | 'vec4h'): string => (isHalf ? `${type}(${value})` : value);
  if (vectors) {
    const index = `row * ${builder.u(channelStride / 4)} + ${builder.u(channelOffset / 4)} + group`;
    const load = `fn load_${name}(row: u32, group: u32) -> vec4f { return ${loaded(`${variable}[${index}]`, 'vec4f')}; }`;
    return writes
      ? `${load}\nfn store_${name}(row: u32, group: u32, value: vec4f) { ${variable}[${index}] = ${stored('value', 'vec4h')}; }`
      : load;
  }
  const at = `let at = row * ${builder.u(channelStride)} + ${builder.u(channelOffset)} + 4u * group;`;
  const count = builder.u(channels);
  const lanes = [0, 1, 2, 3];
  // Without branches, which cost software adapters more than loads that are thrown away.
  const load = `fn load_${name}(row: u32, group: u32) -> vec4f {
  ${at}
  let channel = vec4u(4u * group) + vec4u(0, 1, 2, 3);
  let values = vec4f(${lanes.map((lane) => loaded(`${variable}[at + ${lane}u]`, 'f32')).join(', ')});
  return select(vec4f(0), values, channel < vec4u(${count}));
}`;
  if (!writes) return load;
  return `${load}
fn store_${name}(row: u32, group: u32, value: vec4f) {
  ${at}
  for (var lane = 0u; lane < 4u; lane++) {
    if (4u * group + lane < ${count}) { ${variable}[at + lane] = ${stored('value[lane]', 'f16')}; }
  }
}`;
}

/** The grid of a number of workgroups, within the limit along each axis. */
export function gridOf(groups: number): { readonly x: number; readonly y: number } {
  const y = Math.ceil(groups / MAXIMUM_WORKGROUPS);
  return { x: Math.ceil(groups / y), y };
}

/** How a kernel's numbers get into its shader. */
export type NumberMode = 'constants' | 'uniform';

export interface ShaderOptions {
  /** Workgroups of this dispatch, when a long kernel is run in several. */
  readonly groups: number;
  readonly numbers: NumberMode;
  /** Whether the first workgroup's index comes from a uniform. */
  readonly hasBase: boolean;
}

/** The whole shader. After the kernel's own bindings come the numbers, if they are a uniform, and the base, if any. */
export function shaderOf(kernel: Kernel, { groups, numbers, hasBase }: ShaderOptions): string {
  const { x, y } = gridOf(groups);
  let binding = kernel.bindings.length;
  const uniforms: string[] = [];
  if (numbers === 'uniform')
    uniforms.push(
      `@group(0) @binding(${binding++}) var<uniform> numbers: array<vec4u, ${numberVectors(kernel)}>;`,
    );
  if (hasBase) uniforms.push(`@group(0) @binding(${binding}) var<uniform> group_base: vec4u;`);
  const all = [...kernel.numbers, ...gridNumbers(kernel, x)];
  const [row, count] = [`@${all.length - 2}@`, `@${all.length - 1}@`];
  const text = `${usesHalfPrecision(kernel) ? 'enable f16;\n' : ''}${uniforms.join('\n')}
${kernel.declarations}
@compute @workgroup_size(${kernel.workgroupSize})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = workgroup.x${y > 1 ? ` + workgroup.y * ${row}` : ''}${hasBase ? ' + group_base.x' : ''};
  ${y > 1 ? `if (group >= ${count}) { return; }` : ''}
${kernel.body}
}
`;
  return text.replace(/@(\d+)@/g, (_, digits: string) => {
    const index = Number(digits);
    const { type, value } = all[index]!;
    if (numbers === 'constants') return literal(type, value);
    const word = `numbers[${Math.floor(index / 4)}][${index % 4}]`;
    return type === 'u32' ? word : `bitcast<${type}>(${word})`;
  });
}

/** Whether a kernel needs the device's feature `shader-f16`. */
export function usesHalfPrecision({ bindings }: Kernel): boolean {
  return bindings.some(({ memory }) => elementTypeOf(memory) === 'float16');
}

/** What a grid of two axes needs to know, after the kernel's own numbers. */
function gridNumbers(kernel: Kernel, x: number): KernelNumber[] {
  return [
    { type: 'u32', value: x },
    { type: 'u32', value: kernel.groups },
  ];
}

function numberVectors(kernel: Kernel): number {
  return Math.ceil((kernel.numbers.length + 2) / 4);
}

/** The uniform with a kernel's numbers. @param groups as in `shaderOf` */
export function encodeNumbers(kernel: Kernel, groups: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(4 * numberVectors(kernel));
  const view = new DataView(words.buffer);
  for (const [index, { type, value }] of [
    ...kernel.numbers,
    ...gridNumbers(kernel, gridOf(groups).x),
  ].entries())
    if (type === 'f32') view.setFloat32(4 * index, value, true);
    else view.setInt32(4 * index, value, true);
  return words;
}

function literal(type: KernelNumber['type'], value: number): string {
  if (type === 'f32') return float(value);
  if (type === 'u32') return `${value}u`;
  // A minus must not meet an operator.
  return value < 0 ? `(${value})` : String(value);
}

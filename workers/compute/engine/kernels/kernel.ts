/**
 * A kernel: WGSL with its bindings and numbers, as data. Kernels are written against views. The builder binds each
 * memory once, because WebGPU refuses a buffer range that is bound twice and written. It makes the functions
 * `load_<name>(row, group)` and `store_<name>(row, group, value)`, which move channels 4·group … 4·group + 3 of a row.
 * Channels beyond those of the view read as 0 and are not written. Values are float32 in every kernel. Loads and
 * stores convert float16 memory, so one kernel serves both.
 *
 * Numbers that do not change the structure of the code (sizes, strides, factors) are placeholders in the WGSL. A
 * shader has them either as constants, which is best for the compiler of a real GPU, or in a uniform, so that many
 * kernels share one pipeline, which is best for software adapters that take half a second to compile one.
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

/** The WGSL type of a memory's elements. */
const SCALARS: Readonly<Record<ElementType, string>> = { float32: 'f32', float16: 'f16' };
const VECTORS: Readonly<Record<ElementType, string>> = { float32: 'vec4f', float16: 'vec4h' };

export interface KernelBinding {
  readonly variable: string;
  readonly memory: Memory;
  /** How the buffer is declared. */
  readonly access: 'read' | 'read_write' | 'uniform';
  /** Whether this kernel writes it. */
  readonly writes: boolean;
}

export interface Kernel {
  /** The operation and its layer, for errors and profiles. */
  readonly name: string;
  readonly bindings: readonly KernelBinding[];
  /** Everything except the entry point. */
  readonly declarations: string;
  /** The body of `fn main`. It can use `group` (linear index of the workgroup) and `lane` (index in the workgroup). */
  readonly body: string;
  /** The values of the placeholders in the WGSL. */
  readonly numbers: readonly KernelNumber[];
  readonly workgroupSize: number;
  /** Number of workgroups. */
  readonly groups: number;
  /** Number of multiplications and additions; for splitting long dispatches, and for the benchmark. */
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

  /** A placeholder for an unsigned integer, which may differ between kernels of the same code. */
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

  /** Declares `load_<name>`, and `store_<name>` if the view is written. */
  view(name: string, view: TensorView, access: 'read' | 'write'): void {
    this.#views.push({ name, view, writes: access === 'write' });
  }

  /** Declares the variable `<name>` of a WGSL type. A memory that is bound this way must not have a view as well. */
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
      // Storages share buffers, and a buffer has only one usage per dispatch, so all are read_write.
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

/** Equal for memories at the same place. */
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
  // Without branches, which cost software adapters more than unneeded loads.
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

/** A grid for a number of workgroups, within the limit of each axis. */
export function gridOf(groups: number): { readonly x: number; readonly y: number } {
  const y = Math.ceil(groups / MAXIMUM_WORKGROUPS);
  return { x: Math.ceil(groups / y), y };
}

/** How a shader gets the numbers of its kernel. */
export type NumberMode = 'constants' | 'uniform';

export interface ShaderOptions {
  /** Number of workgroups of this dispatch; a long kernel has several dispatches. */
  readonly groups: number;
  readonly numbers: NumberMode;
  /** Whether a uniform holds the index of the first workgroup. */
  readonly hasBase: boolean;
}

/** The complete shader. The bindings of the numbers (if a uniform) and the base (if any) follow those of the kernel. */
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

/** Whether a kernel needs the device feature `shader-f16`. */
export function usesHalfPrecision({ bindings }: Kernel): boolean {
  return bindings.some(({ memory }) => elementTypeOf(memory) === 'float16');
}

/** The numbers of a grid with two axes, which follow those of the kernel. */
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
  // Parentheses keep a minus sign apart from an operator before it.
  return value < 0 ? `(${value})` : String(value);
}

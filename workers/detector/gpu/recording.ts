/** A list of dispatches with the memory that they need, and its submission as one command buffer. */
import type { EngineDevice } from '../../gpu/device.ts';
import { OPERATIONS_PER_SUBMISSION } from '../../gpu/submission.ts';
import type { Arena } from './arena.ts';
import type { KernelName, Pipelines } from './pipelines.ts';
import type { EncodedTable } from './tables.ts';

export type ArenaName = 'weights' | 'axes' | 'tables' | 'photos' | 'even' | 'odd' | 'heads' | 'candidates';

export interface Dispatch {
  readonly kernel: KernelName;
  readonly table: EncodedTable;
  /** Number of workgroups along z. */
  readonly depth: number;
  readonly constants: 'weights' | 'axes';
  readonly source: ArenaName;
  readonly target: ArenaName;
  /** Approximate number of multiplications and additions. */
  readonly operations: number;
}

/** Offsets of bindings are multiples of this. */
const ALIGNMENT_WORDS = 64;

export class Recording {
  readonly dispatches: Dispatch[] = [];
  readonly #bytes = new Map<ArenaName, number>();

  add(dispatch: Dispatch): void {
    if (dispatch.table.threads > 0) this.dispatches.push(dispatch);
  }

  reserve(arena: ArenaName, bytes: number): void {
    this.#bytes.set(arena, Math.max(this.#bytes.get(arena) ?? 0, bytes));
  }

  bytesOf(arena: ArenaName): number {
    return this.#bytes.get(arena) ?? 0;
  }

  /** Encodes all tables into one array. Also returns the offset of each, and the size of the longest, in bytes. */
  encodeTables(): { words: Uint32Array<ArrayBuffer>; offsets: number[]; longest: number } {
    const offsets: number[] = [];
    let words = 0;
    let longest = 0;
    for (const { table } of this.dispatches) {
      offsets.push(4 * words);
      longest = Math.max(longest, 4 * table.words.length);
      words += Math.ceil(table.words.length / ALIGNMENT_WORDS) * ALIGNMENT_WORDS;
    }
    // Each binding has the size of the longest table.
    const all = new Uint32Array(words + Math.ceil(longest / 4));
    this.dispatches.forEach(({ table }, index) => all.set(table.words, offsets[index]! / 4));
    return { words: all, offsets, longest };
  }
}

/**
 * Grows the arenas as needed and queues all dispatches.
 * @param before encodes commands before the first dispatch
 * @param after encodes commands after the last dispatch
 */
export function submitRecording(
  { device, traits }: EngineDevice,
  { layout, byName }: Pipelines,
  recording: Recording,
  arenas: Readonly<Record<ArenaName, Arena>>,
  axes: Uint32Array<ArrayBuffer>,
  before: (encoder: GPUCommandEncoder) => void,
  after: (encoder: GPUCommandEncoder) => void,
): void {
  const tables = recording.encodeTables();
  recording.reserve('tables', tables.words.byteLength);
  recording.reserve('axes', axes.byteLength);
  const buffers = new Map<ArenaName, GPUBuffer>();
  const bufferOf = (name: ArenaName): GPUBuffer => {
    let buffer = buffers.get(name);
    if (!buffer) buffers.set(name, (buffer = arenas[name].reserve(recording.bytesOf(name))));
    return buffer;
  };
  device.queue.writeBuffer(bufferOf('tables'), 0, tables.words);
  device.queue.writeBuffer(bufferOf('axes'), 0, axes);
  const bindGroups = new Map<string, GPUBindGroup>();
  const bindGroupOf = ({ constants, source, target }: Dispatch): GPUBindGroup => {
    const key = `${constants} ${source} ${target}`;
    let group = bindGroups.get(key);
    if (!group) {
      const buffersOf = [constants, source, target].map((name): GPUBufferBinding => {
        const buffer = bufferOf(name);
        // The shader takes the room for candidates from the size of the binding, so bind only what was requested.
        return name === 'candidates' ? { buffer, size: recording.bytesOf(name) } : { buffer };
      });
      group = device.createBindGroup({
        label: `face detector: ${key}`,
        layout,
        entries: [{ buffer: bufferOf('tables'), size: tables.longest }, ...buffersOf].map(
          (resource, binding) => ({ binding, resource }),
        ),
      });
      bindGroups.set(key, group);
    }
    return group;
  };
  const limit = OPERATIONS_PER_SUBMISSION[traits.isSoftware ? 'software' : 'hardware'];
  let index = 0;
  do {
    const encoder = device.createCommandEncoder({ label: 'face detector' });
    if (index === 0) before(encoder);
    const pass = encoder.beginComputePass({ label: 'face detector' });
    for (let operations = 0; index < recording.dispatches.length && operations < limit; index++) {
      const dispatch = recording.dispatches[index]!;
      pass.setPipeline(byName.get(dispatch.kernel)!);
      pass.setBindGroup(0, bindGroupOf(dispatch), [tables.offsets[index]!]);
      pass.dispatchWorkgroups(dispatch.table.x, dispatch.table.y, dispatch.depth);
      operations += dispatch.operations;
    }
    pass.end();
    if (index >= recording.dispatches.length) after(encoder);
    device.queue.submit([encoder.finish()]);
  } while (index < recording.dispatches.length);
}

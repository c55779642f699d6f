/**
 * Places a program's storages in as little memory as their lifetimes allow: the largest first, each at the lowest
 * place that no other storage occupies at the same time (greedy by size, Pisarchyk & Lee, "Efficient Memory Management
 * for Deep Neural Net Inference", 2020). A storage lives from the first kernel that uses it to the last.
 */
import type { Kernel } from './kernels/kernel.ts';
import { alignFloats } from './flat_layout.ts';
import type { Storage } from './tensor_view.ts';

export interface Placement {
  /** Index of the arena's buffer. */
  readonly block: number;
  readonly offset: number;
}

export interface MemoryPlan {
  readonly placements: ReadonlyMap<Storage, Placement>;
  /** Sizes of the arena's buffers, floats. */
  readonly blocks: readonly number[];
}

interface Interval {
  readonly storage: Storage;
  readonly floats: number;
  readonly first: number;
  last: number;
}

export function lifetimes(kernels: readonly Kernel[]): Interval[] {
  const intervals = new Map<Storage, Interval>();
  for (const [index, kernel] of kernels.entries())
    for (const { memory } of kernel.bindings) {
      if (memory.kind !== 'storage') continue;
      const interval = intervals.get(memory);
      if (interval) interval.last = index;
      else
        intervals.set(memory, {
          storage: memory,
          floats: alignFloats(memory.floats),
          first: index,
          last: index,
        });
    }
  return [...intervals.values()];
}

/** @param maximumBlockFloats the largest size of one buffer; a storage that fits no earlier block begins a new one */
export function planMemory(kernels: readonly Kernel[], maximumBlockFloats: number): MemoryPlan {
  const intervals = lifetimes(kernels).sort((a, b) => b.floats - a.floats || a.first - b.first);
  const placements = new Map<Storage, Placement>();
  const blocks: { floats: number; placed: { interval: Interval; offset: number }[] }[] = [];
  for (const interval of intervals) {
    for (let index = 0; ; index++) {
      const block = (blocks[index] ??= { floats: 0, placed: [] });
      const offset = lowestPlace(block.placed, interval);
      if (offset + interval.floats > maximumBlockFloats && block.placed.length > 0) continue;
      placements.set(interval.storage, { block: index, offset });
      block.floats = Math.max(block.floats, offset + interval.floats);
      const at = block.placed.findIndex((other) => other.offset > offset);
      block.placed.splice(at < 0 ? block.placed.length : at, 0, { interval, offset });
      break;
    }
  }
  return { placements, blocks: blocks.map((block) => block.floats) };
}

/** @param placed sorted by offset */
function lowestPlace(placed: readonly { interval: Interval; offset: number }[], interval: Interval): number {
  let place = 0;
  for (const { interval: other, offset } of placed) {
    if (other.last < interval.first || other.first > interval.last) continue;
    if (place + interval.floats <= offset) return place;
    place = Math.max(place, offset + other.floats);
  }
  return place;
}

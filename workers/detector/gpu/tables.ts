/**
 * The work of a dispatch as a table. Entries of different sizes (levels of a pyramid, bands of levels, a stack of
 * crops) share one dispatch, and no shader contains a size. A thread finds its entry by the number of threads before
 * that entry.
 */
import { MAXIMUM_WORKGROUPS } from '../../gpu/wgsl.ts';

export const WORKGROUP_SIZE = 64;

export interface TableEntry<Name extends string> {
  readonly threads: number;
  readonly values: Readonly<Record<Name, number>>;
}

/** A table ready for a dispatch. */
export interface EncodedTable {
  readonly words: Uint32Array<ArrayBuffer>;
  readonly x: number;
  readonly y: number;
  readonly threads: number;
}

/** Count, threads, workgroups per row, two numbers for the kernel, zeros. */
const HEADER_WORDS = 8;

export class TableShape<Name extends string> {
  readonly #names: readonly Name[];

  /** @param names the names of an entry's numbers in the shader */
  constructor(names: readonly Name[]) {
    this.#names = names;
  }

  /** Declares `table` and `entry_of(thread)`; entries have `first`, their first thread, and the named numbers. */
  get wgsl(): string {
    return `struct Entry { first: u32, ${this.#names.map((name) => `${name}: u32`).join(', ')} }
struct Table {
  count: u32, threads: u32, grid: u32, number: u32, second_number: u32, zero: u32, unused: u32, unused_too: u32,
  entries: array<Entry>,
}
@group(0) @binding(0) var<storage, read> table: Table;

fn entry_of(thread: u32) -> u32 {
  var low = 0u;
  var high = table.count - 1u;
  while (low < high) {
    let middle = (low + high + 1u) / 2u;
    if (table.entries[middle].first <= thread) { low = middle; } else { high = middle - 1u; }
  }
  return low;
}`;
  }

  /** @param numbers numbers for the whole dispatch: `table.number` and `table.second_number` */
  encode(entries: readonly TableEntry<Name>[], numbers: readonly number[] = []): EncodedTable {
    const words = new Uint32Array(HEADER_WORDS + entries.length * (1 + this.#names.length));
    let threads = 0;
    let at = HEADER_WORDS;
    for (const entry of entries) {
      words[at++] = threads;
      for (const name of this.#names) words[at++] = entry.values[name];
      threads += entry.threads;
    }
    const groups = Math.ceil(threads / WORKGROUP_SIZE);
    const y = Math.ceil(groups / MAXIMUM_WORKGROUPS);
    const x = Math.ceil(groups / Math.max(y, 1));
    words.set([entries.length, threads, x, ...numbers]);
    return { words, x, y, threads };
  }
}

/** The beginning of every kernel. It declares `thread`, which is below `table.threads`. */
export const BEGIN_THREAD = `let thread = (workgroup.x + workgroup.y * table.grid) * ${WORKGROUP_SIZE}u + lane;
  if (thread >= table.threads) { return; }`;

export const ENTRY_POINT = `@compute @workgroup_size(${WORKGROUP_SIZE})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32)`;

const floatWord = new Float32Array(1);

/** A float32 as a word, which the shader bitcasts. */
export function wordOf(value: number): number {
  floatWord[0] = value;
  return new Uint32Array(floatWord.buffer)[0]!;
}

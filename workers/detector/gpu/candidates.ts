/**
 * Collects P-Net's cells that may be faces, so that only a few of hundreds of thousands are read back. The threshold
 * here is slightly lower than the exact one, which the CPU applies with the rounding of `faceProbabilities`.
 */
import { BEGIN_THREAD, ENTRY_POINT, TableShape, wordOf, type EncodedTable } from './tables.ts';

const TABLE = new TableShape(['wide', 'high', 'at', 'level'] as const);

/** The place of P-Net's outputs for a level, [wide, high, 8]. */
export interface LevelHeads {
  /** The number of the level in its candidates. */
  readonly level: number;
  readonly wide: number;
  readonly high: number;
  /** The index of the first vector of four. */
  readonly at: number;
}

export interface CellCandidate {
  readonly level: number;
  /** x · high + y */
  readonly cell: number;
  readonly logits: Float32Array;
  readonly regression: Float32Array;
  /** The regression of the cell at the horizontally mirrored place. */
  readonly mirrored: Float32Array;
}

/** The number of candidates, and three unused words. */
export const HEADER_BYTES = 16;
export const RECORD_BYTES = 48;
const RECORD_WORDS = RECORD_BYTES / 4;

/** Far more than the error of a difference of logits in single precision. */
const MARGIN = 1e-3;

export function candidateTable(heads: readonly LevelHeads[], threshold: number): EncodedTable {
  const difference = Math.log(threshold / (1 - threshold)) - MARGIN;
  return TABLE.encode(
    heads.map(({ level, wide, high, at }) => ({ threads: wide * high, values: { wide, high, at, level } })),
    // A threshold of 0 accepts all cells; a threshold of 1 accepts those whose probability rounds to 1.
    [wordOf(Math.min(Math.max(difference, -1e30), 10))],
  );
}

export function candidateShader(): string {
  return `${TABLE.wgsl}
struct Candidates { count: atomic<u32>, unused: u32, unused_too: u32, unused_also: u32, records: array<vec4u> }
@group(0) @binding(2) var<storage, read> source: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> candidates: Candidates;

fn regression_at(at: u32) -> vec4u {
  return bitcast<vec4u>(vec4f(source[at].zw, source[at + 1u].xy));
}

${ENTRY_POINT} {
  ${BEGIN_THREAD}
  let entry = table.entries[entry_of(thread)];
  let cell = thread - entry.first;
  let at = entry.at + 2u * cell;
  let logits = source[at].xy;
  if (logits.y - logits.x < bitcast<f32>(table.number)) { return; }
  let record = 3u * atomicAdd(&candidates.count, 1u);
  if (record + 2u >= arrayLength(&candidates.records)) { return; }
  let mirrored = (entry.wide - 1u - cell / entry.high) * entry.high + cell % entry.high;
  candidates.records[record] = vec4u(entry.level, cell, bitcast<vec2u>(logits));
  candidates.records[record + 1u] = regression_at(at);
  candidates.records[record + 2u] = regression_at(entry.at + 2u * mirrored);
}
`;
}

/** @returns the candidates sorted by level and cell, or undefined if the buffer was too small; and the number found */
export function readCandidates(bytes: ArrayBuffer): {
  readonly found: number;
  readonly candidates: CellCandidate[] | undefined;
} {
  const words = new Uint32Array(bytes);
  const floats = new Float32Array(bytes);
  const found = words[0]!;
  if (HEADER_BYTES + found * RECORD_BYTES > bytes.byteLength) return { found, candidates: undefined };
  const candidates = Array.from({ length: found }, (_, index): CellCandidate => {
    const at = HEADER_BYTES / 4 + index * RECORD_WORDS;
    return {
      level: words[at]!,
      cell: words[at + 1]!,
      logits: floats.subarray(at + 2, at + 4),
      regression: floats.subarray(at + 4, at + 8),
      mirrored: floats.subarray(at + 8, at + 12),
    };
  });
  return { found, candidates: candidates.sort((a, b) => a.level - b.level || a.cell - b.cell) };
}

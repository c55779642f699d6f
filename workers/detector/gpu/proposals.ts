/** P-Net over the levels of some photos: records its dispatches and groups its candidates. */
import { boxesOfCells, type Candidate } from '../boxes.ts';
import { faceProbabilities } from '../network_outputs.ts';
import type { CascadePhoto } from '../photo.ts';
import type { AxisWeightsList } from './axis_weights.ts';
import { candidateTable, type CellCandidate } from './candidates.ts';
import { LayerChain, placeStacks, VECTOR_BYTES } from './layer_chain.ts';
import type { PackedLayers } from './layers.ts';
import { cellsAlong, type Band, type Round } from './level_plan.ts';
import { levelTable } from './level_resize.ts';
import type { PlacedPhoto } from './photo_bytes.ts';
import type { Recording } from './recording.ts';

/** Number of output vectors per cell. */
const CELL_VECTORS = 2;

export interface PhotoLevel {
  /** The index in the list of photos. */
  readonly photo: number;
  readonly scale: number;
  readonly width: number;
  readonly height: number;
}

/** All levels of all photos, photo after photo. */
export function levelsOf(photos: readonly CascadePhoto[]): PhotoLevel[] {
  return photos.flatMap(({ width, height, scales }, photo) =>
    scales.map((scale) => ({
      photo,
      scale,
      width: Math.ceil(width * scale),
      height: Math.ceil(height * scale),
    })),
  );
}

export function cellsOf({ levels }: Round): number {
  return levels.reduce((sum, { cellsWide, cellsHigh }) => sum + cellsWide * cellsHigh, 0);
}

/** The size of a round's outputs in the arena `heads`. */
export function outputBytes(round: Round): number {
  return cellsOf(round) * CELL_VECTORS * VECTOR_BYTES;
}

export function recordRound(
  recording: Recording,
  layers: PackedLayers['layers'],
  round: Round,
  levels: readonly PhotoLevel[],
  placed: readonly PlacedPhoto[],
  axes: AxisWeightsList,
  threshold: number,
): void {
  recording.reserve('heads', outputBytes(round));
  for (const bands of round.batches) recordBatch(recording, layers, bands, levels, placed, axes);
  const table = candidateTable(
    round.levels.map(({ level, cellsWide, cellsHigh, cellsAt }) => ({
      level,
      wide: cellsWide,
      high: cellsHigh,
      at: cellsAt * CELL_VECTORS,
    })),
    threshold,
  );
  recording.add({
    ...({ kernel: 'candidates', table, depth: 1 } as const),
    ...({ constants: 'weights', source: 'heads', target: 'candidates' } as const),
    operations: table.threads * 4,
  });
}

function recordBatch(
  recording: Recording,
  layers: PackedLayers['layers'],
  bands: readonly Band[],
  levels: readonly PhotoLevel[],
  placed: readonly PlacedPhoto[],
  axes: AxisWeightsList,
): void {
  const shapes = bands.map(({ level, columns }) => ({
    images: 1,
    rows: columns,
    columns: levels[level.level]!.height,
  }));
  const { stacks } = placeStacks(shapes, 1);
  const table = levelTable(
    bands.map(({ level, from, columns }, index) => {
      const { photo, width, height } = levels[level.level]!;
      return { photo: placed[photo]!, width, height, from, columns, at: stacks[index]!.at };
    }),
    axes,
  );
  recording.add({
    ...({ kernel: 'level', table, depth: 1 } as const),
    ...({ constants: 'axes', source: 'photos', target: 'even' } as const),
    // Each pixel of the photo counts one and a half times along each side, in three channels.
    operations: bands.reduce((sum, { level, columns }) => {
      const { photo, width } = levels[level.level]!;
      return sum + 12 * placed[photo]!.width * placed[photo]!.height * (columns / width);
    }, 0),
  });
  new LayerChain(recording, layers, shapes)
    .convolve('pnet1')
    .pool({ size: 2, padding: 'SAME' })
    .convolve('pnet2')
    .convolve('pnet3')
    .finish(
      'pnet4',
      bands.map(({ level, firstCell }) => (level.cellsAt + firstCell * level.cellsHigh) * CELL_VECTORS),
    );
}

/** @returns boxes by photo and level, after the exact threshold */
export function groupCandidates(
  candidates: readonly CellCandidate[],
  levels: readonly PhotoLevel[],
  photoCount: number,
  threshold: number,
): Candidate[][][] {
  const byLevel = levels.map((): CellCandidate[] => []);
  for (const candidate of candidates) byLevel[candidate.level]!.push(candidate);
  const grouped = Array.from({ length: photoCount }, (): Candidate[][] => []);
  levels.forEach(({ photo, scale, height }, level) => {
    const high = cellsAlong(height);
    const cells = byLevel[level]!.flatMap(({ cell, logits, regression, mirrored }) => {
      const score = faceProbabilities(logits)[0]!;
      return score >= threshold
        ? [{ x: Math.floor(cell / high), y: cell % high, score, regression, mirrored }]
        : [];
    });
    grouped[photo]!.push(boxesOfCells(cells, scale));
  });
  return grouped;
}

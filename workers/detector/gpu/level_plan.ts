/**
 * How the levels of some photos go through P-Net within bounded memory: small ones together, large ones in bands of
 * columns. A level's outputs stay until its candidates are collected, so that a round of collecting has whole levels.
 */

export interface PlanBounds {
  /** Pixels of all bands of a batch. */
  readonly batchPixels: number;
  /** Cells whose outputs are kept for a round, or those of one level. */
  readonly roundCells: number;
}

/** What lies between the layers takes 80 bytes a pixel, outputs 32 bytes a cell: 32 MB each. */
export const PLAN_BOUNDS: PlanBounds = { batchPixels: 400_000, roundCells: 1_000_000 };

/** P-Net's window along a side. */
const WINDOW = 12;

export interface PlannedLevel {
  /** Its place in the list of levels. */
  readonly level: number;
  readonly cellsWide: number;
  readonly cellsHigh: number;
  /** Its first cell among those of its round. */
  readonly cellsAt: number;
}

/** Columns of a level that its cells `firstCell` … need. */
export interface Band {
  readonly level: PlannedLevel;
  readonly firstCell: number;
  readonly cells: number;
  /** Of the level, in its pixels. */
  readonly from: number;
  readonly columns: number;
}

export interface Round {
  readonly levels: readonly PlannedLevel[];
  readonly batches: readonly (readonly Band[])[];
}

/** P-Net's cells along a side of so many pixels. */
export function cellsAlong(pixels: number): number {
  return Math.ceil((pixels - 2) / 2) - 4;
}

export interface LevelSize {
  readonly width: number;
  readonly height: number;
}

export function planLevels(
  sizes: readonly LevelSize[],
  { batchPixels, roundCells }: PlanBounds = PLAN_BOUNDS,
): Round[] {
  const rounds: { levels: PlannedLevel[]; batches: Band[][] }[] = [];
  let cells = Infinity;
  let pixels = Infinity;
  for (const [index, { width, height }] of sizes.entries()) {
    const [cellsWide, cellsHigh] = [cellsAlong(width), cellsAlong(height)];
    if (cells + cellsWide * cellsHigh > roundCells) {
      rounds.push({ levels: [], batches: [] });
      cells = 0;
      pixels = Infinity;
    }
    const round = rounds.at(-1)!;
    const level: PlannedLevel = { level: index, cellsWide, cellsHigh, cellsAt: cells };
    cells += cellsWide * cellsHigh;
    round.levels.push(level);
    const add = (band: Band): void => {
      if (pixels + band.columns * height > batchPixels) {
        round.batches.push([]);
        pixels = 0;
      }
      round.batches.at(-1)!.push(band);
      pixels += band.columns * height;
    };
    if (width * height <= batchPixels)
      add({ level, firstCell: 0, cells: cellsWide, from: 0, columns: width });
    else {
      const most = Math.max(1, Math.floor((batchPixels / height - WINDOW) / 2) + 1);
      for (let firstCell = 0; firstCell < cellsWide; firstCell += most) {
        const count = Math.min(most, cellsWide - firstCell);
        const from = 2 * firstCell;
        add({ level, firstCell, cells: count, from, columns: Math.min(2 * (count + 4) + 2, width - from) });
      }
    }
  }
  return rounds;
}

/**
 * Plans how the levels of some photos go through P-Net in bounded memory: small levels together, large levels in bands
 * of columns. The outputs of a level stay until its candidates are collected, so a round consists of whole levels.
 */

export interface PlanBounds {
  /** The most pixels in all bands of a batch. */
  readonly batchPixels: number;
  /** The most cells in a round, unless it is a single level. */
  readonly roundCells: number;
}

/** Values between the layers take 80 bytes per pixel, outputs 32 bytes per cell, so each takes 32 MB. */
export const PLAN_BOUNDS: PlanBounds = { batchPixels: 400_000, roundCells: 1_000_000 };

/** The side of P-Net's window, pixels. */
const WINDOW = 12;

export interface PlannedLevel {
  /** The index in the list of levels. */
  readonly level: number;
  readonly cellsWide: number;
  readonly cellsHigh: number;
  /** The index of its first cell in the round. */
  readonly cellsAt: number;
}

/** The columns of a level for a range of cells, which begins with `firstCell`. */
export interface Band {
  readonly level: PlannedLevel;
  readonly firstCell: number;
  readonly cells: number;
  /** The first column, in pixels of the level. */
  readonly from: number;
  readonly columns: number;
}

export interface Round {
  readonly levels: readonly PlannedLevel[];
  readonly batches: readonly (readonly Band[])[];
}

/** Number of P-Net's cells along a side of `pixels` pixels. */
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

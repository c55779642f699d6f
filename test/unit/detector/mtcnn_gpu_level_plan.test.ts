/** The plan of P-Net on a GPU: every cell is computed exactly once, and no batch exceeds its limit. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cellsAlong, planLevels, type LevelSize } from '../../../workers/detector/gpu/level_plan.ts';

const side = fc.integer({ min: 12, max: 400 });
const levels = fc.array(fc.record({ width: side, height: side }), { minLength: 1, maxLength: 12 });

describe('planLevels', () => {
  it('has each column of cells of each level once, from the pixels that it needs', () => {
    fc.assert(
      fc.property(levels, fc.integer({ min: 6000, max: 60_000 }), (sizes, batchPixels) => {
        const rounds = planLevels(sizes, { batchPixels, roundCells: 20_000 });
        const columns = sizes.map(({ width }) => new Uint8Array(cellsAlong(width)));
        for (const { batches } of rounds)
          for (const band of batches.flat()) {
            const { width } = sizes[band.level.level]!;
            for (let cell = band.firstCell; cell < band.firstCell + band.cells; cell++)
              columns[band.level.level]![cell]!++;
            expect(band.from).toBe(2 * band.firstCell);
            expect(band.from + band.columns).toBeLessThanOrEqual(width);
            // It has the right number of cells, and its last window is complete or at the end of the level.
            expect(cellsAlong(band.columns)).toBe(band.cells);
            expect(band.from + band.columns === width || band.columns === 2 * (band.cells - 1) + 12).toBe(
              true,
            );
          }
        for (const counts of columns) expect(counts.every((count) => count === 1)).toBe(true);
      }),
    );
  });

  it('keeps batches below their bound, or to one column of cells', () => {
    fc.assert(
      fc.property(levels, fc.integer({ min: 1000, max: 60_000 }), (sizes, batchPixels) => {
        for (const bands of planLevels(sizes, { batchPixels, roundCells: 1e6 }).flatMap(
          ({ batches }) => batches,
        )) {
          const pixels = bands.reduce(
            (sum, { level, columns }) => sum + columns * sizes[level.level]!.height,
            0,
          );
          expect(pixels <= batchPixels || (bands.length === 1 && bands[0]!.cells === 1)).toBe(true);
        }
      }),
    );
  });

  it('has whole levels in each round, one after the other, below the bound unless it is a single one', () => {
    fc.assert(
      fc.property(levels, (sizes) => {
        const rounds = planLevels(sizes, { batchPixels: 30_000, roundCells: 10_000 });
        expect(rounds.flatMap((round) => round.levels.map(({ level }) => level))).toEqual([...sizes.keys()]);
        for (const round of rounds) {
          let cells = 0;
          for (const { cellsAt, cellsWide, cellsHigh } of round.levels) {
            expect(cellsAt).toBe(cells);
            cells += cellsWide * cellsHigh;
          }
          expect(cells <= 10_000 || round.levels.length === 1).toBe(true);
          const inBatches = new Set(round.batches.flat().map(({ level }) => level));
          expect(inBatches).toEqual(new Set(round.levels));
        }
      }),
    );
  });

  it('puts a group of small photos into one round and one batch', () => {
    const sizes: LevelSize[] = [150, 107, 76, 54, 38, 27, 20, 14].map((width) => ({ width, height: width }));
    const rounds = planLevels(Array.from({ length: 8 }, () => sizes).flat());
    expect(rounds).toHaveLength(1);
    expect(rounds[0]!.batches).toHaveLength(1);
  });
});

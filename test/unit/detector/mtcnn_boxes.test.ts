import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseFace, cropBox } from '../../../workers/detector/align.ts';
import {
  generateBoxes,
  regress,
  square,
  suppress,
  truncate,
  type Box,
} from '../../../workers/detector/boxes.ts';
import { ascendingOrder } from '../../../workers/detector/score_order.ts';

const box = (x1: number, y1: number, x2: number, y2: number, score = 1): Box => ({ x1, y1, x2, y2, score });
const anyBox = fc
  .tuple(
    fc.integer({ min: -20, max: 80 }),
    fc.integer({ min: -20, max: 80 }),
    fc.integer({ min: 1, max: 60 }),
    fc.integer({ min: 1, max: 60 }),
    fc.nat(9),
  )
  .map(([x, y, width, height, score]) => box(x, y, x + width, y + height, score / 10));

describe('generateBoxes', () => {
  // 2 columns × 3 rows; the slow axis is x.
  const scores = [0.9, 0.1, 0.8, 0.3, 0.4, 0.7];
  const regressions = Array.from({ length: 24 }, (_, index) => index);

  it('maps cells to the image, column by column, with stride 2 and 12 pixels a cell', () => {
    const found = generateBoxes(scores, regressions, 2, 3, 0.6, 0.6);
    expect(found.map(({ x1, y1, x2, y2, score }) => [x1, y1, x2, y2, score])).toEqual([
      [1, 1, 20, 20, 0.9],
      [1, 8, 20, 26, 0.8],
      [5, 8, 23, 26, 0.7],
    ]);
    expect(found[0]!.regression).toEqual({ dx1: 0, dy1: 1, dx2: 2, dy2: 3 });
    expect(found[2]!.regression).toEqual({ dx1: 20, dy1: 21, dx2: 22, dy2: 23 });
  });

  it('takes the regression of a single cell from the mirrored column, as the original', () => {
    expect(generateBoxes(scores, regressions, 2, 3, 1, 0.85)[0]!.regression.dx1).toBe(12);
  });
});

describe('suppress', () => {
  it('keeps the better of two that overlap, by union or by the smaller area', () => {
    const large = box(0, 0, 99, 99, 0.8);
    const inside = box(10, 10, 39, 39, 0.9);
    expect(suppress([large, inside], 0.7, 'union')).toEqual([1, 0]);
    expect(suppress([large, inside], 0.7, 'min')).toEqual([1]);
  });

  it('counts both border pixels', () => {
    // 10 × 10 and the same moved by 5: 50 of 150, exactly a third.
    const boxes = [box(0, 0, 9, 9, 0.9), box(5, 0, 14, 9, 0.8)];
    expect(suppress(boxes, 1 / 3, 'union')).toEqual([0, 1]);
    expect(suppress(boxes, 0.33, 'union')).toEqual([0]);
  });

  it('keeps the best, keeps none that overlap more than allowed, and drops only such', () => {
    fc.assert(
      fc.property(
        fc.array(anyBox, { maxLength: 30 }),
        fc.constantFrom('union' as const, 'min' as const),
        (boxes, method) => {
          const kept = suppress(boxes, 0.5, method);
          expect(new Set(kept).size).toBe(kept.length);
          const keptScores = kept.map((index) => boxes[index]!.score);
          expect(keptScores).toEqual(keptScores.toSorted((a, b) => b - a));
          const pair = (a: number, b: number): boolean =>
            suppress(
              [
                { ...boxes[a]!, score: 1 },
                { ...boxes[b]!, score: 0 },
              ],
              0.5,
              method,
            ).length === 2;
          for (const a of kept) for (const b of kept) if (a !== b) expect(pair(a, b)).toBe(true);
          boxes.forEach((_, index) => {
            if (!kept.includes(index)) expect(kept.some((one) => !pair(one, index))).toBe(true);
          });
        },
      ),
    );
  });

  it('takes the later of equal scores', () => {
    expect(suppress([box(0, 0, 9, 9), box(0, 0, 9, 9)], 0.5, 'union')).toEqual([1]);
  });
});

describe('box arithmetic', () => {
  it('regresses with and without the extra pixel', () => {
    const by = { dx1: 0.1, dy1: 0.2, dx2: -0.1, dy2: 0.5 };
    expect(regress(box(10, 20, 30, 60), by, 0)).toMatchObject({ x1: 12, y1: 28, x2: 28, y2: 80 });
    expect(regress(box(10, 20, 29, 59), by, 1)).toMatchObject({ x1: 12, y1: 28, x2: 27, y2: 79 });
  });

  it('makes squares about the centre', () => {
    fc.assert(
      fc.property(anyBox, (one) => {
        const result = square(one);
        expect(result.x2 - result.x1).toBeCloseTo(result.y2 - result.y1, 9);
        expect(result.x2 - result.x1).toBeCloseTo(Math.max(one.x2 - one.x1, one.y2 - one.y1), 9);
        expect(result.x1 + result.x2).toBeCloseTo(one.x1 + one.x2, 9);
      }),
    );
  });

  it('truncates towards zero', () => {
    expect(truncate(box(-1.9, 1.9, -0.1, 2))).toMatchObject({ x1: -1, y1: 1, x2: -0, y2: 2 });
  });
});

describe('the face to keep', () => {
  const face = (...values: [number, number, number, number]) => ({
    box: values,
    score: 1,
    landmarksX: [],
    landmarksY: [],
  });

  it('is large and central', () => {
    expect(chooseFace([], 250, 250)).toBe(-1);
    expect(chooseFace([face(0, 0, 60, 60), face(100, 100, 150, 150)], 250, 250)).toBe(1);
    expect(chooseFace([face(60, 60, 190, 190), face(110, 110, 140, 140)], 250, 250)).toBe(0);
  });

  it('is cropped with half the margin a side, inside the photo, truncated', () => {
    expect(cropBox([74.3926, 60.866, 172.8383, 192.8103], 32, 250, 250)).toEqual([58, 44, 188, 208]);
    expect(cropBox([-3.2, 5.9, 240.4, 249.5], 44, 250, 200)).toEqual([0, 0, 250, 200]);
  });
});

describe('ascendingOrder', () => {
  it('sorts', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 200 }), (scores) => {
        const order = ascendingOrder(scores);
        expect([...order].toSorted((a, b) => a - b)).toEqual(scores.map((_, index) => index));
        expect(Array.from(order, (index) => scores[index]!)).toEqual(scores.toSorted((a, b) => a - b));
      }),
    );
  });

  it('keeps the order of equals in short lists and has the known one in longer ones', () => {
    expect([...ascendingOrder(new Array<number>(16).fill(1))]).toEqual(
      Array.from({ length: 16 }, (_, index) => index),
    );
    // One step of the partition by hand: the pivot goes to the end, 1 and 15 … 7 and 9 change places, the pivot comes back.
    expect([...ascendingOrder(new Array<number>(18).fill(1))]).toEqual([
      0, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 16, 17,
    ]);
  });
});

/**
 * Box arithmetic of MTCNN (Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional
 * Networks", 2016) with the original pipeline's conventions, oddities included. Coordinates are x1, y1, x2, y2.
 */
import { ascendingOrder } from './score_order.ts';

export interface Box {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
  readonly score: number;
}

/** A network's correction of a box, in units of the box's size. */
export interface Regression {
  readonly dx1: number;
  readonly dy1: number;
  readonly dx2: number;
  readonly dy2: number;
}

export interface Candidate extends Box {
  readonly regression: Regression;
}

const STRIDE = 2;
const CELL_SIZE = 12;

/** One of P-Net's cells that may be a face. Regressions are four numbers: dx1, dy1, dx2, dy2. */
export interface Cell {
  readonly x: number;
  readonly y: number;
  readonly score: number;
  readonly regression: ArrayLike<number>;
  /** Of the cell at the horizontally mirrored place. */
  readonly mirrored: ArrayLike<number>;
}

/**
 * P-Net's cells of a level → boxes in the image.
 * @param cells column by column of the image: the order decides between equal scores
 */
export function boxesOfCells(cells: readonly Cell[], scale: number): Candidate[] {
  // With exactly one cell in a level the original takes its regression from the horizontally mirrored place.
  const isAlone = cells.length === 1;
  return cells.map(({ x, y, score, regression, mirrored }) => {
    const [dx1, dy1, dx2, dy2] = Array.from(isAlone ? mirrored : regression) as [
      number,
      number,
      number,
      number,
    ];
    return {
      x1: Math.trunc((STRIDE * x + 1) / scale),
      y1: Math.trunc((STRIDE * y + 1) / scale),
      x2: Math.trunc((STRIDE * x + CELL_SIZE) / scale),
      y2: Math.trunc((STRIDE * y + CELL_SIZE) / scale),
      score,
      regression: { dx1, dy1, dx2, dy2 },
    };
  });
}

/**
 * P-Net's cells above the threshold → boxes in the image.
 * @param scores [width, height], the face probability of each cell (x is the slow axis: the nets see the transposed image)
 * @param regressions [width, height, 4]
 */
export function generateBoxes(
  scores: ArrayLike<number>,
  regressions: ArrayLike<number>,
  width: number,
  height: number,
  scale: number,
  threshold: number,
): Candidate[] {
  const cells: Cell[] = [];
  const regressionOf = (x: number, y: number): number[] =>
    Array.from({ length: 4 }, (_, index) => regressions[(x * height + y) * 4 + index]!);
  for (let x = 0; x < width; x++)
    for (let y = 0; y < height; y++) {
      const score = scores[x * height + y]!;
      if (score >= threshold)
        cells.push({ x, y, score, regression: regressionOf(x, y), mirrored: regressionOf(width - 1 - x, y) });
    }
  return boxesOfCells(cells, scale);
}

/**
 * Greedy non-maximum suppression; areas and overlaps count both border pixels.
 * @param method overlap relative to the union, or to the smaller box
 * @returns indices of the boxes kept, best score first
 */
export function suppress(boxes: readonly Box[], threshold: number, method: 'union' | 'min'): number[] {
  const area = boxes.map((box) => (box.x2 - box.x1 + 1) * (box.y2 - box.y1 + 1));
  let order = Array.from(ascendingOrder(boxes.map(({ score }) => score))).reverse();
  const kept: number[] = [];
  while (order.length > 0) {
    const best = order[0]!;
    kept.push(best);
    const a = boxes[best]!;
    order = order.filter((other, place) => {
      if (place === 0) return false;
      const b = boxes[other]!;
      const width = Math.max(0, Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1) + 1);
      const height = Math.max(0, Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1) + 1);
      const intersection = width * height;
      const whole =
        method === 'min' ? Math.min(area[best]!, area[other]!) : area[best]! + area[other]! - intersection;
      return intersection / whole <= threshold;
    });
  }
  return kept;
}

/** @param extra added to x2 − x1: 0 after P-Net, 1 after R-Net and O-Net */
export function regress<T extends Box>(box: T, by: Regression, extra: 0 | 1): T {
  const width = box.x2 - box.x1 + extra;
  const height = box.y2 - box.y1 + extra;
  return {
    ...box,
    x1: box.x1 + by.dx1 * width,
    y1: box.y1 + by.dy1 * height,
    x2: box.x2 + by.dx2 * width,
    y2: box.y2 + by.dy2 * height,
  };
}

/** The square about the box's centre with its longer side. */
export function square<T extends Box>(box: T): T {
  const width = box.x2 - box.x1;
  const height = box.y2 - box.y1;
  const side = Math.max(width, height);
  const x1 = box.x1 + width * 0.5 - side * 0.5;
  const y1 = box.y1 + height * 0.5 - side * 0.5;
  return { ...box, x1, y1, x2: x1 + side, y2: y1 + side };
}

/** To integers, towards zero. */
export function truncate<T extends Box>(box: T): T {
  return {
    ...box,
    x1: Math.trunc(box.x1),
    y1: Math.trunc(box.y1),
    x2: Math.trunc(box.x2),
    y2: Math.trunc(box.y2),
  };
}

/**
 * Box arithmetic of MTCNN (Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional
 * Networks", 2016) with all conventions of the original, even odd ones. Coordinates are x1, y1, x2, y2.
 */
import { ascendingOrder } from './score_order.ts';

export interface Box {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
  readonly score: number;
}

/** A network's correction of a box, in units of the size of the box. */
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
  /** The regression of the cell at the horizontally mirrored place. */
  readonly mirrored: ArrayLike<number>;
}

/**
 * Turns P-Net's cells of a level into boxes in the image.
 * @param cells column by column of the image; the order decides between equal scores
 */
export function boxesOfCells(cells: readonly Cell[], scale: number): Candidate[] {
  // If a level has exactly one cell, the original takes its regression from the horizontally mirrored place.
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
 * P-Net's cells above the threshold, column by column.
 * @param scores [width, height], the face probability of each cell (x is the slow axis; the networks see a
 *   transposed image)
 * @param regressions [width, height, 4]
 * @param firstColumn the index of the first of these columns in the level
 */
export function cellsAbove(
  scores: ArrayLike<number>,
  regressions: ArrayLike<number>,
  width: number,
  height: number,
  threshold: number,
  firstColumn = 0,
): Cell[] {
  const cells: Cell[] = [];
  const regressionOf = (x: number, y: number): number[] =>
    Array.from({ length: 4 }, (_, index) => regressions[(x * height + y) * 4 + index]!);
  for (let x = 0; x < width; x++)
    for (let y = 0; y < height; y++) {
      const score = scores[x * height + y]!;
      if (score >= threshold)
        cells.push({
          x: firstColumn + x,
          y,
          score,
          regression: regressionOf(x, y),
          mirrored: regressionOf(width - 1 - x, y),
        });
    }
  return cells;
}

/** The boxes of P-Net's cells above the threshold; see `cellsAbove`. */
export function generateBoxes(
  scores: ArrayLike<number>,
  regressions: ArrayLike<number>,
  width: number,
  height: number,
  scale: number,
  threshold: number,
): Candidate[] {
  return boxesOfCells(cellsAbove(scores, regressions, width, height, threshold), scale);
}

/** From this many boxes on, a grid is faster than comparing all boxes with each other. */
const GRID_FROM = 400;

/**
 * Greedy non-maximum suppression; areas and overlaps count both border pixels.
 * @param method overlap relative to the union, or to the smaller box
 * @returns indices of the boxes kept, best score first
 */
export function suppress(boxes: readonly Box[], threshold: number, method: 'union' | 'min'): number[] {
  const order = ascendingOrder(boxes.map(({ score }) => score)).reverse();
  // A large photo has tens of thousands of candidates. The grid cannot handle boxes without area, which overlap by 0 /
  // 0.
  const canUseGrid = method === 'union' && threshold > 0 && boxes.length >= GRID_FROM && boxes.every(hasArea);
  const kept = canUseGrid ? new KeptInGrid(boxes, threshold) : new KeptInList(boxes, threshold, method);
  for (const index of order) if (!kept.suppresses(index)) kept.add(index);
  return kept.indices;
}

function hasArea({ x1, y1, x2, y2 }: Box): boolean {
  return x2 >= x1 && y2 >= y1;
}

function areaOf({ x1, y1, x2, y2 }: Box): number {
  return (x2 - x1 + 1) * (y2 - y1 + 1);
}

function intersectionOf(a: Box, b: Box): number {
  const width = Math.max(0, Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1) + 1);
  const height = Math.max(0, Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1) + 1);
  return width * height;
}

class KeptInList {
  readonly indices: number[] = [];
  readonly #boxes: readonly Box[];
  readonly #threshold: number;
  readonly #method: 'union' | 'min';

  constructor(boxes: readonly Box[], threshold: number, method: 'union' | 'min') {
    this.#boxes = boxes;
    this.#threshold = threshold;
    this.#method = method;
  }

  suppresses(index: number): boolean {
    const box = this.#boxes[index]!;
    const area = areaOf(box);
    return this.indices.some((better) => {
      const other = this.#boxes[better]!;
      const intersection = intersectionOf(other, box);
      const whole =
        this.#method === 'min' ? Math.min(areaOf(other), area) : areaOf(other) + area - intersection;
      return !(intersection / whole <= this.#threshold);
    });
  }

  add(index: number): void {
    this.indices.push(index);
  }
}

/**
 * If the overlap of two boxes exceeds a share of their union, the ratio of their areas also exceeds that share. So
 * kept boxes are divided into classes by area. Each class has a grid by place, whose cells are as large as its largest
 * box. A box is compared only with its neighbours in its own class and in the two adjacent classes.
 */
class KeptInGrid {
  readonly indices: number[] = [];
  readonly #boxes: readonly Box[];
  readonly #threshold: number;
  readonly #classOf: (box: Box) => number;
  readonly #grids = new Map<number, Grid>();

  constructor(boxes: readonly Box[], threshold: number) {
    this.#boxes = boxes;
    this.#threshold = threshold;
    const step = Math.log(1 / Math.min(threshold, 0.9));
    this.#classOf = (box) => Math.floor(Math.log(areaOf(box)) / step);
    for (const box of boxes) {
      const side = Math.max(box.x2 - box.x1, box.y2 - box.y1) + 1;
      const grid = this.#grids.get(this.#classOf(box));
      if (grid) grid.cellSize = Math.max(grid.cellSize, side);
      else this.#grids.set(this.#classOf(box), { cellSize: side, cells: new Map() });
    }
  }

  suppresses(index: number): boolean {
    const box = this.#boxes[index]!;
    const area = areaOf(box);
    const boxClass = this.#classOf(box);
    for (let near = boxClass - 1; near <= boxClass + 1; near++) {
      const grid = this.#grids.get(near);
      if (!grid) continue;
      for (const cell of cellsUnder(box, grid))
        for (const better of grid.cells.get(cell) ?? []) {
          const other = this.#boxes[better]!;
          const intersection = intersectionOf(other, box);
          if (!(intersection / (areaOf(other) + area - intersection) <= this.#threshold)) return true;
        }
    }
    return false;
  }

  add(index: number): void {
    this.indices.push(index);
    const box = this.#boxes[index]!;
    const grid = this.#grids.get(this.#classOf(box))!;
    for (const cell of cellsUnder(box, grid)) {
      const held = grid.cells.get(cell);
      if (held) held.push(index);
      else grid.cells.set(cell, [index]);
    }
  }
}

interface Grid {
  /** The longest side of the boxes in this class. */
  cellSize: number;
  /** The kept boxes that overlap a cell. */
  readonly cells: Map<number, number[]>;
}

/** More rows than a grid has. If two cells shared a number, that would cost only an extra comparison. */
const GRID_ROWS = 2 ** 21;

function* cellsUnder({ x1, y1, x2, y2 }: Box, { cellSize }: Grid): Generator<number> {
  const lastColumn = Math.floor((x2 + 1) / cellSize);
  const lastRow = Math.floor((y2 + 1) / cellSize);
  for (let column = Math.floor(x1 / cellSize); column <= lastColumn; column++)
    for (let row = Math.floor(y1 / cellSize); row <= lastRow; row++) yield column * GRID_ROWS + row;
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

/** The square with the centre and the longer side of the box. */
export function square<T extends Box>(box: T): T {
  const width = box.x2 - box.x1;
  const height = box.y2 - box.y1;
  const side = Math.max(width, height);
  const x1 = box.x1 + width * 0.5 - side * 0.5;
  const y1 = box.y1 + height * 0.5 - side * 0.5;
  return { ...box, x1, y1, x2: x1 + side, y2: y1 + side };
}

/** Rounds to integers, towards zero. */
export function truncate<T extends Box>(box: T): T {
  return {
    ...box,
    x1: Math.trunc(box.x1),
    y1: Math.trunc(box.y1),
    x2: Math.trunc(box.x2),
    y2: Math.trunc(box.y2),
  };
}

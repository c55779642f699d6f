/** The nearest neighbours of each of many points, found by comparing all pairs. */
import { forEachProduct, rowCount, type Rows } from './dot_products.ts';
import type { Sliced } from './sliced.ts';

export interface NeighbourGraph {
  /** The neighbours of each point, the nearest first; the first is the point itself. [count][neighbours] */
  readonly indices: number[][];
  /** Euclidean distances. [count][neighbours] */
  readonly distances: number[][];
}

const SLICE_ROWS = 16;

/** @param neighbours number of neighbours per point, including itself; at most the number of points */
export function* findNeighbours(points: Rows, neighbours: number): Sliced<NeighbourGraph> {
  const count = rowCount(points);
  const squares = squaredLengths(points);
  const indices: number[][] = [];
  const distances: number[][] = [];
  for (let first = 0; first < count; first += 4) {
    const block = Math.min(4, count - first);
    const nearest = Array.from({ length: block }, () => new Nearest(neighbours));
    forEachProduct(points, first, points, 0, (row, products) => {
      for (let k = 0; k < block; k++)
        // −1 for the point itself, so that rounding cannot put another point before it.
        nearest[k]!.add(row, row === first + k ? -1 : squares[first + k]! + squares[row]! - 2 * products[k]!);
    });
    for (const list of nearest) {
      indices.push(list.indices);
      distances.push(list.squares.map((square) => Math.sqrt(Math.max(square, 0))));
    }
    if (first % SLICE_ROWS === 0) yield first / count;
  }
  return { indices, distances };
}

function squaredLengths({ values, dimension }: Rows): Float64Array {
  const squares = new Float64Array(values.length / dimension);
  for (let i = 0; i < values.length; i++) squares[Math.floor(i / dimension)]! += values[i]! ** 2;
  return squares;
}

/** Keeps the smallest of the added values, in order. */
class Nearest {
  readonly #most: number;
  readonly indices: number[] = [];
  readonly squares: number[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  add(index: number, square: number): void {
    const { indices, squares } = this;
    if (squares.length === this.#most && square >= squares[squares.length - 1]!) return;
    let place = squares.length;
    while (place > 0 && squares[place - 1]! > square) place--;
    indices.splice(place, 0, index);
    squares.splice(place, 0, square);
    if (squares.length > this.#most) {
      indices.pop();
      squares.pop();
    }
  }
}

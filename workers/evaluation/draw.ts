/**
 * Draws without replacement from 0 … count − 1, in memory proportional to the numbers drawn: a Fisher–Yates shuffle
 * with a sparse array. Drawing from billions of possible pairs costs no more than the pairs that are drawn.
 */
import { uniform } from '../common/random.ts';

export class Draw {
  readonly #key: number;
  readonly #count: number;
  /** The numbers at places whose number has been moved. */
  readonly #moved = new Map<number, number>();
  #drawn = 0;

  constructor(key: number, count: number) {
    this.#key = key;
    this.#count = count;
  }

  get left(): number {
    return this.#count - this.#drawn;
  }

  /** @returns the next number; undefined if none is left */
  next(): number | undefined {
    if (this.left === 0) return undefined;
    const place = this.#drawn + Math.floor(this.#uniform48(this.#drawn) * this.left);
    const value = this.#moved.get(place) ?? place;
    this.#moved.set(place, this.#moved.get(this.#drawn) ?? this.#drawn);
    this.#moved.delete(this.#drawn);
    this.#drawn++;
    return value;
  }

  /** Uniform with 48 bits, because one hash has only 2²⁴ values. */
  #uniform48(index: number): number {
    return uniform(this.#key, 2 * index) + uniform(this.#key, 2 * index + 1) / 0x1000000;
  }
}

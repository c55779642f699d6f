/** Random draws in a fixed order from one key. */
import { hashKey, uniform } from '../../common/random.ts';

export class Dice {
  readonly #key: number;
  #index = 0;

  constructor(...key: number[]) {
    this.#key = hashKey(...key);
  }

  /** Uniform in [0, 1). */
  next(): number {
    return uniform(this.#key, this.#index++);
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** In −spread … spread, values near 0 more often (the sum of two uniform ones). */
  around(spread: number): number {
    return spread * (this.next() + this.next() - 1);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.next() * list.length)]!;
  }
}

/**
 * Element `index` of a sequence whose neighbours lie far apart and that fills [0, 1) evenly (multiples of the golden
 * ratio), so that a handful of people differ more than independent draws would.
 */
export function spread(index: number, start: number, step = 0.618033988749895): number {
  return (start + index * step) % 1;
}

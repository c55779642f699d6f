/**
 * The endless queue of images: shuffled passes over all images, one after the other. The images of a step depend only
 * on the seed and the number of the step, so a resumed run trains on the same images as an uninterrupted one.
 */
import { RandomStream, hashKey, permutation } from '../common/random.ts';

export class ShuffledQueue {
  readonly #count: number;
  readonly #seed: number;
  #pass = -1;
  #order: Uint32Array = new Uint32Array();

  /** @param count number of images */
  constructor(count: number, seed: number) {
    this.#count = count;
    this.#seed = seed;
  }

  /** Indices of the images of step `step` (from 0). */
  batch(step: number, batchSize: number): number[] {
    return Array.from({ length: batchSize }, (_, place) => this.#at(step * batchSize + place));
  }

  #at(position: number): number {
    const pass = Math.floor(position / this.#count);
    if (pass !== this.#pass) {
      this.#order = permutation(hashKey(this.#seed, RandomStream.shuffle, pass), this.#count);
      this.#pass = pass;
    }
    return this.#order[position % this.#count]!;
  }
}

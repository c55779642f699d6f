/** One array with the weights of files/images/resize_area.ts for several resizes, each of them once. */
import { areaResizeWeights, type AxisWeights } from '../../files/images/resize_area.ts';

/** Words per target position: its first source position, their number, and the index of their first weight. */
export const SPAN_WORDS = 3;

export class AxisWeightsList {
  readonly #places = new Map<AxisWeights, number>();
  #words = 0;

  /** Adds the weights of a resize. @returns the indices of the first spans of both axes */
  place(
    sourceWidth: number,
    sourceHeight: number,
    targetWidth: number,
    targetHeight: number,
  ): { readonly horizontal: number; readonly vertical: number } {
    const weights = areaResizeWeights(sourceWidth, sourceHeight, targetWidth, targetHeight);
    return { horizontal: this.#place(weights.horizontal), vertical: this.#place(weights.vertical) };
  }

  #place(axis: AxisWeights): number {
    let at = this.#places.get(axis);
    if (at === undefined) {
      at = this.#words;
      this.#places.set(axis, at);
      this.#words += SPAN_WORDS * axis.first.length + axis.weights.length;
    }
    return at;
  }

  encode(): Uint32Array<ArrayBuffer> {
    const words = new Uint32Array(Math.max(this.#words, 1));
    const floats = new Float32Array(words.buffer);
    for (const [{ first, count, offset, weights }, at] of this.#places) {
      const weightsAt = at + SPAN_WORDS * first.length;
      for (let index = 0; index < first.length; index++) {
        words[at + SPAN_WORDS * index] = first[index]!;
        words[at + SPAN_WORDS * index + 1] = count[index]!;
        words[at + SPAN_WORDS * index + 2] = weightsAt + offset[index]!;
      }
      floats.set(weights, weightsAt);
    }
    return words;
  }
}

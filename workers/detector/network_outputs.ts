/** Inputs and outputs of the three networks on any backend. Images are normalised, [width, height, 3] (transposed). */
import type { BusyClock } from '../common/busy_clock.ts';
import type { BackendMemory } from '../protocol/device.ts';

export interface PNetOutput {
  /** The face probability of each cell, [width, height] */
  readonly scores: Float32Array;
  /** [width, height, 4] */
  readonly regressions: Float32Array;
  readonly width: number;
  readonly height: number;
}

export interface RNetOutput {
  /** [N] */
  readonly scores: Float32Array;
  /** [N, 4] */
  readonly regressions: Float32Array;
}

export interface ONetOutput extends RNetOutput {
  /** [N, 10]: five x, five y */
  readonly landmarks: Float32Array;
}

export const R_NET_SIZE = 24;
export const O_NET_SIZE = 48;

/** The interface of networks that run on the CPU. */
export interface Networks {
  /** How long the networks were busy. */
  readonly clock: BusyClock;
  /**
   * P-Net.
   * @param images images of one size, each [width, height, 3]
   * @returns one output per image
   */
  proposals(images: readonly Float32Array[], width: number, height: number): Promise<PNetOutput[]>;
  /** R-Net. @param values [count, 24, 24, 3] */
  refine(values: Float32Array, count: number): Promise<RNetOutput>;
  /** O-Net. @param values [count, 48, 48, 3] */
  output(values: Float32Array, count: number): Promise<ONetOutput>;
  memory(): BackendMemory;
  dispose(): void;
}

/**
 * The second value of a softmax over two classes: [..., 2] → [...]. This does not run on the backend. Many good
 * candidates have a probability within a few float32 steps of 1, and the last bit decides which of them survives
 * suppression. So every step is rounded like the original's single precision (a sum above 1 has only every second
 * step).
 */
export function faceProbabilities(logits: Float32Array): Float32Array {
  const probabilities = new Float32Array(logits.length / 2);
  for (let index = 0; index < probabilities.length; index++) {
    const other = logits[2 * index]!;
    const face = logits[2 * index + 1]!;
    // Before both are divided by their sum, the larger one is e⁰ = 1.
    const smallerShare = Math.fround(Math.exp(-Math.abs(Math.fround(face - other))));
    probabilities[index] = (face < other ? smallerShare : 1) / Math.fround(1 + smallerShare);
  }
  return probabilities;
}

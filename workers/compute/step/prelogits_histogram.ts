/** The distribution of |prelogits|: one row per epoch in stat.h5, as np.histogram(…, bins=1000, range=(0, max)). */
import type { HostTensor } from '../../protocol/tensor.ts';
import { PRELOGITS_BINS } from '../../protocol/train/runs.ts';

/** The original's default of prelogits_hist_max. */
export const DEFAULT_PRELOGITS_MAXIMUM = 10;

/**
 * Adds values to the counts, in place. Values above `maximum` count in the last bin.
 * @param counts [PRELOGITS_BINS]
 */
export function countPrelogits(counts: Float64Array, prelogits: ArrayLike<number>, maximum: number): void {
  const perUnit = maximum > 0 ? PRELOGITS_BINS / maximum : 0;
  for (let i = 0; i < prelogits.length; i++) {
    const place = Math.floor(Math.abs(prelogits[i]!) * perUnit);
    // NaN is not counted.
    if (place >= 0) counts[Math.min(place, PRELOGITS_BINS - 1)]!++;
  }
}

/** The smallest integer that float32 cannot distinguish from the next one. */
const FLOAT32_WHOLE_NUMBERS = 2 ** 24;

/**
 * Encodes counts as float32 values of a checkpoint, exact up to 2^48. An epoch of the original's size has 46 million
 * values.
 * @returns [2, PRELOGITS_BINS]: each count modulo 2^24, and how often 2^24 is in it
 */
export function prelogitsTensor(counts: Float64Array): HostTensor {
  const data = new Float32Array(2 * PRELOGITS_BINS);
  counts.forEach((count, bin) => {
    data[bin] = count % FLOAT32_WHOLE_NUMBERS;
    data[PRELOGITS_BINS + bin] = Math.floor(count / FLOAT32_WHOLE_NUMBERS);
  });
  return { shape: [2, PRELOGITS_BINS], data };
}

/**
 * @param tensor the result of prelogitsTensor, or [PRELOGITS_BINS] from an older checkpoint; undefined if there are
 *   no counts
 * @returns [PRELOGITS_BINS]
 */
export function prelogitsCounts(tensor: HostTensor | undefined): Float64Array {
  return Float64Array.from(
    { length: PRELOGITS_BINS },
    (_, bin) => (tensor?.data[bin] ?? 0) + FLOAT32_WHOLE_NUMBERS * (tensor?.data[PRELOGITS_BINS + bin] ?? 0),
  );
}

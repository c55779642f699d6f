/** How |prelogits| are spread: a row of the original's stat.h5 an epoch, np.histogram(…, bins=1000, range=(0, max)). */
import type { HostTensor } from '../../protocol/tensor.ts';
import { PRELOGITS_BINS } from '../../protocol/train/runs.ts';

/** The original's default of prelogits_hist_max. */
export const DEFAULT_PRELOGITS_MAXIMUM = 10;

/**
 * Adds values to counts, in place; what is above `maximum` counts in the last bin.
 * @param counts [PRELOGITS_BINS]
 */
export function countPrelogits(counts: Float64Array, prelogits: ArrayLike<number>, maximum: number): void {
  const perUnit = maximum > 0 ? PRELOGITS_BINS / maximum : 0;
  for (let i = 0; i < prelogits.length; i++) {
    const place = Math.floor(Math.abs(prelogits[i]!) * perUnit);
    // One that is no number is counted nowhere.
    if (place >= 0) counts[Math.min(place, PRELOGITS_BINS - 1)]!++;
  }
}

/** The first whole number that float32 cannot tell from the next one. */
const FLOAT32_WHOLE_NUMBERS = 2 ** 24;

/**
 * Counts as a checkpoint's float32 values, exact up to 2^48: an epoch of the original's size counts 46 million values.
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
 * @param tensor as prelogitsTensor gives it, or [PRELOGITS_BINS] of an older checkpoint; undefined: nothing is counted yet
 * @returns [PRELOGITS_BINS]
 */
export function prelogitsCounts(tensor: HostTensor | undefined): Float64Array {
  return Float64Array.from(
    { length: PRELOGITS_BINS },
    (_, bin) => (tensor?.data[bin] ?? 0) + FLOAT32_WHOLE_NUMBERS * (tensor?.data[PRELOGITS_BINS + bin] ?? 0),
  );
}

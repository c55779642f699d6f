/** How |prelogits| are spread: a row of the original's stat.h5 an epoch, np.histogram(…, bins=1000, range=(0, max)). */

export const PRELOGITS_BINS = 1000;

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

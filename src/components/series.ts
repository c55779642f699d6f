/** Long measurements made short enough to draw. */

/** The mean of each value and the `window − 1` before it. */
export function slidingMean(values: readonly number[], window: number): number[] {
  const means: number[] = [];
  let sum = 0;
  for (const [index, value] of values.entries()) {
    sum += value;
    if (index >= window) sum -= values[index - window]!;
    means.push(sum / Math.min(index + 1, window));
  }
  return means;
}

/** As the guide's curves: 500 steps where the run is long, and a twentieth of it where it is short. */
export function smoothingWindow(count: number): number {
  return Math.max(1, Math.min(500, Math.floor(count / 20)));
}

/** At most `limit` values, each the mean of its stretch. */
export function thinned(values: readonly number[], limit: number): number[] {
  if (values.length <= limit) return [...values];
  const stride = Math.ceil(values.length / limit);
  const means: number[] = [];
  for (let start = 0; start < values.length; start += stride) {
    const end = Math.min(start + stride, values.length);
    let sum = 0;
    for (let at = start; at < end; at++) sum += values[at]!;
    means.push(sum / (end - start));
  }
  return means;
}

/** The last x of each stretch that `thinned` makes. */
export function thinnedPositions(positions: readonly number[], limit: number): number[] {
  if (positions.length <= limit) return [...positions];
  const stride = Math.ceil(positions.length / limit);
  const ends: number[] = [];
  for (let start = 0; start < positions.length; start += stride)
    ends.push(positions[Math.min(start + stride, positions.length) - 1]!);
  return ends;
}

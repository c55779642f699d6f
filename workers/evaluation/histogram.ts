/** Histograms of the distances, separately for pairs of one person and of two people. */
import type { DistanceHistogram } from '../protocol/evaluate/evaluate.ts';

const MOST_BINS = 60;

/** Bins have a round width and cover all distances. NaN is left out. */
export function distanceHistogram(
  distances: Float64Array,
  same: ArrayLike<number | boolean>,
): DistanceHistogram {
  let low = Infinity;
  let high = -Infinity;
  for (const distance of distances) {
    if (distance < low) low = distance;
    if (distance > high) high = distance;
  }
  if (low > high) return { start: 0, binWidth: 1, same: [], different: [] };
  const binWidth = roundWidth((high - low) / MOST_BINS);
  const first = Math.floor(low / binWidth);
  // Multiples of an integer keep the edges from drifting.
  const count = Math.floor(high / binWidth) - first + 1;
  const counts = [new Array<number>(count).fill(0), new Array<number>(count).fill(0)] as const;
  distances.forEach((distance, pair) => {
    const bin = Math.floor(distance / binWidth) - first;
    if (bin >= 0 && bin < count) counts[same[pair] ? 0 : 1][bin]!++;
  });
  return { start: first * binWidth, binWidth, same: counts[0], different: counts[1] };
}

/** The next larger number that is 1, 2 or 5 times a power of ten. */
function roundWidth(width: number): number {
  if (!(width > 0)) return 0.01;
  const power = 10 ** Math.floor(Math.log10(width));
  return ([1, 2, 5, 10].find((factor) => factor * power >= width) ?? 10) * power;
}

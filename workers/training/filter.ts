/**
 * Leaving out images that are far from their class's centre: mislabelled ones, mostly. The distances are measured once
 * with a trained model; the threshold is a percentile of them, found as the original's find_threshold does.
 */
import { imageKey, type ImageDistance } from '../formats/distance_table.ts';
import type { ClassImages } from './split.ts';

const THRESHOLD_BINS = 100;

/**
 * The distance below which about `percentile` percent lie: a histogram of 100 bins between the extremes, its cumulative
 * share at the bins' centres, and linear interpolation between them. At 100 it is the centre of the last bin, so that
 * the farthest image always goes.
 * @param distances at least one
 * @param percentile 0 … 100
 */
export function distanceThreshold(distances: readonly number[], percentile: number): number {
  let [lowest, highest] = [Infinity, -Infinity];
  for (const distance of distances) {
    lowest = Math.min(lowest, distance);
    highest = Math.max(highest, distance);
  }
  // As NumPy does where all are equal.
  if (lowest === highest) [lowest, highest] = [lowest - 0.5, highest + 0.5];
  const width = (highest - lowest) / THRESHOLD_BINS;
  const counts = new Float64Array(THRESHOLD_BINS);
  for (const distance of distances)
    counts[Math.min(Math.floor((distance - lowest) / width), THRESHOLD_BINS - 1)]!++;
  const centre = (bin: number): number => lowest + (bin + 0.5) * width;
  const share = percentile / 100;
  let cumulative = 0;
  for (let bin = 0; bin < THRESHOLD_BINS; bin++) {
    const before = cumulative;
    cumulative += counts[bin]!;
    const [from, to] = [before / distances.length, cumulative / distances.length];
    // The last bin of several with the same share, as interpolation with NumPy finds it.
    if (to <= share) continue;
    return bin === 0 ? centre(0) : centre(bin - 1) + ((share - from) / (to - from)) * width;
  }
  return centre(THRESHOLD_BINS - 1);
}

/** @returns the keys (`<class>/<file>`) of the images at or above the threshold */
export function imagesToLeaveOut(rows: readonly ImageDistance[], percentile: number): Set<string> {
  const threshold = distanceThreshold(
    rows.map(({ distance }) => distance),
    percentile,
  );
  return new Set(rows.filter(({ distance }) => distance >= threshold).map(({ path }) => imageKey(path)!));
}

/**
 * Without the images left out, and then without the classes that the table takes images from and that keep fewer than
 * `minimum`. As in the original, a class that the filter does not touch stays, however small it is. A class that keeps
 * no image goes in any case; the original keeps it as a label without images.
 * @param leftOut keys as imagesToLeaveOut gives them
 */
export function filterClasses<Image extends { readonly path: string }>(
  classes: readonly ClassImages<Image>[],
  leftOut: ReadonlySet<string>,
  minimum: number,
): ClassImages<Image>[] {
  const touched = new Set([...leftOut].map((key) => key.slice(0, key.indexOf('/'))));
  return classes
    .map(({ name, images }) => ({
      name,
      images: images.filter(({ path }) => !leftOut.has(imageKey(path) ?? path)),
    }))
    .filter(({ name, images }) => images.length >= (touched.has(name) ? Math.max(minimum, 1) : 1));
}

/**
 * Leaves out images that are far from the centre of their class; most of these are mislabelled. A trained model
 * measures the distances once. The threshold is a percentile of the distances, computed like the original's
 * find_threshold.
 */
import { imageKey, type ImageDistance } from '../formats/distance_table.ts';
import type { ClassImages } from './split.ts';

const THRESHOLD_BINS = 100;

/**
 * The distance below which about `percentile` percent of the distances are. It is interpolated linearly in the
 * cumulative shares at the bin centres of a histogram with 100 bins between the extremes. For 100 it is the centre of
 * the last bin, so the farthest image is always left out.
 * @param distances at least one
 * @param percentile 0 … 100
 */
export function distanceThreshold(distances: readonly number[], percentile: number): number {
  let [lowest, highest] = [Infinity, -Infinity];
  for (const distance of distances) {
    lowest = Math.min(lowest, distance);
    highest = Math.max(highest, distance);
  }
  // NumPy does this if all values are equal.
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
    // Of several bins with the same share, NumPy's interpolation finds the last.
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
 * Removes the images left out, then the classes from which the table removes images and which keep fewer than
 * `minimum`. As in the original, a class from which no image is removed stays, however small it is. A class that keeps
 * no image is always removed; the original keeps it as a label without images.
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

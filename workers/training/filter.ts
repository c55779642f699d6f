/**
 * Leaving out images that are far from their class's centre: mislabelled ones, mostly. The distances are measured once
 * with a trained model; the threshold is a percentile of them, found as the original's find_threshold does.
 */
import { isImagePath } from '../dataset/image.ts';
import { tableLineText } from '../protocol/escape_text.ts';
import type { ClassImages } from './split.ts';

/** One image of the table. */
export interface ImageDistance {
  /** Ends in `<class>/<file>`; what is before it is where the folder was when the table was made. */
  readonly path: string;
  readonly distance: number;
}

export class DistanceTableError extends Error {
  override name = 'DistanceTableError';
  /** From 1; 0 when no single line is to blame. */
  readonly line: number;
  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

const HEADER = 'path\tdistance\tclass_index';

const DISTANCE = /^[-+]?[\d.]+(?:[eE][-+]?\d+)?$/;
const INTEGER = /^\d+$/;
const SEPARATORS = '\t ,';

/**
 * Lines `path distance class_index`, separated by tabs, commas or spaces, with or without a first line of column
 * names; `#` begins a comment line. The index is not needed: an image's class is in its path. Time and memory are
 * linear in the text, whatever its lines are.
 * @throws DistanceTableError naming the line
 */
export function parseDistanceTable(text: string): ImageDistance[] {
  const rows: ImageDistance[] = [];
  text.split(/\r?\n/).forEach((raw, index) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return;
    if (rows.length === 0 && /^"?path"?[\t ,]/i.test(line)) return;
    const { path, distance } = rowOf(line);
    if (!path || !isImagePath(path) || imageKey(path) === undefined || !Number.isFinite(distance))
      throw new DistanceTableError(
        index + 1,
        `Line ${index + 1} of the filter table is not "path distance class_index": "${raw.trim().slice(0, 120)}". Write for example "Tony_Blair/Tony_Blair_0001.png 0.41 7".`,
      );
    rows.push({ path, distance });
  });
  if (rows.length === 0) throw new DistanceTableError(0, 'The filter table is empty.');
  return rows;
}

/** Path, distance, and maybe the class's index; a path may hold separators. The distance is NaN where there is none. */
function rowOf(line: string): { path: string; distance: number } {
  const last = splitLastField(line);
  const beforeIt = INTEGER.test(last.field) ? splitLastField(last.before) : undefined;
  const { before, field } =
    beforeIt && DISTANCE.test(beforeIt.field) && beforeIt.before !== '' ? beforeIt : last;
  const isQuoted =
    before.length > 2 && before.startsWith('"') && before.indexOf('"', 1) === before.length - 1;
  return {
    path: isQuoted ? before.slice(1, -1) : before,
    distance: DISTANCE.test(field) ? Number(field) : NaN,
  };
}

/** A line's last field, and what is before it and its separators. */
function splitLastField(line: string): { before: string; field: string } {
  let start = line.length;
  while (start > 0 && !SEPARATORS.includes(line[start - 1]!)) start--;
  let end = start;
  while (end > 0 && SEPARATORS.includes(line[end - 1]!)) end--;
  return { before: line.slice(0, end), field: line.slice(start) };
}

/** As parseDistanceTable reads it; classes are numbered as they come. */
export function formatDistanceTable(rows: readonly ImageDistance[]): string {
  const indices = new Map<string, number>();
  const lines = rows.map(({ path, distance }) => {
    const className = path.split('/').at(-2) ?? '';
    if (!indices.has(className)) indices.set(className, indices.size);
    return tableLineText(`${path}\t${distance}\t${indices.get(className)!}`);
  });
  return [HEADER, ...lines, ''].join('\n');
}

/** `<class>/<file>`, the end of a path by which an image is known; undefined for a path without a folder. */
export function imageKey(path: string): string | undefined {
  const parts = path.split(/[/\\]/).filter((part) => part !== '');
  return parts.length < 2 ? undefined : parts.slice(-2).join('/');
}

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

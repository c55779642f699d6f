/**
 * The table of distances to class centres, for filtering a dataset. It is text, or an HDF5 file of the original's
 * calculate_filtering_metrics with the datasets image_list and distance_to_center (and label_list and class_names,
 * which also follow from the paths of the images).
 *
 * Bounds. A table has at most 256 MiB. Text takes linear time and memory; HDF5 has the bounds of hdf5.ts.
 */
import { isImagePath } from '../protocol/data/images.ts';
import { tableLineText } from '../protocol/escape_text.ts';
import { isHdf5, readHdf5 } from './hdf5.ts';
import { quoted } from '../protocol/quoted.ts';

/** One image of the table. */
export interface ImageDistance {
  /** Ends in `<class>/<file>`. The part before it is the place of the folder when the table was made. */
  readonly path: string;
  readonly distance: number;
}

export class DistanceTableError extends Error {
  override name = 'DistanceTableError';
  /** The line from 1; 0 if the problem is not in a single line. */
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
 * Lines are `path distance class_index`, separated by tabs, commas or spaces. The first line may have column names,
 * and `#` begins a comment line. The index is ignored, because the path of an image gives its class. Time and memory
 * are linear in the text for any lines.
 * @throws DistanceTableError, which names the line
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
        `Line ${index + 1} of the filter table is not "path distance class_index": ${quoted(raw.trim(), 120)}. Write for example "Tony_Blair/Tony_Blair_0001.png 0.41 7".`,
      );
    rows.push({ path, distance });
  });
  if (rows.length === 0) throw new DistanceTableError(0, 'The filter table is empty.');
  return rows;
}

/** Reads path, distance and an optional class index. A path may contain separators. A missing distance is NaN. */
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

/** The last field of a line, and the text before it without the separators between them. */
function splitLastField(line: string): { before: string; field: string } {
  let start = line.length;
  while (start > 0 && !SEPARATORS.includes(line[start - 1]!)) start--;
  let end = start;
  while (end > 0 && SEPARATORS.includes(line[end - 1]!)) end--;
  return { before: line.slice(0, end), field: line.slice(start) };
}

/** Writes the format of parseDistanceTable. Classes are numbered in the order of their first occurrence. */
export function formatDistanceTable(rows: readonly ImageDistance[]): string {
  const indices = new Map<string, number>();
  const lines = rows.map(({ path, distance }) => {
    const className = path.split('/').at(-2) ?? '';
    if (!indices.has(className)) indices.set(className, indices.size);
    return tableLineText(`${path}\t${distance}\t${indices.get(className)!}`);
  });
  return [HEADER, ...lines, ''].join('\n');
}

/** `<class>/<file>`, the end of a path, which identifies an image; undefined for a path without a folder. */
export function imageKey(path: string): string | undefined {
  const parts = path.split(/[/\\]/).filter((part) => part !== '');
  return parts.length < 2 ? undefined : parts.slice(-2).join('/');
}

/** Enough for ten million images. */
const MAXIMUM_BYTES = 256 * 1024 * 1024;

/** @throws DistanceTableError, Hdf5Error */
export async function readDistanceTable(file: Blob | string): Promise<ImageDistance[]> {
  if (typeof file === 'string') return parseDistanceTable(file);
  if (file.size > MAXIMUM_BYTES)
    throw new DistanceTableError(
      0,
      `The filter table has ${file.size} bytes, more than the ${MAXIMUM_BYTES} that are allowed. Choose the table that was made for this dataset.`,
    );
  const bytes = new Uint8Array(await file.arrayBuffer());
  return isHdf5(bytes) ? readHdf5Table(bytes) : parseDistanceTable(new TextDecoder().decode(bytes));
}

function readHdf5Table(bytes: Uint8Array<ArrayBuffer>): Promise<ImageDistance[]> {
  return readHdf5(bytes, (file) => {
    const paths = file.texts('image_list');
    const distances = file.numbers('distance_to_center');
    if (paths.length !== distances.length)
      throw new DistanceTableError(
        0,
        `The filter table has ${paths.length} images and ${distances.length} distances, so it is incomplete.`,
      );
    if (paths.length === 0) throw new DistanceTableError(0, 'The filter table is empty.');
    return paths.map((path, index) => {
      const distance = distances[index]!;
      if (imageKey(path) === undefined || !Number.isFinite(distance))
        throw new DistanceTableError(
          0,
          `Image ${index + 1} of the filter table, ${quoted(path, 120)} at a distance of ${distance}, cannot be used: a path needs a class folder, and a distance is a number.`,
        );
      return { path, distance };
    });
  });
}

/**
 * What a run keeps of its dataset, so that it can say what was changed before it goes on. A photo counts as another one
 * when its size is another. Modification times are no sign: every copied dataset has new ones.
 */
import type { ImageFile } from '../../files/classes.ts';
import type { ReadableDirectory } from '../../protocol/data/directories.ts';
import { FolderUnavailableError } from '../../protocol/data/file_errors.ts';
import { fileStats } from '../../files/file_stats.ts';
import type { ClassFingerprint, DatasetFingerprint, PhotoFingerprint } from '../../protocol/train/runs.ts';
import { crc32 } from '../../common/crc32.ts';
import type { ClassImages } from '../../training/split.ts';

/** Photos that are kept one by one; of more, their classes are. */
const MOST_PHOTOS = 5000;
/** Browsers are asked for one file's size after another: in a larger dataset, those of some photos of each class. */
const MOST_SIZES = 50_000;
/** Between looks whether the work was stopped. */
const SIZES_AT_ONCE = 512;
const UNKNOWN_SIZE = -1;
const NAMED = 3;

export interface FingerprintOptions {
  readonly mostPhotos?: number;
  readonly mostSizes?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * @param classes with their images sorted by path
 * @returns undefined where the folders cannot tell sizes
 * @throws FolderMissingError, PermissionLostError, and the signal's reason
 */
export async function datasetFingerprint(
  classes: readonly ClassImages<ImageFile>[],
  { mostPhotos = MOST_PHOTOS, mostSizes = MOST_SIZES, signal }: FingerprintOptions = {},
): Promise<DatasetFingerprint | undefined> {
  const count = classes.reduce((sum, { images }) => sum + images.length, 0);
  const isSmall = count <= mostPhotos;
  const sizedPerClass = isSmall ? count : Math.max(1, Math.floor(mostSizes / classes.length));
  const sized = classes.flatMap(({ images }) => images.slice(0, sizedPerClass));
  try {
    const sizes = await sizesOf(sized, signal);
    if (isSmall) return { kind: 'photos', photos: photosOf(sized, sizes) };
    return {
      kind: 'classes',
      sizedPerClass,
      classes: classes.map(({ name, images }) => ({
        name,
        imageCount: images.length,
        names: checksumOf(images.map(({ path }) => path)),
        sizes: checksumOf(images.slice(0, sizedPerClass).map((image) => sizes.get(image) ?? UNKNOWN_SIZE)),
      })),
    };
  } catch (error) {
    if (signal?.aborted || error instanceof FolderUnavailableError) throw error;
    return undefined;
  }
}

async function sizesOf(
  images: readonly ImageFile[],
  signal: AbortSignal | undefined,
): Promise<Map<ImageFile, number>> {
  const byDirectory = new Map<ReadableDirectory, ImageFile[]>();
  for (const image of images) {
    const list = byDirectory.get(image.directory);
    if (list) list.push(image);
    else byDirectory.set(image.directory, [image]);
  }
  const sizes = new Map<ImageFile, number>();
  for (const [directory, list] of byDirectory)
    for (let from = 0; from < list.length; from += SIZES_AT_ONCE) {
      signal?.throwIfAborted();
      const some = list.slice(from, from + SIZES_AT_ONCE);
      const stats = await fileStats(
        directory,
        some.map(({ path }) => path),
      );
      some.forEach((image, index) => sizes.set(image, stats[index]?.sizeBytes ?? UNKNOWN_SIZE));
    }
  return sizes;
}

/** Where united folders have one name twice, the later ones get a number. */
function photosOf(images: readonly ImageFile[], sizes: ReadonlyMap<ImageFile, number>): PhotoFingerprint[] {
  const seen = new Map<string, number>();
  return images.map((image) => {
    const times = (seen.get(image.path) ?? 0) + 1;
    seen.set(image.path, times);
    const path = times === 1 ? image.path : `${image.path} (${times})`;
    return { path, sizeBytes: sizes.get(image) ?? UNKNOWN_SIZE };
  });
}

function checksumOf(values: readonly (string | number)[]): number {
  return crc32(new TextEncoder().encode(values.join('\n')));
}

/** @returns one warning; undefined where nothing has changed, or cannot be compared */
export function describeDatasetChange(
  name: string,
  before: DatasetFingerprint,
  now: DatasetFingerprint,
): string | undefined {
  const changes = changesBetween(before, now);
  if (changes.length === 0) return undefined;
  return `The dataset "${name}" has changed since the run stopped: ${changes.join('; ')}. The run continues, but the result will differ.`;
}

function changesBetween(before: DatasetFingerprint, now: DatasetFingerprint): string[] {
  if (before.kind === 'photos' && now.kind === 'photos') return photoChanges(before.photos, now.photos);
  const [first, second] = [classesOf(before), classesOf(now)];
  const areSizesComparable =
    before.kind === 'classes' && now.kind === 'classes' && before.sizedPerClass === now.sizedPerClass;
  return classChanges(first, second, areSizesComparable);
}

function photoChanges(before: readonly PhotoFingerprint[], now: readonly PhotoFingerprint[]): string[] {
  const old = new Map(before.map(({ path, sizeBytes }) => [path, sizeBytes]));
  const present = new Set(now.map(({ path }) => path));
  const missing = before.filter(({ path }) => !present.has(path));
  const added = now.filter(({ path }) => !old.has(path));
  const replaced = now.filter(({ path, sizeBytes }) => {
    const oldSize = old.get(path) ?? UNKNOWN_SIZE;
    return oldSize !== UNKNOWN_SIZE && sizeBytes !== UNKNOWN_SIZE && oldSize !== sizeBytes;
  });
  const paths = (photos: readonly PhotoFingerprint[]): string[] => photos.map(({ path }) => path);
  return [
    ...told(paths(missing), 'photo is missing', 'photos are missing'),
    ...told(paths(added), 'photo is new', 'photos are new'),
    ...told(
      paths(replaced),
      'photo was replaced (its size differs)',
      'photos were replaced (their sizes differ)',
    ),
  ];
}

/** Of a fingerprint by photos as well, which a dataset has left that has grown; its sizes do not count then. */
function classesOf(fingerprint: DatasetFingerprint): ClassFingerprint[] {
  if (fingerprint.kind === 'classes') return [...fingerprint.classes];
  const paths = new Map<string, string[]>();
  for (const { path } of fingerprint.photos) {
    const name = path.slice(0, path.indexOf('/'));
    const list = paths.get(name);
    if (list) list.push(path);
    else paths.set(name, [path]);
  }
  return [...paths].map(([name, list]) => ({
    name,
    imageCount: list.length,
    names: checksumOf(list),
    sizes: 0,
  }));
}

function classChanges(
  before: readonly ClassFingerprint[],
  now: readonly ClassFingerprint[],
  areSizesComparable: boolean,
): string[] {
  const old = new Map(before.map((one) => [one.name, one]));
  const present = new Set(now.map(({ name }) => name));
  const gone = before.filter(({ name }) => !present.has(name)).map(({ name }) => name);
  const added = now.filter(({ name }) => !old.has(name)).map(({ name }) => name);
  const renamed: string[] = [];
  const replaced: string[] = [];
  for (const one of now) {
    const previous = old.get(one.name);
    if (!previous) continue;
    const difference = one.imageCount - previous.imageCount;
    if (difference !== 0)
      renamed.push(`${one.name}: ${Math.abs(difference)} ${difference > 0 ? 'more' : 'fewer'}`);
    else if (one.names !== previous.names) renamed.push(`${one.name}: other names`);
    else if (areSizesComparable && one.sizes !== previous.sizes) replaced.push(one.name);
  }
  return [
    ...told(gone, 'person is missing', 'people are missing'),
    ...told(added, 'person is new', 'people are new'),
    ...told(renamed, 'person has other photos', 'people have other photos'),
    ...told(
      replaced,
      'person has replaced photos (their sizes differ)',
      'people have replaced photos (their sizes differ)',
    ),
  ];
}

function told(names: readonly string[], one: string, several: string): string[] {
  if (names.length === 0) return [];
  const listed = names.slice(0, NAMED).join(', ') + (names.length > NAMED ? ', …' : '');
  return [`${names.length} ${names.length === 1 ? one : several} (${listed})`];
}

/** From folders to the images that a run trains on and validates with. */
import { TooFewClassesError } from '../errors.ts';
import { readClasses, type Dataset, type ImageFile } from '../../files/classes.ts';
import { isPhotoPath } from '../../protocol/data/images.ts';
import { openDirectories } from '../../files/open.ts';
import { readDistanceTable } from '../../formats/distance_table.ts';
import type { DatasetTotals, DirectoryReference } from '../../protocol/data/dataset.ts';
import { describeSkipped } from '../../protocol/data/skipped_files.ts';
import { labelledImages, type LabelledImage } from '../../training/batch_source.ts';
import { filterClasses, imagesToLeaveOut } from '../../training/filter.ts';
import { imageKey } from '../../formats/distance_table.ts';
import type { TrainingOptions } from '../../protocol/train/options.ts';
import { splitClasses, type ClassImages } from '../../training/split.ts';

export class DatasetChangedError extends Error {
  override name = 'DatasetChangedError';
}

export class FilterTableError extends Error {
  override name = 'FilterTableError';
}

export interface TrainingData {
  readonly name: string;
  /** In the order of the labels. */
  readonly classNames: readonly string[];
  readonly train: readonly LabelledImage[];
  /** Empty without a split. */
  readonly validation: readonly LabelledImage[];
  /** All images, before the split. */
  readonly classes: readonly ClassImages<ImageFile>[];
  /** What of the folders is not used, a sentence per reason. */
  readonly skippedNotes: readonly string[];
  /** What the filter has left out, in one sentence. */
  readonly filterNote?: string | undefined;
}

/** Which images a filter table leaves out, by their keys `<class>/<file>`. */
export interface ImageFilter {
  readonly leftOut: ReadonlySet<string>;
  /** All images of the table, where it is at hand. */
  readonly listed?: ReadonlySet<string> | undefined;
}

/**
 * @param table the file that filter_filename names
 * @returns undefined when there is nothing to filter
 * @throws FilterTableError, DistanceTableError, Hdf5Error
 */
export async function readImageFilter(
  table: Blob | string | undefined,
  { filter_filename: name, filter_percentile: percentile }: TrainingOptions,
): Promise<ImageFilter | undefined> {
  if (table === undefined) {
    if (name === '') return undefined;
    throw new FilterTableError(
      `The settings name the filter table "${name}", but no file was chosen. Choose the file, or leave filter_filename empty.`,
    );
  }
  const rows = await readDistanceTable(table);
  return {
    leftOut: imagesToLeaveOut(rows, percentile),
    listed: new Set(rows.map(({ path }) => imageKey(path)!)),
  };
}

function applyFilter(
  dataset: Dataset,
  { leftOut, listed }: ImageFilter,
  minimum: number,
): { classes: ClassImages<ImageFile>[]; note: string } {
  const hasListed =
    listed === undefined ||
    dataset.classes.some(({ images }) => images.some(({ path }) => listed.has(imageKey(path) ?? path)));
  if (!hasListed)
    throw new FilterTableError(
      `None of the ${listed.size} images in the filter table is in "${dataset.name}". The table lists, for example, "${[...listed][0]!}". Choose the table that was made for this dataset.`,
    );
  const classes = filterClasses(dataset.classes, leftOut, minimum);
  const kept = classes.reduce((sum, { images }) => sum + images.length, 0);
  if (classes.length < 2)
    throw new TooFewClassesError(
      `After filtering, only ${classes.length} of the ${dataset.classes.length} people in "${dataset.name}" are left. Choose a larger filter_percentile or a smaller filter_min_nrof_images_per_class.`,
    );
  return {
    classes,
    note: `The filter excludes ${dataset.imageCount - kept} of ${dataset.imageCount} images and ${dataset.classes.length - classes.length} of ${dataset.classes.length} people.`,
  };
}

export interface ReadingOptions {
  readonly onProgress?: ((totals: DatasetTotals) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** @throws NoImagesError, TooFewClassesError, FilterTableError, PermissionLostError, and the signal's reason */
export async function readTrainingData(
  references: readonly DirectoryReference[],
  options: Pick<
    TrainingOptions,
    | 'validation_set_split_ratio'
    | 'min_nrof_val_images_per_class'
    | 'seed'
    | 'filter_min_nrof_images_per_class'
  >,
  filter?: ImageFilter,
  { onProgress, signal }: ReadingOptions = {},
): Promise<TrainingData> {
  const dataset = await readClasses(await openDirectories(references), onProgress, signal, isPhotoPath);
  if (dataset.classes.length < 2)
    throw new TooFewClassesError(
      `"${dataset.name}" contains only one person ("${dataset.classes[0]!.name}", ${dataset.imageCount} photos). Training needs at least two people.`,
    );
  const { validation_set_split_ratio, min_nrof_val_images_per_class, seed } = options;
  const filtered = filter && applyFilter(dataset, filter, options.filter_min_nrof_images_per_class);
  const split = splitClasses<ImageFile>(
    filtered?.classes ?? dataset.classes,
    validation_set_split_ratio,
    min_nrof_val_images_per_class,
    seed,
  );
  if (split.train.length < 2)
    throw new TooFewClassesError(
      `Splitting "${dataset.name}" for validation leaves ${split.train.length} of its ${(filtered?.classes ?? dataset.classes).length} people, because the others have too few photos. Choose a validation_set_split_ratio of 0 or a smaller min_nrof_val_images_per_class.`,
    );
  return {
    name: dataset.name,
    classNames: split.train.map(({ name }) => name),
    classes: filtered?.classes ?? dataset.classes,
    train: labelledImages(split.train),
    validation: labelledImages(split.validation),
    // What is no photo at all is no surprise in a training.
    skippedNotes: describeSkipped(dataset.skipped.filter(({ reason }) => reason !== 'no-photo')),
    filterNote: filtered?.note,
  };
}

/** A run can only go on with the people it began with: a label is a place in the list of classes. */
export function requireSameClasses(expected: readonly string[], found: TrainingData): void {
  const missing = expected.filter((name) => !found.classNames.includes(name));
  const extra = found.classNames.filter((name) => !expected.includes(name));
  if (missing.length === 0 && extra.length === 0) return;
  const list = (names: readonly string[]): string =>
    names.slice(0, 3).join(', ') + (names.length > 3 ? `, and ${names.length - 3} more` : '');
  throw new DatasetChangedError(
    `The dataset "${found.name}" is not the one that the run began with:` +
      (missing.length ? ` missing are ${list(missing)}.` : '') +
      (extra.length ? ` New are ${list(extra)}.` : '') +
      ' Restore it, or start a new run with this run’s model as pretrained_model.',
  );
}

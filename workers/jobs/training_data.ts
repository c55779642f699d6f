/** From folders to the images that a run trains on and validates with. */
import { readClasses, type ImageFile } from '../dataset/classes.ts';
import { openDirectories } from '../dataset/open.ts';
import type { DirectoryReference } from '../protocol.ts';
import { labelledImages, type LabelledImage } from '../training/batch_source.ts';
import type { TrainingOptions } from '../training/options.ts';
import { splitClasses } from '../training/split.ts';

export class TooFewClassesError extends Error {
  override name = 'TooFewClassesError';
}

export class DatasetChangedError extends Error {
  override name = 'DatasetChangedError';
}

export interface TrainingData {
  readonly name: string;
  /** In the order of the labels. */
  readonly classNames: readonly string[];
  readonly train: readonly LabelledImage[];
  /** Empty without a split. */
  readonly validation: readonly LabelledImage[];
}

/** @throws NoImagesError, TooFewClassesError, PermissionLostError */
export async function readTrainingData(
  references: readonly DirectoryReference[],
  options: Pick<
    TrainingOptions,
    'validation_set_split_ratio' | 'min_nrof_val_images_per_class' | 'seed' | 'filter_filename'
  >,
): Promise<TrainingData> {
  const dataset = await readClasses(await openDirectories(references));
  if (dataset.classes.length < 2)
    throw new TooFewClassesError(
      `"${dataset.name}" holds one person only ("${dataset.classes[0]!.name}", ${dataset.imageCount} photos). A classifier learns to tell people apart: it needs two folders of people at least.`,
    );
  const { validation_set_split_ratio, min_nrof_val_images_per_class, seed } = options;
  const split = splitClasses<ImageFile>(
    dataset.classes,
    validation_set_split_ratio,
    min_nrof_val_images_per_class,
    seed,
  );
  if (split.train.length < 2)
    throw new TooFewClassesError(
      `Splitting "${dataset.name}" for validation leaves ${split.train.length} of its ${dataset.classes.length} people, since the others have too few photos. Choose a validation_set_split_ratio of 0, or a smaller min_nrof_val_images_per_class.`,
    );
  return {
    name: dataset.name,
    classNames: split.train.map(({ name }) => name),
    train: labelledImages(split.train),
    validation: labelledImages(split.validation),
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

/**
 * What a model file says about itself: texts, as safetensors' `__metadata__` and TensorFlow.js' `userDefinedMetadata`
 * hold them, under the original's flag names.
 */
import { buildModel } from '../compute/graph/models/index.ts';
import { isSafeFileName } from '../protocol/escape_text.ts';
import { FACE_ALIGNMENTS, type FaceAlignment } from '../protocol/align/alignment.ts';
import type { BestModel, FaceCrops } from '../protocol/train/runs.ts';
import { standardizationOf, type StandardizationFact } from '../protocol/models/standardization.ts';
import { TRAINING_OPTIONS, type TrainingOptions } from '../protocol/train/options.ts';
import { classNamesChecksum } from './class_names.ts';
import { ModelMetadataError } from './errors.ts';
import { AS_STATED } from './own_export.ts';

/** The value of `format` in files of this program. */
export const MODEL_FORMAT = 'facenet-webgpu-trainer';

export interface ModelMetadata {
  /** With or without the prefix `models.`. */
  readonly model_def: string;
  readonly embedding_size: number;
  /** Pixels. */
  readonly image_size: number;
  /** Undefined where the file does not say it. */
  readonly use_fixed_image_standardization: boolean | undefined;
  /** Of the training, in the order of the labels. */
  readonly class_names?: readonly string[] | undefined;
  /** How many they were, also where the names are left out. */
  readonly class_count?: number | undefined;
  /** See class_names.ts. */
  readonly class_names_checksum?: string | undefined;
  /** yyyymmdd-hhmmss */
  readonly run?: string | undefined;
  /** Steps and epochs done. */
  readonly step?: number | undefined;
  readonly epoch?: number | undefined;
  /** It was the best of the run's measured models when the file was made, by this. */
  readonly best_by?: BestModel['measuredBy'] | undefined;
  /** The values are the exponential moving averages of the trained parameters. */
  readonly moving_averages?: boolean | undefined;
  /** The name of the training dataset, and its number of images. */
  readonly dataset?: string | undefined;
  readonly image_count?: number | undefined;
  /** How the training's faces were cut out of photos. */
  readonly face_crops?: FaceCrops | undefined;
  /** What the faces were aligned by; default: their boxes. */
  readonly alignment?: FaceAlignment | undefined;
  /** Who made it and on what, for a model that comes from elsewhere; and its licence. One sentence each. */
  readonly origin?: string | undefined;
  readonly license?: string | undefined;
  readonly options?: Readonly<Partial<TrainingOptions>> | undefined;
  /** The newest first. */
  readonly evaluations?: readonly ModelEvaluation[] | undefined;
}

/** How well it did on pairs of photos; rates are 0 … 1. */
export interface ModelEvaluation {
  /** The folders of the pairs' images. */
  readonly images: string;
  readonly pairs: number;
  /** The images are of the dataset that the model was trained on: the figures are too good. */
  readonly seen_in_training?: boolean | undefined;
  /** The mean over the folds of the best threshold: closer pairs are of one person. */
  readonly threshold?: number | undefined;
  /** 0: squared Euclidean distance, 1: angle / π. */
  readonly distance_metric?: number | undefined;
  /** Embeddings of both orientations were put side by side. */
  readonly use_flipped_images?: boolean | undefined;
  /** The mean embedding was taken away from each. */
  readonly subtract_mean?: boolean | undefined;
  /** The run's step that was evaluated. */
  readonly step?: number | undefined;
  readonly moving_averages?: boolean | undefined;
  readonly accuracy: number;
  readonly accuracyStd: number;
  readonly val: number;
  readonly valStd: number;
  readonly far: number;
  readonly farTarget: number;
  readonly auc: number;
  readonly eer: number;
}

/** The keys of FaceCrops, and the largest that either can be. */
const ALIGN_IMAGE_SIZE = 'align_image_size';
const ALIGN_MARGIN = 'align_margin';
const LARGEST_CROP = 65_536;

const BEST_BY: readonly BestModel['measuredBy'][] = ['pairs', 'validation'];

const EVALUATION_SWITCHES = [
  'moving_averages',
  'seen_in_training',
  'use_flipped_images',
  'subtract_mean',
] as const;
const EVALUATION_SETTINGS = ['step', 'threshold', 'distance_metric'] as const;

const EVALUATION_FIGURES = [
  'pairs',
  'accuracy',
  'accuracyStd',
  'val',
  'valStd',
  'far',
  'farTarget',
  'auc',
  'eer',
] as const;

export function encodeMetadata(metadata: ModelMetadata): Record<string, string> {
  const texts: Record<string, string> = {
    format: MODEL_FORMAT,
    model_def: `models.${metadata.model_def.replace(/^models\./, '')}`,
  };
  const { class_names: classNames, options } = metadata;
  for (const key of [
    'embedding_size',
    'image_size',
    'use_fixed_image_standardization',
    'run',
    'step',
    'epoch',
    'best_by',
    'moving_averages',
    'dataset',
    'image_count',
    'alignment',
    'origin',
    'license',
  ] as const)
    if (metadata[key] !== undefined) texts[key] = String(metadata[key]);
  if (metadata.face_crops) {
    texts[ALIGN_IMAGE_SIZE] = String(metadata.face_crops.image_size);
    texts[ALIGN_MARGIN] = String(metadata.face_crops.margin);
  }
  const classCount = classNames?.length ?? metadata.class_count;
  const checksum = classNames ? classNamesChecksum(classNames) : metadata.class_names_checksum;
  if (classCount !== undefined) texts['classes'] = String(classCount);
  if (classNames) texts['class_names'] = JSON.stringify(classNames);
  if (checksum !== undefined) texts['class_names_checksum'] = checksum;
  if (options) texts['options'] = JSON.stringify(options);
  if (metadata.evaluations?.length) texts['evaluations'] = JSON.stringify(metadata.evaluations);
  return texts;
}

/**
 * @param file its name, for messages
 * @returns undefined where the texts are not this program's
 * @throws ModelMetadataError, UnknownModelError
 */
export function decodeMetadata(texts: ReadonlyMap<string, unknown>, file: string): ModelMetadata | undefined {
  if (texts.get('format') !== MODEL_FORMAT) return undefined;
  const text = (key: string): string | undefined => {
    const value = texts.get(key);
    if (value !== undefined && typeof value !== 'string')
      throw new ModelMetadataError(file, key, JSON.stringify(value));
    return value;
  };
  const integer = (key: string, minimum = 0, maximum = Number.MAX_SAFE_INTEGER): number | undefined => {
    const value = text(key);
    if (value === undefined) return undefined;
    const parsed = Number(value);
    if (!/^\d+$/.test(value) || parsed < minimum || parsed > maximum)
      throw new ModelMetadataError(file, key, value);
    return parsed;
  };
  const boolean = (key: string): boolean | undefined => {
    const value = text(key);
    if (value === undefined) return undefined;
    if (!/^(true|false)$/i.test(value)) throw new ModelMetadataError(file, key, value);
    return value.toLowerCase() === 'true';
  };
  const required = <Value>(key: string, value: Value | undefined): Value => {
    if (value === undefined) throw new ModelMetadataError(file, key, '');
    return value;
  };
  const modelDef = required('model_def', text('model_def'));
  const classNames = classNamesOf(parseJson(text('class_names')));
  const embeddingSize = required('embedding_size', integer('embedding_size', 1, 65_536));
  const { minimumImageSize } = buildModel(modelDef, { embeddingSize, classes: 0 });
  return {
    model_def: modelDef,
    embedding_size: embeddingSize,
    image_size: required('image_size', integer('image_size', minimumImageSize, 4096)),
    use_fixed_image_standardization: boolean('use_fixed_image_standardization'),
    class_names: classNames,
    class_count: classNames?.length ?? integer('classes'),
    class_names_checksum: classNames ? classNamesChecksum(classNames) : text('class_names_checksum'),
    run: runName(text('run')),
    step: integer('step'),
    epoch: integer('epoch'),
    best_by: BEST_BY.find((by) => by === text('best_by')),
    moving_averages: text('moving_averages') === 'true' ? true : undefined,
    dataset: text('dataset'),
    image_count: integer('image_count'),
    face_crops: faceCropsOf(text(ALIGN_IMAGE_SIZE), text(ALIGN_MARGIN)),
    alignment: FACE_ALIGNMENTS.find((alignment) => alignment === text('alignment')),
    origin: text('origin'),
    license: text('license'),
    options: optionsOf(parseJson(text('options'))),
    evaluations: evaluationsOf(parseJson(text('evaluations'))),
  };
}

/** What the metadata say of the images, undefined where they do not. */
export function statedStandardization({
  use_fixed_image_standardization: isFixed,
}: ModelMetadata): StandardizationFact | undefined {
  return isFixed === undefined ? undefined : { value: standardizationOf(isFixed), basis: AS_STATED };
}

/** What only informs is no reason to refuse a model: undefined for what is no JSON. */
function parseJson(json: string | undefined): unknown {
  try {
    return json === undefined ? undefined : JSON.parse(json);
  } catch {
    return undefined;
  }
}

function faceCropsOf(imageSize: string | undefined, margin: string | undefined): FaceCrops | undefined {
  const [size, wide] = [Number(imageSize ?? NaN), Number(margin ?? NaN)];
  const isCrop =
    Number.isInteger(size) && size > 0 && size <= LARGEST_CROP && wide >= 0 && wide <= LARGEST_CROP;
  return isCrop ? { image_size: size, margin: wide } : undefined;
}

/** It becomes a part of files' names: what cannot be one is nobody's run. */
function runName(run: string | undefined): string | undefined {
  return run !== undefined && isSafeFileName(run) ? run : undefined;
}

function classNamesOf(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) && value.every((name) => typeof name === 'string') ? value : undefined;
}

function evaluationsOf(value: unknown): readonly ModelEvaluation[] | undefined {
  if (!Array.isArray(value)) return undefined;
  return value
    .filter((item: unknown): item is ModelEvaluation => {
      if (typeof item !== 'object' || item === null) return false;
      const stated = item as Record<string, unknown>;
      return (
        typeof stated['images'] === 'string' &&
        EVALUATION_SWITCHES.every((name) => isUndefinedOr(stated[name], 'boolean')) &&
        EVALUATION_SETTINGS.every((name) => isUndefinedOr(stated[name], 'number')) &&
        EVALUATION_FIGURES.every((name) => typeof stated[name] === 'number')
      );
    })
    .map(({ images, ...rest }) => ({
      images,
      ...Object.fromEntries(
        [...EVALUATION_SWITCHES, ...EVALUATION_SETTINGS]
          .filter((name) => rest[name] !== undefined)
          .map((name) => [name, rest[name]]),
      ),
      ...(Object.fromEntries(EVALUATION_FIGURES.map((name) => [name, rest[name]])) as Pick<
        ModelEvaluation,
        (typeof EVALUATION_FIGURES)[number]
      >),
    }));
}

function isUndefinedOr(value: unknown, type: 'boolean' | 'number'): boolean {
  return value === undefined || typeof value === type;
}

/** Those of the known options that have a value of their type. */
function optionsOf(value: unknown): Partial<TrainingOptions> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const stated = value as Record<string, unknown>;
  return Object.fromEntries(
    TRAINING_OPTIONS.filter(
      (option) => Object.hasOwn(stated, option.name) && typeof stated[option.name] === typeof option.default,
    ).map(({ name }) => [name, stated[name]]),
  );
}

/**
 * The limits of every number that a person can set, by the names of the original's flags where it has them. Those of a
 * training run are in training/options.ts, beside each option's default and description.
 */
import type { AlignOptions } from './align.ts';
import {
  numberProblems,
  requireNumbers,
  type LimitsTable,
  type NumberLimits,
  type NumberProblem,
} from '../number_limits.ts';

/** Seeds are 32 bits wide. */
export const SEED: NumberLimits = { minimum: 0, maximum: 2 ** 32 - 1, isInteger: true };

/** Images of one batch. More than a few hundred make nothing faster, and need memory. */
export const BATCH_SIZE: NumberLimits = {
  minimum: 1,
  maximum: 4096,
  isInteger: true,
  advice: (value) =>
    value > 512 ? 'Batches of more than 512 images are no faster and need a lot of memory.' : undefined,
};

/** A score that a face must reach in one of the detector's three networks. */
export const FACE_THRESHOLD: NumberLimits = {
  minimum: 0.1,
  maximum: 1,
  advice: (value) =>
    value >= 0.999
      ? 'Hardly any face reaches this score, so almost no photo will have a face.'
      : value < 0.3
        ? 'A threshold below 0.3 finds many false faces and makes every photo slow.'
        : undefined,
};

/** Alignment and detection. */
export const ALIGN_LIMITS = {
  image_size: {
    minimum: 16,
    maximum: 4096,
    isInteger: true,
    advice: (value) =>
      value < 75
        ? 'Networks need images of 75 pixels or more (squeezenet: 25), so smaller faces are of little use.'
        : value > 1024
          ? 'Networks accept at most 1024 pixels, so larger faces only take up space.'
          : undefined,
  },
  margin: {
    minimum: 0,
    maximum: 10_000,
    isInteger: true,
    advice: (value) => (value > 512 ? 'A margin this wide makes the face itself very small.' : undefined),
  },
  minsize: {
    // The first network's window is 12 pixels wide.
    minimum: 12,
    maximum: 10_000,
    advice: (value) =>
      value > 500 ? 'Only faces of more than 500 pixels will be found. Most photos have none.' : undefined,
  },
  factor: {
    minimum: 0.1,
    maximum: 0.95,
    advice: (value) =>
      value < 0.5
        ? 'Sizes this far apart miss the faces in between. The original uses 0.709.'
        : value > 0.9
          ? 'Sizes this close together make the search several times slower. The original uses 0.709.'
          : undefined,
  },
} as const satisfies LimitsTable<'image_size' | 'margin' | 'minsize' | 'factor'>;

/** Thresholds by place, for messages. */
const THRESHOLD_NAMES = ['thresholds[0]', 'thresholds[1]', 'thresholds[2]'] as const;

const ALIGN_TABLE = {
  ...ALIGN_LIMITS,
  'thresholds[0]': FACE_THRESHOLD,
  'thresholds[1]': FACE_THRESHOLD,
  'thresholds[2]': FACE_THRESHOLD,
} as const;

export type AlignNumber = keyof typeof ALIGN_TABLE;

function alignNumbers(options: AlignOptions): Record<AlignNumber, unknown> {
  const thresholds = THRESHOLD_NAMES.map((name, place) => [name, options.thresholds[place]] as const);
  return { ...options, ...Object.fromEntries(thresholds) } as unknown as Record<AlignNumber, unknown>;
}

export function alignProblems(options: AlignOptions): NumberProblem<AlignNumber>[] {
  return numberProblems(ALIGN_TABLE, alignNumbers(options));
}

/** @throws InvalidNumberError */
export function requireAlignOptions(options: AlignOptions): void {
  requireNumbers(ALIGN_TABLE, alignNumbers(options));
}

/** Evaluation on pairs. */
export const EVALUATION_LIMITS = {
  image_size: {
    minimum: 25,
    maximum: 1024,
    isInteger: true,
    whenEmpty: 'the model’s own',
  },
  lfw_batch_size: BATCH_SIZE,
  far_target: {
    minimum: 0,
    maximum: 1,
    excludesBounds: true,
    advice: (value) =>
      value > 0.5 ? 'At least half of all strangers would be accepted. The usual value is 0.001.' : undefined,
  },
} as const satisfies LimitsTable<'image_size' | 'lfw_batch_size' | 'far_target'>;

/** Where the pairs of an evaluation come from. */
export const PAIRS_LIMITS = {
  lfw_nrof_folds: { minimum: 2, maximum: 1000, isInteger: true },
  pairs_per_fold: { minimum: 1, maximum: 100_000, isInteger: true },
  pairs_seed: SEED,
} as const satisfies LimitsTable<'lfw_nrof_folds' | 'pairs_per_fold' | 'pairs_seed'>;

/** Comparing faces and naming people. */
export const USE_LIMITS = {
  /** Of two embeddings of length 1. */
  threshold: { minimum: 0, maximum: 2 },
  k: { minimum: 1, maximum: 50, isInteger: true },
  nrof_train_images_per_class: { minimum: 1, maximum: 100_000, isInteger: true },
  min_nrof_images_per_class: { minimum: 1, maximum: 100_000, isInteger: true },
  /** Of a model's input, pixels. */
  image_size: { minimum: 25, maximum: 1024, isInteger: true, whenEmpty: 'the model’s own' },
} as const satisfies LimitsTable;

/** A step of a chart's range. */
export const CHART_STEP: NumberLimits = {
  minimum: 1,
  maximum: 2 ** 31,
  isInteger: true,
  whenEmpty: 'no limit',
};

/** The drawn sample faces. */
export const SAMPLE_LIMITS = {
  sample_seed: { minimum: 0, maximum: 2 ** 31 - 1, isInteger: true },
  people: { minimum: 2, maximum: 1000, isInteger: true },
  photos: { minimum: 2, maximum: 1000, isInteger: true },
} as const satisfies LimitsTable<'sample_seed' | 'people' | 'photos'>;

/** The first sentence that forbids a start; empty where nothing does. */
export function firstObstacle(
  problems: readonly NumberProblem[],
  titles: Readonly<Record<string, string>>,
): string {
  const problem = problems.find(({ severity }) => severity === 'error');
  return problem ? `${titles[problem.name] ?? problem.name}: ${problem.message}` : '';
}

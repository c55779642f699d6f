/**
 * Every setting of a training run, under the original pipeline's flag names: the one source for the terminal, the
 * form, arguments.txt and the configuration files.
 */
import { BATCH_SIZE, PAIRS_LIMITS, SEED } from '../align/limits.ts';
import type { NumberLimits } from '../number_limits.ts';
import { MODEL_NAMES } from './networks.ts';

export const OPTIMIZERS = ['ADAGRAD', 'ADADELTA', 'ADAM', 'RMSPROP', 'MOM'] as const;
export type OptimizerName = (typeof OPTIMIZERS)[number];

export const PRECISIONS = ['float32', 'float16'] as const;
export type Precision = (typeof PRECISIONS)[number];

export interface TrainingOptions {
  model_def: string;
  max_nrof_epochs: number;
  batch_size: number;
  image_size: number;
  epoch_size: number;
  embedding_size: number;
  random_crop: boolean;
  random_flip: boolean;
  random_rotate: boolean;
  use_fixed_image_standardization: boolean;
  keep_probability: number;
  weight_decay: number;
  center_loss_factor: number;
  center_loss_alfa: number;
  prelogits_norm_loss_factor: number;
  prelogits_norm_p: number;
  prelogits_hist_max: number;
  optimizer: OptimizerName;
  learning_rate: number;
  learning_rate_decay_epochs: number;
  learning_rate_decay_factor: number;
  /** The text of the schedule file (lines `epoch: rate`); used when learning_rate ≤ 0. */
  learning_rate_schedule: string;
  moving_average_decay: number;
  seed: number;
  nrof_preprocess_threads: number;
  log_histograms: boolean;
  filter_filename: string;
  filter_percentile: number;
  filter_min_nrof_images_per_class: number;
  validate_every_n_epochs: number;
  validation_set_split_ratio: number;
  min_nrof_val_images_per_class: number;
  lfw_batch_size: number;
  lfw_nrof_folds: number;
  lfw_distance_metric: 0 | 1;
  lfw_use_flipped_images: boolean;
  lfw_subtract_mean: boolean;
  /** Not in the original, whose value is 0.995: short runs need moving statistics that follow faster. */
  batch_norm_decay: number;
  /** Not in the original: how the activations are stored. */
  precision: Precision;
  /** Not in the original: what runs the network. */
  executor: 'auto' | 'engine' | 'tfjs';
  backend: 'auto' | 'webgpu' | 'wasm';
}

export type OptionName = keyof TrainingOptions;

interface OptionCommon<Name extends OptionName> {
  readonly name: Name;
  readonly default: TrainingOptions[Name];
  /** One sentence, for --help and for the form. */
  readonly description: string;
  readonly group: 'model' | 'schedule' | 'images' | 'regularisation' | 'dataset' | 'evaluation' | 'machine';
}

export type OptionSpec = {
  [Name in OptionName]: OptionCommon<Name> &
    (TrainingOptions[Name] extends boolean
      ? { readonly type: 'flag' }
      : TrainingOptions[Name] extends number
        ? | ({ readonly type: 'integer' | 'number' } & Omit<NumberLimits, 'isInteger' | 'whenEmpty'>)
          | { readonly type: 'choice'; readonly choices: readonly TrainingOptions[Name][] }
        : | {
              readonly type: 'text';
              /** What the form offers; others are possible. */
              readonly suggestions?: readonly string[];
            }
          | { readonly type: 'choice'; readonly choices: readonly TrainingOptions[Name][] });
}[OptionName];

export const HIGH_RATE =
  'The guide begins with 0.05, and the original’s default is 0.1: with a rate above 1 the loss hardly ever falls.';

// prettier-ignore
export const TRAINING_OPTIONS: readonly OptionSpec[] = [
  { name: 'model_def', type: 'text', suggestions: MODEL_NAMES.map((name) => `models.${name}`), default: 'models.inception_resnet_v1', group: 'model', description: 'The network: models.inception_resnet_v1, models.inception_resnet_v2 or models.squeezenet.' },
  { name: 'embedding_size', type: 'integer', minimum: 1, maximum: 4096, default: 128, group: 'model', description: 'Number of values in an embedding.' },
  { name: 'batch_norm_decay', type: 'number', minimum: 0, maximum: 1, advice: (value) => value === 1 ? 'At 1 the moving statistics never leave their start: the model cannot be used afterwards.' : undefined, default: 0.995, group: 'model', description: 'Decay of the batch norms\' moving statistics; smaller for runs of a few hundred steps.' },
  { name: 'max_nrof_epochs', type: 'integer', minimum: 1, maximum: 2 ** 31 - 1, default: 500, group: 'schedule', description: 'Number of epochs to run at most.' },
  { name: 'epoch_size', type: 'integer', minimum: 1, maximum: 2 ** 31 - 1, default: 1000, group: 'schedule', description: 'Number of batches in an epoch.' },
  { name: 'batch_size', type: 'integer', minimum: 2, maximum: 4096, default: 90, group: 'schedule', description: 'Number of images in a batch.' },
  { name: 'optimizer', type: 'choice', choices: OPTIMIZERS, default: 'ADAGRAD', group: 'schedule', description: 'The optimization algorithm.' },
  { name: 'learning_rate', type: 'number', minimum: -1000, maximum: 1000, advice: (value) => value > 1 ? HIGH_RATE : undefined, default: 0.1, group: 'schedule', description: 'Initial learning rate; zero or less: the schedule is used.' },
  { name: 'learning_rate_decay_epochs', type: 'integer', minimum: 1, maximum: 2 ** 31 - 1, default: 100, group: 'schedule', description: 'Number of epochs between decays of the learning rate.' },
  { name: 'learning_rate_decay_factor', type: 'number', minimum: 0, maximum: 10, advice: (value) => value > 1 ? 'With a factor above 1 the learning rate grows.' : value === 0 ? 'With a factor of 0 nothing is learned after the first decay.' : undefined, default: 1.0, group: 'schedule', description: 'Factor of each decay of the learning rate.' },
  { name: 'learning_rate_schedule', type: 'text', default: '', group: 'schedule', description: 'One "epoch: rate" a line; a rate of zero or less stops the run.' },
  { name: 'moving_average_decay', type: 'number', minimum: 0, maximum: 1, advice: (value) => value === 1 ? 'At 1 the moving averages never leave the initial values.' : undefined, default: 0.9999, group: 'schedule', description: 'Decay of the exponential moving average of the trained parameters.' },
  { name: 'seed', type: 'integer', ...SEED, default: 666, group: 'schedule', description: 'Of every random choice in the run.' },
  { name: 'image_size', type: 'integer', minimum: 25, maximum: 1024, default: 160, group: 'images', description: 'Width and height of the network\'s input, pixels.' },
  { name: 'random_crop', type: 'flag', default: false, group: 'images', description: 'Crop at a random place instead of the centre.' },
  { name: 'random_flip', type: 'flag', default: false, group: 'images', description: 'Mirror half of the images.' },
  { name: 'random_rotate', type: 'flag', default: false, group: 'images', description: 'Rotate by a random angle of −10° to 10°.' },
  { name: 'use_fixed_image_standardization', type: 'flag', default: false, group: 'images', description: 'Standardise as (p − 127.5)/128 instead of by each image\'s mean and deviation.' },
  { name: 'keep_probability', type: 'number', minimum: 0.05, maximum: 1, default: 1.0, group: 'regularisation', description: 'Share of the values that dropout keeps.' },
  { name: 'weight_decay', type: 'number', minimum: 0, maximum: 100, advice: (value) => value > 0.1 ? 'The guide uses 0.0005: this much decay keeps the network from learning.' : undefined, default: 0.0, group: 'regularisation', description: 'L2 weight regularisation.' },
  { name: 'center_loss_factor', type: 'number', minimum: 0, maximum: 1000, advice: (value) => value > 1 ? 'Above 1 the center loss outweighs the classification.' : undefined, default: 0.0, group: 'regularisation', description: 'Center loss factor.' },
  { name: 'center_loss_alfa', type: 'number', minimum: 0, maximum: 1, default: 0.95, group: 'regularisation', description: 'Center update rate of the center loss.' },
  { name: 'prelogits_norm_loss_factor', type: 'number', minimum: 0, maximum: 1000, advice: (value) => value > 1 ? 'The guide uses 0.0005: above 1 this loss outweighs the classification.' : undefined, default: 0.0, group: 'regularisation', description: 'Loss on the norm of the prelogits.' },
  { name: 'prelogits_norm_p', type: 'number', minimum: 0.1, maximum: 100, default: 1.0, group: 'regularisation', description: 'Which p-norm that is.' },
  { name: 'prelogits_hist_max', type: 'number', minimum: 0, maximum: 1e6, excludesBounds: true, default: 10.0, group: 'regularisation', description: 'Largest value of the prelogits histogram.' },
  { name: 'validation_set_split_ratio', type: 'number', minimum: 0, maximum: 0.95, default: 0.0, group: 'dataset', description: 'Share of each class\'s images kept for validation.' },
  { name: 'min_nrof_val_images_per_class', type: 'number', minimum: 0, maximum: 1e6, default: 0, group: 'dataset', description: 'Classes that would train on fewer images after the split are left out.' },
  { name: 'validate_every_n_epochs', type: 'integer', minimum: 1, maximum: 2 ** 31 - 1, default: 5, group: 'dataset', description: 'Number of epochs between validations.' },
  { name: 'filter_filename', type: 'text', default: '', group: 'dataset', description: 'Table of distances to the class centre, for filtering the dataset.' },
  { name: 'filter_percentile', type: 'number', minimum: 0, maximum: 100, default: 100.0, group: 'dataset', description: 'Keep only the images whose distance is below this percentile.' },
  { name: 'filter_min_nrof_images_per_class', type: 'integer', minimum: 0, maximum: 1e6, default: 0, group: 'dataset', description: 'Keep only the classes with this many images after filtering.' },
  { name: 'lfw_batch_size', type: 'integer', ...BATCH_SIZE, default: 100, group: 'evaluation', description: 'Number of images in an evaluation batch.' },
  { name: 'lfw_nrof_folds', type: 'integer', ...PAIRS_LIMITS.lfw_nrof_folds, default: 10, group: 'evaluation', description: 'Number of folds of the cross validation.' },
  { name: 'lfw_distance_metric', type: 'choice', choices: [0, 1], default: 0, group: 'evaluation', description: '0: squared Euclidean distance, 1: angle.' },
  { name: 'lfw_use_flipped_images', type: 'flag', default: false, group: 'evaluation', description: 'Use the embeddings of both orientations of each image.' },
  { name: 'lfw_subtract_mean', type: 'flag', default: false, group: 'evaluation', description: 'Subtract the mean embedding before distances.' },
  { name: 'log_histograms', type: 'flag', default: false, group: 'machine', description: 'Log histograms of weights and gradients, at each epoch\'s end, into the log folder\'s TensorBoard file.' },
  { name: 'nrof_preprocess_threads', type: 'integer', minimum: 1, maximum: 1024, advice: (value) => value > 64 ? 'No more workers are started than the processor has cores: so many change nothing.' : undefined, default: 4, group: 'machine', description: 'Number of workers that decode images.' },
  { name: 'precision', type: 'choice', choices: PRECISIONS, default: 'float32', group: 'machine', description: 'How activations and their gradients are stored (an addition to the original): float16 takes half the memory, and needs the engine on a GPU with shader-f16.' },
  { name: 'executor', type: 'choice', choices: ['auto', 'engine', 'tfjs'], default: 'auto', group: 'machine', description: 'What runs the network: the WebGPU engine or TensorFlow.js.' },
  { name: 'backend', type: 'choice', choices: ['auto', 'webgpu', 'wasm'], default: 'auto', group: 'machine', description: 'The GPU, or WebAssembly where there is none.' },
];

export function defaultTrainingOptions(): TrainingOptions {
  return Object.fromEntries(
    TRAINING_OPTIONS.map((option) => [option.name, option.default]),
  ) as unknown as TrainingOptions;
}

/** Of an option that is a number. */
export function optionLimits(spec: Extract<OptionSpec, { type: 'integer' | 'number' }>): NumberLimits {
  return { ...spec, isInteger: spec.type === 'integer' };
}

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
  'With a learning rate above 1 the loss hardly ever falls. The FaceNet training guide starts with 0.05, and the original’s default is 0.1.';

// prettier-ignore
export const TRAINING_OPTIONS: readonly OptionSpec[] = [
  { name: 'model_def', type: 'text', suggestions: MODEL_NAMES.map((name) => `models.${name}`), default: 'models.inception_resnet_v1', group: 'model', description: 'The network: models.inception_resnet_v1, models.inception_resnet_v2, models.squeezenet or models.dlib_face_resnet.' },
  { name: 'embedding_size', type: 'integer', minimum: 1, maximum: 4096, default: 128, group: 'model', description: 'Number of values in an embedding.' },
  { name: 'batch_norm_decay', type: 'number', minimum: 0, maximum: 1, advice: (value) => value === 1 ? 'At 1 the moving statistics never change, so the model will be unusable.' : undefined, default: 0.995, group: 'model', description: 'Decay of the moving statistics of batch normalisation. Use a smaller value for runs of a few hundred steps.' },
  { name: 'max_nrof_epochs', type: 'integer', minimum: 1, maximum: 2 ** 31 - 1, default: 500, group: 'schedule', description: 'Maximum number of epochs. More epochs take longer and help until validation stops improving.' },
  { name: 'epoch_size', type: 'integer', minimum: 1, maximum: 2 ** 31 - 1, default: 1000, group: 'schedule', description: 'Number of batches per epoch.' },
  { name: 'batch_size', type: 'integer', minimum: 2, maximum: 4096, default: 90, group: 'schedule', description: 'Number of images per batch.' },
  { name: 'optimizer', type: 'choice', choices: OPTIMIZERS, default: 'ADAGRAD', group: 'schedule', description: 'The optimization algorithm.' },
  { name: 'learning_rate', type: 'number', minimum: -1000, maximum: 1000, advice: (value) => value > 1 ? HIGH_RATE : undefined, default: 0.1, group: 'schedule', description: 'Initial learning rate. If it is zero or less, the schedule is used.' },
  { name: 'learning_rate_decay_epochs', type: 'integer', minimum: 1, maximum: 2 ** 31 - 1, default: 100, group: 'schedule', description: 'Number of epochs between decays of the learning rate.' },
  { name: 'learning_rate_decay_factor', type: 'number', minimum: 0, maximum: 10, advice: (value) => value > 1 ? 'With a factor above 1 the learning rate increases.' : value === 0 ? 'With a factor of 0 the model learns nothing after the first decay.' : undefined, default: 1.0, group: 'schedule', description: 'Factor by which each decay multiplies the learning rate.' },
  { name: 'learning_rate_schedule', type: 'text', default: '', group: 'schedule', description: 'One "epoch: rate" per line. A rate of zero or less stops the run.' },
  { name: 'moving_average_decay', type: 'number', minimum: 0, maximum: 1, advice: (value) => value === 1 ? 'At 1 the moving averages keep their initial values.' : undefined, default: 0.9999, group: 'schedule', description: 'Decay of the exponential moving average of the trained parameters.' },
  { name: 'seed', type: 'integer', ...SEED, default: 666, group: 'schedule', description: 'Seed of all random choices in the run.' },
  { name: 'image_size', type: 'integer', minimum: 25, maximum: 1024, default: 160, group: 'images', description: 'Width and height of the network\'s input, in pixels.' },
  { name: 'random_crop', type: 'flag', default: false, group: 'images', description: 'Crop images at a random position instead of the centre.' },
  { name: 'random_flip', type: 'flag', default: false, group: 'images', description: 'Mirror half of the images, chosen at random.' },
  { name: 'random_rotate', type: 'flag', default: false, group: 'images', description: 'Rotate images by a random angle between −10° and 10°.' },
  { name: 'use_fixed_image_standardization', type: 'flag', default: false, group: 'images', description: 'Standardise pixels as (p − 127.5)/128 instead of by each image\'s mean and standard deviation.' },
  { name: 'keep_probability', type: 'number', minimum: 0.05, maximum: 1, default: 1.0, group: 'regularisation', description: 'Share of the values that dropout keeps; 1 turns dropout off.' },
  { name: 'weight_decay', type: 'number', minimum: 0, maximum: 100, advice: (value) => value > 0.1 ? 'This much decay keeps the network from learning. The FaceNet training guide uses 0.0005.' : undefined, default: 0.0, group: 'regularisation', description: 'Strength of the L2 regularisation of the weights.' },
  { name: 'center_loss_factor', type: 'number', minimum: 0, maximum: 1000, advice: (value) => value > 1 ? 'Above 1 the center loss outweighs the classification loss.' : undefined, default: 0.0, group: 'regularisation', description: 'Weight of the center loss in the total loss.' },
  { name: 'center_loss_alfa', type: 'number', minimum: 0, maximum: 1, default: 0.95, group: 'regularisation', description: 'Update rate of the centers in the center loss.' },
  { name: 'prelogits_norm_loss_factor', type: 'number', minimum: 0, maximum: 1000, advice: (value) => value > 1 ? 'Above 1 this loss outweighs the classification loss. The FaceNet training guide uses 0.0005.' : undefined, default: 0.0, group: 'regularisation', description: 'Weight of the loss on the norm of the prelogits.' },
  { name: 'prelogits_norm_p', type: 'number', minimum: 0.1, maximum: 100, default: 1.0, group: 'regularisation', description: 'Which p-norm the loss on the prelogits uses.' },
  { name: 'prelogits_hist_max', type: 'number', minimum: 0, maximum: 1e6, excludesBounds: true, default: 10.0, group: 'regularisation', description: 'Largest value in the histogram of the prelogits.' },
  { name: 'validation_set_split_ratio', type: 'number', minimum: 0, maximum: 0.95, default: 0.0, group: 'dataset', description: 'Share of each class\'s images that is used for validation.' },
  { name: 'min_nrof_val_images_per_class', type: 'number', minimum: 0, maximum: 1e6, default: 0, group: 'dataset', description: 'Exclude classes with fewer training images than this after the validation split.' },
  { name: 'validate_every_n_epochs', type: 'integer', minimum: 1, maximum: 2 ** 31 - 1, default: 5, group: 'dataset', description: 'Number of epochs between validations.' },
  { name: 'filter_filename', type: 'text', default: '', group: 'dataset', description: 'Table with each image\'s distance to its class centre, for filtering the dataset.' },
  { name: 'filter_percentile', type: 'number', minimum: 0, maximum: 100, default: 100.0, group: 'dataset', description: 'Keep only the images whose distance is below this percentile.' },
  { name: 'filter_min_nrof_images_per_class', type: 'integer', minimum: 0, maximum: 1e6, default: 0, group: 'dataset', description: 'Keep only classes with at least this many images after filtering.' },
  { name: 'lfw_batch_size', type: 'integer', ...BATCH_SIZE, default: 100, group: 'evaluation', description: 'Number of images per evaluation batch.' },
  { name: 'lfw_nrof_folds', type: 'integer', ...PAIRS_LIMITS.lfw_nrof_folds, default: 10, group: 'evaluation', description: 'Number of folds for cross validation.' },
  { name: 'lfw_distance_metric', type: 'choice', choices: [0, 1], default: 0, group: 'evaluation', description: '0: squared Euclidean distance; 1: angle.' },
  { name: 'lfw_use_flipped_images', type: 'flag', default: false, group: 'evaluation', description: 'Also embed the mirror image of each image.' },
  { name: 'lfw_subtract_mean', type: 'flag', default: false, group: 'evaluation', description: 'Subtract the mean embedding before measuring distances.' },
  { name: 'log_histograms', type: 'flag', default: false, group: 'machine', description: 'Also record weight and gradient histograms for TensorBoard after each epoch.' },
  { name: 'nrof_preprocess_threads', type: 'integer', minimum: 1, maximum: 1024, advice: (value) => value > 64 ? 'There are never more workers than CPU cores, so this many make no difference.' : undefined, default: 4, group: 'machine', description: 'Number of workers that decode images.' },
  { name: 'precision', type: 'choice', choices: PRECISIONS, default: 'float32', group: 'machine', description: 'How activations and their gradients are stored. float16 halves their memory; it needs the WebGPU engine and a GPU with shader-f16. (Not in the original.)' },
  { name: 'executor', type: 'choice', choices: ['auto', 'engine', 'tfjs'], default: 'auto', group: 'machine', description: 'What runs the network: the WebGPU engine or TensorFlow.js.' },
  { name: 'backend', type: 'choice', choices: ['auto', 'webgpu', 'wasm'], default: 'auto', group: 'machine', description: 'webgpu: the GPU; wasm: the CPU, through WebAssembly; auto: the GPU if there is one.' },
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

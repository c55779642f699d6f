/** What the form calls each training option; the option's own name, which the terminal uses, is shown beside it. */
import type { OptionName, OptionSpec } from '../../workers/protocol/train/options.ts';

export const OPTION_LABELS: Readonly<Record<OptionName, string>> = {
  model_def: 'Network',
  max_nrof_epochs: 'Maximum epochs',
  batch_size: 'Images per batch',
  image_size: 'Image size (pixels)',
  epoch_size: 'Steps per epoch',
  embedding_size: 'Embedding size',
  random_crop: 'Random crop',
  random_flip: 'Random mirroring',
  random_rotate: 'Random rotation',
  use_fixed_image_standardization: 'Fixed standardisation',
  keep_probability: 'Dropout: keep probability',
  weight_decay: 'Weight decay',
  center_loss_factor: 'Center loss factor',
  center_loss_alfa: 'Center loss rate',
  prelogits_norm_loss_factor: 'Prelogits norm factor',
  prelogits_norm_p: 'Prelogits norm p',
  prelogits_hist_max: 'Prelogits histogram maximum',
  optimizer: 'Optimizer',
  learning_rate: 'Learning rate',
  learning_rate_decay_epochs: 'Epochs between decays',
  learning_rate_decay_factor: 'Decay factor',
  learning_rate_schedule: 'Learning rate schedule',
  moving_average_decay: 'Moving average decay',
  seed: 'Seed',
  nrof_preprocess_threads: 'Decoding workers',
  log_histograms: 'Record histograms',
  filter_filename: 'Filter table',
  filter_percentile: 'Filter percentile',
  filter_min_nrof_images_per_class: 'Minimum images per class after filtering',
  validate_every_n_epochs: 'Epochs between validations',
  validation_set_split_ratio: 'Share of images for validation',
  min_nrof_val_images_per_class: 'Minimum training images per class',
  lfw_batch_size: 'Images per evaluation batch',
  lfw_nrof_folds: 'Folds',
  lfw_distance_metric: 'Distance',
  lfw_use_flipped_images: 'Also use mirrored images',
  lfw_subtract_mean: 'Subtract the mean',
  batch_norm_decay: 'Batch norm decay',
  precision: 'Precision',
  executor: 'Executor',
  backend: 'Backend',
};

export const GROUP_TITLES: Readonly<Record<OptionSpec['group'], string>> = {
  model: 'Network',
  schedule: 'Schedule',
  images: 'Images',
  regularisation: 'Regularisation',
  dataset: 'Validation and filter',
  evaluation: 'Evaluation during training',
  machine: 'Machine',
};

/** Those that most people change; the others are folded away. */
export const BASIC_OPTIONS: readonly OptionName[] = [
  'max_nrof_epochs',
  'epoch_size',
  'batch_size',
  'image_size',
  'embedding_size',
  'validation_set_split_ratio',
];

export const CHOICE_LABELS: Readonly<Partial<Record<OptionName, Readonly<Record<string, string>>>>> = {
  model_def: {
    'models.inception_resnet_v1': 'Inception-ResNet-v1',
    'models.inception_resnet_v2': 'Inception-ResNet-v2',
    'models.squeezenet': 'SqueezeNet',
    'models.dlib_face_resnet': 'dlib’s face ResNet',
  },
  lfw_distance_metric: { 0: 'Squared Euclidean', 1: 'Angle' },
  optimizer: { MOM: 'Momentum (MOM)' },
  precision: { float32: 'float32', float16: 'float16 (half the memory)' },
  executor: { auto: 'Automatic', engine: 'WebGPU engine', tfjs: 'TensorFlow.js' },
  backend: { auto: 'Automatic', webgpu: 'WebGPU', wasm: 'WebAssembly' },
};

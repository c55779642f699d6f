/** Settings that go together. */
import { defaultTrainingOptions, type TrainingOptions } from './options.ts';
import { CASIA_SCHEDULE } from './schedule.ts';

export interface Preset {
  readonly id: 'quick-try' | 'quick-try-software' | 'few-hundred-photos' | 'guide' | 'vggface2';
  readonly title: string;
  readonly description: string;
  readonly options: TrainingOptions;
}

/** What the guide's command sets. */
const GUIDE: TrainingOptions = {
  ...defaultTrainingOptions(),
  optimizer: 'ADAM',
  learning_rate: -1,
  learning_rate_schedule: CASIA_SCHEDULE,
  max_nrof_epochs: 150,
  keep_probability: 0.8,
  random_crop: true,
  random_flip: true,
  use_fixed_image_standardization: true,
  weight_decay: 5e-4,
  embedding_size: 512,
  lfw_distance_metric: 1,
  lfw_use_flipped_images: true,
  lfw_subtract_mean: true,
  validation_set_split_ratio: 0.05,
  validate_every_n_epochs: 5,
  prelogits_norm_loss_factor: 5e-4,
};

/**
 * A few hundred steps: the moving statistics follow faster, and there is no moving average of the parameters, which
 * would hardly have left its start.
 */
const SHORT_RUN: Partial<TrainingOptions> = {
  batch_norm_decay: 0.9,
  moving_average_decay: 0,
  validate_every_n_epochs: 1,
  embedding_size: 128,
};

export const PRESETS: readonly Preset[] = [
  {
    id: 'quick-try',
    title: 'Quick try',
    description: 'Takes a few minutes on a GPU. Enough to see the loss fall on a small dataset.',
    options: {
      ...GUIDE,
      ...SHORT_RUN,
      image_size: 112,
      batch_size: 32,
      epoch_size: 20,
      max_nrof_epochs: 10,
      learning_rate_schedule: '0: 0.05\n7: 0.01\n',
      validation_set_split_ratio: 0,
      weight_decay: 1e-4,
    },
  },
  {
    id: 'quick-try-software',
    title: 'Quick try without a GPU',
    description: 'Takes two to three minutes on a CPU. Small images and few steps.',
    options: {
      ...GUIDE,
      ...SHORT_RUN,
      image_size: 80,
      // At 80 pixels the last layers see one pixel an image: batch statistics over 12 of them are too noisy to learn from.
      batch_size: 24,
      epoch_size: 6,
      max_nrof_epochs: 5,
      learning_rate_schedule: '0: 0.05\n5: 0.01\n',
      validation_set_split_ratio: 0,
      weight_decay: 1e-4,
      keep_probability: 1,
    },
  },
  {
    id: 'few-hundred-photos',
    title: 'A few hundred photos',
    description: 'For a handful of people with a few dozen photos each.',
    options: {
      ...GUIDE,
      batch_norm_decay: 0.95,
      moving_average_decay: 0.99,
      embedding_size: 128,
      batch_size: 45,
      epoch_size: 100,
      max_nrof_epochs: 40,
      learning_rate_schedule: '0: 0.05\n20: 0.005\n32: 0.0005\n',
      validation_set_split_ratio: 0.1,
      validate_every_n_epochs: 1,
    },
  },
  {
    id: 'guide',
    title: 'Large: 500,000 photos (CASIA-WebFace)',
    description:
      'The settings of the FaceNet training guide (davidsandberg/facenet). Needs a GPU and takes a long time. Published accuracy on LFW: 99.05%.',
    options: GUIDE,
  },
  {
    id: 'vggface2',
    title: 'Largest: 3 million photos (VGGFace2)',
    description: 'The guide’s settings for VGGFace2. Published accuracy on LFW: 99.65%.',
    options: {
      ...GUIDE,
      max_nrof_epochs: 500,
      learning_rate_schedule: '0: 0.05\n100: 0.005\n200: 0.0005\n276: -1\n',
    },
  },
];

export function presetOptions(id: Preset['id']): TrainingOptions {
  return { ...PRESETS.find((preset) => preset.id === id)!.options };
}

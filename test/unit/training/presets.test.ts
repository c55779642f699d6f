import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { defaultTrainingOptions, TRAINING_OPTIONS } from '../../../workers/protocol/train/options.ts';
import { presetOptions, PRESETS } from '../../../workers/protocol/train/presets.ts';
import { CASIA_SCHEDULE, learningRateOf, parseSchedule } from '../../../workers/protocol/train/schedule.ts';

/** The settings in the command of the original's guide. */
const GUIDE_COMMAND = `
--image_size 160 --model_def models.inception_resnet_v1 --optimizer ADAM --learning_rate -1 --max_nrof_epochs 150
--keep_probability 0.8 --random_crop --random_flip --use_fixed_image_standardization --weight_decay 5e-4
--embedding_size 512 --lfw_distance_metric 1 --lfw_use_flipped_images --lfw_subtract_mean
--validation_set_split_ratio 0.05 --validate_every_n_epochs 5 --prelogits_norm_loss_factor 5e-4`;

it('the guide’s preset is the guide’s command, and the original’s defaults', () => {
  const expected: Record<string, unknown> = {
    ...defaultTrainingOptions(),
    learning_rate_schedule: CASIA_SCHEDULE,
  };
  for (const flag of GUIDE_COMMAND.trim().split(/\s*--/).slice(1)) {
    const [name, value] = flag.trim().split(/\s+/) as [string, string | undefined];
    expect(expected).toHaveProperty(name);
    expected[name] = value === undefined ? true : typeof expected[name] === 'number' ? Number(value) : value;
  }
  expect(presetOptions('guide')).toEqual(expected);
});

it('VGGFace2’s differs in its schedule only', () => {
  const vggface2 = presetOptions('vggface2');
  const { max_nrof_epochs, learning_rate_schedule } = vggface2;
  expect({ ...presetOptions('guide'), max_nrof_epochs, learning_rate_schedule }).toEqual(vggface2);
  expect(parseSchedule(learning_rate_schedule)).toEqual([
    { epoch: 0, rate: 0.05 },
    { epoch: 100, rate: 0.005 },
    { epoch: 200, rate: 0.0005 },
    { epoch: 276, rate: -1 },
  ]);
  // The schedule ends the run, not the number of epochs.
  expect(learningRateOf(vggface2)(max_nrof_epochs, 0)).toBeLessThanOrEqual(0);
});

it('the schedule files are the presets’', () => {
  const file = (dataset: string): string =>
    readFileSync(`data/learning_rate_schedule_classifier_${dataset}.txt`, 'utf8');
  expect(parseSchedule(file('casia'))).toEqual(parseSchedule(CASIA_SCHEDULE));
  expect(parseSchedule(file('vggface2'))).toEqual(
    parseSchedule(presetOptions('vggface2').learning_rate_schedule),
  );
});

it('presets are copies: changing one changes no other', () => {
  for (const { id } of PRESETS) {
    const options = presetOptions(id);
    options.batch_size = 7;
    expect(presetOptions(id).batch_size).not.toBe(7);
  }
});

it('the options are the original’s flags with its defaults', () => {
  const original = {
    model_def: 'models.inception_resnet_v1',
    max_nrof_epochs: 500,
    batch_size: 90,
    image_size: 160,
    epoch_size: 1000,
    embedding_size: 128,
    random_crop: false,
    random_flip: false,
    random_rotate: false,
    use_fixed_image_standardization: false,
    keep_probability: 1,
    weight_decay: 0,
    center_loss_factor: 0,
    center_loss_alfa: 0.95,
    prelogits_norm_loss_factor: 0,
    prelogits_norm_p: 1,
    prelogits_hist_max: 10,
    optimizer: 'ADAGRAD',
    learning_rate: 0.1,
    learning_rate_decay_epochs: 100,
    learning_rate_decay_factor: 1,
    moving_average_decay: 0.9999,
    seed: 666,
    nrof_preprocess_threads: 4,
    log_histograms: false,
    filter_filename: '',
    filter_percentile: 100,
    filter_min_nrof_images_per_class: 0,
    validate_every_n_epochs: 5,
    validation_set_split_ratio: 0,
    min_nrof_val_images_per_class: 0,
    lfw_batch_size: 100,
    lfw_nrof_folds: 10,
    lfw_distance_metric: 0,
    lfw_use_flipped_images: false,
    lfw_subtract_mean: false,
  };
  expect(defaultTrainingOptions()).toMatchObject(original);
  const names = TRAINING_OPTIONS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  // Settings that the original does not have.
  expect(names.filter((name) => !Object.hasOwn(original, name)).sort()).toEqual([
    'backend',
    'batch_norm_decay',
    'executor',
    'learning_rate_schedule',
    'precision',
  ]);
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MODEL_NAMES } from '../../../workers/protocol/train/networks.ts';
import {
  ConfigurationError,
  formatConfiguration,
  parseConfiguration,
} from '../../../workers/protocol/train/configuration.ts';
import {
  defaultTrainingOptions,
  TRAINING_OPTIONS,
  type OptionName,
  type TrainingOptions,
} from '../../../workers/protocol/train/options.ts';
import { PRESETS } from '../../../workers/protocol/train/presets.ts';
import {
  InvalidOptionsError,
  requireValidOptions,
  validateOptions,
  type DatasetFacts,
} from '../../../workers/protocol/train/validate_options.ts';
import { minimumImageSize } from '../../../workers/protocol/train/networks.ts';

const defaults = defaultTrainingOptions();

function problemsOf(changes: Partial<TrainingOptions>, facts?: DatasetFacts): string[] {
  return validateOptions({ ...defaults, ...changes }, facts).map(
    ({ option, severity }) => `${severity} ${option}`,
  );
}

describe('validation', () => {
  it('finds nothing wrong with the defaults and the presets', () => {
    expect(validateOptions(defaults)).toEqual([]);
    for (const { id, options } of PRESETS) expect(validateOptions(options), id).toEqual([]);
  });

  it.each<[Partial<Record<OptionName, unknown>>, string[]]>([
    [{ batch_size: 1 }, ['error batch_size']],
    [{ batch_size: 2.5 }, ['error batch_size']],
    [{ batch_size: NaN }, ['error batch_size']],
    [{ batch_size: '90' }, ['error batch_size']],
    [{ weight_decay: -0.1, keep_probability: 2 }, ['error keep_probability', 'error weight_decay']],
    [{ random_flip: 1 }, ['error random_flip']],
    [{ optimizer: 'SGD' }, ['error optimizer']],
    [{ lfw_distance_metric: 2 }, ['error lfw_distance_metric']],
    [{ model_def: 'models.vgg' }, ['error model_def']],
    [{ image_size: 74 }, ['error image_size']],
    [{ image_size: 74, model_def: 'models.squeezenet' }, []],
    [{ image_size: 74, model_def: 'inception_resnet_v2' }, ['error image_size']],
    [{ learning_rate: 0 }, ['error learning_rate_schedule']],
    [{ learning_rate: -1, learning_rate_schedule: '0: fast' }, ['error learning_rate_schedule']],
    [{ learning_rate: -1, learning_rate_schedule: '5: 0.1' }, ['error learning_rate_schedule']],
    [{ learning_rate: -1, learning_rate_schedule: '0: -1' }, ['error learning_rate_schedule']],
    [
      { learning_rate: -1, learning_rate_schedule: '0: 0.1\n9: 0.01\n5: 1' },
      ['warning learning_rate_schedule'],
    ],
    [{ max_nrof_epochs: 3_000_000 }, ['error max_nrof_epochs']],
    [{ executor: 'engine', backend: 'wasm' }, ['error executor']],
    [{ precision: 'bfloat16' }, ['error precision']],
    [{ precision: 'float16' }, []],
    [{ precision: 'float16', executor: 'tfjs' }, ['error precision']],
    [{ precision: 'float16', backend: 'wasm' }, ['error precision']],
    [{ filter_percentile: 80 }, ['warning filter_percentile']],
    [{ filter_percentile: 80, filter_filename: 'distances.h5' }, []],
    [{ filter_min_nrof_images_per_class: 3 }, ['warning filter_min_nrof_images_per_class']],
    [{ min_nrof_val_images_per_class: 3 }, ['warning min_nrof_val_images_per_class']],
  ])('%j: %j', (changes, expected) => {
    expect(problemsOf(changes as Partial<TrainingOptions>)).toEqual(expected);
  });

  it('warns of a batch that is larger than the dataset', () => {
    expect(problemsOf({}, { imageCount: 89 })).toEqual(['warning batch_size']);
    expect(problemsOf({}, { imageCount: 90 })).toEqual([]);
  });

  it('names every error at once, and lets warnings pass', () => {
    const bad = { ...defaults, batch_size: 0, image_size: 3 };
    expect(() => requireValidOptions(bad)).toThrow(InvalidOptionsError);
    expect(() => requireValidOptions(bad)).toThrow(
      /batch_size: Enter a whole number from 2 to 4096\. image_size: Enter a whole number from 25 to 1024\./,
    );
    expect(() => requireValidOptions({ ...defaults, filter_percentile: 50 })).not.toThrow();
  });

  it('allows the smallest image of the smallest model, and describes all models', () => {
    const spec = TRAINING_OPTIONS.find(({ name }) => name === 'image_size')!;
    const sizes = MODEL_NAMES.map((name) => minimumImageSize(name)!);
    expect(spec).toMatchObject({ minimum: Math.min(...sizes) });
    const { description, ...modelDef } = TRAINING_OPTIONS.find(({ name }) => name === 'model_def')!;
    for (const name of MODEL_NAMES) expect(description).toContain(`models.${name}`);
    expect(modelDef).toMatchObject({ suggestions: MODEL_NAMES.map((name) => `models.${name}`) });
  });
});

/** Arbitrary options that are valid, alone and together. */
const anyOptions: fc.Arbitrary<TrainingOptions> = fc
  .record(
    Object.fromEntries(
      TRAINING_OPTIONS.map((spec) => {
        switch (spec.type) {
          case 'flag':
            return [spec.name, fc.boolean()];
          case 'text':
            return [spec.name, fc.string({ unit: 'binary' })];
          case 'choice':
            return [spec.name, fc.constantFrom<unknown>(...spec.choices)];
          default: {
            const { minimum = -1e6, maximum = 1e6, excludesBounds = false } = spec;
            return [
              spec.name,
              spec.type === 'integer'
                ? fc.integer({ min: minimum, max: Math.min(maximum, 40_000) })
                : fc.double({
                    min: minimum,
                    max: maximum,
                    minExcluded: excludesBounds,
                    maxExcluded: excludesBounds,
                    noNaN: true,
                  }),
            ];
          }
        }
      }),
    ) as Record<OptionName, fc.Arbitrary<unknown>>,
  )
  .map((values) => {
    const options = values as unknown as TrainingOptions;
    return {
      ...options,
      model_def: 'models.squeezenet',
      learning_rate_schedule: '0: 0.1 # ü\n',
      backend: options.executor === 'engine' ? 'webgpu' : options.backend,
      precision: options.executor === 'engine' ? options.precision : 'float32',
    };
  });

describe('a configuration file', () => {
  it('comes back as it was written, whatever the settings', () => {
    fc.assert(
      fc.property(anyOptions, (options) => {
        // JSON has no negative zero.
        const expected = Object.fromEntries(
          Object.entries(options).map(([name, value]) => [name, value === 0 ? 0 : value]),
        );
        expect(parseConfiguration(formatConfiguration(options))).toEqual(expected);
      }),
    );
  });

  it('holds every option, one a line', () => {
    const lines = formatConfiguration(defaults).split('\n');
    for (const { name } of TRAINING_OPTIONS)
      expect(lines.filter((line) => line.includes(`"${name}":`))).toHaveLength(1);
  });

  const configuration = (options: object, more: object = {}): string =>
    JSON.stringify({ format: 'facenet-training-configuration', version: 1, options, ...more });

  it('may name a few options only', () => {
    expect(parseConfiguration(configuration({ batch_size: 32 }))).toEqual({ ...defaults, batch_size: 32 });
  });

  it.each<[string, string | undefined, RegExp]>([
    ['{', undefined, /not valid JSON/],
    ['[]', undefined, /not a training configuration/],
    ['null', undefined, /not a training configuration/],
    [configuration({}, { format: 'x' }), undefined, /not a training configuration/],
    [configuration({}, { version: 2 }), 'version', /version 2/],
    [configuration({ batchSize: 3 }), 'batchSize', /no setting "batchSize"/],
    [configuration({ toString: 3 }), 'toString', /no setting "toString"/],
    [configuration({ batch_size: 1 }), 'batch_size', /batch_size cannot be 1\. Enter a whole number from 2/],
    [configuration({ batch_size: null }), 'batch_size', /batch_size cannot be null/],
    [configuration({ random_crop: 'yes' }), 'random_crop', /random_crop cannot be "yes"/],
    [configuration({ optimizer: 'SGD' }), 'optimizer', /Choose one of ADAGRAD/],
    [configuration({ learning_rate: -1 }), 'learning_rate_schedule', /schedule is empty/],
    [configuration({ image_size: 40 }), 'image_size', /at least 75 pixels/],
  ])('is refused with the key: %s', (text, key, message) => {
    try {
      parseConfiguration(text);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigurationError);
      expect((error as ConfigurationError).key).toBe(key);
      expect((error as ConfigurationError).message).toMatch(message);
    }
  });

  it('never fails in another way, whatever the JSON', () => {
    const names = fc.oneof(
      fc.constantFrom(...TRAINING_OPTIONS.map(({ name }) => name as string)),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.dictionary(names, fc.jsonValue()), (options) => {
        try {
          expect(validateOptions(parseConfiguration(configuration(options)))).not.toContainEqual(
            expect.objectContaining({ severity: 'error' }),
          );
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigurationError);
        }
      }),
    );
  });
});

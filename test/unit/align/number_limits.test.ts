/** The limits of numbers: the tables, every numeric flag of every command, and the requests of jobs. */
import fc from 'fast-check';
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Command } from '../../../cli/arguments/command.ts';
import { UsageError } from '../../../cli/system/errors.ts';
import { parseArguments, type FlagSpec } from '../../../cli/arguments/flags.ts';
import { retryOptions, settingsObstacle } from '../../../src/photos/align_settings.ts';
import { DEFAULT_ALIGN_OPTIONS, type AlignOptions } from '../../../workers/protocol/align/align.ts';
import * as limits from '../../../workers/protocol/align/limits.ts';
import { alignProblems, requireAlignOptions } from '../../../workers/protocol/align/limits.ts';
import {
  describeLimits,
  InvalidNumberError,
  isAllowed,
  numberAdvice,
  numberProblem,
  type NumberLimits,
} from '../../../workers/protocol/number_limits.ts';
import {
  defaultTrainingOptions,
  optionLimits,
  TRAINING_OPTIONS,
} from '../../../workers/protocol/train/options.ts';
import { presetOptions } from '../../../workers/protocol/train/presets.ts';
import { validateOptions } from '../../../workers/protocol/train/validate_options.ts';

/** Values that people and scripts enter into number fields. */
const anyValue = fc.oneof(
  fc.constantFrom(undefined, null, NaN, Infinity, -Infinity, '', '5', {}, [], true),
  fc.constantFrom(0, -0, 1, -1, 0.5, 1e-300, 1e308, 9007199254740991, 2 ** 53, 2 ** 31, -(2 ** 31)),
  fc.double(),
  fc.integer(),
);

const isLimits = (value: object): value is NumberLimits =>
  ['minimum', 'maximum', 'isInteger'].some((name) => name in value);

/** Every entry of every table that limits.ts exports. */
const tables: [name: string, limits: NumberLimits][] = Object.entries(limits).flatMap(([name, value]) => {
  if (typeof value === 'function') return [];
  if (isLimits(value)) return [[name, value]];
  return Object.entries(value).map(([key, entry]): [string, NumberLimits] => [`${name}.${key}`, entry]);
});
const options = TRAINING_OPTIONS.flatMap((spec): [string, NumberLimits][] =>
  spec.type === 'integer' || spec.type === 'number' ? [[`option ${spec.name}`, optionLimits(spec)]] : [],
);

describe('the tables', () => {
  it('are all looked at', () => {
    expect(tables.length).toBeGreaterThan(15);
    expect(options.length).toBeGreaterThan(25);
  });

  it.each([...tables, ...options])('%s: any value is allowed, or refused in one sentence', (_name, one) => {
    // Every limit is bounded on both sides, so no accepted value can be huge.
    expect(one.minimum).toBeDefined();
    expect(one.maximum).toBeDefined();
    fc.assert(
      fc.property(anyValue, (value) => {
        const problem = numberProblem(one, value);
        if (isAllowed(one, value)) {
          expect(problem).toBeUndefined();
          if (value === undefined || value === null) expect(one.whenEmpty).toBeDefined();
          else {
            expect(Number.isFinite(value)).toBe(true);
            expect(value as number).toBeGreaterThanOrEqual(one.minimum!);
            expect(value as number).toBeLessThanOrEqual(one.maximum!);
            if (one.isInteger) expect(Number.isInteger(value)).toBe(true);
          }
        } else {
          expect(problem).toMatch(/^Enter a .*\.$/);
          expect(problem).toContain(String(one.minimum));
          expect(numberAdvice(one, value)).toBeUndefined();
        }
      }),
    );
  });

  it('describe themselves', () => {
    expect(describeLimits({ minimum: 1, maximum: 9, isInteger: true })).toBe('a whole number from 1 to 9');
    expect(describeLimits({ minimum: 0, maximum: 1, excludesBounds: true })).toBe(
      'a number above 0 and below 1',
    );
    expect(describeLimits({ minimum: 0 })).toBe('a number of at least 0');
    expect(numberProblem({ minimum: 1, whenEmpty: 'the model’s own' }, 0)).toBe(
      'Enter a number of at least 1, or nothing for the model’s own.',
    );
  });
});

const folder = new URL('../../../cli/commands/', import.meta.url);
const commands = (
  await Promise.all(
    readdirSync(folder).map(
      async (name) => (await import(/* @vite-ignore */ new URL(name, folder).href)) as object,
    ),
  )
)
  .flatMap((module) => Object.values(module) as unknown[])
  .filter(
    (value): value is Command =>
      typeof value === 'object' && value !== null && 'run' in value && 'flags' in value,
  );
const numericFlags = commands.flatMap(({ name, flags }) =>
  flags.flatMap((flag) =>
    flag.type === 'integer' || flag.type === 'number' ? [[`${name} --${flag.name}`, flag] as const] : [],
  ),
);

describe('numeric flags', () => {
  it('are found in every command that has some', () => {
    expect(commands.length).toBeGreaterThanOrEqual(11);
    expect(numericFlags.length).toBeGreaterThan(50);
  });

  it.each(numericFlags)('%s takes a number within its limits, or says which', (_name, flag) => {
    expect(flag).toMatchObject({ minimum: expect.any(Number), maximum: expect.any(Number) });
    const text = fc.oneof(
      fc.constantFrom('', ' ', 'NaN', 'Infinity', '-Infinity', '1e400', '0x', 'ten', '1,5', '½', '--', '-'),
      fc.constantFrom('-1', '0', '0.5', '1e308', '9007199254740993', '-0', '1e-320', '0.99999'),
      fc.double().map(String),
      fc.string(),
    );
    fc.assert(
      fc.property(text, (value) => {
        let taken: unknown;
        try {
          taken = parseArguments([], [flag as FlagSpec], [`--${flag.name}=${value}`]).values[flag.name];
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
          expect((error as Error).message).toContain(
            `--${flag.name} takes ${describeLimits({ ...flag, isInteger: flag.type === 'integer' })}`,
          );
          return;
        }
        expect(isAllowed({ ...flag, isInteger: flag.type === 'integer' }, taken)).toBe(true);
      }),
    );
  });
});

describe('alignment', () => {
  it('refuses any bad number, by the page’s words and by the job’s, and nothing else', () => {
    const numbers = fc.record({
      image_size: anyValue,
      margin: anyValue,
      minsize: anyValue,
      factor: anyValue,
      thresholds: fc.tuple(anyValue, anyValue, anyValue),
    });
    fc.assert(
      fc.property(
        fc.constantFrom('image_size', 'margin', 'minsize', 'factor', 'thresholds'),
        numbers,
        (name, bad) => {
          const asked = { ...DEFAULT_ALIGN_OPTIONS, [name]: bad[name] } as AlignOptions;
          const isWrong = alignProblems(asked).some(({ severity }) => severity === 'error');
          expect(settingsObstacle(asked) !== '').toBe(isWrong);
          if (isWrong) expect(() => requireAlignOptions(asked)).toThrow(InvalidNumberError);
          else expect(() => requireAlignOptions(asked)).not.toThrow();
        },
      ),
    );
  });

  it('names the field and what to enter', () => {
    expect(settingsObstacle({ ...DEFAULT_ALIGN_OPTIONS, factor: 1 })).toBe(
      'Pyramid factor: Enter a number from 0.1 to 0.95.',
    );
    expect(settingsObstacle(DEFAULT_ALIGN_OPTIONS)).toBe('');
    expect(() => requireAlignOptions({ ...DEFAULT_ALIGN_OPTIONS, minsize: 1 })).toThrow(
      'minsize is 1; it must be a number from 12 to 10000.',
    );
  });

  it('tries photos again only with settings that are allowed', () => {
    for (const retry of ['lower-thresholds', 'smaller-faces', 'both'] as const)
      for (const minsize of [12, 13, 20, 400]) {
        const again = retryOptions({ ...DEFAULT_ALIGN_OPTIONS, minsize }, retry);
        expect(() => requireAlignOptions(again)).not.toThrow();
      }
  });
});

describe('settings that are allowed and hardly meant', () => {
  const defaults = defaultTrainingOptions();
  const warned = (changes: object, facts = {}): string[] =>
    validateOptions({ ...defaults, ...changes }, facts)
      .filter(({ severity }) => severity === 'warning')
      .map(({ option }) => option);

  it.each<[object, object, string]>([
    [{ max_nrof_epochs: 1_000_000 }, {}, 'max_nrof_epochs'],
    [{ learning_rate: 5 }, {}, 'learning_rate'],
    [{ learning_rate: -1, learning_rate_schedule: '0: 5' }, {}, 'learning_rate_schedule'],
    [{ image_size: 400 }, { faceSize: 182 }, 'image_size'],
    [{ nrof_preprocess_threads: 900 }, {}, 'nrof_preprocess_threads'],
    [presetOptions('guide'), { isProcessorOnly: true }, 'max_nrof_epochs'],
    [{ lfw_batch_size: 4000 }, {}, 'lfw_batch_size'],
  ])('%o with %o: a warning for %s', (changes, facts, option) => {
    expect(warned(changes, facts)).toContain(option);
  });

  it('are not given for the presets with a GPU, nor for the quick one without', () => {
    expect(warned(presetOptions('guide'), { faceSize: 182 })).toEqual([]);
    expect(warned(presetOptions('quick-try-software'), { isProcessorOnly: true, faceSize: 182 })).toEqual([]);
  });

  it.each([
    { learning_rate: 1e308 },
    { nrof_preprocess_threads: 9007199254740991 },
    { prelogits_hist_max: 0 },
    { learning_rate: -1, learning_rate_schedule: '0: 1e308' },
  ])('%o is refused', (changes) => {
    expect(validateOptions({ ...defaults, ...changes }).some(({ severity }) => severity === 'error')).toBe(
      true,
    );
  });
});

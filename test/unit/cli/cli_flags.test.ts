import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../../cli/system/errors.ts';
import { parseArguments, type FlagSpec } from '../../../cli/arguments/flags.ts';
import { editDistance, nearestName } from '../../../cli/arguments/nearest_name.ts';
import { givenOptions, optionFlags } from '../../../cli/arguments/training_flags.ts';
import { splitWords } from '../../../cli/arguments/words.ts';
import { defaultTrainingOptions, TRAINING_OPTIONS } from '../../../workers/protocol/train/options.ts';

const FLAGS: readonly FlagSpec[] = [
  { name: 'image_size', type: 'integer', minimum: 1, maximum: 1000, default: 160, description: '' },
  { name: 'learning_rate', type: 'number', default: 0.1, description: '' },
  { name: 'random_order', type: 'flag', description: '' },
  { name: 'format', type: 'choice', choices: ['tfjs', 'safetensors'], default: 'tfjs', description: '' },
  {
    name: 'metric',
    aliases: ['distance_metric'],
    type: 'choice',
    choices: [0, 1],
    default: 0,
    description: '',
  },
  { name: 'out_dir', type: 'text', placeholder: 'folder', description: '' },
  { name: 'browser_args', type: 'text', takesDashes: true, description: '' },
];
const POSITIONALS = [
  { name: 'in', description: 'The input.' },
  { name: 'out', description: 'The output.', optional: true },
];

const parse = (...argv: string[]) => parseArguments(POSITIONALS, FLAGS, argv);

describe('flags', () => {
  it('take both forms of the original, in any order among the arguments', () => {
    const { positionals, values, given } = parse(
      '--image_size=96',
      'a b/ü',
      '--learning_rate',
      '-1',
      'out',
      '--random_order',
      '--format',
      'safetensors',
    );
    expect(positionals).toEqual(['a b/ü', 'out']);
    expect(values).toMatchObject({
      image_size: 96,
      learning_rate: -1,
      random_order: true,
      format: 'safetensors',
    });
    expect([...given].sort()).toEqual(['format', 'image_size', 'learning_rate', 'random_order']);
  });

  it('have their defaults', () => {
    expect(parse('in').values).toMatchObject({
      image_size: 160,
      learning_rate: 0.1,
      format: 'tfjs',
      metric: 0,
    });
    expect(parse('in').values['random_order']).toBeUndefined();
  });

  it('take True and False after a flag that is on or off, and nothing else', () => {
    expect(parse('--random_order', 'False', 'in').values['random_order']).toBe(false);
    expect(parse('--random_order', 'in').positionals).toEqual(['in']);
    expect(() => parse('in', '--random_order=2')).toThrow(
      '--random_order is a switch. It takes True, False or no value, not "2".',
    );
  });

  it('know the names of the original’s other programs', () => {
    expect(parse('in', '--distance_metric', '1').values['metric']).toBe(1);
  });

  it('take values that begin with dashes only where that makes sense', () => {
    expect(parse('in', '--browser_args', '--use-angle=gl --foo').values['browser_args']).toBe(
      '--use-angle=gl --foo',
    );
    expect(() => parse('in', '--out_dir', '--random_order')).toThrow('--out_dir needs a value: a folder.');
  });

  it('take everything after -- as arguments', () => {
    expect(parse('--', '--image_size', 'x').positionals).toEqual(['--image_size', 'x']);
  });

  it.each([
    [['in', '--imagesize', '3'], 'Unknown flag --imagesize. Did you mean --image_size?'],
    [['in', '--image-size=3'], 'Unknown flag --image-size. Did you mean --image_size?'],
    [['in', '-x'], 'Unknown flag -x.'],
    [['in', '--zzzzzz'], 'Unknown flag --zzzzzz. --help'],
    [['in', '--image_size', '1.5'], '--image_size takes a whole number from 1 to 1000, not "1.5".'],
    [['in', '--image_size', '0'], '--image_size takes a whole number from 1 to 1000, not "0".'],
    [['in', '--learning_rate', 'fast'], '--learning_rate takes a number, not "fast".'],
    [['in', '--learning_rate='], '--learning_rate takes a number, not "".'],
    [['in', '--format', 'onnx'], '--format takes one of tfjs, safetensors, not "onnx".'],
    [['in', '--image_size'], '--image_size needs a value'],
    [[], '<in> is missing: The input.'],
    [['a', 'b', 'c d'], 'There is one argument too many: "c d".'],
  ])('refuse %j', (argv, message) => {
    expect(() => parse(...argv)).toThrow(UsageError);
    expect(() => parse(...argv)).toThrow(message);
  });

  it('give any text and number back, in both forms', () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !text.startsWith('--')),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.boolean(),
        (text, number, joined) => {
          const flags = joined
            ? [`--out_dir=${text}`, `--learning_rate=${number}`]
            : ['--out_dir', text, '--learning_rate', String(number)];
          const { values, positionals } = parse(...flags, 'in');
          // String() drops the sign of a negative zero.
          expect(values).toMatchObject({ out_dir: text, learning_rate: Number(String(number)) });
          expect(positionals).toEqual(['in']);
        },
      ),
    );
  });

  it('fail with a usage error or not at all, whatever is typed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.constantFrom(...FLAGS.map(({ name }) => `--${name}`)))),
        (argv) => {
          try {
            parse(...argv);
          } catch (error) {
            expect(error).toBeInstanceOf(UsageError);
          }
        },
      ),
    );
  });
});

describe('training options as flags', () => {
  it('are all there, but those that are files', () => {
    const names = optionFlags().map(({ name }) => name);
    const missing = TRAINING_OPTIONS.map(({ name }) => name).filter((name) => !names.includes(name));
    expect(missing).toEqual(['learning_rate_schedule', 'filter_filename']);
  });

  it('become options again', () => {
    const args = parseArguments([], optionFlags(), [
      ...['--optimizer', 'adam', '--batch_size', '12', '--random_flip', '--lfw_distance_metric', '1'],
    ]);
    expect(givenOptions(args, defaultTrainingOptions())).toEqual({
      ...defaultTrainingOptions(),
      optimizer: 'ADAM',
      batch_size: 12,
      random_flip: true,
      lfw_distance_metric: 1,
    });
  });

  it('keep the limits of the options', () => {
    expect(() => parseArguments([], optionFlags(), ['--batch_size', '1'])).toThrow('from 2 to 4096');
  });
});

describe('nearest name', () => {
  it('has the properties of a distance', () => {
    const word = fc.string({ maxLength: 8 });
    fc.assert(
      fc.property(word, word, word, (a, b, c) => {
        expect(editDistance(a, a)).toBe(0);
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, c)).toBeLessThanOrEqual(editDistance(a, b) + editDistance(b, c));
      }),
    );
  });

  it('suggests what was meant, and nothing where nothing was', () => {
    expect(nearestName('aling', ['align', 'train', 'detect'])).toBe('align');
    expect(nearestName('frobnicate', ['align', 'train', 'detect'])).toBeUndefined();
    expect(nearestName('x', [])).toBeUndefined();
  });
});

describe('words', () => {
  it('are separated by spaces and held together by quotes', () => {
    expect(splitWords(' --a=1  --b="two words" \'--c=x y\'')).toEqual(['--a=1', '--b=two words', '--c=x y']);
    expect(splitWords('')).toEqual([]);
  });
});

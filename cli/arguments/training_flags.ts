/** The training options as flags, and back. */
import {
  optionLimits,
  TRAINING_OPTIONS,
  type OptionSpec,
  type TrainingOptions,
} from '../../workers/protocol/train/options.ts';
import { numberFlag, type Arguments, type FlagSpec } from './flags.ts';

/** On the command line these are files: learning_rate_schedule_file, filter_filename. */
const FILE_OPTIONS: readonly OptionSpec['name'][] = ['learning_rate_schedule', 'filter_filename'];

/** A flag for every option that is a value, with its own limits and default. */
export function optionFlags(filter: (spec: OptionSpec) => boolean = () => true): FlagSpec[] {
  return TRAINING_OPTIONS.filter((spec) => !FILE_OPTIONS.includes(spec.name) && filter(spec)).map(optionFlag);
}

function optionFlag(spec: OptionSpec): FlagSpec {
  const { name, description } = spec;
  switch (spec.type) {
    case 'flag':
      return { name, description, type: 'flag' };
    case 'choice':
      return { name, description, type: 'choice', choices: spec.choices, default: spec.default };
    case 'text':
      return { name, description, type: 'text', default: spec.default };
    default:
      return numberFlag(
        name,
        { ...optionLimits(spec), advice: undefined },
        { description, default: spec.default },
      );
  }
}

/** The options as given, over `base`; values that have become flags only. */
export function givenOptions(args: Arguments, base: TrainingOptions): TrainingOptions {
  const given = TRAINING_OPTIONS.filter(({ name }) => args.given.has(name)).map(
    ({ name }) => [name, args.values[name]] as const,
  );
  return { ...base, ...Object.fromEntries(given) };
}

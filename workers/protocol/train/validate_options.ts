/**
 * What is wrong with a run's settings, before it starts: each option by itself, then those that must fit each other.
 * The terminal, the form and a configuration file are all held to this.
 */
import { minimumImageSize, networkName, UnknownModelError } from './networks.ts';
import { numberAdvice, numberProblem } from '../number_limits.ts';
import {
  HIGH_RATE,
  optionLimits,
  TRAINING_OPTIONS,
  type OptionName,
  type OptionSpec,
  type TrainingOptions,
} from './options.ts';
import { parseSchedule, ScheduleError, scheduledRate } from './schedule.ts';

export interface OptionProblem {
  readonly option: OptionName;
  /** One sentence that says what to choose. */
  readonly message: string;
  /** `error`: a run would fail or train nothing; `warning`: it would do something that is hardly meant. */
  readonly severity: 'error' | 'warning';
}

/** What is known of the dataset, for the rules that need it. */
export interface DatasetFacts {
  /** Images to train on. */
  readonly imageCount?: number | undefined;
  /** Width of the aligned faces, pixels. */
  readonly faceSize?: number | undefined;
  /** There is no graphics processor. */
  readonly isProcessorOnly?: boolean | undefined;
}

export class InvalidOptionsError extends Error {
  override name = 'InvalidOptionsError';
  readonly problems: readonly OptionProblem[];
  constructor(problems: readonly OptionProblem[]) {
    super(problems.map(({ option, message }) => `${option}: ${message}`).join(' '));
    this.problems = problems;
  }
}

/** Steps are counted in 32 bits on the GPU. */
const MOST_STEPS = 2 ** 31;
/** The guide's recipe takes 150,000. */
const MANY_STEPS = 5_000_000;
/** Images of 160 pixels on two processor cores, from the hour's run in docs/training-run.md. */
const PROCESSOR_IMAGES_PER_SECOND = 1;
const SECONDS_PER_DAY = 86_400;

/** @returns the problems in the order of the options; none when a run can start */
export function validateOptions(options: TrainingOptions, facts: DatasetFacts = {}): OptionProblem[] {
  const single = TRAINING_OPTIONS.flatMap((spec): OptionProblem[] => {
    const message = valueProblem(spec, options[spec.name]);
    if (message !== undefined) return [{ option: spec.name, message, severity: 'error' }];
    const advice =
      spec.type === 'integer' || spec.type === 'number'
        ? numberAdvice(optionLimits(spec), options[spec.name])
        : undefined;
    return advice === undefined ? [] : [{ option: spec.name, message: advice, severity: 'warning' }];
  });
  const wrong = new Set(single.filter(({ severity }) => severity === 'error').map(({ option }) => option));
  const together = RULES.filter(({ reads }) => !reads.some((option) => wrong.has(option))).flatMap(
    ({ check, severity = 'error', reads: [option] }): OptionProblem[] => {
      const message = check(options, facts);
      return message === undefined ? [] : [{ option, message, severity }];
    },
  );
  const order = TRAINING_OPTIONS.map(({ name }) => name);
  return [...single, ...together].sort((a, b) => order.indexOf(a.option) - order.indexOf(b.option));
}

/** @throws InvalidOptionsError naming every error; warnings pass */
export function requireValidOptions(options: TrainingOptions, facts: DatasetFacts = {}): void {
  const errors = validateOptions(options, facts).filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new InvalidOptionsError(errors);
}

/** What is wrong with one option's value; undefined when nothing is. */
export function valueProblem(spec: OptionSpec, value: unknown): string | undefined {
  switch (spec.type) {
    case 'flag':
      return typeof value === 'boolean' ? undefined : 'It must be true or false.';
    case 'text':
      return typeof value === 'string' ? undefined : 'It must be text.';
    case 'choice': {
      const choices: readonly unknown[] = spec.choices;
      return choices.includes(value) ? undefined : `Choose one of ${choices.join(', ')}.`;
    }
    case 'integer':
    case 'number':
      return numberProblem(optionLimits(spec), value);
  }
}

interface Rule {
  /** The first is the one that is to blame; the rule is asked only when all of them are right by themselves. */
  readonly reads: readonly [OptionName, ...OptionName[]];
  readonly severity?: OptionProblem['severity'];
  /** @returns what is wrong */
  readonly check: (options: TrainingOptions, facts: DatasetFacts) => string | undefined;
}

const RULES: readonly Rule[] = [
  {
    reads: ['model_def'],
    check: ({ model_def }) =>
      networkName(model_def) === undefined ? new UnknownModelError(model_def).message : undefined,
  },
  {
    reads: ['image_size', 'model_def'],
    check: ({ image_size, model_def }) => {
      const minimum = minimumImageSize(model_def);
      return minimum !== undefined && image_size < minimum
        ? `${model_def} needs images of at least ${minimum} pixels.`
        : undefined;
    },
  },
  {
    reads: ['learning_rate_schedule', 'learning_rate'],
    check: ({ learning_rate, learning_rate_schedule }) => {
      if (learning_rate > 0) return undefined;
      try {
        const entries = parseSchedule(learning_rate_schedule);
        return scheduledRate(entries, 1) > 0
          ? undefined
          : 'The schedule has no rate above zero for epoch 1, so the run would end before its first step. Start with a line such as "0: 0.05".';
      } catch (error) {
        if (error instanceof ScheduleError) return error.message;
        throw error;
      }
    },
  },
  {
    reads: ['learning_rate_schedule', 'learning_rate'],
    severity: 'warning',
    check: ({ learning_rate_schedule }) => {
      const descending = firstDescent(learning_rate_schedule);
      return descending === undefined
        ? undefined
        : `Epoch ${descending[1]} is listed after epoch ${descending[0]}. The lines are read in order, and reading stops at the first epoch that has not been reached. Sort the lines by epoch.`;
    },
  },
  {
    reads: ['max_nrof_epochs', 'epoch_size'],
    check: ({ max_nrof_epochs, epoch_size }) =>
      max_nrof_epochs * epoch_size >= MOST_STEPS
        ? `${max_nrof_epochs} epochs of ${epoch_size} batches are more steps than a run can have (2147483647).`
        : undefined,
  },
  {
    reads: ['max_nrof_epochs', 'epoch_size'],
    severity: 'warning',
    check: ({ max_nrof_epochs, epoch_size }) => {
      const steps = max_nrof_epochs * epoch_size;
      return steps > MANY_STEPS && steps < MOST_STEPS
        ? `These are ${steps} steps. The FaceNet training guide takes 150000 steps for 500000 photos.`
        : undefined;
    },
  },
  {
    reads: ['max_nrof_epochs', 'epoch_size', 'batch_size', 'image_size'],
    severity: 'warning',
    check: ({ max_nrof_epochs, epoch_size, batch_size, image_size }, { isProcessorOnly }) => {
      const images = max_nrof_epochs * epoch_size * batch_size * (image_size / 160) ** 2;
      const days = images / PROCESSOR_IMAGES_PER_SECOND / SECONDS_PER_DAY;
      return isProcessorOnly && days > 1
        ? `Without a GPU this takes about ${formatDays(days)} on two CPU cores. Choose a smaller preset or a machine with a GPU.`
        : undefined;
    },
  },
  {
    reads: ['image_size'],
    severity: 'warning',
    check: ({ image_size }, { faceSize }) =>
      faceSize !== undefined && image_size > faceSize
        ? `The faces in this dataset are ${faceSize} pixels wide, so at ${image_size} pixels the network sees them with a black border. Choose ${faceSize} or less, or align the photos at a larger size.`
        : undefined,
  },
  {
    reads: ['learning_rate_schedule', 'learning_rate'],
    severity: 'warning',
    check: ({ learning_rate, learning_rate_schedule }) =>
      learning_rate <= 0 && highestRate(learning_rate_schedule) > 1 ? HIGH_RATE : undefined,
  },
  {
    reads: ['batch_size'],
    severity: 'warning',
    check: ({ batch_size }, { imageCount }) =>
      imageCount !== undefined && batch_size > imageCount
        ? `There are only ${imageCount} training images, so each batch of ${batch_size} contains some of them several times.`
        : undefined,
  },
  {
    reads: ['executor', 'backend'],
    check: ({ executor, backend }) =>
      executor === 'engine' && backend === 'wasm'
        ? 'The engine runs on WebGPU only. Choose the backend webgpu or auto, or the executor tfjs.'
        : undefined,
  },
  {
    reads: ['precision', 'executor', 'backend'],
    check: ({ precision, executor, backend }) =>
      precision === 'float16' && (executor === 'tfjs' || backend === 'wasm')
        ? 'float16 runs on the WebGPU engine only. Choose float32, or the executor engine and the backend webgpu.'
        : undefined,
  },
  {
    reads: ['filter_percentile', 'filter_filename'],
    severity: 'warning',
    check: ({ filter_percentile, filter_filename }) =>
      filter_percentile < 100 && filter_filename === ''
        ? 'This has no effect without a filter table (filter_filename).'
        : undefined,
  },
  {
    reads: ['filter_min_nrof_images_per_class', 'filter_filename'],
    severity: 'warning',
    check: ({ filter_min_nrof_images_per_class, filter_filename }) =>
      filter_min_nrof_images_per_class > 0 && filter_filename === ''
        ? 'This has no effect without a filter table (filter_filename).'
        : undefined,
  },
  {
    reads: ['min_nrof_val_images_per_class', 'validation_set_split_ratio'],
    severity: 'warning',
    check: ({ min_nrof_val_images_per_class, validation_set_split_ratio }) =>
      min_nrof_val_images_per_class > 0 && validation_set_split_ratio === 0
        ? 'This has no effect without a validation_set_split_ratio.'
        : undefined,
  },
];

function formatDays(days: number): string {
  if (days < 14) return `${Math.round(days)} days`;
  return days < 730 ? `${Math.round(days / 7)} weeks` : `${Math.round(days / 365)} years`;
}

/** 0 for a schedule that cannot be read. */
function highestRate(schedule: string): number {
  try {
    return Math.max(...parseSchedule(schedule).map(({ rate }) => rate));
  } catch (error) {
    if (error instanceof ScheduleError) return 0;
    throw error;
  }
}

/** The first two epochs of a schedule that are not in order. */
function firstDescent(schedule: string): [number, number] | undefined {
  try {
    const entries = parseSchedule(schedule);
    for (let i = 1; i < entries.length; i++)
      if (entries[i]!.epoch < entries[i - 1]!.epoch) return [entries[i - 1]!.epoch, entries[i]!.epoch];
  } catch (error) {
    if (!(error instanceof ScheduleError)) throw error;
  }
  return undefined;
}

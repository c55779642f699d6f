/** The learning rate of an epoch: a schedule file's, or an initial rate with exponential decay. */
import type { TrainingOptions } from './options.ts';
import { quoted } from '../quoted.ts';

export class ScheduleError extends Error {
  override name = 'ScheduleError';
  /** From 1; 0 when no single line is to blame. */
  readonly line: number;
  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

export interface ScheduleEntry {
  readonly epoch: number;
  /** Zero or less stops the run. */
  readonly rate: number;
}

/** The guide's schedule, data/learning_rate_schedule_classifier_casia.txt. */
export const CASIA_SCHEDULE =
  '# Learning rate schedule\n# Maps an epoch number to a learning rate\n0: 0.05\n60: 0.005\n80: 0.0005\n91: -1\n';

/** As of the option learning_rate. */
const LARGEST_RATE = 1000;

/**
 * Lines `epoch: rate`, `#` comments and empty lines; a rate of `-` is −1.
 * @throws ScheduleError naming the line
 */
export function parseSchedule(text: string): ScheduleEntry[] {
  const entries: ScheduleEntry[] = [];
  text.split('\n').forEach((raw, index) => {
    const line = raw.split('#', 1)[0]!.trim();
    if (line === '') return;
    const match = /^(\d+)\s*:\s*(\S+)$/.exec(line);
    const rate = match?.[2] === '-' ? -1 : Number(match?.[2]);
    if (!match || !Number.isFinite(rate) || Math.abs(rate) > LARGEST_RATE)
      throw new ScheduleError(
        index + 1,
        `Line ${index + 1} of the learning rate schedule is not "epoch: rate" with a rate of at most ${LARGEST_RATE}: ${quoted(raw.trim())}. Write for example "60: 0.005".`,
      );
    entries.push({ epoch: Number(match[1]), rate });
  });
  if (entries.length === 0)
    throw new ScheduleError(
      0,
      'The learning rate schedule is empty. Write lines such as "0: 0.05", or choose a learning_rate above zero.',
    );
  return entries;
}

/** The rate of the last line whose epoch is at most `epoch`; 0 before the first. */
export function scheduledRate(entries: readonly ScheduleEntry[], epoch: number): number {
  let rate = 0;
  for (const entry of entries) {
    if (entry.epoch > epoch) break;
    rate = entry.rate;
  }
  return rate;
}

type RateOptions = Pick<
  TrainingOptions,
  | 'learning_rate'
  | 'learning_rate_decay_epochs'
  | 'learning_rate_decay_factor'
  | 'learning_rate_schedule'
  | 'epoch_size'
>;

/**
 * @returns the rate of a step: epoch from 1, step from 0; zero or less ends the run
 * @throws ScheduleError
 */
export function learningRateOf(options: RateOptions): (epoch: number, step: number) => number {
  if (options.learning_rate > 0) {
    const decaySteps = options.learning_rate_decay_epochs * options.epoch_size;
    return (_epoch, step) =>
      options.learning_rate * options.learning_rate_decay_factor ** Math.floor(step / decaySteps);
  }
  const entries = parseSchedule(options.learning_rate_schedule);
  return (epoch) => scheduledRate(entries, epoch);
}

/** A learning rate schedule as it is typed: every line that cannot be read, and the rates that it plans. */
import type { TrainingOptions } from '../../workers/protocol/train/options.ts';
import { learningRateOf, parseSchedule, ScheduleError } from '../../workers/protocol/train/schedule.ts';

/** More than anybody looks through. */
const MOST_BAD_LINES = 50;
const MOST_POINTS = 600;

export interface BadLine {
  /** From 1. */
  readonly line: number;
  readonly message: string;
}

/** @returns every line that is to blame, not only the first */
export function badScheduleLines(text: string): BadLine[] {
  const lines = text.split('\n');
  const bad: BadLine[] = [];
  while (bad.length < MOST_BAD_LINES)
    try {
      parseSchedule(lines.join('\n'));
      return bad;
    } catch (error) {
      if (!(error instanceof ScheduleError)) throw error;
      if (error.line === 0) return bad;
      bad.push({ line: error.line, message: error.message });
      lines[error.line - 1] = '';
    }
  return bad;
}

export interface PlannedRates {
  /** Epochs, from 1. */
  readonly epochs: readonly number[];
  readonly rates: readonly number[];
  /** The epoch at whose beginning a rate of zero or less ends the run. */
  readonly stopsAt: number | undefined;
}

/** The learning rate at the beginning of each epoch; undefined where the schedule cannot be read. */
export function plannedRates(options: TrainingOptions): PlannedRates | undefined {
  const { max_nrof_epochs, epoch_size } = options;
  if (!(max_nrof_epochs >= 1) || !(epoch_size >= 1)) return undefined;
  let rateOf: ReturnType<typeof learningRateOf>;
  try {
    rateOf = learningRateOf(options);
  } catch (error) {
    if (error instanceof ScheduleError) return undefined;
    throw error;
  }
  const last = Math.floor(max_nrof_epochs);
  const stride = Math.ceil(last / MOST_POINTS);
  const epochs: number[] = [];
  const rates: number[] = [];
  for (let epoch = 1; epoch <= last; epoch += stride) {
    const rate = rateOf(epoch, (epoch - 1) * epoch_size);
    if (!(rate > 0)) return { epochs, rates, stopsAt: firstStop(rateOf, epoch, stride, epoch_size) };
    epochs.push(epoch);
    rates.push(rate);
  }
  return { epochs, rates, stopsAt: undefined };
}

/** The very epoch, where only every `stride`-th was looked at. */
function firstStop(
  rateOf: ReturnType<typeof learningRateOf>,
  found: number,
  stride: number,
  epochSize: number,
): number {
  for (let epoch = Math.max(1, found - stride + 1); epoch < found; epoch++)
    if (!(rateOf(epoch, (epoch - 1) * epochSize) > 0)) return epoch;
  return found;
}

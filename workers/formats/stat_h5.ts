/**
 * stat.h5, the statistics of a run in the format of the original's train_softmax: float32 arrays by step, by epoch and
 * by validation, and one histogram of |prelogits| per epoch. The arrays have the planned length of the run, with zeros
 * where nothing was measured.
 */
import type {
  EvaluationSummary,
  PrelogitsHistogram,
  StepRecord,
  ValidationRecord,
} from '../protocol/train/runs.ts';
import type { TrainingOptions } from '../protocol/train/options.ts';
import { PRELOGITS_BINS } from '../protocol/train/runs.ts';
import { writeHdf5, type Hdf5Array } from './hdf5.ts';

/** Longer plans are cut to the steps that were done. 500 epochs of 1000 batches are an eighth of this. */
const LONGEST_PLAN = 2 ** 22;

const STEP_ARRAYS = ['loss', 'center_loss', 'reg_loss', 'xent_loss', 'prelogits_norm', 'accuracy'] as const;
const VALIDATION_ARRAYS = ['val_loss', 'val_xent_loss', 'val_accuracy'] as const;
const HISTOGRAM_ARRAY = 'prelogits_hist' as const;
const EPOCH_ARRAYS = [
  'lfw_accuracy',
  'lfw_valrate',
  'learning_rate',
  'time_train',
  'time_validate',
  'time_evaluate',
] as const;
type ArrayName =
  | (typeof STEP_ARRAYS)[number]
  | (typeof VALIDATION_ARRAYS)[number]
  | (typeof EPOCH_ARRAYS)[number]
  | typeof HISTOGRAM_ARRAY;

type Plan = Pick<TrainingOptions, 'max_nrof_epochs' | 'epoch_size' | 'validate_every_n_epochs'>;

/** Collects the arrays during a run. */
export class RunStatistics {
  readonly #plan: Plan;
  readonly #arrays = new Map<ArrayName, GrowingArray>(
    [...STEP_ARRAYS, ...VALIDATION_ARRAYS, ...EPOCH_ARRAYS, HISTOGRAM_ARRAY].map(
      (name): [ArrayName, GrowingArray] => [name, new GrowingArray()],
    ),
  );

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  /** Add each step once, in any order. */
  addStep(record: StepRecord): void {
    const index = record.step - 1;
    this.#set('loss', index, record.totalLoss);
    this.#set('center_loss', index, record.centerLoss);
    // In the original, this is the sum of all losses with their factors, except the cross entropy.
    this.#set('reg_loss', index, record.totalLoss - record.crossEntropy);
    this.#set('xent_loss', index, record.crossEntropy);
    this.#set('prelogits_norm', index, record.prelogitsNorm);
    this.#set('accuracy', index, record.accuracy);
    this.#set('learning_rate', record.epoch - 1, record.learningRate);
    this.#arrays.get('time_train')!.add(record.epoch - 1, record.stepMs / 1000);
  }

  addValidation({ epoch, totalLoss = 0, crossEntropy, accuracy, durationMs = 0 }: ValidationRecord): void {
    const index = Math.floor((epoch - 1) / this.#plan.validate_every_n_epochs);
    this.#set('val_loss', index, totalLoss);
    this.#set('val_xent_loss', index, crossEntropy);
    this.#set('val_accuracy', index, accuracy);
    this.#set('time_validate', epoch - 1, durationMs / 1000);
  }

  addEvaluation({ epoch, accuracy, valRate, durationMs = 0 }: EvaluationSummary): void {
    this.#set('lfw_accuracy', epoch - 1, accuracy);
    this.#set('lfw_valrate', epoch - 1, valRate);
    this.#set('time_evaluate', epoch - 1, durationMs / 1000);
  }

  addPrelogits({ epoch, counts }: PrelogitsHistogram): void {
    counts.forEach((count, bin) => this.#set(HISTOGRAM_ARRAY, (epoch - 1) * PRELOGITS_BINS + bin, count));
  }

  /** The arrays by their names in the original. */
  arrays(): Map<ArrayName, Hdf5Array> {
    const { max_nrof_epochs: epochs, epoch_size: epochSize, validate_every_n_epochs: every } = this.#plan;
    const named = (names: readonly ArrayName[], planned: number): [ArrayName, Hdf5Array][] =>
      names.map((name) => [
        name,
        { data: this.#arrays.get(name)!.padded(planned <= LONGEST_PLAN ? planned : 0) },
      ]);
    return new Map([
      ...named(STEP_ARRAYS, epochs * epochSize),
      ...named(VALIDATION_ARRAYS, Math.ceil(epochs / every)),
      ...named(EPOCH_ARRAYS, epochs),
      [HISTOGRAM_ARRAY, this.#histogram(epochs)],
    ]);
  }

  /** [epochs, bins] */
  #histogram(epochs: number): Hdf5Array {
    const planned = epochs * PRELOGITS_BINS <= LONGEST_PLAN ? epochs * PRELOGITS_BINS : 0;
    const data = this.#arrays.get(HISTOGRAM_ARRAY)!.padded(planned);
    return { data, shape: [data.length / PRELOGITS_BINS, PRELOGITS_BINS] };
  }

  /** The file with the current values. */
  toFile(): Promise<Uint8Array<ArrayBuffer>> {
    return writeHdf5(this.arrays());
  }

  #set(name: ArrayName, index: number, value: number): void {
    this.#arrays.get(name)!.set(index, value);
  }
}

/** A float32 array that grows up to its last value. */
class GrowingArray {
  #values = new Float32Array(64);
  #length = 0;

  set(index: number, value: number): void {
    this.#reach(index);
    this.#values[index] = value;
  }

  add(index: number, value: number): void {
    this.#reach(index);
    this.#values[index] = this.#values[index]! + value;
  }

  /** A copy with zeros up to `length`. */
  padded(length: number): Float32Array {
    const values = new Float32Array(Math.max(length, this.#length));
    values.set(this.#values.subarray(0, this.#length));
    return values;
  }

  #reach(index: number): void {
    this.#length = Math.max(this.#length, index + 1);
    if (this.#length <= this.#values.length) return;
    const grown = new Float32Array(Math.max(this.#values.length * 2, this.#length));
    grown.set(this.#values);
    this.#values = grown;
  }
}

/** What is measured at the end of a run's epochs: the validation, the evaluation on pairs, and which model is the best. */
import type { ImageFile } from '../../files/classes.ts';
import { FolderUnavailableError } from '../../protocol/data/file_errors.ts';
import type { RgbImage } from '../../protocol/data/images.ts';
import { EmbeddingsNotFiniteError } from '../../evaluation/errors.ts';
import type { EvaluationResult } from '../../protocol/evaluate/evaluate.ts';
import type { PairsSource } from '../../protocol/evaluate/pairs.ts';
import type { BestModel, EvaluationSummary, ValidationRecord } from '../../protocol/train/runs.ts';
import type { TrainEvent } from '../../protocol/train/train.ts';
import { readEvaluations, readValidations } from '../../storage/runs.ts';
import type { LabelledImage } from '../../training/batch_source.ts';
import { LossNotFiniteError } from '../../training/loop.ts';
import { isDeviceLost, type RunDevice } from './run_device.ts';
import { messageOf } from '../../common/message_of.ts';
import { evaluateRun, validateRun } from './run_evaluation.ts';
import type { RunKeeper } from './run_keeper.ts';
import type { RunOutputs } from './run_outputs.ts';
import type { RunPauses } from './train_control.ts';

export interface MeasuredData {
  /** Empty without a split. */
  readonly validation: readonly LabelledImage[];
  readonly pairs: PairsSource | undefined;
  readonly read: (file: ImageFile) => Promise<RgbImage>;
  /** Without the cache of the training images. */
  readonly readPair: (file: ImageFile) => Promise<RgbImage>;
}

export class RunMeasurements {
  readonly #data: MeasuredData;
  readonly #keeper: RunKeeper;
  readonly #device: RunDevice;
  readonly #outputs: RunOutputs;
  readonly #pauses: RunPauses;
  readonly #onEvent: (event: TrainEvent) => void;
  #pairs: PairsSource | undefined;
  /** A photo that cannot be read is told of after the first epoch only. */
  readonly #warned = new Set<string>();

  constructor(
    data: MeasuredData,
    keeper: RunKeeper,
    device: RunDevice,
    outputs: RunOutputs,
    pauses: RunPauses,
    onEvent: (event: TrainEvent) => void,
  ) {
    this.#data = data;
    this.#pairs = data.pairs;
    this.#keeper = keeper;
    this.#device = device;
    this.#outputs = outputs;
    this.#pauses = pauses;
    this.#onEvent = onEvent;
  }

  /** Something is measured, so that there will be a best model. */
  get isAny(): boolean {
    return this.#pairs !== undefined || this.#data.validation.length > 0;
  }

  /** What was measured already is not measured again. */
  async measure(epoch: number, step: number): Promise<void> {
    const { id, options } = this.#keeper.run;
    const isAt = (record: { step: number }): boolean => record.step === step;
    const isLast = epoch === options.max_nrof_epochs;
    if (
      this.#data.validation.length > 0 &&
      (isLast || epoch % options.validate_every_n_epochs === 0) &&
      !(await readValidations(id)).some(isAt)
    )
      await this.#pauses.whilePermitted(() => this.#validate(epoch, step));
    if (this.#pairs && !(await readEvaluations(id)).some(isAt))
      await this.#pauses.whilePermitted(() => this.#evaluate(epoch, step, this.#pairs!));
    await this.#considerBest(epoch, step);
  }

  /** By the evaluation on pairs where there is one, since it asks what the model is for; else by the validation. */
  async #considerBest(epoch: number, step: number): Promise<void> {
    const { id } = this.#keeper.run;
    const measured = this.#pairs ? await readEvaluations(id) : await readValidations(id);
    const record: Pick<BestModel, 'accuracy' | 'crossEntropy'> | undefined = measured.findLast(
      (one) => one.step === step,
    );
    if (!record) return;
    const { accuracy, crossEntropy } = record;
    const measuredBy = this.#pairs ? 'pairs' : 'validation';
    const best: BestModel = { step, epoch, measuredBy, accuracy, crossEntropy };
    if (!(await this.#keeper.considerBest(best))) return;
    this.#onEvent({ kind: 'best', best });
    await this.#outputs.keepBest(best.step);
  }

  async #validate(epoch: number, step: number): Promise<void> {
    const { validation, read } = this.#data;
    const startedAt = performance.now();
    const measured = await validateRun(
      this.#device.executor,
      this.#keeper.run.options,
      validation,
      read,
      (error) => this.#warnOnce(`${error.message} The validation continues without it.`),
    );
    if (!Object.values(measured).every(Number.isFinite)) throw new LossNotFiniteError(step);
    const record: ValidationRecord = {
      ...measured,
      step,
      epoch,
      durationMs: performance.now() - startedAt,
      at: Date.now(),
    };
    await this.#keeper.addValidation(record);
    this.#outputs.log?.addValidation(record);
    this.#onEvent({ kind: 'validation', record });
  }

  #warnOnce(message: string): void {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    this.#onEvent({ kind: 'warning', message });
  }

  /** One that fails ends itself, and not the run. */
  async #evaluate(epoch: number, step: number, pairs: PairsSource): Promise<void> {
    let result: EvaluationResult;
    try {
      result = await evaluateRun(this.#device.executor, this.#keeper.run.options, pairs, this.#data.readPair);
    } catch (error) {
      if (error instanceof FolderUnavailableError || isDeviceLost(error)) throw error;
      // A network that gives no numbers is no model: the run has failed, and not its evaluation.
      if (error instanceof EmbeddingsNotFiniteError) throw error;
      this.#pairs = undefined;
      const message = `The evaluation on pairs failed: ${messageOf(error)} The run continues without it.`;
      this.#onEvent({ kind: 'warning', message });
      return;
    }
    const { accuracy, val, durationMs } = result;
    const record: EvaluationSummary = { step, epoch, accuracy, valRate: val, durationMs, at: Date.now() };
    await this.#keeper.addEvaluation(record);
    this.#outputs.log?.addEvaluation(record);
    this.#onEvent({ kind: 'evaluation', record });
  }
}

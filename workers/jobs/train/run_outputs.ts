/**
 * A run's files in folders of the person's, where some are wanted. What cannot be written on the way is told, and is no
 * reason to lose a run: everything in it is stored as well.
 */
import type { NamedTensors } from '../../protocol/tensor.ts';
import type {
  EvaluationSummary,
  PrelogitsHistogram,
  RunRecord,
  StepRecord,
  ValidationRecord,
} from '../../protocol/train/runs.ts';
import type { TrainRequest } from '../../protocol/train/train.ts';
import { readEvaluations, readPrelogits, readSteps, readValidations } from '../../storage/runs.ts';
import type { Checkpoint } from '../../storage/checkpoints.ts';
import type { Trainer } from '../../compute/executor.ts';
import type { RunHistory } from '../../training/run_history.ts';
import { messageOf } from '../../common/message_of.ts';
import { RunFolders } from './run_folders.ts';

export class RunOutputs {
  readonly #request: Pick<TrainRequest, 'logsBase' | 'modelsBase'>;
  readonly #warn: (message: string) => void;
  #folders: RunFolders | undefined;
  /** The newest model is not in its folder. */
  #isModelMissing = false;

  constructor(request: Pick<TrainRequest, 'logsBase' | 'modelsBase'>, warn: (message: string) => void) {
    this.#request = request;
    this.#warn = warn;
  }

  /**
   * For a run that begins, or begins again, after its step: what was written of later ones is written anew.
   * @throws as RunFolders.open, before the run has begun: folders that cannot be written end it then, and not afterwards
   */
  async open(run: RunRecord): Promise<void> {
    const { logsBase, modelsBase } = this.#request;
    if (!logsBase && !modelsBase) return;
    try {
      this.#folders = await RunFolders.open(await historyOf(run), logsBase, modelsBase);
    } catch (error) {
      if (!this.#folders) throw error;
      this.#warn(`The log folder could not be written: ${messageOf(error)}`);
    }
  }

  addStep(record: StepRecord): void {
    this.#folders?.addStep(record);
  }

  addValidation(record: ValidationRecord): void {
    this.#folders?.addValidation(record);
  }

  addEvaluation(record: EvaluationSummary): void {
    this.#folders?.addEvaluation(record);
  }

  addPrelogits(record: PrelogitsHistogram): void {
    this.#folders?.addPrelogits(record);
  }

  /** Of the weights and of the last step's gradients, under the original's names. */
  async addHistograms(step: number, executor: Trainer): Promise<void> {
    if (!this.#folders) return;
    const gradients = await executor.readGradients();
    this.#folders.addHistograms(step, await executor.readParameters());
    this.#folders.addHistograms(
      step,
      new Map([...gradients].map(([name, tensor]) => [`${name}/gradients`, tensor])),
    );
  }

  async writeLogs(): Promise<void> {
    try {
      await this.#folders?.writeLogs();
    } catch (error) {
      this.#warn(`The log folder could not be written: ${messageOf(error)}`);
    }
  }

  /** A folder that is full or locked now may be free again for the next model. */
  async writeModel(run: RunRecord, parameters: NamedTensors): Promise<void> {
    try {
      await this.#folders?.writeModel(run, parameters);
      this.#isModelMissing = false;
    } catch (error) {
      this.#isModelMissing = true;
      this.#warn(`The model could not be written: ${messageOf(error)}`);
    }
  }

  /** A run that was killed between a checkpoint and its model has left a gap. */
  async writeModelOf(run: RunRecord, { step, parameters }: Checkpoint): Promise<void> {
    if (this.#folders && step > 0 && !this.#folders.hasModel(step)) await this.writeModel(run, parameters);
  }

  /** A finished run without its model would be no good. @throws where it still cannot be written */
  async writeMissingModel(run: RunRecord, executor: Trainer): Promise<void> {
    if (this.#isModelMissing) await this.#folders?.writeModel(run, await executor.readParameters());
  }

  /** What cannot be removed now is removed with the next model. */
  async keepBest(step: number): Promise<void> {
    await this.#folders?.pruneModels(step).catch(() => undefined);
  }
}

/** Of the steps that the run goes on after; what was measured later is measured again. */
async function historyOf(run: RunRecord): Promise<RunHistory> {
  const { id, step } = run;
  if (step === 0) return { run, steps: [], validations: [], evaluations: [], prelogits: [] };
  const until = <Entry extends { step: number }>(entries: readonly Entry[]): Entry[] =>
    entries.filter((entry) => entry.step <= step);
  return {
    run,
    steps: until(await readSteps(id)),
    validations: until(await readValidations(id)),
    evaluations: until(await readEvaluations(id)),
    prelogits: until(await readPrelogits(id)),
  };
}

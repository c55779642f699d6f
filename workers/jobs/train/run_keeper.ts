/**
 * What is kept of a run while it goes on: its record, its steps, its checkpoints. None of it is worth the run itself: a
 * full disk costs the oldest checkpoints first, then what does not fit, and is told once.
 */
import type {
  BestModel,
  EvaluationSummary,
  PrelogitsHistogram,
  RunRecord,
  StepRecord,
  ValidationRecord,
} from '../../protocol/train/runs.ts';
import {
  dropOldestCheckpoint,
  isOutOfQuota,
  listCheckpoints,
  loadNewestCheckpoint,
  pruneCheckpoints,
  saveCheckpoint,
  storedCheckpointBytes,
  type Checkpoint,
} from '../../storage/checkpoints.ts';
import {
  appendSteps,
  deleteRun,
  isRunStored,
  putEvaluation,
  putPrelogits,
  putRun,
  putValidation,
  RunDeletedError,
  truncateSteps,
} from '../../storage/runs.ts';

export class RunKeeper {
  #run: RunRecord;
  /** Once the run was stored, it stays so: nothing of a run that was deleted is stored anew. */
  #wasStored = false;
  #deleted: RunDeletedError | undefined;
  readonly #warn: (message: string) => void;
  /** Measurements that are not stored yet. */
  #waiting: StepRecord[] = [];
  #writing: Promise<void> = Promise.resolve();
  /** What could not be stored, so that it is told once. */
  readonly #failing = new Set<string>();
  /** The newest checkpoint where the disk had no room for it: it still serves when the GPU is lost. */
  #shadow: Checkpoint | undefined;

  constructor(run: RunRecord, warn: (message: string) => void) {
    this.#run = run;
    this.#warn = warn;
  }

  get run(): RunRecord {
    return this.#run;
  }

  /** In memory only; `update` stores it. */
  setProgress(step: number, epoch: number): void {
    this.#run = { ...this.#run, step, epoch };
  }

  async update(changes: Partial<RunRecord>): Promise<void> {
    this.#run = { ...this.#run, ...changes };
    const isStored = await this.#tolerate('The state of the run', async () => {
      await putRun(this.#run);
      return true;
    });
    this.#wasStored ||= isStored === true;
  }

  /** @throws RunDeletedError where it turned out earlier that the run was deleted */
  requireNotDeleted(): void {
    if (this.#deleted) throw this.#deleted;
  }

  /** @throws RunDeletedError */
  async #requireStored(): Promise<void> {
    this.requireNotDeleted();
    if (!this.#wasStored || (await isRunStored(this.#run.id))) return;
    this.#deleted = new RunDeletedError(this.#run.id);
    // Of what was being stored while it was deleted, nothing is left either.
    await deleteRun(this.#run.id).catch(() => undefined);
    throw this.#deleted;
  }

  /** Warns when the disk has no room for the checkpoints of a run. @param sizeBytes of one of them */
  async warnOfFullDisk(sizeBytes: number, checkpointCount: number): Promise<void> {
    const { usage = 0, quota } = await navigator.storage.estimate();
    if (quota === undefined) return;
    const needed = checkpointCount * sizeBytes - (await storedCheckpointBytes(this.#run.id));
    const free = Math.max(quota - usage, 0);
    if (needed <= free) return;
    this.#warn(
      `The browser has ${megabytes(free)} of storage left for this page, but the ${checkpointCount} checkpoints of this run need ${megabytes(needed)}. Delete old runs on the Models page or free disk space. Otherwise fewer or no checkpoints are kept.`,
    );
  }

  addStep(record: StepRecord): void {
    this.#waiting.push(record);
    this.setProgress(record.step, record.epoch);
  }

  /** Stores the steps measured so far. */
  flushSteps(): Promise<void> {
    this.#writing = this.#writing.then(() =>
      this.#tolerate('The measurements', async () => {
        const records = this.#waiting;
        this.#waiting = [];
        try {
          await appendSteps(this.#run.id, records);
        } catch (error) {
          // They are tried again with the next ones.
          this.#waiting = [...records, ...this.#waiting];
          throw error;
        }
      }),
    );
    return this.#writing;
  }

  async addValidation(record: ValidationRecord): Promise<void> {
    await this.#tolerate('The validation', () => putValidation(this.#run.id, record));
  }

  async addEvaluation(record: EvaluationSummary): Promise<void> {
    await this.#tolerate('The evaluation', () => putEvaluation(this.#run.id, record));
    await this.update({ lastEvaluation: record });
  }

  /** @returns its size in bytes; undefined when there was no room for it */
  async saveCheckpoint(checkpoint: Checkpoint): Promise<number | undefined> {
    const sizeBytes = await this.#tolerate('The checkpoint', () =>
      saveCheckpoint(checkpoint, this.#run.best?.step),
    );
    this.#shadow = sizeBytes === undefined ? checkpoint : undefined;
    return sizeBytes;
  }

  async addPrelogits(record: PrelogitsHistogram): Promise<void> {
    await this.#tolerate('The histogram of the prelogits', () => putPrelogits(this.#run.id, record));
  }

  /**
   * Keeps the checkpoint of a step for good where its model is the best so far.
   * @returns whether it is; not where its checkpoint is not stored
   */
  async considerBest(candidate: BestModel): Promise<boolean> {
    const { id, best } = this.#run;
    if (!isBetter(candidate, best)) return false;
    const stored = await listCheckpoints(id);
    if (!stored.some(({ step }) => step === candidate.step)) return false;
    await this.update({ best: candidate });
    await pruneCheckpoints(id, candidate.step);
    return true;
  }

  async #dropOldestCheckpoint(): Promise<boolean> {
    const { id, best } = this.#run;
    try {
      return await dropOldestCheckpoint(id, best?.step);
    } catch {
      return false;
    }
  }

  /** The newest whole checkpoint; one that could not be stored counts while the page lives. */
  async newestCheckpoint(): Promise<Checkpoint | undefined> {
    const stored = await loadNewestCheckpoint(this.#run.id);
    return this.#shadow && this.#shadow.step > (stored?.step ?? -1) ? this.#shadow : stored;
  }

  /** Forgets what was measured after a step: it is done again. */
  async rewind(step: number): Promise<void> {
    await this.flushSteps();
    const { best } = this.#run;
    if (best && best.step > step) this.#run = { ...this.#run, best: undefined };
    this.#waiting = this.#waiting.filter((record) => record.step <= step);
    await this.#tolerate('The measurements', () => truncateSteps(this.#run.id, step));
  }

  /**
   * Old checkpoints make room; what fails all the same is told, and told again only after it went well.
   * @throws RunDeletedError
   */
  async #tolerate<Value>(what: string, store: () => Promise<Value>): Promise<Value | undefined> {
    for (;;)
      try {
        await this.#requireStored();
        const value = await store();
        this.#failing.delete(what);
        return value;
      } catch (error) {
        if (error instanceof RunDeletedError) throw error;
        if (isOutOfQuota(error) && (await this.#dropOldestCheckpoint())) continue;
        console.warn(error);
        if (!this.#failing.has(what))
          this.#warn(`${what} could not be stored: ${reasonOf(error)} The run continues.`);
        this.#failing.add(what);
        return undefined;
      }
  }
}

/** The browser's own error of a full storage says nothing. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.message !== '') return error.message;
  return isOutOfQuota(error)
    ? "The browser's storage is full. Delete old runs on the Models page, or free disk space."
    : `${error.name}.`;
}

function isBetter(candidate: BestModel, best: BestModel | undefined): boolean {
  if (best?.measuredBy !== candidate.measuredBy) return true;
  if (candidate.accuracy !== best.accuracy) return candidate.accuracy > best.accuracy;
  return (candidate.crossEntropy ?? 0) < (best.crossEntropy ?? 0);
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

/**
 * A run's files in folders of the person's, as the original leaves them: `<logs>/<run>/…` and `<models>/<run>/…`, where
 * they are wanted. A file that cannot be written during the run causes a warning, and the run continues: everything in it
 * is stored as well.
 */
import type { WritableDirectory } from '../../protocol/data/directories.ts';
import { compareNames } from '../../protocol/data/names.ts';
import { openWritableDirectory } from '../../files/open.ts';
import { eventFileName } from '../../formats/tensorboard_events.ts';
import { addLoggedSteps, type LoggedSteps } from '../../formats/tensorboard_log.ts';
import type { NamedTensors } from '../../protocol/tensor.ts';
import {
  MODEL_FILE_EXTENSION,
  modelFileName,
  stepOfModelFileName,
  writeModelFile,
} from '../../models/model_file.ts';
import { runMetadata } from '../../models/run_model.ts';
import type { RunRecord } from '../../protocol/train/runs.ts';
import type { TrainRequest } from '../../protocol/train/train.ts';
import { readEvaluations, readPrelogits, readSteps, readValidations } from '../../storage/runs.ts';
import type { Checkpoint } from '../../storage/checkpoints.ts';
import type { Trainer } from '../../compute/executor.ts';
import type { RunHistory } from '../../training/run_history.ts';
import { messageOf } from '../../common/message_of.ts';
import { RunLog } from './run_log.ts';

const MODELS_KEPT = 3;
/** Event files of a clock that was wrong are not waited for. */
const LATEST_NAME_MS = 60 * 60 * 1000;

interface LogFolder {
  readonly directory: WritableDirectory;
  readonly log: RunLog;
}

interface ModelFolder {
  readonly directory: WritableDirectory;
  /** Paths of the run's models, the oldest first. */
  files: readonly string[];
}

export class RunOutputs {
  readonly #request: Pick<TrainRequest, 'logsBase' | 'modelsBase'>;
  readonly #warn: (message: string) => void;
  #logs: LogFolder | undefined;
  #models: ModelFolder | undefined;
  #isOpen = false;
  /** The newest model is not in its folder. */
  #isModelMissing = false;

  constructor(request: Pick<TrainRequest, 'logsBase' | 'modelsBase'>, warn: (message: string) => void) {
    this.#request = request;
    this.#warn = warn;
  }

  /** What is added to it gets into the log folder with the next `writeLogs`. Undefined where no log folder is wanted. */
  get log(): RunLog | undefined {
    return this.#logs?.log;
  }

  /**
   * For a run that begins, or that begins again after its step: everything logged for later steps is written again.
   * @throws NotWritableError, PermissionLostError, StorageFullError the first time: folders that cannot be written end the
   *   run before it has begun
   */
  async open(run: RunRecord): Promise<void> {
    const { logsBase, modelsBase } = this.#request;
    if (!logsBase && !modelsBase) return;
    try {
      await this.begin(
        await historyOf(run),
        logsBase && (await openWritableDirectory(logsBase)),
        modelsBase && (await openWritableDirectory(modelsBase)),
      );
    } catch (error) {
      if (!this.#isOpen) throw error;
      this.#warn(`The log folder could not be written: ${messageOf(error)}`);
    }
  }

  /**
   * As open, with folders that are open. Writes the run's log as it is so far.
   * @param history of the run up to the step that it continues from
   */
  async begin(
    history: RunHistory,
    logs: WritableDirectory | undefined,
    models: WritableDirectory | undefined,
    startedAtMs = Date.now(),
  ): Promise<void> {
    const { run } = history;
    const logFolder = logs && { directory: logs, log: await beginLog(run, logs, startedAtMs) };
    logFolder?.log.addHistory(history);
    const modelFolder = models && { directory: models, files: await modelFilesOf(models, run.id) };
    if (logFolder) await writeLogFiles(logFolder);
    this.#logs = logFolder;
    this.#models = modelFolder;
    this.#isOpen = true;
  }

  /** Logs histograms of the weights and of the last step's gradients, under the original's names. */
  async addHistograms(step: number, executor: Trainer): Promise<void> {
    const { log } = this;
    if (!log) return;
    const gradients = await executor.readGradients();
    log.addHistograms(Date.now(), step, await executor.readParameters());
    log.addHistograms(
      Date.now(),
      step,
      new Map([...gradients].map(([name, tensor]) => [`${name}/gradients`, tensor])),
    );
  }

  async writeLogs(): Promise<void> {
    try {
      if (this.#logs) await writeLogFiles(this.#logs);
    } catch (error) {
      this.#warn(`The log folder could not be written: ${messageOf(error)}`);
    }
  }

  /** A folder that is full or locked now may be free again for the next model. */
  async writeModel(run: RunRecord, parameters: NamedTensors): Promise<void> {
    try {
      await this.#writeModel(run, parameters);
      this.#isModelMissing = false;
    } catch (error) {
      this.#isModelMissing = true;
      this.#warn(`The model could not be written: ${messageOf(error)}`);
    }
  }

  /** Fills the gap that a run leaves which was killed between a checkpoint and its model. */
  async writeModelOf(run: RunRecord, { step, parameters }: Checkpoint): Promise<void> {
    const isWritten = this.#models?.files.some((path) => stepOfModelFileName(path) === step) ?? true;
    if (step > 0 && !isWritten) await this.writeModel(run, parameters);
  }

  /** A finished run without its model is of no use. @throws where the model still cannot be written */
  async writeMissingModel(run: RunRecord, executor: Trainer): Promise<void> {
    if (this.#isModelMissing) await this.#writeModel(run, await executor.readParameters());
  }

  /** A model that cannot be removed now is removed with the next one. */
  async keepBest(step: number): Promise<void> {
    await this.#pruneModels(step).catch(() => undefined);
  }

  async #writeModel(run: RunRecord, parameters: NamedTensors): Promise<void> {
    const models = this.#models;
    if (!models) return;
    const path = `${run.id}/${modelFileName(run.id, run.step)}`;
    await models.directory.write(path, writeModelFile(parameters, runMetadata(run, run)));
    models.files = [...models.files.filter((file) => file !== path), path];
    // An older model is removed only when the new one is complete.
    await this.#pruneModels(run.best?.step);
  }

  /** Removes all models but the newest ones and the best one. */
  async #pruneModels(bestStep: number | undefined): Promise<void> {
    const models = this.#models;
    for (const old of models?.files.slice(0, -MODELS_KEPT) ?? []) {
      if (stepOfModelFileName(old) === bestStep) continue;
      await models!.directory.remove(old);
      models!.files = models!.files.filter((file) => file !== old);
    }
  }
}

/** Writes every file of the log folder again, each one complete. */
async function writeLogFiles({ directory, log }: LogFolder): Promise<void> {
  for (const [name, file] of await log.files()) await directory.write(`${log.runId}/${name}`, file);
}

/** The history up to the step that the run continues from. What was measured later is measured again. */
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

/** A log with its own event file, named after those of earlier sessions, even of one that began in the same second. */
async function beginLog(run: RunRecord, logs: WritableDirectory, startedAtMs: number): Promise<RunLog> {
  const earlier: string[] = [];
  if (run.step > 0)
    for await (const { path } of logs.list())
      if (path.startsWith(`${run.id}/`) && path.includes('tfevents')) earlier.push(path);
  const logged: LoggedSteps = new Map();
  for (const path of earlier.sort(compareNames))
    addLoggedSteps(logged, new Uint8Array(await (await logs.read(path)).arrayBuffer()));
  let atMs = startedAtMs;
  while (
    earlier.some((path) => path >= `${run.id}/${eventFileName(atMs)}`) &&
    atMs < startedAtMs + LATEST_NAME_MS
  )
    atMs += 1000;
  return new RunLog(run, atMs, run.step, logged);
}

/** The models that earlier sessions of the run have left, the oldest first. */
async function modelFilesOf(models: WritableDirectory, runId: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const { path } of models.list())
    if (path.startsWith(`${runId}/`) && path.endsWith(MODEL_FILE_EXTENSION)) paths.push(path);
  return paths.sort((a, b) => stepOfModelFileName(a) - stepOfModelFileName(b));
}

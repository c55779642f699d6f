/** A run's files in real folders, as the original leaves them: `<logs>/<run>/…` and `<models>/<run>/…`. */
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
import type { DirectoryReference } from '../../protocol/data/dataset.ts';
import type {
  EvaluationSummary,
  PrelogitsHistogram,
  RunRecord,
  StepRecord,
  ValidationRecord,
} from '../../protocol/train/runs.ts';
import type { RunHistory } from '../../training/run_history.ts';
import { RunLog } from './run_log.ts';
import { runMetadata } from '../../models/run_metadata.ts';

const MODELS_KEPT = 3;
/** Event files of a clock that was wrong are not waited for. */
const LATEST_NAME_MS = 60 * 60 * 1000;

export class RunFolders {
  readonly #runId: string;
  readonly #logs: WritableDirectory | undefined;
  readonly #models: WritableDirectory | undefined;
  readonly #log: RunLog | undefined;
  /** Paths in the models' folder, the oldest first. */
  #modelFiles: string[] = [];

  private constructor(
    runId: string,
    logs: WritableDirectory | undefined,
    models: WritableDirectory | undefined,
    log: RunLog | undefined,
  ) {
    this.#runId = runId;
    this.#logs = logs;
    this.#models = models;
    this.#log = log;
  }

  /**
   * Opens the folders and writes the run's log as it is so far.
   * @param history of the run up to the step that it goes on from
   * @returns undefined where neither folder is wanted
   * @throws NotWritableError, PermissionLostError, StorageFullError
   */
  static async open(
    history: RunHistory,
    logsBase: DirectoryReference | undefined,
    modelsBase: DirectoryReference | undefined,
  ): Promise<RunFolders | undefined> {
    if (!logsBase && !modelsBase) return undefined;
    return RunFolders.begin(
      history,
      logsBase && (await openWritableDirectory(logsBase)),
      modelsBase && (await openWritableDirectory(modelsBase)),
    );
  }

  /** As open, with folders that are open. */
  static async begin(
    history: RunHistory,
    logs: WritableDirectory | undefined,
    models: WritableDirectory | undefined,
    startedAtMs = Date.now(),
  ): Promise<RunFolders> {
    const { run } = history;
    const log = logs && (await beginLog(run, logs, startedAtMs));
    log?.addHistory(history);
    const folders = new RunFolders(run.id, logs, models, log);
    if (models) folders.#modelFiles = await modelFilesOf(models, run.id);
    await folders.writeLogs();
    return folders;
  }

  addStep(record: StepRecord): void {
    this.#log?.addStep(record);
  }

  addValidation(record: ValidationRecord): void {
    this.#log?.addValidation(record);
  }

  addEvaluation(record: EvaluationSummary): void {
    this.#log?.addEvaluation(record);
  }

  addPrelogits(record: PrelogitsHistogram): void {
    this.#log?.addPrelogits(record);
  }

  /** Into the event file, under the tensors' names. */
  addHistograms(step: number, tensors: NamedTensors): void {
    this.#log?.addHistograms(Date.now(), step, tensors);
  }

  /** Every file of the log folder anew, each whole. */
  async writeLogs(): Promise<void> {
    if (!this.#logs || !this.#log) return;
    for (const [name, file] of await this.#log.files())
      await this.#logs.write(`${this.#runId}/${name}`, file);
  }

  /** The newest ones and the best one are kept; an older one goes when the new one is whole. */
  async writeModel(run: RunRecord, parameters: NamedTensors): Promise<void> {
    if (!this.#models) return;
    const path = `${this.#runId}/${modelFileName(run.id, run.step)}`;
    await this.#models.write(path, writeModelFile(parameters, runMetadata(run, run)));
    this.#modelFiles = [...this.#modelFiles.filter((file) => file !== path), path];
    await this.pruneModels(run.best?.step);
  }

  /** Whether the model of a step is in its folder; also where none is wanted. */
  hasModel(step: number): boolean {
    return !this.#models || this.#modelFiles.some((path) => stepOfModelFileName(path) === step);
  }

  /** Removes all but the newest ones and the best one. */
  async pruneModels(bestStep: number | undefined): Promise<void> {
    if (!this.#models) return;
    for (const old of this.#modelFiles.slice(0, -MODELS_KEPT)) {
      if (stepOfModelFileName(old) === bestStep) continue;
      await this.#models.remove(old);
      this.#modelFiles = this.#modelFiles.filter((file) => file !== old);
    }
  }
}

/** With an event file of its own, after those of earlier sessions, also of one that began in the same second. */
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

/** Of an earlier session of the run, the oldest first. */
async function modelFilesOf(models: WritableDirectory, runId: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const { path } of models.list())
    if (path.startsWith(`${runId}/`) && path.endsWith(MODEL_FILE_EXTENSION)) paths.push(path);
  return paths.sort((a, b) => stepOfModelFileName(a) - stepOfModelFileName(b));
}

/** Entry point: what is stored in this browser. */
import { expose } from 'comlink';
import { validationRate } from './evaluation/metrics.ts';
import { evaluationFiles } from './jobs/evaluate/evaluation_files.ts';
import { checkpointFile } from './jobs/train/checkpoint_file.ts';
import { buildRunFiles } from './jobs/train/run_log.ts';
import { RunMissingError } from './models/errors.ts';
import { JOB_LOCK } from './protocol/offline.ts';
import type { LibraryWorkerApi } from './protocol/models/library.ts';
import { deleteDatabase } from './storage/database.ts';
import * as checkpoints from './storage/checkpoints.ts';
import * as evaluations from './storage/saved_evaluations.ts';
import * as folders from './storage/folders.ts';
import * as galleries from './storage/galleries.ts';
import * as models from './storage/models.ts';
import { privateFileSystem } from './storage/private_file_system.ts';
import * as sets from './storage/stored_sets.ts';
import { runOfLock, withRunLock } from './storage/run_lock.ts';
import * as runs from './storage/runs.ts';
import { describeDevice } from './gpu/describe_device.ts';

class JobRunningError extends Error {
  override name = 'JobRunningError';
  constructor(what: string) {
    super(
      `${what} is running in this tab or another one and needs the stored data. Stop it first, then delete everything.`,
    );
  }
}

/** @throws JobRunningError. Without Web Locks nobody knows. */
async function requireNoJob(): Promise<void> {
  const locks = navigator.locks as LockManager | undefined;
  const names = ((await locks?.query())?.held ?? []).map(({ name = '' }) => name);
  const runId = names.map(runOfLock).find((id) => id !== undefined);
  if (runId !== undefined) throw new JobRunningError(`The run ${runId}`);
  if (names.includes(JOB_LOCK)) throw new JobRunningError('A job');
}

const api: LibraryWorkerApi = {
  listRuns: runs.listRuns,
  readSteps: runs.readSteps,
  readValidations: runs.readValidations,
  readEvaluations: runs.readEvaluations,
  listCheckpoints: checkpoints.listCheckpoints,
  checkpointFile,
  async buildRunFiles(runId) {
    const run = await runs.getRun(runId);
    if (!run) throw new RunMissingError(runId);
    return buildRunFiles({
      run,
      steps: await runs.readSteps(runId),
      validations: await runs.readValidations(runId),
      evaluations: await runs.readEvaluations(runId),
      prelogits: await runs.readPrelogits(runId),
    });
  },
  // Not while it goes on: its worker holds the lock.
  deleteRun: (runId) => withRunLock(runId, () => runs.deleteRun(runId)),
  async setNotes(runId, notes) {
    if (!(await runs.setNotes(runId, notes))) throw new RunMissingError(runId);
  },
  listModels: models.listModels,
  deleteModel: models.deleteModel,
  setStandardization: models.setStandardization,
  saveEvaluation: evaluations.saveEvaluation,
  listEvaluations: evaluations.listEvaluations,
  readEvaluation: evaluations.readEvaluation,
  deleteEvaluation: evaluations.deleteEvaluation,
  async validationRate(id, farTarget) {
    const saved = await evaluations.readEvaluation(id);
    return saved && validationRate(saved.result.measured, farTarget);
  },
  async buildEvaluationFiles(id) {
    const saved = await evaluations.readEvaluation(id);
    return saved ? evaluationFiles(saved) : new Map();
  },
  rememberFolder: folders.rememberFolder,
  listFolders: folders.listFolders,
  recallLeftOut: folders.recallLeftOut,
  forgetFolder: folders.forgetFolder,
  listStoredSets: sets.listStoredSets,
  measureStoredSet: sets.measureStoredSet,
  deleteStoredSet: sets.deleteStoredSet,
  discardEmptySet: sets.discardEmptySet,
  findSetFor: sets.findSetFor,
  rememberSource: sets.rememberSource,
  listGalleries: galleries.listGalleries,
  deleteGallery: galleries.deleteGallery,
  async deleteEverything() {
    await requireNoJob();
    await deleteDatabase();
    const root = await privateFileSystem();
    if (!root) return;
    const names: string[] = [];
    for await (const name of root.keys()) names.push(name);
    for (const name of names) await root.removeEntry(name, { recursive: true });
  },
  describeDevice,
  async estimate() {
    const { usage = 0, quota = 0 } = await navigator.storage.estimate();
    return { usedBytes: usage, quotaBytes: quota };
  },
};

expose(api);

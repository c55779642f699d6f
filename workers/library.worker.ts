/** Entry point: what is stored in this browser. */
import { expose } from 'comlink';
import { deleteDB } from 'idb';
import { buildRunFiles } from './jobs/run_log.ts';
import { RunMissingError } from './models/errors.ts';
import type { LibraryWorkerApi } from './protocol.ts';
import { DATABASE_NAME, openDatabase } from './storage/database.ts';
import * as folders from './storage/folders.ts';
import * as runs from './storage/runs.ts';

const api: LibraryWorkerApi = {
  listRuns: runs.listRuns,
  readSteps: runs.readSteps,
  readValidations: runs.readValidations,
  readEvaluations: runs.readEvaluations,
  async buildRunFiles(runId) {
    const run = await runs.getRun(runId);
    if (!run) throw new RunMissingError(runId);
    return buildRunFiles({
      run,
      steps: await runs.readSteps(runId),
      validations: await runs.readValidations(runId),
      evaluations: await runs.readEvaluations(runId),
    });
  },
  deleteRun: runs.deleteRun,
  async setNotes(runId, notes) {
    if (!(await runs.setNotes(runId, notes))) throw new RunMissingError(runId);
  },
  rememberFolder: folders.rememberFolder,
  listFolders: folders.listFolders,
  forgetFolder: folders.forgetFolder,
  async deleteEverything() {
    (await openDatabase()).close();
    await deleteDB(DATABASE_NAME);
    const root = await navigator.storage.getDirectory();
    for await (const name of root.keys()) await root.removeEntry(name, { recursive: true });
  },
  async estimate() {
    const { usage = 0, quota = 0 } = await navigator.storage.estimate();
    return { usedBytes: usage, quotaBytes: quota };
  },
};

expose(api);

/** Runs and their measurements. */
import type {
  EvaluationSummary,
  PrelogitsHistogram,
  RunRecord,
  StepRecord,
  ValidationRecord,
} from '../protocol/train/runs.ts';
import { deleteCheckpoints } from './checkpoints.ts';
import { keysOf, openDatabase } from './database.ts';
import { runLockName } from './run_lock.ts';
import { deleteEvaluationsOf } from './saved_evaluations.ts';

export class RunDeletedError extends Error {
  override name = 'RunDeletedError';
  constructor(runId: string) {
    super(
      `The stored data of the run ${runId} was deleted during training, in another tab, by the browser or by hand. The run was stopped and nothing of it is stored. Start a new run. If you did not delete anything, check whether the disk is full.`,
    );
  }
}

/** @returns whether there is such a run */
export async function isRunStored(runId: string): Promise<boolean> {
  return (await (await openDatabase()).getKey('runs', runId)) !== undefined;
}

/** Stores a run but keeps the stored notes: a person writes them, and the run's worker may have older ones. */
export async function putRun(run: RunRecord): Promise<void> {
  const { store, done } = (await openDatabase()).transaction('runs', 'readwrite');
  const stored = await store.get(run.id);
  await Promise.all([store.put(stored?.notes === undefined ? run : { ...run, notes: stored.notes }), done]);
}

/** @returns whether there is such a run */
export async function setNotes(runId: string, notes: string): Promise<boolean> {
  const { store, done } = (await openDatabase()).transaction('runs', 'readwrite');
  const run = await store.get(runId);
  if (run) await store.put({ ...run, notes });
  await done;
  return run !== undefined;
}

export async function getRun(runId: string): Promise<RunRecord | undefined> {
  return (await openDatabase()).get('runs', runId);
}

/** The newest first. A run that no worker holds any more is shown as interrupted. */
export async function listRuns(): Promise<RunRecord[]> {
  const runs = await (await openDatabase()).getAll('runs');
  // Without Web Locks it is unknown which runs have a worker: a run that was not ended counts as interrupted.
  const locks = await (navigator.locks as LockManager | undefined)?.query();
  const held = new Set(locks?.held?.map((lock) => lock.name));
  return runs
    .map((run): RunRecord =>
      (run.status === 'running' || run.status === 'paused') && !held.has(runLockName(run.id))
        ? { ...run, status: 'interrupted' }
        : run,
    )
    .sort((a, b) => b.createdAt - a.createdAt);
}

/**
 * Stores a new run unless there is one with its name, in one transaction.
 * @returns false if there is one
 */
export async function addRun(run: RunRecord): Promise<boolean> {
  const transaction = (await openDatabase()).transaction('runs', 'readwrite');
  // A failure of the request also rejects the transaction; the request's rejection is the one that is handled.
  transaction.done.catch(() => undefined);
  try {
    await transaction.store.add(run);
    await transaction.done;
    return true;
  } catch (error) {
    if (error instanceof Error && error.name === 'ConstraintError') return false;
    throw error;
  }
}

export async function appendSteps(runId: string, records: readonly StepRecord[]): Promise<void> {
  const first = records[0];
  if (first)
    await (await openDatabase()).put('steps', { runId, firstStep: first.step, records: [...records] });
}

/** A step that was done again after a resume counts once; its last measurement is used. */
export async function readSteps(runId: string): Promise<StepRecord[]> {
  const blocks = await (await openDatabase()).getAll('steps', keysOf(runId));
  const byStep = new Map<number, StepRecord>();
  for (const { records } of blocks) for (const record of records) byStep.set(record.step, record);
  return [...byStep.values()].sort((a, b) => a.step - b.step);
}

/** The steps of the blocks that begin after `step`. */
export async function readStepsAfter(runId: string, step: number): Promise<StepRecord[]> {
  const range = IDBKeyRange.bound([runId, step], [runId, []], true);
  const blocks = await (await openDatabase()).getAll('steps', range);
  return blocks.flatMap(({ records }) => records);
}

/** The newest step. */
export async function readLastStep(runId: string): Promise<StepRecord | undefined> {
  const database = await openDatabase();
  const cursor = await database.transaction('steps').store.openCursor(keysOf(runId), 'prev');
  return cursor?.value.records.at(-1);
}

/** Forgets the steps after `step`. A run that resumes from a checkpoint does them again. */
export async function truncateSteps(runId: string, step: number): Promise<void> {
  const { store, done } = (await openDatabase()).transaction('steps', 'readwrite');
  // From the end, because thousands of earlier blocks of a long run stay as they are.
  for (let cursor = await store.openCursor(keysOf(runId), 'prev'); cursor; cursor = await cursor.continue()) {
    const { records } = cursor.value;
    if (records.length === 0 || records.at(-1)!.step <= step) break;
    const kept = records.filter((record) => record.step <= step);
    if (kept.length === 0) await cursor.delete();
    else await cursor.update({ ...cursor.value, records: kept });
  }
  await done;
}

export async function putValidation(runId: string, record: ValidationRecord): Promise<void> {
  await (await openDatabase()).put('validations', { ...record, runId });
}

export async function readValidations(runId: string): Promise<ValidationRecord[]> {
  return (await openDatabase()).getAll('validations', keysOf(runId));
}

export async function putEvaluation(runId: string, record: EvaluationSummary): Promise<void> {
  await (await openDatabase()).put('evaluations', { ...record, runId });
}

export async function readEvaluations(runId: string): Promise<EvaluationSummary[]> {
  return (await openDatabase()).getAll('evaluations', keysOf(runId));
}

export async function putPrelogits(runId: string, record: PrelogitsHistogram): Promise<void> {
  await (await openDatabase()).put('prelogits', { ...record, runId });
}

export async function readPrelogits(runId: string): Promise<PrelogitsHistogram[]> {
  return (await openDatabase()).getAll('prelogits', keysOf(runId));
}

export async function deleteRun(runId: string): Promise<void> {
  const database = await openDatabase();
  await database.delete('runs', runId);
  await deleteCheckpoints(runId);
  await deleteEvaluationsOf(runId);
  for (const store of ['steps', 'validations', 'evaluations', 'prelogits'] as const)
    await database.delete(store, keysOf(runId));
}

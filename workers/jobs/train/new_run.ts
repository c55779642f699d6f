/**
 * A new run's name, which no other run has: not in this browser, and not in the folders that its logs and models go to,
 * where other processes may begin runs in the same second. What is made for the name is made only where it is missing,
 * in one step with looking.
 */
import type { WritableDirectory } from '../../protocol/data/directories.ts';
import { openWritableDirectory } from '../../files/open.ts';
import { runNames } from '../../protocol/train/run_names.ts';
import type { RunRecord } from '../../protocol/train/runs.ts';
import type { TrainRequest } from '../../protocol/train/train.ts';
import { isOutOfQuota } from '../../storage/checkpoints.ts';
import { addRun, deleteRun } from '../../storage/runs.ts';
import { RunBusyError, withRunLock } from '../../storage/run_lock.ts';

export interface NewRun {
  readonly run: RunRecord;
  /** Forgets the run, which has not begun: its name is free again. */
  abandon(): Promise<void>;
}

/** @throws what opening the folders, storing the run and the work throw */
export async function withNewRun<Result>(
  draft: Omit<RunRecord, 'id'>,
  { logsBase, modelsBase }: Pick<TrainRequest, 'logsBase' | 'modelsBase'>,
  work: (newRun: NewRun) => Promise<Result>,
  names: Iterable<string> = runNames(),
): Promise<Result> {
  const folders: WritableDirectory[] = [];
  for (const base of [logsBase, modelsBase]) if (base) folders.push(await openWritableDirectory(base));
  for (const id of names) {
    const run: RunRecord = { ...draft, id };
    const attempt = await whileLocked(id, async () => {
      const claimed = await claimName(run, folders);
      return claimed && { result: await work({ run, abandon: () => abandon(id, claimed) }) };
    });
    if (attempt) return attempt.result;
  }
  throw new Error('No unused name was found for a new run.');
}

/** @returns undefined where another run of this name lives in this browser */
async function whileLocked<Result>(id: string, work: () => Promise<Result>): Promise<Result | undefined> {
  let isHeld = false;
  try {
    return await withRunLock(id, () => {
      isHeld = true;
      return work();
    });
  } catch (error) {
    if (error instanceof RunBusyError && !isHeld) return undefined;
    throw error;
  }
}

/** @returns the folders in which one was made for the run; undefined where the name is taken */
async function claimName(
  run: RunRecord,
  folders: readonly WritableDirectory[],
): Promise<WritableDirectory[] | undefined> {
  const claimed: WritableDirectory[] = [];
  for (const folder of folders) {
    if (!folder.claimFolder) continue;
    if (!(await folder.claimFolder(run.id))) return release(run.id, claimed);
    claimed.push(folder);
  }
  try {
    return (await addRun(run)) ? claimed : await release(run.id, claimed);
  } catch (error) {
    // If there is no space for it, the run continues without being stored, and says so.
    if (isOutOfQuota(error)) return claimed;
    await release(run.id, claimed);
    throw error;
  }
}

async function release(id: string, claimed: readonly WritableDirectory[]): Promise<undefined> {
  for (const folder of claimed) await folder.releaseFolder?.(id);
}

async function abandon(id: string, claimed: readonly WritableDirectory[]): Promise<void> {
  await deleteRun(id);
  await release(id, claimed);
}

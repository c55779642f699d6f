/** One writer a run, and others see that it lives. */
import { runLockName } from '../../storage/runs.ts';

export class RunBusyError extends Error {
  override name = 'RunBusyError';
  constructor(runId: string) {
    super(`The run ${runId} is being trained in another tab or window. Stop it there first.`);
  }
}

/** Held for as long as the run goes on. A browser may lack Web Locks. @throws RunBusyError */
export async function withRunLock<Result>(runId: string, work: () => Promise<Result>): Promise<Result> {
  const locks = navigator.locks as LockManager | undefined;
  if (!locks) return work();
  return locks.request(runLockName(runId), { ifAvailable: true }, async (lock) => {
    if (!lock) throw new RunBusyError(runId);
    return work();
  });
}

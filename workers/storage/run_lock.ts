/** The lock of a run: it has one writer at a time, and others see that the writer lives. */

const RUN_LOCK_PREFIX = 'facenet-run-';

/** The lock that the worker of a run holds as long as it lives. */
export function runLockName(runId: string): string {
  return RUN_LOCK_PREFIX + runId;
}

/** @returns the run whose lock this is */
export function runOfLock(name: string): string | undefined {
  return name.startsWith(RUN_LOCK_PREFIX) ? name.slice(RUN_LOCK_PREFIX.length) : undefined;
}

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

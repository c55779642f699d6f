/** Work that a person may stop, whoever does it. */
import type { JobControl } from '../protocol/job_control.ts';

/**
 * Ends at once when the job is cancelled; the work hears of it by the signal, and stops at its next step.
 * @param stopped makes the error; default: the reason of the control's signal, a JobStoppedError
 * @throws what `stopped` makes, and what the work throws
 */
export async function untilStopped<Result>(
  { signal }: JobControl,
  work: (signal: AbortSignal) => Promise<Result>,
  stopped: () => unknown = () => signal.reason,
): Promise<Result> {
  if (signal.aborted) throw stopped();
  let stopWaiting = (): void => undefined;
  const cancellation = new Promise<never>((_resolve, reject) => {
    const onAbort = (): void => reject(stopped() as Error);
    signal.addEventListener('abort', onAbort);
    stopWaiting = () => signal.removeEventListener('abort', onAbort);
  });
  try {
    return await Promise.race([work(signal), cancellation]);
  } finally {
    stopWaiting();
  }
}

/** Long computations without waits, cut into slices, so that a worker hears what it is told meanwhile. */
import { EvaluationCancelledError } from './errors.ts';
import type { JobControl } from '../protocol/job_control.ts';

const SLICE_MS = 100;

/**
 * Runs a generator to its end.
 * @param computation yields the share that is done, 0 … 1, often
 * @throws EvaluationCancelledError
 */
export async function inSlices<Result>(
  computation: Generator<number, Result>,
  control: JobControl,
  onShare?: (share: number) => void,
): Promise<Result> {
  let sliceStart = performance.now();
  for (;;) {
    const step = computation.next();
    if (step.done) return step.value;
    if (performance.now() - sliceStart < SLICE_MS) continue;
    onShare?.(step.value);
    // A message is no microtask.
    await new Promise((resolve) => setTimeout(resolve));
    if (!(await control.proceed())) throw new EvaluationCancelledError();
    sliceStart = performance.now();
  }
}

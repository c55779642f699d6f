/** What the worker that recognises faces is doing: one thing at a time. */
import { JobControl } from '../../workers/protocol/job_control.ts';
import { problemOf, type Problem } from '../ui/errors.ts';
import type { JobGuard } from '../session/job_guard.svelte.ts';
import { WorkerFailedError } from '../../workers/rpc/worker_client.ts';
import { identifyWorker, STOP_SOON_MS } from '../session/workers.ts';

export class UseJob {
  status = $state<'idle' | 'running' | 'stopping'>('idle');
  /** What is happening, in a few words. */
  title = $state('');
  done = $state(0);
  /** 0: not known. */
  total = $state(0);
  readonly isBusy = $derived(this.status !== 'idle');
  /** Of the work that runs; each work has its own. */
  control = new JobControl();
  readonly #guard: JobGuard;
  readonly #onWorkerLost: () => void;

  /** @param onWorkerLost called when the worker is gone, and with it what it held */
  constructor(guard: JobGuard, onWorkerLost: () => void) {
    this.#guard = guard;
    this.#onWorkerLost = onWorkerLost;
  }

  /** @returns what went wrong; undefined also when it was stopped, or another job runs */
  async run(work: () => Promise<void>): Promise<Problem | undefined> {
    if (this.isBusy) return undefined;
    this.status = 'running';
    this.control = new JobControl();
    try {
      await this.#guard.during('use', false, work);
      return undefined;
    } catch (error) {
      if (error instanceof WorkerFailedError) this.#onWorkerLost();
      // A stop ends the work with an error of its own.
      return (this.status as string) === 'stopping' ? undefined : problemOf(error);
    } finally {
      this.status = 'idle';
    }
  }

  /** The next part of the work. */
  begin(title: string): void {
    this.title = title;
    this.report(0, 0);
  }

  report(done: number, total: number): void {
    this.done = done;
    this.total = total;
  }

  stop(): void {
    if (this.status !== 'running') return;
    this.status = 'stopping';
    this.control.cancel();
    void identifyWorker.endUnlessStopped(STOP_SOON_MS);
  }
}

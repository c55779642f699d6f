/**
 * Pause, resume and cancel for one job. Whoever starts the job makes its control and hands it to the call; the job asks
 * it between two pieces of work. A control that crosses to a worker stays connected (see rpc/job_control_transfer.ts).
 */

export type JobCommand = 'pause' | 'resume' | 'cancel';

/** The reason of a job's signal: what was waited for when the person stopped the job ends with it. */
export class JobStoppedError extends Error {
  // Pages know by this name that nothing went wrong.
  override name = 'AbortError';
  constructor() {
    super('Stopped before anything was written. Nothing was changed.');
  }
}

export class JobControl {
  readonly #abort = new AbortController();
  readonly #followers = new Set<(command: JobCommand) => void>();
  #resume: (() => void) | undefined;
  #paused: Promise<void> | undefined;

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get cancelled(): boolean {
    return this.#abort.signal.aborted;
  }

  pause(): void {
    this.#paused ??= new Promise((resolve) => {
      this.#resume = resolve;
    });
    this.#notifyFollowers('pause');
  }

  resume(): void {
    this.#releaseWaiting();
    this.#notifyFollowers('resume');
  }

  cancel(): void {
    this.#abort.abort(new JobStoppedError());
    this.#releaseWaiting();
    this.#notifyFollowers('cancel');
  }

  apply(command: JobCommand): void {
    this[command]();
  }

  /**
   * Calls the follower for every later command, and at once for the one that is in force.
   * @returns ends it
   */
  follow(follower: (command: JobCommand) => void): () => void {
    this.#followers.add(follower);
    if (this.cancelled) follower('cancel');
    else if (this.#paused) follower('pause');
    return () => this.#followers.delete(follower);
  }

  /** Waits while the job is paused. @returns false when the job must end */
  async proceed(): Promise<boolean> {
    while (this.#paused) await this.#paused;
    return !this.cancelled;
  }

  #releaseWaiting(): void {
    this.#resume?.();
    this.#paused = undefined;
    this.#resume = undefined;
  }

  #notifyFollowers(command: JobCommand): void {
    for (const follower of this.#followers) follower(command);
  }
}

/** Lets something happen at most once per interval. */
export class Throttle {
  readonly #intervalMs: number;
  #last = -Infinity;

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  ready(): boolean {
    const now = performance.now();
    if (now - this.#last < this.#intervalMs) return false;
    this.#last = now;
    return true;
  }
}

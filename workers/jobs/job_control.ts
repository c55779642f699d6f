/** The reason of a job's signal: what was waited for when the person stopped the job ends with it. */
export class JobStoppedError extends Error {
  // Pages know by this name that nothing went wrong.
  override name = 'AbortError';
  constructor() {
    super('Stopped before anything was made. Nothing was changed.');
  }
}

/** Pause, resume and cancel for one running job; the job asks between two pieces of work. */
export class JobControl {
  readonly #abort = new AbortController();
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
  }

  resume(): void {
    this.#resume?.();
    this.#paused = undefined;
    this.#resume = undefined;
  }

  cancel(): void {
    this.#abort.abort(new JobStoppedError());
    this.resume();
  }

  /** Waits while the job is paused. @returns false when it is to end */
  async proceed(): Promise<boolean> {
    while (this.#paused) await this.#paused;
    return !this.cancelled;
  }
}

/** Lets something happen at most once an interval. */
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

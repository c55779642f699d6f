/**
 * One worker and its owner. The worker starts with the first call. A worker that fails to load or dies rejects the
 * calls that wait for it, instead of leaving them open; the next call starts a new worker.
 */
import { releaseProxy, wrap, type Remote } from 'comlink';
import './job_control_transfer.ts';

export class WorkerFailedError extends Error {
  override name = 'WorkerFailedError';
  /** @param cause the browser's message, which is empty for a script that could not be loaded */
  constructor(worker: string, cause: string) {
    super(
      `The ${worker} stopped working${cause ? ` (${cause})` : ''}. Everything that was saved is kept. Reload the page and continue from there.`,
      cause ? { cause } : undefined,
    );
  }
}

/** The worker's job did not end after it was told to stop, so the worker was ended. */
export class WorkerStoppedError extends WorkerFailedError {
  override name = 'WorkerStoppedError';
}

/** Not in Node, where TensorFlow.js puts Node's threads in the place of `Worker`. */
export function canStartWorkers(): boolean {
  return typeof Worker !== 'undefined' && Worker.prototype instanceof EventTarget;
}

interface StartedWorker<Api> {
  readonly worker: Worker;
  readonly api: Remote<Api>;
  readonly fail: (error: Error) => void;
  readonly failed: Promise<never>;
}

export class WorkerClient<Api> {
  readonly #title: string;
  readonly #create: () => Worker;
  #started: StartedWorker<Api> | undefined;
  readonly #calls = new Set<Promise<unknown>>();

  /**
   * @param title the worker's name in messages: `worker that aligns faces`
   * @param create contains the `new Worker(new URL(…))` that the bundler looks for
   */
  constructor(title: string, create: () => Worker) {
    this.#title = title;
    this.#create = create;
  }

  get callCount(): number {
    return this.#calls.size;
  }

  /** Starts the worker before its first call, so that it loads in the background. */
  start(): void {
    this.#started ??= this.#start();
  }

  /**
   * Calls the worker.
   * @throws WorkerFailedError when the worker itself fails; else what the call rejects with
   */
  async call<Result>(use: (api: Remote<Api>) => Promise<Result>): Promise<Result> {
    const { api, failed } = (this.#started ??= this.#start());
    const result = Promise.race([use(api), failed]);
    this.#calls.add(result);
    try {
      return await result;
    } finally {
      this.#calls.delete(result);
    }
  }

  /** Ends the worker, which frees all its memory, unless a call is waiting for it. */
  release(): void {
    if (this.#calls.size === 0) this.#end();
  }

  /**
   * Ends the worker if its only job keeps running after it was told to stop. A worker in the middle of a long
   * computation does not receive that message. The job's call then rejects with a WorkerStoppedError.
   * @param patienceMs how long the job may take to end by itself
   */
  async endUnlessStopped(patienceMs: number): Promise<void> {
    const started = this.#started;
    const jobs = [...this.#calls];
    if (!started || jobs.length === 0) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tooLate = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(true), patienceMs);
    });
    const isTooLate = await Promise.race([Promise.allSettled(jobs).then(() => false), tooLate]);
    clearTimeout(timer);
    if (isTooLate && this.#started === started && this.#calls.size === 1)
      this.terminate(new WorkerStoppedError(this.#title, 'it was stopped'));
  }

  /** Ends the worker at once. Calls that wait for it reject with the error. */
  terminate(error: Error = new WorkerFailedError(this.#title, 'it was ended')): void {
    this.#started?.fail(error);
    this.#end();
  }

  #start(): StartedWorker<Api> {
    const worker = this.#create();
    const { promise: failed, reject: fail } = withResolvers<never>();
    failed.catch(() => undefined);
    const onFailure = (cause: string): void => {
      fail(new WorkerFailedError(this.#title, cause));
      if (this.#started?.worker === worker) this.#end();
    };
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      onFailure(event.message ?? '');
    });
    worker.addEventListener('messageerror', () => onFailure('a message could not be read'));
    return { worker, api: wrap<Api>(worker), fail, failed };
  }

  #end(): void {
    this.#started?.api[releaseProxy]();
    this.#started?.worker.terminate();
    this.#started = undefined;
  }
}

/** Stands in for Promise.withResolvers, which not every supported browser has. */
function withResolvers<Value>(): { promise: Promise<Value>; reject: (error: Error) => void } {
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<Value>((_resolve, rejectPromise) => {
    reject = rejectPromise;
  });
  return { promise, reject };
}

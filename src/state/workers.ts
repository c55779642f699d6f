/**
 * The workers, started when they are first called. A worker that fails to load or dies makes its calls fail instead of
 * never ending, and the next call starts a new one.
 */
import { releaseProxy, wrap, type Remote } from 'comlink';
import type { AlignWorkerApi } from '../../workers/protocol/align.ts';
import type { ChartsWorkerApi } from '../../workers/protocol/charts.ts';
import type { DatasetWorkerApi } from '../../workers/protocol/dataset.ts';
import type { IdentifyWorkerApi } from '../../workers/protocol/identify.ts';
import type { LibraryWorkerApi } from '../../workers/protocol/library.ts';
import type { LookWorkerApi } from '../../workers/protocol/look.ts';
import type { TrainWorkerApi } from '../../workers/protocol/train_worker.ts';

export class WorkerFailedError extends Error {
  override name = 'WorkerFailedError';
  constructor(worker: string, cause: string) {
    super(
      `The ${worker} stopped working${cause ? ` (${cause})` : ''}. What was saved is kept: reload the page and go on.`,
    );
  }
}

interface StartedWorker<Api> {
  readonly worker: Worker;
  readonly api: Remote<Api>;
  readonly failed: Promise<never>;
}

export class LazyWorker<Api> {
  readonly #title: string;
  readonly #create: () => Worker;
  #started: StartedWorker<Api> | undefined;
  #callCount = 0;

  /** @param title what the worker is, for messages */
  constructor(title: string, create: () => Worker) {
    this.#title = title;
    this.#create = create;
  }

  /** Calls the worker; rejects also when the worker itself fails. */
  async call<Result>(use: (api: Remote<Api>) => Promise<Result>): Promise<Result> {
    this.#started ??= this.#start();
    const { api, failed } = this.#started;
    this.#callCount++;
    try {
      return await Promise.race([use(api), failed]);
    } finally {
      this.#callCount--;
    }
  }

  /** Ends the worker, which frees all its memory, unless a call is under way. */
  release(): void {
    if (this.#callCount === 0) this.#end();
  }

  #start(): StartedWorker<Api> {
    const worker = this.#create();
    const failed = new Promise<never>((_resolve, reject) => {
      worker.addEventListener('error', (event) => {
        event.preventDefault();
        reject(new WorkerFailedError(this.#title, event.message ?? ''));
        if (this.#started?.worker === worker) this.#end();
      });
    });
    failed.catch(() => undefined);
    return { worker, api: wrap<Api>(worker), failed };
  }

  #end(): void {
    this.#started?.api[releaseProxy]();
    this.#started?.worker.terminate();
    this.#started = undefined;
  }
}

export const datasetWorker = new LazyWorker<DatasetWorkerApi>(
  'part that reads folders',
  () => new Worker(new URL('../../workers/dataset.worker.ts', import.meta.url), { type: 'module' }),
);

export const alignWorker = new LazyWorker<AlignWorkerApi>(
  'part that aligns faces',
  () => new Worker(new URL('../../workers/align.worker.ts', import.meta.url), { type: 'module' }),
);

const createTrainWorker = (): Worker =>
  new Worker(new URL('../../workers/train.worker.ts', import.meta.url), { type: 'module' });

export const trainWorker = new LazyWorker<TrainWorkerApi>('part that trains', createTrainWorker);

/** The same code as the training's in a worker of its own, so that neither waits for the other. */
export const modelWorker = new LazyWorker<TrainWorkerApi>(
  'part that evaluates and exports',
  createTrainWorker,
);

export const libraryWorker = new LazyWorker<LibraryWorkerApi>(
  'part that keeps runs',
  () => new Worker(new URL('../../workers/library.worker.ts', import.meta.url), { type: 'module' }),
);

export const chartsWorker = new LazyWorker<ChartsWorkerApi>(
  'part that draws charts',
  () => new Worker(new URL('../../workers/charts.worker.ts', import.meta.url), { type: 'module' }),
);

export const identifyWorker = new LazyWorker<IdentifyWorkerApi>(
  'part that recognises faces',
  () => new Worker(new URL('../../workers/identify.worker.ts', import.meta.url), { type: 'module' }),
);

const createLookWorker = (): Worker =>
  new Worker(new URL('../../workers/look.worker.ts', import.meta.url), { type: 'module' });

export const lookWorker = new LazyWorker<LookWorkerApi>('part that looks at datasets', createLookWorker);

/** The same code in a worker that embeds and ends, and frees what the network took. */
export const embeddingWorker = new LazyWorker<LookWorkerApi>('part that embeds photos', createLookWorker);

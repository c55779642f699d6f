/** The page's workers. Each starts with its first call. */
import { WorkerClient } from '../../workers/rpc/worker_client.ts';
import type { AlignWorkerApi } from '../../workers/protocol/align/align.ts';
import type { ChartsWorkerApi } from '../../workers/protocol/train/charts.ts';
import type { DatasetWorkerApi } from '../../workers/protocol/data/dataset.ts';
import type { IdentifyWorkerApi } from '../../workers/protocol/use/identify.ts';
import type { LibraryWorkerApi } from '../../workers/protocol/models/library.ts';
import type { InspectWorkerApi } from '../../workers/protocol/use/inspect.ts';
import type { TrainWorkerApi } from '../../workers/protocol/train/train_worker.ts';

/** How long a stopped job that leaves nothing half done may go on. */
export const STOP_AT_ONCE_MS = 2500;
/** How long a stopped job may take to finish what it has begun: a photo, a file. */
export const STOP_SOON_MS = 15_000;

export const datasetWorker = new WorkerClient<DatasetWorkerApi>(
  'worker that reads folders',
  () => new Worker(new URL('../../workers/dataset.worker.ts', import.meta.url), { type: 'module' }),
);

export const alignWorker = new WorkerClient<AlignWorkerApi>(
  'worker that aligns faces',
  () => new Worker(new URL('../../workers/align.worker.ts', import.meta.url), { type: 'module' }),
);

const createTrainWorker = (): Worker =>
  new Worker(new URL('../../workers/train.worker.ts', import.meta.url), { type: 'module' });

export const trainWorker = new WorkerClient<TrainWorkerApi>('worker that trains', createTrainWorker);

/*
 * The same code in a worker of its own for each job, so that none waits for another, and that a job that hears nothing
 * can be ended with its worker. Each is released after its job.
 */
export const evaluationWorker = new WorkerClient<TrainWorkerApi>('worker that evaluates', createTrainWorker);
export const exportWorker = new WorkerClient<TrainWorkerApi>('worker that exports', createTrainWorker);
export const importWorker = new WorkerClient<TrainWorkerApi>('worker that imports models', createTrainWorker);
export const tableWorker = new WorkerClient<TrainWorkerApi>(
  'worker that measures distances',
  createTrainWorker,
);

export const libraryWorker = new WorkerClient<LibraryWorkerApi>(
  'worker that keeps runs',
  () => new Worker(new URL('../../workers/library.worker.ts', import.meta.url), { type: 'module' }),
);

export const chartsWorker = new WorkerClient<ChartsWorkerApi>(
  'worker that draws charts',
  () => new Worker(new URL('../../workers/charts.worker.ts', import.meta.url), { type: 'module' }),
);

export const identifyWorker = new WorkerClient<IdentifyWorkerApi>(
  'worker that recognises faces',
  () => new Worker(new URL('../../workers/identify.worker.ts', import.meta.url), { type: 'module' }),
);

const createInspectWorker = (): Worker =>
  new Worker(new URL('../../workers/inspect.worker.ts', import.meta.url), { type: 'module' });

export const inspectWorker = new WorkerClient<InspectWorkerApi>(
  'worker that inspects datasets',
  createInspectWorker,
);

/** The same code in a worker that embeds and ends, and frees what the network took. */
export const embeddingWorker = new WorkerClient<InspectWorkerApi>(
  'worker that embeds photos',
  createInspectWorker,
);

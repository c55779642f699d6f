/** Two jobs in one worker: each has its own control, so stopping one does not affect the other. */
import { proxy } from 'comlink';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { initializeParameters } from '../../../workers/compute/graph/initialize.ts';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import { JobControl } from '../../../workers/protocol/job_control.ts';
import { writeModelFile } from '../../../workers/models/model_file.ts';
import type { DatasetWorkerApi, DirectoryReference } from '../../../workers/protocol/data/dataset.ts';
import type { ModelReference } from '../../../workers/protocol/models/models.ts';
import type { TrainWorkerApi } from '../../../workers/protocol/train/train_worker.ts';
import { WorkerClient } from '../../../workers/rpc/worker_client.ts';

const graph = buildModel('squeezenet', { embeddingSize: 16, classes: 0 });
const model: ModelReference = {
  kind: 'file',
  file: new File(
    [
      writeModelFile(initializeParameters(graph, 1), {
        model_def: 'squeezenet',
        embedding_size: 16,
        image_size: 96,
        use_fixed_image_standardization: true,
      }),
    ],
    'small.safetensors',
  ),
};
const worker = new WorkerClient<TrainWorkerApi>(
  'worker that evaluates',
  () => new Worker(new URL('../../../workers/train.worker.ts', import.meta.url), { type: 'module' }),
);
const datasets = new WorkerClient<DatasetWorkerApi>(
  'worker that reads folders',
  () => new Worker(new URL('../../../workers/dataset.worker.ts', import.meta.url), { type: 'module' }),
);
let images: DirectoryReference;

beforeAll(async () => {
  images = await datasets.call(async (api) =>
    api.makeSampleFaces({ seed: 5, people: 3, photosPerPerson: 4 }),
  );
});
afterAll(() => {
  worker.terminate();
  datasets.terminate();
});

interface Job {
  readonly control: JobControl;
  /** Resolves with the first photos that are embedded. */
  readonly underWay: Promise<void>;
  readonly result: Promise<unknown>;
}

function start(run: (control: JobControl, onProgress: () => void) => Promise<unknown>): Job {
  const control = new JobControl();
  let result!: Promise<unknown>;
  const underWay = new Promise<void>((resolve, reject) => {
    result = run(control, () => {
      resolve();
      // Later photos wait until the test lets them continue.
      control.pause();
    });
    result.catch(reject);
  });
  result.catch(() => undefined);
  return { control, underWay, result };
}

const evaluation = (): Job =>
  start((control, onProgress) =>
    worker.call((api) =>
      api.evaluate(
        {
          model,
          pairs: { images: [images], generate: { seed: 1, pairsPerFold: 4 }, lfw_nrof_folds: 2 },
          options: {
            lfw_batch_size: 1,
            lfw_distance_metric: 0,
            lfw_use_flipped_images: false,
            lfw_subtract_mean: false,
          },
          backend: 'wasm',
        },
        control,
        proxy(onProgress),
      ),
    ),
  );
const filterTable = (): Job =>
  start((control, onProgress) =>
    worker.call((api) =>
      api.makeDistanceTable(
        { model, images: [images], batch_size: 1, backend: 'wasm' },
        control,
        proxy(onProgress),
      ),
    ),
  );

for (const [title, stopped, kept] of [
  ['an evaluation is stopped, the filter table is made', evaluation, filterTable],
  ['a filter table is stopped, the evaluation is made', filterTable, evaluation],
] as const)
  it(title, { retry: 1, timeout: 120_000 }, async () => {
    // Started at the same moment: both load their model and start the backend.
    const [one, other] = [stopped(), kept()];
    await Promise.all([one.underWay, other.underWay]);
    one.control.cancel();
    await expect(one.result).rejects.toMatchObject({ name: 'EvaluationCancelledError' });
    other.control.resume();
    // Its next progress pauses it again.
    const again = setInterval(() => other.control.resume(), 10);
    const result = await other.result.finally(() => clearInterval(again));
    expect(result).toMatchObject(kept === evaluation ? { pairCount: 16 } : { imageCount: 12, classCount: 3 });
  });

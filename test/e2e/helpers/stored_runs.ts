/** Writes the stored results of trainings and evaluations without running them. */
import type { Page } from 'playwright-core';
import { presetOptions } from '../../../workers/protocol/train/presets.ts';

/** The name of the first run. */
export const RUN = '20260101-100000';
const DATASET = 'Sample faces 6 × 5 aligned 182-44';

/** Stores two runs, two evaluations of one of them, and a set of faces. Reload the page afterwards. */
export async function storeRuns(page: Page): Promise<void> {
  const options = {
    ...presetOptions('quick-try'),
    epoch_size: 6,
    max_nrof_epochs: 6,
    moving_average_decay: 0.99,
  };
  await page.evaluate(
    async ([id, datasetName, runOptions]) => {
      while (!(await indexedDB.databases()).some(({ name }) => name === 'facenet'))
        await new Promise((resolve) => setTimeout(resolve, 50));
      const database = await new Promise<IDBDatabase>((resolve, reject) => {
        const request = indexedDB.open('facenet');
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(new Error('no database'));
      });
      const transaction = database.transaction(
        ['steps', 'runs', 'validations', 'savedEvaluations', 'checkpoints'],
        'readwrite',
      );
      const records = Array.from({ length: 36 }, (_, index) => ({
        step: index + 1,
        epoch: Math.floor(index / 6) + 1,
        batch: (index % 6) + 1,
        totalLoss: 3 - index / 20,
        crossEntropy: 2 - index / 25,
        regularization: 0.5,
        prelogitsNorm: 0.1,
        centerLoss: 0,
        accuracy: index / 40,
        learningRate: index > 20 ? 0.005 : 0.05,
        stepMs: 9000 + 1000 * Math.sin(index),
        dataWaitMs: 5,
      }));
      for (const runId of [id, '20260102-100000']) {
        transaction.objectStore('steps').put({ runId, firstStep: 1, records });
        transaction
          .objectStore('validations')
          .put({ runId, step: 36, epoch: 6, crossEntropy: 1, accuracy: 0.5 });
        for (const step of [30, 36])
          transaction.objectStore('checkpoints').put({
            id: `${runId}-${step}`,
            runId,
            step,
            epoch: step / 6,
            createdAt: 0,
            sizeBytes: 2e8,
            chunkCount: 0,
          });
        transaction.objectStore('runs').put({
          id: runId,
          createdAt: Date.parse('2026-01-01'),
          status: 'finished',
          options: runOptions,
          datasetName,
          classNames: Array.from({ length: 6 }, (_, index) => `person ${index}`),
          imageCount: 30,
          data: [],
          step: 36,
          epoch: 6,
          device: 'TensorFlow.js on WebAssembly',
        });
      }
      const share = Array.from({ length: 50 }, (_, index) => index / 49);
      const pairs = { falseAccepts: [], falseRejects: [], falseAcceptCount: 0, falseRejectCount: 0 };
      for (const [index, evaluationId] of ['first', 'second'].entries())
        transaction.objectStore('savedEvaluations').put({
          id: evaluationId,
          at: Date.parse('2026-01-02') + index,
          modelId: id,
          modelName: `run ${id}`,
          imagesName: datasetName,
          images: [],
          options: {
            lfw_batch_size: 100,
            lfw_distance_metric: 1,
            lfw_use_flipped_images: true,
            lfw_subtract_mean: true,
          },
          result: {
            accuracy: 0.717,
            accuracyStd: 0.0456,
            accuracyPerFold: [0.7, 0.73],
            bestThresholdPerFold: [0.43, 0.42],
            val: 0.0123,
            valStd: 0.0234,
            far: 0.0167,
            farTarget: 0.001,
            // Near the left edge: its label must not be cut.
            valThresholdPerFold: [0.305, 0.305],
            auc: 0.7891,
            eer: 0.2834,
            roc: {
              falseAcceptRate: Float64Array.from(share),
              trueAcceptRate: Float64Array.from(share, Math.sqrt),
            },
            pairCount: 600,
            skippedPairs: 0,
            skippedCauses: [],
            imageCount: 30,
            durationMs: 1000,
            histogram: {
              start: 0.3,
              binWidth: 0.01,
              same: share.slice(0, 41).map((value) => Math.round(20 * value)),
              different: share.slice(0, 41).map((value) => Math.round(20 - 20 * value)),
            },
            wrong: pairs,
            pairsChecksum: '00000000',
            measured: {
              distances: Float64Array.of(0.1, 0.2),
              same: Uint8Array.of(1, 0),
              falseAcceptsOutside: new Int32Array(4000),
              differentOutside: Int32Array.of(1),
            },
          },
        });
      await new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(new Error('not written'));
      });
      database.close();
      let folder = await navigator.storage.getDirectory();
      for (const name of ['aligned', datasetName, 'person 1'])
        folder = await folder.getDirectoryHandle(name, { create: true });
      await folder.getFileHandle('face.png', { create: true });
    },
    [RUN, DATASET, options] as const,
  );
}

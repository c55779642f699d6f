/** Entry point: training, evaluation, export and conformance. */
import { expose } from 'comlink';
import { runConformance } from './jobs/conformance/run.ts';
import { classify } from './jobs/use/classify_job.ts';
import { comparePhotos } from './jobs/use/compare_job.ts';
import { locateFaces } from './jobs/use/identify_photos.ts';
import { makeDistanceTable } from './jobs/train/distance_table_job.ts';
import { embedFolder } from './jobs/models/embed_job.ts';
import { evaluateModel } from './jobs/evaluate/evaluate_job.ts';
import { chooseExecutor } from './jobs/executors.ts';
import { exportModel } from './jobs/models/export_job.ts';
import { withModel } from './jobs/models/model_job.ts';
import { importIntoLibrary } from './jobs/models/import_job.ts';
import { untilStopped } from './jobs/until_stopped.ts';
import { TrainControl } from './jobs/train/train_control.ts';
import { train } from './jobs/train/train_job.ts';
import { describeModel, inspectModel } from './models/load_model.ts';
import { runWeights } from './models/run_model.ts';
import { FaceDetector } from './detector/detector.ts';
import { standardizationOf } from './protocol/models/standardization.ts';
import type { TrainWorkerApi } from './protocol/train/train_worker.ts';
import './rpc/job_control_transfer.ts';
import { describeDevice } from './gpu/describe_device.ts';

const api: TrainWorkerApi = {
  describeDevice,
  train: (request, control, onEvent) => train(request, onEvent, new TrainControl(control)),
  async evaluate({ model, pairs, options, backend }, control, onProgress) {
    const { use_fixed_image_standardization: isFixed } = options;
    const chosen = isFixed === undefined ? model : { ...model, standardization: standardizationOf(isFixed) };
    return withModel({ model: chosen, backend }, control, async (loaded, { createEmbedder, read }) => {
      const complete = {
        ...options,
        image_size: options.image_size ?? loaded.imageSize,
        use_fixed_image_standardization: loaded.useFixedImageStandardization,
      };
      const result = await evaluateModel(loaded, pairs, complete, createEmbedder, control, onProgress, read);
      return { ...result, weights: runWeights(loaded.metadata) };
    });
  },
  async exportModel(request, control, onProgress) {
    const { createEmbedder } = await chooseExecutor();
    return exportModel(request, createEmbedder, control, onProgress);
  },
  importModel: importIntoLibrary,
  inspectModel: (model, control) => untilStopped(control, (signal) => inspectModel(model, signal)),
  describeModel: (model) => describeModel(model),
  embedFolder: (request, control, onProgress) =>
    withModel(request, control, (loaded, { createEmbedder, read }) =>
      embedFolder(loaded, request, createEmbedder, control, onProgress, read),
    ),
  makeDistanceTable: (request, control, onProgress) =>
    withModel(request, control, (loaded, { createEmbedder, read }) =>
      makeDistanceTable(loaded, request, createEmbedder, control, onProgress, read),
    ),
  compare: (request, control) =>
    withModel(request, control, async (loaded, { createEmbedder }) => {
      const detector = await FaceDetector.create(request.backend);
      try {
        return await comparePhotos(
          loaded,
          request,
          (photos, which, options) => locateFaces(photos, detector, which, options),
          createEmbedder,
          control,
        );
      } finally {
        detector.dispose();
      }
    }),
  classify: (request, control, onProgress) =>
    withModel(request, control, (loaded, { createEmbedder, read }) =>
      classify(loaded, request, createEmbedder, control, onProgress, read),
    ),
  async conformance({ fixture, backend, executor, precision }, onMessage) {
    return runConformance(
      fixture,
      async () => (await chooseExecutor({ backend, executor })).createTrainer,
      onMessage,
      precision,
    );
  },
};

expose(api);

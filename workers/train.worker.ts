/** Entry point: training, evaluation, export and conformance; one training at a time. */
import { expose } from 'comlink';
import { runConformance } from './conformance/run.ts';
import { classify } from './jobs/identify/classify_job.ts';
import { COMPARE_DETECTION, comparePhotos, type DetectFaces } from './jobs/identify/compare_job.ts';
import { makeDistanceTable } from './jobs/train/distance_table_job.ts';
import { embedFolder } from './jobs/models/embed_job.ts';
import { evaluateModel } from './jobs/evaluate/evaluate_job.ts';
import { chooseExecutor } from './jobs/executors.ts';
import { exportModel } from './jobs/models/export_job.ts';
import { importIntoLibrary } from './jobs/models/import_job.ts';
import { JobControl } from './jobs/job_control.ts';
import { TrainControl } from './jobs/train/train_control.ts';
import { train } from './jobs/train/train_job.ts';
import { inspectModel, loadModel } from './models/load_model.ts';
import { runWeights } from './models/run_weights.ts';
import { FaceDetector } from './mtcnn/detector.ts';
import type { TrainWorkerApi } from './protocol/train_worker.ts';
import { selectBackend } from './tfjs/backends.ts';
import { describeDevice } from './tfjs/device.ts';

let training = new TrainControl();
let evaluation = new JobControl();
let exporting = new JobControl();

const api: TrainWorkerApi = {
  describeDevice,
  train(request, onEvent) {
    training = new TrainControl();
    return train(request, onEvent, training);
  },
  pause: () => training.pause(),
  resume: async () => training.resume(),
  stop: () => training.stop(),
  async evaluate({ model, pairs, options, backend }, onProgress) {
    evaluation = new JobControl();
    const loaded = await loadModel(model);
    const { create } = await chooseExecutor({ backend });
    const complete = {
      ...options,
      image_size: options.image_size ?? loaded.imageSize,
      use_fixed_image_standardization:
        options.use_fixed_image_standardization ?? loaded.useFixedImageStandardization,
    };
    const result = await evaluateModel(loaded, pairs, complete, create, evaluation, onProgress);
    return { ...result, weights: runWeights(loaded.metadata) };
  },
  cancelEvaluation: () => evaluation.cancel(),
  async exportModel(request, onProgress) {
    exporting = new JobControl();
    // An exported TF.js model is verified by stock TensorFlow.js, whatever runs the network itself.
    await selectBackend();
    const { create } = await chooseExecutor();
    return exportModel(request, create, exporting, onProgress);
  },
  cancelExport: () => exporting.cancel(),
  importModel: importIntoLibrary,
  inspectModel,
  async embedFolder(request, onProgress) {
    evaluation = new JobControl();
    const loaded = await loadModel(request.model);
    const { create } = await chooseExecutor({ backend: request.backend });
    return embedFolder(loaded, request, create, evaluation, onProgress);
  },
  async makeDistanceTable(request, onProgress) {
    evaluation = new JobControl();
    const loaded = await loadModel(request.model);
    const { create } = await chooseExecutor({ backend: request.backend });
    return makeDistanceTable(loaded, request, create, evaluation, onProgress);
  },
  async compare(request) {
    evaluation = new JobControl();
    const loaded = await loadModel(request.model);
    const detector = await FaceDetector.create(request.backend);
    try {
      const { create } = await chooseExecutor({ backend: request.backend });
      const detect: DetectFaces = async (image) => (await detector.detect(image, COMPARE_DETECTION)).faces;
      return await comparePhotos(loaded, request, detect, create, evaluation);
    } finally {
      detector.dispose();
    }
  },
  async classify(request, onProgress) {
    evaluation = new JobControl();
    const loaded = await loadModel(request.model);
    const { create } = await chooseExecutor({ backend: request.backend });
    return classify(loaded, request, create, evaluation, onProgress);
  },
  async conformance({ fixture, backend, executor, precision }, onMessage) {
    return runConformance(
      fixture,
      async () => (await chooseExecutor({ backend, executor })).create,
      onMessage,
      precision,
    );
  },
};

expose(api);

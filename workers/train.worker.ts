/** Entry point: training, evaluation, export and conformance. */
import { expose } from 'comlink';
import { runConformance } from './jobs/conformance/run.ts';
import { classify } from './jobs/use/classify_job.ts';
import { COMPARE_DETECTION, comparePhotos, type DetectFaces } from './jobs/use/compare_job.ts';
import { makeDistanceTable } from './jobs/train/distance_table_job.ts';
import { embedFolder } from './jobs/models/embed_job.ts';
import { evaluateModel } from './jobs/evaluate/evaluate_job.ts';
import { chooseExecutor } from './jobs/executors.ts';
import { exportModel } from './jobs/models/export_job.ts';
import { loadForJob } from './jobs/models/load_for_job.ts';
import { importIntoLibrary } from './jobs/models/import_job.ts';
import { untilStopped } from './jobs/until_stopped.ts';
import { TrainControl } from './jobs/train/train_control.ts';
import { train } from './jobs/train/train_job.ts';
import { describeModel, inspectModel } from './models/load_model.ts';
import { runWeights } from './models/run_metadata.ts';
import { FaceDetector } from './detector/detector.ts';
import { standardizationOf } from './protocol/models/standardization.ts';
import type { TrainWorkerApi } from './protocol/train/train_worker.ts';
import './rpc/job_control_transfer.ts';
import { selectBackend } from './compute/tfjs/backends.ts';
import { describeDevice } from './gpu/describe_device.ts';

const api: TrainWorkerApi = {
  describeDevice,
  train: (request, control, onEvent) => train(request, onEvent, new TrainControl(control)),
  async evaluate({ model, pairs, options, backend }, control, onProgress) {
    const { use_fixed_image_standardization: isFixed } = options;
    const loaded = await loadForJob(
      isFixed === undefined ? model : { ...model, standardization: standardizationOf(isFixed) },
      control,
    );
    const { create } = await chooseExecutor({ backend });
    const complete = {
      ...options,
      image_size: options.image_size ?? loaded.imageSize,
      use_fixed_image_standardization: loaded.useFixedImageStandardization,
    };
    const result = await evaluateModel(loaded, pairs, complete, create, control, onProgress);
    return { ...result, weights: runWeights(loaded.metadata) };
  },
  async exportModel(request, control, onProgress) {
    // An exported TF.js model is verified by stock TensorFlow.js, whatever runs the network itself.
    await selectBackend();
    const { create } = await chooseExecutor();
    return exportModel(request, create, control, onProgress);
  },
  importModel: importIntoLibrary,
  inspectModel: (model, control) => untilStopped(control, (signal) => inspectModel(model, signal)),
  describeModel: (model) => describeModel(model),
  async embedFolder(request, control, onProgress) {
    const loaded = await loadForJob(request.model, control);
    const { create } = await chooseExecutor({ backend: request.backend });
    return embedFolder(loaded, request, create, control, onProgress);
  },
  async makeDistanceTable(request, control, onProgress) {
    const loaded = await loadForJob(request.model, control);
    const { create } = await chooseExecutor({ backend: request.backend });
    return makeDistanceTable(loaded, request, create, control, onProgress);
  },
  async compare(request, control) {
    const loaded = await loadForJob(request.model, control);
    const detector = await FaceDetector.create(request.backend);
    try {
      const { create } = await chooseExecutor({ backend: request.backend });
      const detect: DetectFaces = async (image) => (await detector.detect(image, COMPARE_DETECTION)).faces;
      return await comparePhotos(loaded, request, detect, create, control);
    } finally {
      detector.dispose();
    }
  },
  async classify(request, control, onProgress) {
    const loaded = await loadForJob(request.model, control);
    const { create } = await chooseExecutor({ backend: request.backend });
    return classify(loaded, request, create, control, onProgress);
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

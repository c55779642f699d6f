/** Models with values that no training produces are refused by name, wherever they are used. */
import 'fake-indexeddb/auto';
import { describe, expect, it } from 'vitest';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import { EmbeddingsNotFiniteError } from '../../../workers/evaluation/errors.ts';
import { safetensorsBlob } from '../../../workers/formats/safetensors.ts';
import { hashedParameters } from '../../../workers/compute/graph/hashed_tensors.ts';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import type { HostTensor } from '../../../workers/protocol/tensor.ts';
import { withEmbedder } from '../../../workers/jobs/embedder.ts';
import { exportModel } from '../../../workers/jobs/models/export_job.ts';
import { ConstantEmbeddingsError } from '../../../workers/jobs/models/verify_export.ts';
import { RunCheckpoints } from '../../../workers/jobs/train/run_checkpoints.ts';
import type { RunDevice } from '../../../workers/jobs/train/run_device.ts';
import type { RunKeeper } from '../../../workers/jobs/train/run_keeper.ts';
import type { RunOutputs } from '../../../workers/jobs/train/run_outputs.ts';
import { modelFiles } from '../../../workers/models/export_files.ts';
import { loadFromDirectory, loadModel } from '../../../workers/models/load_model.ts';
import { writeModelFile } from '../../../workers/models/model_file.ts';
import { NegativeVarianceError, ParameterNotFiniteError } from '../../../workers/models/parameter_values.ts';
import type { RunRecord } from '../../../workers/protocol/train/runs.ts';
import { saveCheckpoint } from '../../../workers/storage/checkpoints.ts';
import { putRun } from '../../../workers/storage/runs.ts';
import type { EmbedderFactory, ImageBatch } from '../../../workers/compute/executor.ts';
import { defaultTrainingOptions } from '../../../workers/protocol/train/options.ts';
import { checkpoint, graphDef } from './import_writers.ts';

const graph = buildModel('squeezenet', { embeddingSize: 8, classes: 0 });
const WEIGHTS = 'squeezenet/fire2/expand/3x3/weights';
const VARIANCE = 'squeezenet/fire2/expand/3x3/BatchNorm/moving_variance';
const metadata = {
  model_def: 'squeezenet',
  embedding_size: 8,
  image_size: 96,
  use_fixed_image_standardization: true,
};

function damaged(name: string, value: number): Map<string, HostTensor> {
  const parameters = hashedParameters(graph, 3);
  parameters.get(name)!.data[2] = value;
  return parameters;
}

const DAMAGES: readonly [what: string, name: string, value: number, error: RegExp][] = [
  ['what is no number', WEIGHTS, NaN, /the value 3 of squeezenet\/fire2\/expand\/3x3\/weights is NaN/],
  ['infinity', WEIGHTS, Infinity, /the value 3 of squeezenet\/fire2\/expand\/3x3\/weights is Infinity/],
  ['a negative infinity', WEIGHTS, -Infinity, /the value 3 of .*weights is -Infinity/],
  ['a negative variance', VARIANCE, -0.5, /the value 3 of .*moving_variance is -0\.5, but a variance/],
];

describe.each(DAMAGES)(
  'a model with %s is refused by the name of the tensor:',
  (_what, name, value, error) => {
    const values = damaged(name, value);

    it('this program’s own file, and one of its names without metadata', async () => {
      const own = new File([writeModelFile(values, metadata)], 'own.safetensors');
      await expect(loadModel({ kind: 'file', file: own })).rejects.toThrow(error);
      await expect(loadModel({ kind: 'file', file: own })).rejects.toThrow(/^In own\.safetensors/);
      const bare = new File([safetensorsBlob(values)], 'bare.safetensors');
      await expect(loadModel({ kind: 'file', file: bare })).rejects.toThrow(error);
    });

    it('the original’s frozen graph and checkpoint', async () => {
      const frozen = new File([graphDef(values)], 'frozen.pb');
      await expect(loadModel({ kind: 'file', file: frozen })).rejects.toThrow(error);
      const { index, data } = checkpoint(values);
      const folder = new MemoryDirectory('run', { 'model.ckpt-5.index': index });
      await folder.write('model.ckpt-5.data-00000-of-00001', Uint8Array.from(data));
      await expect(loadFromDirectory(folder)).rejects.toThrow(error);
    });
  },
);

describe('a model with damaged values is refused', () => {
  it('as an export whose batch norms are folded', async () => {
    for (const format of ['tfjs', 'onnx'] as const) {
      const model = {
        name: 'm',
        graph,
        parameters: damaged(WEIGHTS, NaN),
        imageSize: 96,
        useFixedImageStandardization: true,
      };
      const folder = new MemoryDirectory('export');
      for (const { path, content } of modelFiles(model, { format })) await folder.write(path, content);
      await expect(loadFromDirectory(folder)).rejects.toThrow(ParameterNotFiniteError);
    }
  });

  it('as a run’s checkpoint and as its moving averages', async () => {
    const run: RunRecord = {
      id: '20260102-030405',
      createdAt: 0,
      status: 'stopped',
      options: {
        ...defaultTrainingOptions(),
        model_def: 'models.squeezenet',
        embedding_size: 8,
        image_size: 96,
      },
      datasetName: 'faces',
      classNames: ['Ann', 'Bob'],
      imageCount: 9,
      data: [],
      step: 20,
      epoch: 2,
      device: 'test',
    };
    await putRun(run);
    const average = damaged(WEIGHTS, NaN).get(WEIGHTS)!;
    await saveCheckpoint({
      runId: run.id,
      step: 20,
      epoch: 2,
      parameters: hashedParameters(graph, 3),
      state: new Map([[`${WEIGHTS}/ExponentialMovingAverage`, average]]),
    });
    const reference = { kind: 'run', runId: run.id } as const;
    expect((await loadModel(reference)).name).toBe(run.id);
    await expect(loadModel({ ...reference, useMovingAverages: true })).rejects.toThrow(
      /checkpoint of 20260102-030405, step 20.*is NaN/,
    );
    await saveCheckpoint({
      runId: run.id,
      step: 30,
      epoch: 3,
      parameters: damaged(VARIANCE, -1),
      state: new Map(),
    });
    await expect(loadModel(reference)).rejects.toThrow(NegativeVarianceError);
  });
});

describe('a run', () => {
  it('does not resume from a checkpoint with damaged values', async () => {
    const run = { id: '20260102-030405' };
    const checkpoints = new RunCheckpoints(
      { run } as unknown as RunKeeper,
      {} as RunDevice,
      {} as RunOutputs,
      () => undefined,
    );
    const slots = new Map([['a/Adam', { shape: [1], data: Float32Array.of(NaN) }]]);
    const whole = {
      runId: run.id,
      step: 7,
      epoch: 1,
      parameters: hashedParameters(graph, 3),
      state: new Map(),
    };
    await expect(checkpoints.restore({ ...whole, state: slots })).rejects.toThrow(
      /^In the checkpoint of 20260102-030405, step 7, the value 1 of a\/Adam is NaN/,
    );
    await expect(checkpoints.restore({ ...whole, parameters: damaged(VARIANCE, -1) })).rejects.toThrow(
      NegativeVarianceError,
    );
  });
});

describe('embeddings', () => {
  const batch = {} as ImageBatch;
  const model = {
    name: 'mine',
    graph,
    parameters: hashedParameters(graph, 3),
    imageSize: 96,
    useFixedImageStandardization: true,
  };
  const executorOf =
    (values: readonly number[]): EmbedderFactory =>
    async () => ({
      embed: async () => Float32Array.from(values),
      dispose: () => undefined,
    });

  it('that are NaN end every job that uses them', async () => {
    for (const value of [NaN, Infinity]) {
      const embedded = withEmbedder(model, { batchSize: 1 }, executorOf([1, value]), (embedder) =>
        embedder.embed(batch),
      );
      await expect(embedded).rejects.toThrow(EmbeddingsNotFiniteError);
      await expect(embedded).rejects.toThrow(/embeddings of the model mine are not numbers/);
    }
  });

  it('that are equal for different pictures are not exported', async () => {
    const request = {
      model: { kind: 'file', file: new File([writeModelFile(model.parameters, metadata)], 'a.safetensors') },
      format: 'safetensors',
      output: { kind: 'zip', stream: new WritableStream() },
    } as const;
    const constant = executorOf([...Array(8).fill(0.5), ...Array(8).fill(0.5)]);
    await expect(exportModel(request, constant)).rejects.toThrow(ConstantEmbeddingsError);
  });
});

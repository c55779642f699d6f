/**
 * Reading a model can be cancelled in every format, at bounded intervals. The test counts how often a reader checks its
 * signal, which does not depend on its speed.
 */
import { describe, expect, it } from 'vitest';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import { LongWork } from '../../../workers/common/long_work.ts';
import { readOnnxMetadata } from '../../../workers/formats/onnx_reader.ts';
import { readPickle } from '../../../workers/formats/pickle.ts';
import { ProtobufWriter } from '../../../workers/formats/protobuf_writer.ts';
import { safetensorsBlob } from '../../../workers/formats/safetensors.ts';
import { TensorflowCheckpoint } from '../../../workers/formats/tensorflow_checkpoint.ts';
import { ZipFile } from '../../../workers/formats/zip_reader.ts';
import { hashedParameters } from '../../../workers/compute/graph/hashed_tensors.ts';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import { JobControl } from '../../../workers/protocol/job_control.ts';
import { loadForJob } from '../../../workers/jobs/models/model_job.ts';
import { modelFiles, pytorchTensors } from '../../../workers/models/export_files.ts';
import { inspectModel, loadFromDirectory, loadModel } from '../../../workers/models/load_model.ts';
import { writeModelFile } from '../../../workers/models/model_file.ts';
import { kerasFacenetNames } from '../../../workers/models/names/keras_facenet.ts';
import { checkpoint, graphDef, kerasFile, pickle } from './import_writers.ts';
import { writeZip } from '../formats/zip_writer.ts';

class StoppedHere extends Error {}

/** A signal that counts its checks, and is aborted at check number `stopAt`. */
function countingSignal(stopAt = Infinity): { signal: AbortSignal; questions: () => number } {
  const controller = new AbortController();
  let questions = 0;
  const { signal } = controller;
  signal.throwIfAborted = () => {
    if (++questions === stopAt) controller.abort(new StoppedHere());
    AbortSignal.prototype.throwIfAborted.call(signal);
  };
  return { signal, questions: () => questions };
}

/** @param least the smallest number of checks when reading to the end */
async function expectStops(least: number, read: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const whole = countingSignal();
  await read(whole.signal);
  expect(whole.questions()).toBeGreaterThanOrEqual(least);
  for (const stopAt of [1, Math.ceil(whole.questions() / 2), whole.questions()]) {
    const { signal, questions } = countingSignal(stopAt);
    await expect((async () => read(signal))()).rejects.toThrow(StoppedHere);
    expect(questions()).toBe(stopAt);
  }
}

const small = buildModel('squeezenet', { embeddingSize: 8, classes: 0 });
const smallModel = {
  name: 'small',
  graph: small,
  parameters: hashedParameters(small, 3),
  imageSize: 96,
  useFixedImageStandardization: true,
};
const tensorCount = small.parameters.length;
const large = buildModel('inception_resnet_v1', { embeddingSize: 8, classes: 0 });
const largeModel = { ...smallModel, graph: large, parameters: hashedParameters(large, 3) };

async function exported(format: 'onnx' | 'tfjs'): Promise<MemoryDirectory> {
  const folder = new MemoryDirectory('export');
  for (const { path, content } of modelFiles(smallModel, { format })) await folder.write(path, content);
  return folder;
}

function pytorchFile(): Uint8Array<ArrayBuffer> {
  const tensors = [...pytorchTensors(largeModel)];
  const value = pickle.dict(
    ...tensors.flatMap(([name, { shape, data }], index) => {
      const strides = shape.map((_, axis) =>
        shape.slice(axis + 1).reduce((product, size) => product * size, 1),
      );
      return [pickle.text(name), pickle.tensor(String(index), data.length, shape, strides)];
    }),
  );
  return writeZip([
    { name: 'a/data.pkl', content: pickle.whole(value) },
    ...tensors.map(([, { data }], index) => ({
      name: `a/data/${index}`,
      content: new Uint8Array(data.slice().buffer),
    })),
  ]);
}

describe('a model stops being read between two of its tensors:', () => {
  const fileOf = (content: BlobPart, name: string) => (signal: AbortSignal) =>
    loadModel({ kind: 'file', file: new File([content], name), standardization: 'fixed' }, signal);
  const metadata = {
    model_def: 'squeezenet',
    embedding_size: 8,
    image_size: 96,
    use_fixed_image_standardization: true,
  };

  it('safetensors, with this program’s metadata and without, and in a zip archive', async () => {
    const own = writeModelFile(smallModel.parameters, metadata);
    await expectStops(tensorCount, fileOf(own, 'a.safetensors'));
    await expectStops(tensorCount, fileOf(safetensorsBlob(smallModel.parameters), 'a.safetensors'));
    const content = new Uint8Array(await own.arrayBuffer());
    await expectStops(tensorCount, fileOf(writeZip([{ name: 'a.safetensors', content }]), 'a.zip'));
  });

  it('a frozen TensorFlow graph', () =>
    expectStops(tensorCount, fileOf(graphDef(smallModel.parameters), 'a.pb')));

  it('a TensorFlow checkpoint', async () => {
    const { index, data } = checkpoint(smallModel.parameters);
    const folder = new MemoryDirectory('run', { 'model.ckpt-5.index': index });
    await folder.write('model.ckpt-5.data-00000-of-00001', Uint8Array.from(data));
    await expectStops(tensorCount, (signal) => loadFromDirectory(folder, '', signal));
  });

  for (const format of ['onnx', 'tfjs'] as const)
    it(`an export as ${format}`, async () => {
      const folder = await exported(format);
      await expectStops(small.nodes.length / 2, (signal) => loadFromDirectory(folder, '', signal));
    });

  it('a PyTorch state dict', () => expectStops(large.parameters.length, fileOf(pytorchFile(), 'a.pt')));

  it('Keras’s HDF5, in a worker that is ended or between two steps of the library', async () => {
    const { tensors } = kerasFacenetNames(large);
    const named = new Map(
      [...largeModel.parameters].map(([name, tensor]) => [tensors.get(name)!.name, tensor]),
    );
    const file = new File([await kerasFile(named, false)], 'a.h5');
    await expectStops(3, (signal) => loadModel({ kind: 'file', file }, signal));
  });

  it('also while it is only looked at', async () => {
    const file = new File([graphDef(smallModel.parameters)], 'a.pb');
    await expectStops(tensorCount, (signal) => inspectModel({ kind: 'file', file }, signal));
  });
});

describe('long parts of a file stop being read within them:', () => {
  it('a pickle, each few thousand operations', () => {
    const operations = 200_000;
    const bytes = Buffer.concat([Buffer.alloc(operations, '}'), Buffer.from('.')]);
    return expectStops(operations / 5000, (signal) => readPickle(bytes, () => true, 0, new LongWork(signal)));
  });

  it('an entry of a zip archive, each MiB or less', async () => {
    const content = new Uint8Array(8 * 1024 * 1024);
    for (const isDeflated of [false, true]) {
      const blob = new Blob([writeZip([{ name: 'a', content, isDeflated }])]);
      await expectStops(8, async (signal) =>
        (await ZipFile.open(blob, 'a.zip', signal)).open('a', content.length),
      );
    }
  });

  it('a variable of a checkpoint, each MiB', async () => {
    const data = new Float32Array(2 * 1024 * 1024);
    const files = checkpoint(new Map([['w', { shape: [data.length], data }]]));
    const folder = new MemoryDirectory('run', { 'a.index': files.index });
    await folder.write('a.data-00000-of-00001', Uint8Array.from(files.data));
    await expectStops(8, async (signal) =>
      (await TensorflowCheckpoint.open(folder, 'a.index', signal)).read('w'),
    );
  });

  it('protocol buffers, each field of the outermost message', () => {
    const message = new ProtobufWriter();
    for (let i = 0; i < 10_000; i++) message.integer(2, 1);
    const bytes = message.finish();
    return expectStops(10_000, (signal) => readOnnxMetadata(bytes, 'a.onnx', signal));
  });
});

it('a job’s stop ends the reading of its model, and not only the waiting for it', async () => {
  const file = new File([safetensorsBlob(smallModel.parameters)], 'a.safetensors');
  const control = new JobControl();
  let reads = 0;
  const slicing = file.slice.bind(file);
  file.slice = (...range) => {
    if (++reads === 10) control.cancel();
    return slicing(...range);
  };
  class Cancelled extends Error {}
  await expect(loadForJob({ kind: 'file', file }, control, () => new Cancelled())).rejects.toThrow(Cancelled);
  // A reader that continued would read each tensor within these turns.
  for (let turn = 0; turn < 20 * tensorCount; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(reads).toBe(10);
});

import 'fake-indexeddb/auto';
import { describe, expect, it } from 'vitest';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import { identifyFile } from '../../../workers/formats/identify_file.ts';
import { safetensorsBlob } from '../../../workers/formats/safetensors.ts';
import { hashedParameters } from '../../../workers/compute/graph/hashed_tensors.ts';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import type { HostTensor } from '../../../workers/protocol/tensor.ts';
import { classNamesChecksum } from '../../../workers/models/class_names.ts';
import { loadFromDirectory, loadModel } from '../../../workers/models/load_model.ts';
import type { ModelMetadata } from '../../../workers/models/metadata.ts';
import {
  modelFileName,
  readModelFile,
  stepOfModelFileName,
  writeModelFile,
} from '../../../workers/models/model_file.ts';
import { tfjsModelFiles } from '../../../workers/models/tfjs_model.ts';
import type { RunRecord } from '../../../workers/protocol/train/runs.ts';
import { saveCheckpoint } from '../../../workers/storage/checkpoints.ts';
import { putRun } from '../../../workers/storage/runs.ts';
import { defaultTrainingOptions } from '../../../workers/protocol/train/options.ts';

const EMBEDDING_SIZE = 4;
const trained = buildModel('inception_resnet_v1', { embeddingSize: EMBEDDING_SIZE, classes: 3 });
const bare = buildModel('inception_resnet_v1', { embeddingSize: EMBEDDING_SIZE, classes: 0 });
const values = hashedParameters(trained, 7);
const options = { ...defaultTrainingOptions(), embedding_size: EMBEDDING_SIZE, image_size: 96 };
const metadata: ModelMetadata = {
  model_def: 'models.inception_resnet_v1',
  embedding_size: EMBEDDING_SIZE,
  image_size: 96,
  use_fixed_image_standardization: false,
  class_names: ['Ann', 'Bob', 'Zoë'],
  class_count: 3,
  class_names_checksum: classNamesChecksum(['Ann', 'Bob', 'Zoë']),
  run: '20260102-030405',
  step: 60,
  epoch: 6,
  dataset: 'faces',
  image_count: 72,
  options,
};
const whole = writeModelFile(values, metadata);
/** The values under other conditions, without metadata. */
const changed = (change: (tensors: Map<string, HostTensor>) => void): Blob => {
  const tensors = new Map(values);
  change(tensors);
  return safetensorsBlob(tensors);
};

describe('model files', () => {
  it('give back parameters, classifier and metadata', async () => {
    const model = await readModelFile(whole, 'a/b.safetensors');
    expect(model.name).toBe('b');
    expect(model.graph).toEqual(bare);
    expect(model.imageSize).toBe(96);
    expect(model.useFixedImageStandardization).toBe(false);
    expect(model.metadata).toEqual(metadata);
    expect(model.notes).toEqual([]);
    expect([...model.parameters.keys()].sort()).toEqual([...values.keys()].sort());
    for (const [name, { data }] of values)
      expect(Buffer.from(model.parameters.get(name)!.data.buffer).equals(Buffer.from(data.buffer))).toBe(
        true,
      );
  });

  it('without metadata are inferred from, and say so', async () => {
    const file = changed((tensors) => {
      tensors.delete('Logits/weights');
      tensors.delete('Logits/biases');
      tensors.set('global_step', { shape: [], data: new Float32Array(1) });
    });
    const model = await readModelFile(file, 'other.safetensors');
    expect(model.graph.embeddingSize).toBe(EMBEDDING_SIZE);
    expect(model.graph.name).toBe('inception_resnet_v1');
    expect(model.imageSize).toBe(160);
    expect(model.isStandardizationUnknown).toBe(true);
    expect(model.metadata).toBeUndefined();
    expect(model.notes).toHaveLength(2);
    expect(model.notes![0]).toMatch(/160 × 160.*embedding_size 4/);
    expect(model.notes![1]).toMatch(/1 tensors .*global_step/);
  });

  it('leave out a classifier that does not fit', async () => {
    const file = changed((tensors) =>
      tensors.set('Logits/biases', { shape: [2], data: new Float32Array(2) }),
    );
    const model = await readModelFile(file, 'a.safetensors');
    expect(model.parameters.has('Logits/weights')).toBe(false);
    expect(model.notes![1]).toMatch(/2 tensors .*Logits/);
  });

  it('that lack parameters are refused with the first names and the count', async () => {
    const file = changed((tensors) => {
      for (const name of [...tensors.keys()].filter((key) => key.includes('moving_'))) tensors.delete(name);
    });
    await expect(readModelFile(file, 'a.safetensors')).rejects.toThrow(
      /^a\.safetensors lacks 224 of the 490 parameters of inception_resnet_v1: InceptionResnetV1\/Conv2d_1a_3x3\/BatchNorm\/moving_mean, .*…/,
    );
  });

  it('with a wrong shape are refused with the name and both shapes', async () => {
    const name = 'InceptionResnetV1/Conv2d_2a_3x3/weights';
    const file = changed((tensors) => tensors.set(name, { shape: [2, 2], data: new Float32Array(4) }));
    await expect(readModelFile(file, 'a.safetensors')).rejects.toThrow(
      `In a.safetensors, ${name} has the shape [2, 2], but the network needs [3, 3, 32, 32].`,
    );
  });

  it('with settings that make no sense are refused', async () => {
    const file = (texts: Record<string, string>): Blob =>
      safetensorsBlob(new Map(), { format: 'facenet-webgpu-trainer', ...texts });
    const settings = { model_def: 'models.inception_resnet_v1', embedding_size: '4', image_size: '96' };
    const read = (texts: Record<string, string>): Promise<unknown> =>
      readModelFile(file(texts), 'a.safetensors');
    await expect(read({ ...settings, image_size: '1e9' })).rejects.toThrow(/image_size = "1e9"/);
    await expect(read({ ...settings, image_size: '20' })).rejects.toThrow(/image_size = "20"/);
    await expect(read({ ...settings, embedding_size: '-3' })).rejects.toThrow(/embedding_size = "-3"/);
    await expect(read({ ...settings, model_def: 'nn4' })).rejects.toThrow(/no model "nn4"/);
    await expect(read(settings)).rejects.toThrow(/lacks 490 of the 490/);
  });

  it('that are something else are called by what they are', async () => {
    const problem = (content: BlobPart, name: string): Promise<string> =>
      readModelFile(new Blob([content]), name).then(
        () => '',
        (error: Error) => `${error.name}: ${error.message}`,
      );
    const jpeg = Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 16, 74, 70, 73, 70);
    expect(await problem('', 'x.safetensors')).toMatch(/NotAModelError: x.safetensors is an empty file/);
    expect(await problem(jpeg, 'x.safetensors')).toMatch(
      /is a JPEG image, not a model. Models are read from/,
    );
    expect(await problem('hello\n', 'x.safetensors')).toMatch(/is a text file/);
    expect(await problem('{"a":1}', 'x.txt')).toMatch(/is a JSON file/);
    expect(await problem(Uint8Array.of(0x50, 0x4b, 3, 4, 0), 'x.pt')).toMatch(/PyTorch/);
    expect(await problem(Uint8Array.of(1, 2, 3, 0, 4), 'x.pb')).toMatch(/binary file of an unknown kind/);
    expect(await problem(Uint8Array.of(1, 2, 3, 0, 4), 'x.safetensors')).toMatch(/SafetensorsError/);
    expect(await problem(whole.slice(0, 1000), 'x.safetensors')).toMatch(/SafetensorsError.*cut off/);
    expect(await problem(safetensorsBlob(new Map()), 'x.safetensors')).toMatch(/not a face embedding model/);
    expect(await identifyFile(new Blob(['<!doctype html><p>Not found']))).toBe('an HTML or XML page');
    expect(await identifyFile(whole)).toBe('a safetensors file');
    // Cut in the middle of a character, as sniffing may.
    expect(await identifyFile(new Blob(['ü'.repeat(400), 'a']))).toBe('a text file');
    expect(await identifyFile(new Blob(['a', 'ü'.repeat(400)]))).toBe('a text file');
  });

  it('are named as the original names its checkpoints', () => {
    expect(modelFileName('20180402-114759', 275)).toBe('model-20180402-114759-275.safetensors');
    expect(stepOfModelFileName('model-20180402-114759-275.safetensors')).toBe(275);
    expect(stepOfModelFileName('runs/model-20180402-114759.safetensors')).toBe(-1);
    expect(stepOfModelFileName('facenet-12.safetensors')).toBe(12);
    expect(stepOfModelFileName('vggface2.safetensors')).toBe(-1);
  });
});

describe('models in folders', () => {
  const folder = new MemoryDirectory('models', {
    '20260101-000000/model-20260101-000000-9000.safetensors': 'old',
    '20260102-030405/model-20260102-030405-60.safetensors': whole,
    '20260102-030405/model-20260102-030405-9.safetensors': 'earlier',
    '20260102-030405/notes.txt': 'text',
    'model_card.md': 'text',
  });

  it('are the newest run’s with the largest step', async () => {
    expect((await loadFromDirectory(folder)).name).toBe('model-20260102-030405-60');
    expect((await loadFromDirectory(folder, '20260102-030405/')).name).toBe('model-20260102-030405-60');
    const path = '20260102-030405/model-20260102-030405-9.safetensors';
    await expect(loadFromDirectory(folder, path)).rejects.toThrow(`${path} is a text file`);
  });

  it('or an export for TensorFlow.js, with batch norms that only add the folded bias', async () => {
    const model = await readModelFile(whole, 'a.safetensors');
    const directory = new MemoryDirectory('export');
    for (const { path, content } of tfjsModelFiles(model)) directory.files.set(path, content);
    const reloaded = await loadFromDirectory(directory);
    expect(reloaded.graph).toEqual(bare);
    expect([...reloaded.parameters.keys()]).toEqual(bare.parameters.map(({ name }) => name));
    expect(reloaded.imageSize).toBe(96);
    expect(reloaded.metadata).toEqual(metadata);
    const mean = reloaded.parameters.get('InceptionResnetV1/Bottleneck/BatchNorm/moving_mean')!;
    expect([...mean.data]).toEqual([0, 0, 0, 0]);
    // Exported again it is the same to rounding.
    const again = new MemoryDirectory('again');
    for (const { path, content } of tfjsModelFiles(reloaded)) again.files.set(path, content);
    const name = 'InceptionResnetV1/Repeat/block35_1/Conv2d_1x1/weights';
    const twice = (await loadFromDirectory(again)).parameters.get(name)!.data;
    reloaded.parameters.get(name)!.data.forEach((value, index) => expect(twice[index]).toBeCloseTo(value, 6));
  });

  it('are missed by name', async () => {
    const empty = new MemoryDirectory('runs', { 'a/notes.txt': '' });
    await expect(loadFromDirectory(empty, 'a')).rejects.toThrow(
      'in the folder "runs/a": it holds a/notes.txt.',
    );
    await expect(loadFromDirectory(new MemoryDirectory('empty'))).rejects.toThrow(
      /no model in the folder "empty": it has no files/,
    );
    await expect(loadFromDirectory(folder, 'nowhere')).rejects.toThrow(
      'nowhere is not in the folder "models".',
    );
    const others = new MemoryDirectory('photos', { a: '', b: '', c: '', d: '', e: '' });
    await expect(loadFromDirectory(others)).rejects.toThrow(/it holds a, b, c, d and 1 more/);
    const foreign = new MemoryDirectory('tfjs', {
      'model.json': JSON.stringify({ format: 'graph-model', weightsManifest: [] }),
    });
    await expect(loadFromDirectory(foreign)).rejects.toThrow(/none of the known networks: it has 0 tensors/);
    const file = new File(['{}'], 'model.json');
    await expect(loadModel({ kind: 'file', file })).rejects.toThrow(/choose its folder/);
  });
});

describe('models of runs', () => {
  const run: RunRecord = {
    id: '20260102-030405',
    createdAt: 0,
    status: 'stopped',
    options,
    datasetName: 'faces',
    classNames: ['Ann', 'Bob', 'Zoë'],
    imageCount: 72,
    data: [],
    step: 60,
    epoch: 6,
    device: 'test',
  };

  it('are the newest checkpoint, its parameters or their moving averages', async () => {
    const { id } = run;
    const name = 'InceptionResnetV1/Bottleneck/weights';
    await expect(loadModel({ kind: 'run', runId: id })).rejects.toThrow(/There is no run/);
    await putRun(run);
    await expect(loadModel({ kind: 'run', runId: id })).rejects.toThrow(/no complete checkpoint yet/);
    const average = { shape: values.get(name)!.shape, data: new Float32Array(values.get(name)!.data.length) };
    const state = new Map([[`${name}/ExponentialMovingAverage`, average]]);
    for (const step of [50, 60])
      await saveCheckpoint({ runId: id, step, epoch: step / 10, parameters: values, state });
    const model = await loadModel({ kind: 'run', runId: id });
    expect(model.graph).toEqual(bare);
    expect(model.metadata).toMatchObject({ class_names: metadata.class_names, model_def: options.model_def });
    expect(model.parameters.get(name)!.data).toEqual(values.get(name)!.data);
    expect(model.parameters.has('Logits/weights')).toBe(true);
    const averaged = await loadModel({ kind: 'run', runId: id, useMovingAverages: true });
    expect(averaged.parameters.get(name)!.data).toEqual(average.data);
    const mean = 'InceptionResnetV1/Bottleneck/BatchNorm/moving_mean';
    expect(averaged.parameters.get(mean)!.data).toEqual(values.get(mean)!.data);
    expect(averaged.metadata).toMatchObject({ step: 60, moving_averages: true });
  });

  it('are the checkpoint that is asked for, or the best one', async () => {
    const { id } = run;
    await expect(loadModel({ kind: 'run', runId: id, step: 'best' })).rejects.toThrow(/none is the best/);
    await putRun({ ...run, best: { step: 50, epoch: 5, measuredBy: 'validation', accuracy: 0.9 } });
    const best = await loadModel({ kind: 'run', runId: id, step: 'best' });
    expect(best.metadata).toMatchObject({ step: 50, epoch: 5, best_by: 'validation' });
    const newest = await loadModel({ kind: 'run', runId: id, step: 60 });
    expect(newest.metadata).toMatchObject({ step: 60, epoch: 6 });
    expect(newest.metadata?.best_by).toBeUndefined();
    await expect(loadModel({ kind: 'run', runId: id, step: 40 })).rejects.toThrow(
      /checkpoint of step 40 .* is missing or damaged/,
    );
  });
});

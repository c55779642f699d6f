/** Files and folders with the name of a model that are something else are recognised, with advice. */
import { makeZip } from 'client-zip';
import { describe, expect, it } from 'vitest';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import { hashedParameters } from '../../../workers/compute/graph/hashed_tensors.ts';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import { NotAModelError } from '../../../workers/models/errors.ts';
import { modelFiles } from '../../../workers/models/export_files.ts';
import { inspectModel, loadFromDirectory, loadModel } from '../../../workers/models/load_model.ts';
import { checkpoint } from './import_writers.ts';

const LFS = `version https://git-lfs.github.com/spec/v1
oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
size 94298944
`;
const graph = buildModel('squeezenet', { embeddingSize: 8, classes: 0 });
const model = {
  name: 'mine',
  graph,
  parameters: hashedParameters(graph, 3),
  imageSize: 96,
  useFixedImageStandardization: true,
};

async function expectRefused(name: string, content: BlobPart, problem: RegExp): Promise<void> {
  const reference = { kind: 'file', file: new File([content], name) } as const;
  for (const road of [loadModel, inspectModel]) {
    const refused = road(reference);
    await expect(refused).rejects.toThrow(NotAModelError);
    await expect(refused).rejects.toThrow(problem);
  }
  const folder = new MemoryDirectory('models', {});
  await folder.write(name, new Blob([content]));
  await expect(loadFromDirectory(folder, name)).rejects.toThrow(problem);
}

describe('a file that only has a model’s name is called by what it is:', () => {
  const names = ['a.safetensors', 'a.pb', 'a.pt', 'a.h5', 'a.onnx', 'a.zip'];

  it.each(names)('a Git LFS pointer (%s)', (name) =>
    expectRefused(name, LFS, /is a Git LFS pointer.*git lfs pull/),
  );

  it.each(names)('a web page (%s)', (name) =>
    expectRefused(name, '\n<!DOCTYPE html><html>Not found', /is a web page, not the model/),
  );

  it.each(names)('an empty file (%s)', (name) => expectRefused(name, '', /is an empty file/));

  it('a model of TensorFlow Lite, and one of Keras 3', async () => {
    const lite = Uint8Array.of(0x1c, 0, 0, 0, ...Buffer.from('TFL3'), 1, 2, 3, 4);
    await expectRefused('facenet.tflite', lite, /is a TensorFlow Lite model.*converted from/);
    await expectRefused('facenet.keras', Buffer.from('PK\x03\x04'), /Keras 3.*model\.save\("facenet\.h5"\)/);
  });

  it('a network of another program in ONNX', async () => {
    const file = new File([Uint8Array.of(8, 7)], 'arcface.onnx');
    await expect(loadModel({ kind: 'file', file })).rejects.toThrow(/ONNX file of another program/);
  });

  it('a part of a model in a folder that was cloned without Git LFS', async () => {
    const folder = new MemoryDirectory('clone', {});
    for (const { path, content } of modelFiles(model, { format: 'tfjs' })) await folder.write(path, content);
    await folder.write('group1-shard1of2.bin', LFS);
    await expect(loadFromDirectory(folder)).rejects.toThrow(/group1-shard1of2\.bin is a Git LFS pointer/);
  });
});

describe('a zip of a model', () => {
  it('is opened, whatever its name says', async () => {
    const files = await Promise.all(
      modelFiles(model, { format: 'safetensors' }).map(async ({ path, content }) => ({
        name: path,
        input: new Uint8Array(await content.arrayBuffer()),
      })),
    );
    const zip = await new Response(makeZip(files)).arrayBuffer();
    for (const name of ['mine.zip', 'mine.pt'])
      expect((await loadModel({ kind: 'file', file: new File([zip], name) })).graph.name).toBe('squeezenet');
  });
});

describe('a folder of a SavedModel', () => {
  it('is read where its variables have the original’s names', async () => {
    const { index, data } = checkpoint(model.parameters);
    const folder = new MemoryDirectory('20180402-114759', { 'saved_model.pb': Uint8Array.of(8, 1) });
    await folder.write('variables/variables.index', index);
    await folder.write('variables/variables.data-00000-of-00001', Uint8Array.from(data));
    const loaded = await loadFromDirectory(folder);
    expect(loaded.graph.name).toBe('squeezenet');
    expect(loaded.useFixedImageStandardization).toBe(true);
  });

  it('is named where they have others, with the way to a model', async () => {
    const named = new Map([['layer_with_weights-0/kernel', { shape: [2], data: Float32Array.of(1, 2) }]]);
    const { index, data } = checkpoint(named);
    const folder = new MemoryDirectory('export', { 'saved_model.pb': Uint8Array.of(8, 1) });
    await folder.write('variables/variables.index', index);
    await folder.write('variables/variables.data-00000-of-00001', Uint8Array.from(data));
    await expect(loadFromDirectory(folder)).rejects.toThrow(
      /saved_model\.pb belongs to a TensorFlow SavedModel.*model\.save\("facenet\.h5"\)/,
    );
    await expectRefused('saved_model.pb', Uint8Array.of(8, 1), /SavedModel.*choose the whole folder/);
  });
});

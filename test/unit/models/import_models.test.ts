/** Models from files of other programs: each real layout, gammas, missing values, and hostile files. */
import { makeZip } from 'client-zip';
import { describe, expect, it } from 'vitest';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import { foldBatchNorms } from '../../../workers/compute/graph/fold_batch_norm.ts';
import { PytorchFile, PytorchFileError } from '../../../workers/formats/pytorch_file.ts';
import { safetensorsBlob } from '../../../workers/formats/safetensors.ts';
import { CheckpointFileError } from '../../../workers/formats/tensorflow_checkpoint.ts';
import { hashedParameters } from '../../../workers/compute/graph/hashed_tensors.ts';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import type { HostTensor, NamedTensors } from '../../../workers/protocol/tensor.ts';
import { openImport } from '../../../workers/models/import_model.ts';
import { inspectModel, loadFromDirectory, loadModel } from '../../../workers/models/load_model.ts';
import { modelFiles, pytorchTensors } from '../../../workers/models/export_files.ts';
import { tfjsModelFiles } from '../../../workers/models/tfjs_model.ts';
import { kerasFacenetNames } from '../../../workers/models/names/keras_facenet.ts';
import { checkpoint, graphDef, kerasFile, pickle, PYTORCH_LEGACY, PYTORCH_ZIP } from './import_writers.ts';

const graph = buildModel('inception_resnet_v1', { embeddingSize: 8, classes: 3 });
const parameters = hashedParameters(graph, 7);
const withoutLogits = buildModel('inception_resnet_v1', { embeddingSize: 8, classes: 0 });
const model = {
  name: 'mine',
  graph: withoutLogits,
  parameters,
  imageSize: 160,
  useFixedImageStandardization: true,
};

function expectSame(found: NamedTensors, expected: NamedTensors): void {
  expect([...found.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [name, { shape, data }] of expected) {
    expect(found.get(name)!.shape).toEqual(shape);
    // Compared as bytes, which is much faster than value by value.
    expect(Buffer.compare(Buffer.from(data.buffer), Buffer.from(found.get(name)!.data.slice().buffer))).toBe(
      0,
    );
  }
}

const logitsOf = (tensors: NamedTensors): Map<string, HostTensor> =>
  new Map([...tensors].filter(([name]) => !name.startsWith('Logits/')));

async function zipOf(files: Readonly<Record<string, Uint8Array<ArrayBuffer> | Buffer>>): Promise<Blob> {
  const entries = Object.entries(files).map(([name, input]) => ({ name, input: Uint8Array.from(input) }));
  return new Blob([await new Response(makeZip(entries)).arrayBuffer()]);
}

describe('imports', () => {
  it('take facenet-pytorch’s names, and the classifier', async () => {
    const file = new File([safetensorsBlob(pytorchTensors(model))], 'vggface2.safetensors');
    const loaded = await loadModel({ kind: 'file', file });
    expectSame(loaded.parameters, parameters);
    expect(loaded.name).toBe('vggface2');
    const report = await inspectModel({ kind: 'file', file });
    expect(report).toMatchObject({ program: 'facenet-pytorch', missing: [], extra: [], foldedGammas: 112 });
    expect(report.mapped).toContainEqual({
      parameter: 'InceptionResnetV1/Repeat_1/block17_10/Branch_1/Conv2d_0c_7x1/weights',
      source: 'repeat_2.9.branch1.2.conv.weight',
    });
  });

  it('fold gammas of any sign exactly as inference uses them', async () => {
    const tensors = pytorchTensors(model);
    const gamma = Float32Array.from({ length: 192 }, (_, i) => Math.sin(i) * 2);
    tensors.set('conv2d_4a.bn.weight', { shape: [192], data: gamma });
    const source = {
      name: 'a',
      kind: 'test file',
      shapes: new Map([...tensors].map(([name, { shape }]) => [name, shape])),
      read: async (name: string) => tensors.get(name)!,
    };
    const loaded = await openImport(source).read();
    const scope = 'InceptionResnetV1/Conv2d_4a_3x3';
    const { parameters: folded } = foldBatchNorms(withoutLogits, loaded.parameters);
    const original = (name: string): Float32Array => parameters.get(`${scope}/${name}`)!.data;
    for (let c = 0; c < 192; c++) {
      const scale = gamma[c]! / Math.sqrt(original('BatchNorm/moving_variance')[c]! + 0.001);
      const bias = original('BatchNorm/beta')[c]! - original('BatchNorm/moving_mean')[c]! * scale;
      expect(folded.get(`${scope}/biases`)!.data[c]).toBeCloseTo(bias, 6);
      expect(folded.get(`${scope}/weights`)!.data[c + 192 * 50]).toBeCloseTo(
        original('weights')[c + 192 * 50]! * scale,
        6,
      );
    }
  });

  it('take the original’s frozen graph and checkpoint', async () => {
    const frozen = new File([graphDef(parameters)], '20180402-114759.pb');
    expectSame((await loadModel({ kind: 'file', file: frozen })).parameters, parameters);
    const slots = new Map(parameters);
    slots.set('InceptionResnetV1/Conv2d_1a_3x3/weights/Adam', { shape: [1], data: Float32Array.of(1) });
    slots.set('global_step', { shape: [], data: Float32Array.of(1) });
    const { index, data } = checkpoint(slots);
    const folder = new MemoryDirectory('run', {
      'model.ckpt-5.index': index,
      'model.ckpt-5.data-00000-of-00001': Uint8Array.from(data),
      'model.meta': 'x',
    });
    expectSame((await loadFromDirectory(folder)).parameters, parameters);
    expectSame((await loadFromDirectory(folder, 'model.ckpt-5')).parameters, parameters);
    data[1000] = data[1000]! ^ 1;
    await folder.write('model.ckpt-5.data-00000-of-00001', Uint8Array.from(data));
    await expect(loadFromDirectory(folder)).rejects.toThrow(/is damaged: its checksum/);
    await folder.remove('model.ckpt-5.data-00000-of-00001');
    await expect(loadFromDirectory(folder)).rejects.toThrow(CheckpointFileError);
  });

  it('take keras-facenet’s weights, alone or in a whole model, and as a TensorFlow.js layers model', async () => {
    const expected = logitsOf(parameters);
    const { tensors } = kerasFacenetNames(withoutLogits);
    const named = new Map([...expected].map(([name, tensor]) => [tensors.get(name)!.name, tensor]));
    expect([...named.keys()]).toContain('Block8_6_Branch_1_Conv2d_0c_3x1_BatchNorm/moving_variance');
    for (const isWholeModel of [false, true]) {
      const file = new File([await kerasFile(named, isWholeModel)], 'facenet_keras.h5');
      expectSame((await loadModel({ kind: 'file', file })).parameters, expected);
    }
    const folder = new MemoryDirectory('keras', {
      'model.json': JSON.stringify({
        format: 'layers-model',
        weightsManifest: [
          {
            paths: ['a.bin'],
            weights: [...named].map(([name, { shape }]) => ({ name, shape, dtype: 'float32' })),
          },
        ],
      }),
    });
    await folder.write('a.bin', new Blob([...named.values()].map(({ data }) => data.slice())));
    expectSame((await loadFromDirectory(folder)).parameters, expected);
  });

  it('take a PyTorch state dict of a data-parallel training, without executing anything', async () => {
    const tensors = [...pytorchTensors(model)].filter(
      ([name]) => name.startsWith('conv2d_4b') || !name.includes('conv2d_'),
    );
    const file = await zipOf({
      'a/data.pkl': pickle.whole(
        pickle.dict(
          pickle.text('state_dict'),
          pickle.dict(
            ...tensors.flatMap(([name, { shape, data }], index) => [
              pickle.text(`module.${name}`),
              pickle.tensor(
                String(index),
                data.length,
                shape,
                shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1)),
              ),
            ]),
          ),
        ),
      ),
      ...Object.fromEntries(
        tensors.map(([, { data }], index) => [`a/data/${index}`, new Uint8Array(data.slice().buffer)]),
      ),
    });
    const report = await inspectModel({ kind: 'file', file: new File([file], 'a.pt') });
    expect(report.missing.length).toBeGreaterThan(0);
    expect(report.missing.every((name) => name.includes('Conv2d_'))).toBe(true);
    expect(report.mapped[0]!.source).toBe('state_dict.module.conv2d_4b.conv.weight');
    await expect(loadModel({ kind: 'file', file: new File([file], 'a.pt') })).rejects.toThrow(
      /a\.pt lacks \d+ of the 490 parameters/,
    );
  });

  it('say that an export of this program maps completely', async () => {
    const files = tfjsModelFiles(model).map(({ path, content }) => ({
      path,
      file: new File([content], path),
    }));
    const report = await inspectModel({ kind: 'directory', directory: { kind: 'files', name: 'x', files } });
    expect(report).toMatchObject({ program: 'this program', embedding_size: 8, missing: [], extra: [] });
    expect(report.mapped).toHaveLength(report.total);
  });

  it('take this program’s own exports back, also from their zip files', async () => {
    // A small network if the format allows one, because its files are read many times.
    const graphOfSmall = buildModel('squeezenet', { embeddingSize: 8, classes: 0 });
    const small = { ...model, graph: graphOfSmall, parameters: hashedParameters(graphOfSmall, 7) };
    for (const { of, ...settings } of [
      { of: small, format: 'tfjs' },
      { of: small, format: 'onnx', inputLayout: 'nchw', includeStandardization: true },
      { of: small, format: 'safetensors' },
      { of: model, format: 'safetensors-pytorch' },
    ] as const) {
      const embedding = of.graph.parameters.find(({ name }) => /Bottleneck\/(weights|kernel)$/.test(name))!;
      const files = modelFiles({ ...of, imageSize: 96 }, settings);
      const entries = await Promise.all(
        files.map(async ({ path, content }) => [path, Buffer.from(await content.arrayBuffer())] as const),
      );
      const zip = new File([await zipOf(Object.fromEntries(entries))], 'mine.zip');
      const loaded = await loadModel({ kind: 'file', file: zip });
      expect(loaded.imageSize).toBe(96);
      const { shape, data } = loaded.parameters.get(embedding.name)!;
      expect(shape).toEqual(embedding.shape);
      expect(data.some((value) => value !== 0)).toBe(true);
      const report = await inspectModel({ kind: 'file', file: zip });
      expect(report).toMatchObject({ missing: [], wrongShapes: [], extra: [], image_size: loaded.imageSize });
      // The same files, chosen at once.
      const chosen = files.map(({ path, content }) => ({ path, file: new File([content], path) }));
      const directory = { kind: 'files', name: 'x', files: chosen } as const;
      expect(
        (await loadModel({ kind: 'directory', directory })).parameters.get(embedding.name)!.data,
      ).toEqual(data);
    }
    await expect(
      loadModel({ kind: 'file', file: new File([await zipOf({ 'a.txt': Buffer.from('x') })], 'a.zip') }),
    ).rejects.toThrow(/no model in the folder "a.zip": it holds a.txt/);
    const nested = await zipOf({ 'b.zip': Buffer.from(await (await zipOf({})).arrayBuffer()) });
    await expect(loadModel({ kind: 'file', file: new File([nested], 'a.zip') })).rejects.toThrow(/b\.zip/);
    const foreign = new File([Uint8Array.of(8, 7)], 'other.onnx');
    await expect(loadModel({ kind: 'file', file: foreign })).rejects.toThrow(/ONNX file of another program/);
  });

  it('say of another network’s file what it is', async () => {
    const tensors = new Map([['layer.weight', { shape: [2], data: Float32Array.of(1, 2) }]]);
    const file = new File([graphDef(tensors)], 'other.pb');
    await expect(loadModel({ kind: 'file', file })).rejects.toThrow(
      /other\.pb is a frozen TensorFlow graph, but none of the known networks: it has 1 tensors, such as layer.weight/,
    );
  });
});

describe('PyTorch files', () => {
  it('that PyTorch itself wrote are read, in both layouts', async () => {
    for (const bytes of [PYTORCH_ZIP, PYTORCH_LEGACY]) {
      const file = await PytorchFile.open(new Blob([bytes]), 'a.pt');
      expect([...file.tensors.keys()]).toEqual(['a.weight', 'b', 'c', 'd']);
      expect(await file.read('a.weight')).toEqual({
        shape: [3, 2],
        data: Float32Array.of(0, 3, 1, 4, 2, 5),
      });
      expect(await file.read('b')).toEqual({ shape: [2], data: Float32Array.of(1.5, -2) });
      expect(await file.read('c')).toEqual({ shape: [], data: Float32Array.of(7) });
      expect(await file.read('d')).toEqual({ shape: [2], data: Float32Array.of(1, 2) });
    }
  });

  it('that call something, or ask for more than there is, are refused', async () => {
    const problem = async (value: Buffer, data = new Uint8Array(8)): Promise<string> => {
      const zip = await zipOf({ 'a/data.pkl': pickle.whole(value), 'a/data/0': data });
      const error = await PytorchFile.open(zip, 'a.pt')
        .then((file) => file.read('w'))
        .catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(PytorchFileError);
      return (error as Error).message;
    };
    const { call, dict, global, tensor, text, tuple } = pickle;
    expect(await problem(call(global('os', 'system'), tuple(text('true'))))).toContain('"os.system"');
    expect(await problem(call(global('builtins', 'eval'), tuple(text('1'))))).toContain('"builtins.eval"');
    expect(await problem(Buffer.from('iposix\nsystem\n'))).toContain('operation 0x69');
    expect(await problem(dict(text('w'), tensor('0', 2, [2_000_000_000, 2_000], [0, 0])))).toContain(
      'larger than its storage',
    );
    expect(await problem(dict(text('w'), tensor('0', 2, [2], [5])))).toContain('over the end');
    expect(await problem(dict(text('w'), tensor('0', 2_000_000_000, [2], [1])))).toContain('no storage');
    expect(await problem(dict(text('w'), tensor('0', 3, [3], [1])))).toContain('incomplete');
    expect(await problem(dict(text('w'), tensor('1', 2, [2], [1])))).toContain('is not in it');
    // One dict, ten times in another, which is ten times in a third, and so on.
    let bomb = dict(text('w'), tensor('0', 2, [2], [1]));
    for (let level = 0; level < 7; level++)
      bomb = Buffer.concat([
        bomb,
        Buffer.from([0x71, level]),
        dict(...Array.from({ length: 10 }, (_, i) => [text(String(i)), Buffer.from([0x68, level])]).flat()),
      ]);
    expect(await problem(bomb)).toContain('too many values');
  });
});

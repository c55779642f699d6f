/** Files that contain a tensor twice, or in which tensors share bytes. Two readers could read different models. */
import { makeZip } from 'client-zip';
import { describe, expect, it } from 'vitest';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import { readOnnxWeights } from '../../../workers/formats/onnx_reader.ts';
import { ProtobufWriter } from '../../../workers/formats/protobuf_writer.ts';
import { PytorchFile } from '../../../workers/formats/pytorch_file.ts';
import { GraphDefFile } from '../../../workers/formats/tensorflow_graph_def.ts';
import { hashedParameters } from '../../../workers/compute/graph/hashed_tensors.ts';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import { openImport } from '../../../workers/models/import_model.ts';
import { loadFromDirectory } from '../../../workers/models/load_model.ts';
import { checkpoint, graphDef, pickle } from './import_writers.ts';

const { dict, tensor, text, whole } = pickle;

function concatenated(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.concat(parts));
}

async function pytorchZip(object: Buffer): Promise<Blob> {
  const files = [
    { name: 'a/data.pkl', input: Uint8Array.from(whole(object)) },
    { name: 'a/data/0', input: new Uint8Array(16) },
  ];
  return new Blob([await new Response(makeZip(files)).arrayBuffer()]);
}

describe('a tensor that is in a file twice is refused by name:', () => {
  const one = new Map([['layer/weights', { shape: [2], data: Float32Array.of(1, 2) }]]);
  const other = new Map([['layer/weights', { shape: [2], data: Float32Array.of(3, 4) }]]);

  it('in a frozen graph', async () => {
    const bytes = concatenated(graphDef(one), graphDef(other));
    await expect(GraphDefFile.open(new Blob([bytes]), 'a.pb')).rejects.toThrow(
      /a\.pb cannot be read.*"layer\/weights" twice/,
    );
  });

  it('among the initializers of an ONNX file', async () => {
    const initializer = (value: number): ProtobufWriter =>
      new ProtobufWriter()
        .integer(1, 1)
        .integer(2, 1)
        .string(8, 'conv/weights')
        .bytes(9, new Uint8Array(Float32Array.of(value).buffer));
    const graph = new ProtobufWriter().message(5, initializer(1)).message(5, initializer(2));
    const bytes = new ProtobufWriter().message(7, graph).finish();
    await expect(readOnnxWeights(bytes, 'a.onnx')).rejects.toThrow(
      /a\.onnx cannot be read.*"conv\/weights" twice/,
    );
  });

  it('in a PyTorch state dict, also where a dict in a dict gives the same name', async () => {
    const twice = dict(text('w'), tensor('0', 4, [2], [1]), text('w'), tensor('0', 4, [4], [1]));
    const nested = dict(
      text('a.w'),
      tensor('0', 4, [2], [1]),
      text('a'),
      dict(text('w'), tensor('0', 4, [4], [1])),
    );
    await expect(PytorchFile.open(await pytorchZip(twice), 'a.pt')).rejects.toThrow(/"w" twice/);
    await expect(PytorchFile.open(await pytorchZip(nested), 'a.pt')).rejects.toThrow(/"a\.w" twice/);
  });
});

describe('two parameters of a network in the same bytes are refused by name:', () => {
  const graph = buildModel('squeezenet', { embeddingSize: 8, classes: 0 });
  const parameters = hashedParameters(graph, 3);
  const [first, second] = [
    'squeezenet/fire2/squeeze/BatchNorm/beta',
    'squeezenet/fire3/squeeze/BatchNorm/beta',
  ];

  it('in a checkpoint', async () => {
    const { index, data } = checkpoint(parameters, { [second]: first });
    const folder = new MemoryDirectory('run', { 'model.ckpt-5.index': index });
    await folder.write('model.ckpt-5.data-00000-of-00001', Uint8Array.from(data));
    await expect(loadFromDirectory(folder)).rejects.toThrow(
      /model\.ckpt-5\.index.*squeezenet\/fire\d\/squeeze\/BatchNorm\/beta and squeezenet\/fire\d\/squeeze\/BatchNorm\/beta/,
    );
  });

  it('in any file whose reader says where its tensors are', async () => {
    const source = {
      name: 'a.pt',
      kind: 'PyTorch state dict',
      shapes: new Map([...parameters].map(([name, { shape }]) => [name, shape])),
      regionOf: (name: string) => {
        const start = [...parameters.keys()].indexOf(name === second ? first : name);
        return { storage: 'one', start, end: start + 1 };
      },
      read: async (name: string) => parameters.get(name)!,
    };
    await expect(openImport(source).read()).rejects.toThrow(
      `In a.pt, ${first} and ${second} share their bytes,`,
    );
  });
});

/**
 * Small files that were made to fill the memory or to keep a reader busy. Each is refused by name, or read in the time
 * and memory that its reader states. The tests assert the amount of work, not its duration. import_fuzz.test.ts
 * damages valid files.
 */
import { describe, expect, it } from 'vitest';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import { MalformedPairsFileError } from '../../../workers/evaluation/errors.ts';
import { parsePairsFile } from '../../../workers/evaluation/pairs_file.ts';
import { JsonError, parseBoundedJson } from '../../../workers/common/bounded_json.ts';
import { ClassifierFileError, decodeClassifier } from '../../../workers/formats/classifier_file.ts';
import { decodeGallery, GalleryFileError } from '../../../workers/formats/gallery_file.ts';
import { OnnxError, readOnnxMetadata, readOnnxWeights } from '../../../workers/formats/onnx_reader.ts';
import { PickleDict, PickleError, readPickle, type PickleValue } from '../../../workers/formats/pickle.ts';
import { PytorchFile, PytorchFileError } from '../../../workers/formats/pytorch_file.ts';
import { ProtobufWriter } from '../../../workers/formats/protobuf_writer.ts';
import { SafetensorsError, SafetensorsFile } from '../../../workers/formats/safetensors.ts';
import { TensorflowCheckpoint } from '../../../workers/formats/tensorflow_checkpoint.ts';
import { GraphDefError, GraphDefFile } from '../../../workers/formats/tensorflow_graph_def.ts';
import { TfjsGraphModelFile, TfjsModelError } from '../../../workers/formats/tfjs_graph_reader.ts';
import { ConfigurationError, parseConfiguration } from '../../../workers/protocol/train/configuration.ts';
import { DistanceTableError, parseDistanceTable } from '../../../workers/formats/distance_table.ts';
import { safeFileName } from '../../../workers/protocol/escape_text.ts';
import { parseSchedule, ScheduleError } from '../../../workers/protocol/train/schedule.ts';
import { pickle, tableOf } from '../models/import_writers.ts';
import { writeZip } from './zip_writer.ts';

const allowAll = (): boolean => true;
const { call, dict, global, integer, tensor, text, tuple, whole } = pickle;
const orderedDict = global('collections', 'OrderedDict');
const put = (index: number): Buffer => Buffer.from([0x71, index]);
const get = (index: number): Buffer => Buffer.from([0x68, index]);
const list = (...items: Buffer[]): Buffer => Buffer.concat([Buffer.from(']('), ...items, Buffer.from('e')]);

/** A current PyTorch file with this pickle and these storages of bytes. */
function pytorchZip(value: Buffer, storages: Readonly<Record<string, Uint8Array>> = {}): Blob {
  return new Blob([
    writeZip([
      { name: 'a/data.pkl', content: whole(value) },
      ...Object.entries(storages).map(([key, content]) => ({ name: `a/data/${key}`, content })),
    ]),
  ]);
}

async function pytorchProblem(blob: Blob): Promise<string> {
  const error = await PytorchFile.open(blob, 'a.pt').catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(PytorchFileError);
  return (error as Error).message;
}

describe('pickles', () => {
  it('whose OrderedDicts share one long list are refused before its items are copied often', async () => {
    const pair = tuple(text('k'), integer(1));
    const items = 2000;
    const calls = 5000;
    const bytes = whole(
      list(
        list(...Array.from({ length: items }, () => pair)),
        put(0),
        ...Array.from({ length: calls }, () =>
          call(orderedDict, Buffer.concat([get(0), Buffer.from([0x85])])),
        ),
      ),
    );
    await expect(readPickle(bytes, allowAll)).rejects.toThrow(PickleError);
    await expect(readPickle(bytes, allowAll)).rejects.toThrow('more items than it could name');
    // Python 2 writes one such call.
    const honest = whole(call(orderedDict, tuple(list(pair, pair))));
    expect(((await readPickle(honest, allowAll)).value as PickleDict).entries).toEqual([
      ['k', 1],
      ['k', 1],
    ]);
  });

  it('with more operations than any state dict are refused', async () => {
    const bytes = Buffer.concat([Buffer.alloc(1_100_000, '}'), Buffer.from('.')]);
    await expect(readPickle(bytes, allowAll)).rejects.toThrow('too many operations');
  });

  it('nested as deeply as they are long are read, and refused as state dicts by name', async () => {
    const depth = 100_000;
    const nested = (innermost: Buffer, around: Buffer): Buffer =>
      Buffer.concat([innermost, ...Array.from({ length: depth }, () => around)]);
    // Tuples in tuples, persistent ids in persistent ids.
    for (const around of [Buffer.from([0x85]), Buffer.from('Q')]) {
      const { value: outermost } = await readPickle(whole(nested(Buffer.from('N'), around)), allowAll);
      let value: PickleValue | undefined = outermost;
      let levels = 0;
      while (value !== null && typeof value === 'object' && ('items' in value || 'id' in value)) {
        value = 'items' in value ? value.items[0] : value.id;
        levels++;
      }
      expect(levels).toBe(depth);
      const file = await PytorchFile.open(pytorchZip(nested(Buffer.from('N'), around)), 'a.pt');
      expect(file.tensors.size).toBe(0);
    }
    // Parameters in parameters: each value becomes the argument of the next call.
    const rebuild = global('torch._utils', '_rebuild_parameter');
    const parameters = Buffer.concat([
      rebuild,
      put(0),
      Buffer.from('0'),
      ...Array.from({ length: depth }, () => get(0)),
      tensor('0', 1, [1], [1]),
      ...Array.from({ length: depth }, () => Buffer.from([0x85, 0x52])),
    ]);
    const file = await PytorchFile.open(pytorchZip(dict(text('w'), parameters)), 'a.pt');
    expect(file.tensors.size).toBe(0);
    // Dicts in dicts.
    const dicts = Buffer.concat([
      ...Array.from({ length: depth }, () => Buffer.concat([Buffer.from('}'), text('d')])),
      Buffer.from('N'),
      ...Array.from({ length: depth }, () => Buffer.from('s')),
    ]);
    expect(await pytorchProblem(pytorchZip(dicts))).toContain('nested too deeply');
  });

  it('whose dicts hold one long dict again and again are refused, whatever its keys are', async () => {
    for (const key of [integer(1), text('k')]) {
      const long = dict(...Array.from({ length: 20_000 }, () => [key, Buffer.from('N')]).flat());
      const value = dict(
        text('a'),
        Buffer.concat([long, put(0)]),
        ...Array.from({ length: 20_000 }, () => [text('b'), get(0)]).flat(),
      );
      expect(await pytorchProblem(pytorchZip(value))).toContain('too many values');
    }
  });
});

describe('PyTorch files', () => {
  it('whose many tensors share one storage read it once', async () => {
    const count = 100;
    const values = Float32Array.from({ length: count }, (_, index) => index);
    const slice = (index: number): Buffer => {
      // A view of one value, like a slice of a parameter.
      const view = tensor('0', count, [1], [1]);
      const offset = view.indexOf(integer(0));
      return Buffer.concat([view.subarray(0, offset), integer(index), view.subarray(offset + 5)]);
    };
    const value = dict(...Array.from({ length: count }, (_, i) => [text(`w${i}`), slice(i)]).flat());
    let bytesRead = 0;
    const blob = pytorchZip(value, { 0: new Uint8Array(values.buffer) });
    const slicing = blob.slice.bind(blob);
    blob.slice = (start = 0, end = blob.size, type) => {
      bytesRead += end - start;
      return slicing(start, end, type);
    };
    const file = await PytorchFile.open(blob, 'a.pt');
    for (let index = 0; index < count; index++)
      expect((await file.read(`w${index}`)).data).toEqual(Float32Array.of(index));
    // The directory and each entry once, and a small part of each header.
    expect(bytesRead).toBeLessThan(2 * blob.size + 1000);
  });

  it('whose tensors have far more values than are stored are refused when they are opened', async () => {
    const storage = new Uint8Array(4000);
    const same = (index: number): Buffer[] => [text(`w${index}`), tensor('0', 1000, [1000], [1])];
    const four = dict(...[0, 1, 2, 3].flatMap(same));
    expect((await PytorchFile.open(pytorchZip(four, { 0: storage }), 'a.pt')).tensors.size).toBe(4);
    const hundred = dict(...Array.from({ length: 100 }, (_, index) => same(index)).flat());
    expect(await pytorchProblem(pytorchZip(hundred, { 0: storage }))).toContain(
      'far more values than it stores',
    );
  });

  it('that do not have the values they name are refused when they are opened', async () => {
    const value = dict(text('w'), tensor('0', 1000, [1000], [1]));
    expect(await pytorchProblem(pytorchZip(value, { 0: new Uint8Array(3999) }))).toContain('are incomplete');
    expect(await pytorchProblem(pytorchZip(value, { 1: new Uint8Array(4000) }))).toContain('is not in it');
    const two = dict(text('v'), tensor('0', 1000, [1000], [1]), text('w'), tensor('0', 999, [999], [1]));
    expect(await pytorchProblem(pytorchZip(two, { 0: new Uint8Array(4000) }))).toContain('two lengths');
  });

  it('stop being read when they are cancelled', async () => {
    const abort = new AbortController();
    const value = dict(text('w'), tensor('0', 1000, [1000], [1]));
    const file = await PytorchFile.open(pytorchZip(value, { 0: new Uint8Array(4000) }), 'a.pt', abort.signal);
    abort.abort();
    await expect(file.read('w')).rejects.toBe(abort.signal.reason);
  });
});

describe('TensorFlow checkpoints', () => {
  const readAll = async (index: Uint8Array<ArrayBuffer>): Promise<TensorflowCheckpoint> =>
    TensorflowCheckpoint.open(
      new MemoryDirectory('run', { 'a.index': index, 'a.data-00000-of-00001': new Uint8Array(4) }),
      'a.index',
    );
  /** An entry without values: float32, of the shape [0]. */
  const empty = Uint8Array.of(8, 1, 18, 4, 18, 2, 8, 0);
  const header: [string, Uint8Array] = ['', Uint8Array.of(8, 1)];

  it('of which thousands of entries share one long key are refused before it is copied often', async () => {
    const long = 'k'.repeat(100_000);
    const rows = Array.from({ length: 300 }, (_, i): [string, Uint8Array] => [
      `${long}${String(i).padStart(6, '0')}`,
      empty,
    ]);
    const index = tableOf([[header, ...rows]]);
    await expect(readAll(index)).rejects.toThrow(/keys are too long/);
    // Each key is short enough, but there are too many.
    const many = Array.from({ length: 20_000 }, (_, i): [string, Uint8Array] => [
      `${'k'.repeat(1000)}${String(i).padStart(6, '0')}`,
      empty,
    ]);
    await expect(readAll(tableOf([[header, ...many]]))).rejects.toThrow(/keys are too long/);
  });

  it('with many handles to one block are refused before it is read again', async () => {
    const block = [
      header,
      ...Array.from({ length: 50 }, (_, i): [string, Uint8Array] => [`v${10 + i}`, empty]),
    ];
    expect((await readAll(tableOf([block]))).entries.size).toBe(50);
    await expect(readAll(tableOf([block], 3000))).rejects.toThrow(/overlaps with the one before it/);
  });

  it('whose keys are not in order, or are repeated, are refused', async () => {
    const rows: [string, Uint8Array][] = [header, ['b', empty], ['a', empty]];
    await expect(readAll(tableOf([rows]))).rejects.toThrow(/not in ascending order/);
    await expect(readAll(tableOf([[header, ['a', empty]], [['a', empty]]]))).rejects.toThrow(
      /ascending order/,
    );
  });

  it('are held against their checksum, also where it is left out as zero', async () => {
    const entry = Uint8Array.of(8, 1, 18, 4, 18, 2, 8, 1, 40, 4);
    const file = await readAll(tableOf([[header, ['v', entry]]]));
    await expect(file.read('v')).rejects.toThrow(/damaged: its checksum is another/);
  });
});

describe('protocol buffers', () => {
  it('with millions of fields are refused', async () => {
    const bytes = new Uint8Array(4_100_000);
    for (let at = 0; at < bytes.length; at += 2) bytes[at] = 0x10;
    await expect(GraphDefFile.open(new Blob([bytes]), 'a.pb')).rejects.toThrow(GraphDefError);
    await expect(GraphDefFile.open(new Blob([bytes]), 'a.pb')).rejects.toThrow(/more than 2000000 fields/);
    await expect(readOnnxWeights(bytes, 'a.onnx')).rejects.toThrow(OnnxError);
    await expect(readOnnxMetadata(bytes, 'a.onnx')).rejects.toThrow(OnnxError);
  });

  it('with a shape of 200,000 numbers are refused by name', async () => {
    const packed = new ProtobufWriter().bytes(1, new Uint8Array(200_000).fill(1));
    const single = new ProtobufWriter();
    for (let i = 0; i < 200_000; i++) single.integer(1, 1);
    for (const tensorMessage of [packed, single]) {
      const model = new ProtobufWriter().message(7, new ProtobufWriter().message(5, tensorMessage));
      await expect(readOnnxWeights(model.finish(), 'a.onnx')).rejects.toThrow(OnnxError);
    }
  });

  it('in which single values stand for far too many are refused', async () => {
    const constant = (name: string, count: number): ProtobufWriter =>
      new ProtobufWriter()
        .string(1, name)
        .string(2, 'Const')
        .message(
          5,
          new ProtobufWriter().string(1, 'value').message(
            2,
            new ProtobufWriter().message(
              8,
              new ProtobufWriter()
                .integer(1, 1)
                .message(2, new ProtobufWriter().message(2, new ProtobufWriter().integer(1, count)))
                .bytes(4, new Uint8Array(4)),
            ),
          ),
        );
    const graphOf = (constants: number): Blob => {
      const graph = new ProtobufWriter();
      for (let i = 0; i < constants; i++) graph.message(1, constant(`c${i}`, 400_000));
      return new Blob([graph.finish()]);
    };
    const two = await GraphDefFile.open(graphOf(2), 'a.pb');
    expect(two.read('c1').data.length).toBe(400_000);
    await expect(GraphDefFile.open(graphOf(3), 'a.pb')).rejects.toThrow(/stand for more than 1000000/);
  });
});

describe('JSON', () => {
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;

  it('nested 200,000 levels deep is refused by name, in every format that has JSON', async () => {
    const header = new TextEncoder().encode(`{"a":{"dtype":${deep},"shape":[],"data_offsets":[0,0]}}`);
    const length = new Uint8Array(8);
    new DataView(length.buffer).setBigUint64(0, BigInt(header.length), true);
    const file = new Blob([length, header]);
    await expect(SafetensorsFile.open(file, 'a.safetensors')).rejects.toThrow(SafetensorsError);
    await expect(SafetensorsFile.open(file, 'a.safetensors')).rejects.toThrow('more than 64 levels deep');
    const folder = new MemoryDirectory('m', { 'model.json': `{"userDefinedMetadata":{"x":${deep}}}` });
    await expect(TfjsGraphModelFile.open(folder, 'model.json')).rejects.toThrow(TfjsModelError);
    await expect(decodeGallery(new Blob([deep]))).rejects.toThrow(GalleryFileError);
    expect(() => decodeClassifier(deep)).toThrow(ClassifierFileError);
    const configuration = `{"format":"facenet-training-configuration","version":1,"options":{"seed":${deep}}}`;
    expect(() => parseConfiguration(configuration)).toThrow(ConfigurationError);
  });

  it('with far more values than a file of its kind needs is refused before it is parsed', () => {
    expect(() => parseBoundedJson(`[${'0,'.repeat(50)}0]`, 50)).toThrow(JsonError);
    expect(parseBoundedJson('[1,",[{\\",",{"a":[]}]', 4)).toEqual([1, ',[{",', { a: [] }]);
    expect(() => parseBoundedJson('["', 4)).toThrow('is not valid JSON');
    expect(() => decodeClassifier(`[${'[],'.repeat(1_000_000)}[]]`)).toThrow(/more than 1000000 values/);
  });

  it('of TensorFlow.js names each weight file once', async () => {
    const weights = { name: 'w', shape: [1000], dtype: 'float32' };
    const manifest = [{ paths: Array.from({ length: 1000 }, () => 'a.bin'), weights: [weights] }];
    const folder = new MemoryDirectory('m', {
      'model.json': JSON.stringify({ format: 'graph-model', weightsManifest: manifest }),
      'a.bin': new Uint8Array(4),
    });
    await expect(TfjsGraphModelFile.open(folder, 'model.json')).rejects.toThrow(
      /names the weight file "a.bin" twice/,
    );
  });
});

function messageOf(fail: () => unknown): string {
  try {
    fail();
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

describe('text files', () => {
  // A backtracking regular expression takes minutes for one of these lines.
  const spaces = ' '.repeat(200_000);

  it('with one line of 200,000 characters are read or refused in linear time', () => {
    for (const line of [
      `a/b.png${spaces}x`,
      `a${spaces}b`,
      'a '.repeat(100_000),
      '1 '.repeat(100_000),
      '.'.repeat(200_000),
    ]) {
      expect(() => parseDistanceTable(line)).toThrow(DistanceTableError);
      expect(() => parsePairsFile(`10 300\n${line}`)).toThrow(MalformedPairsFileError);
      expect(() => parseSchedule(line)).toThrow(ScheduleError);
      for (const parse of [
        parseDistanceTable,
        parseSchedule,
        (text: string) => parsePairsFile(`10 300\n${text}`),
      ])
        expect(messageOf(() => parse(line)).length).toBeLessThan(500);
      expect(safeFileName(`a${line}-`).length).toBeLessThanOrEqual(120);
    }
    expect(safeFileName(`-${spaces}a${'. '.repeat(100_000)}b${spaces}`)).toMatch(/^a[. ]+$/);
    expect(parseDistanceTable(`a/b.png${spaces}0.5${spaces}7`)).toEqual([{ path: 'a/b.png', distance: 0.5 }]);
  });

  it('of distances are read as before', () => {
    for (const [line, path, distance] of [
      ['"a b/c, d.png",0.41,7', 'a b/c, d.png', 0.41],
      ['a b/c 1.png 0.41', 'a b/c 1.png', 0.41],
      ['a/b.png\t-1.5e-3\t12', 'a/b.png', -0.0015],
      ['a/b 3.png 4 5', 'a/b 3.png', 4],
      ['a/b.png 5', 'a/b.png', 5],
      ['"a/b.png 5', '"a/b.png', 5],
    ] as const)
      expect(parseDistanceTable(line)).toEqual([{ path, distance }]);
    for (const line of ['a/b.png', 'a/b.png .', 'a/b.png 0.3,', 'b.png 3', '0.3 7', '"a/b.png" "x"'])
      expect(() => parseDistanceTable(line)).toThrow(DistanceTableError);
  });
});

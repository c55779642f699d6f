/**
 * Every file format that the program reads: a valid file in parts, a function that joins parts into a file with correct
 * lengths and checksums (so that damage reaches the data behind them), its reader, and the errors that it may throw.
 */
import { makeZip } from 'client-zip';
import { inspectImage } from '../../workers/files/images/decode.ts';
import { FileMissingError, UnreadableImageError } from '../../workers/protocol/data/file_errors.ts';
import { MemoryDirectory } from '../../workers/files/memory_directory.ts';
import { MalformedPairsFileError } from '../../workers/evaluation/errors.ts';
import { parsePairsFile } from '../../workers/evaluation/pairs_file.ts';
import {
  ClassifierFileError,
  decodeClassifier,
  encodeClassifier,
} from '../../workers/formats/classifier_file.ts';
import { decodeGallery, encodeGallery, GalleryFileError } from '../../workers/formats/gallery_file.ts';
import { Hdf5Error } from '../../workers/formats/hdf5.ts';
import { identifyFile } from '../../workers/formats/identify_file.ts';
import { onnxModelParts } from '../../workers/models/onnx_model.ts';
import { OnnxError, readOnnxMetadata, readOnnxWeights } from '../../workers/formats/onnx_reader.ts';
import { PytorchFile, PytorchFileError } from '../../workers/formats/pytorch_file.ts';
import { safetensorsBlob, SafetensorsError, SafetensorsFile } from '../../workers/formats/safetensors.ts';
import { CheckpointFileError, TensorflowCheckpoint } from '../../workers/formats/tensorflow_checkpoint.ts';
import { GraphDefError, GraphDefFile } from '../../workers/formats/tensorflow_graph_def.ts';
import { tfjsGraphModelFiles } from '../../workers/models/tfjs_graph_model.ts';
import { TfjsGraphModelFile, TfjsModelError } from '../../workers/formats/tfjs_graph_reader.ts';
import { ZipError, ZipFile } from '../../workers/formats/zip_reader.ts';
import { hashedParameters } from '../../workers/compute/graph/hashed_tensors.ts';
import { UnknownModelError } from '../../workers/protocol/train/networks.ts';
import * as modelErrors from '../../workers/models/errors.ts';
import { inspectModel } from '../../workers/models/load_model.ts';
import {
  ConfigurationError,
  formatConfiguration,
  parseConfiguration,
} from '../../workers/protocol/train/configuration.ts';
import { DistanceTableError, parseDistanceTable } from '../../workers/formats/distance_table.ts';
import { defaultTrainingOptions } from '../../workers/protocol/train/options.ts';
import { CASIA_SCHEDULE, parseSchedule, ScheduleError } from '../../workers/protocol/train/schedule.ts';
import { smallGraph } from '../unit/formats/formats_reference.ts';
import {
  checkpoint,
  graphDef,
  kerasFile,
  PYTORCH_LEGACY,
  PYTORCH_ZIP,
  tableBlock,
  tableOf,
} from '../unit/models/import_writers.ts';
import { writeZip } from '../unit/formats/zip_writer.ts';
import { KerasReader } from './keras_reader.ts';
import { PICTURES } from './pictures.ts';

type Bytes = Uint8Array<ArrayBuffer>;

export interface FuzzedFormat {
  readonly name: string;
  /** The share of files in this format, relative to the others. */
  readonly share: number;
  readonly parts: readonly Uint8Array[];
  readonly assemble: (parts: readonly Uint8Array[]) => Bytes;
  /** Reads everything in the file. */
  readonly read: (bytes: Bytes) => unknown;
  readonly errors: readonly (new (...parameters: never[]) => Error)[];
  /** Also refuses the valid file, because it contains no network. */
  readonly isAlwaysRefused?: true;
}

const LIMIT_BYTES = 1_000_000;
const tensors = new Map([
  ['Small/a/weights', { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
  ['Small/a/biases', { shape: [3], data: Float32Array.of(1, 2, 3) }],
]);
const joined = (parts: readonly Uint8Array[]): Bytes => Uint8Array.from(Buffer.concat(parts));
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const decoded = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

const pytorchZip = await ZipFile.open(new Blob([PYTORCH_ZIP]), 'a.pt');
const pytorchNames = [...pytorchZip.entries.keys()];
const pytorchContents: Uint8Array[] = [];
for (const name of pytorchNames) pytorchContents.push(await pytorchZip.read(name, LIMIT_BYTES));
const pytorchZipOf = (contents: readonly Uint8Array[]): Bytes =>
  writeZip(pytorchNames.map((name, i) => ({ name, content: contents[i]!, isDeflated: i % 2 === 0 })));

async function readPytorch(bytes: Bytes): Promise<void> {
  const file = await PytorchFile.open(new Blob([bytes]), 'a.pt');
  for (const name of file.tensors.keys()) await file.read(name);
}

const safetensors = new Uint8Array(await safetensorsBlob(tensors, { made: 'here' }).arrayBuffer());
const headerEnd = 8 + Number(new DataView(safetensors.buffer).getBigUint64(0, true));
const safetensorsOf = ([header, values]: readonly Uint8Array[]): Bytes => {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header!.length));
  return joined([length, header!, values!]);
};

async function readSafetensors(bytes: Bytes): Promise<void> {
  const file = await SafetensorsFile.open(new Blob([bytes]), 'a.safetensors');
  for (const name of file.entries.keys()) await file.read(name);
}

const checkpointFiles = checkpoint(tensors);
const rows = [...tensors.keys()]
  .sort()
  .map((name): [string, Uint8Array] => [
    name,
    Uint8Array.of(8, 1, 18, 4, 18, 2, 8, 0, 0x35, 0xd8, 0xea, 0x82, 0xa2),
  ]);
const smallBlock = tableBlock([['', Uint8Array.of(8, 1)], ...rows]);

async function readCheckpoint(index: Bytes, data: Bytes): Promise<void> {
  const folder = new MemoryDirectory('run', { 'a.index': index, 'a.data-00000-of-00001': data });
  const file = await TensorflowCheckpoint.open(folder, 'a.index');
  for (const name of file.entries.keys()) await file.read(name);
}

const small = smallGraph();
const onnx = joined(
  onnxModelParts(
    small,
    hashedParameters(small, 1),
    21,
    { format: 'x' },
    { weightFormat: 'float16', inputLayout: 'nchw' },
  ),
);
const tfjs = tfjsGraphModelFiles(small, hashedParameters(small, 1), 21, {});
const modelJson = Buffer.from(await tfjs.find(({ path }) => path === 'model.json')!.content.arrayBuffer());
// The weights follow the topology. Most of the damage should hit them.
const manifest = modelJson.subarray(modelJson.lastIndexOf('"weightsManifest"'));
const tfjsHead = text('{"format":"graph-model",');

async function readTfjs(json: Bytes): Promise<void> {
  const folder = new MemoryDirectory('export', { 'model.json': json });
  for (const { path, content } of tfjs) if (path !== 'model.json') folder.files.set(path, content);
  const file = await TfjsGraphModelFile.open(folder, 'model.json');
  for (const [name, { dtype }] of file.weights) if (dtype === 'float32') await file.read(name);
}

const gallery = await encodeGallery(
  {
    modelName: 'm',
    fingerprint: 'f',
    faces: [
      {
        person: 'Ada',
        photo: 'a.png',
        embedding: Float32Array.of(0.6, 0.8),
        picture: new Blob([Uint8Array.of(1, 2, 3)]),
      },
      { person: 'Bob', photo: 'b.png', embedding: Float32Array.of(1, 0), picture: new Blob([]) },
    ],
  },
  true,
);
const classifier = encodeClassifier({
  classNames: ['Ada', 'Bob'],
  modelName: 'm',
  svm: {
    dimension: 2,
    classes: 2,
    weights: Float32Array.of(1, 2, 3, 4),
    biases: Float32Array.of(1, 2),
    slopes: Float32Array.of(1, 2),
    offsets: Float32Array.of(1, 2),
  },
});
const zippedExport = new Uint8Array(
  await new Response(makeZip([{ name: 'a.safetensors', input: safetensors }])).arrayBuffer(),
);
const modelFileErrors = Object.values(modelErrors).filter(
  (value: unknown): value is new () => Error => typeof value === 'function',
) as unknown as (new () => Error)[];

/** The errors that reading an unknown model file may throw. */
const anyModelErrors = [
  ZipError,
  SafetensorsError,
  PytorchFileError,
  FileMissingError,
  UnknownModelError,
  ...modelFileErrors,
];
const inspect = (name: string) => (bytes: Bytes) =>
  inspectModel({ kind: 'file', file: new File([bytes], name) });

/** A format without separate parts. */
const whole = (content: Uint8Array): Pick<FuzzedFormat, 'parts' | 'assemble'> => ({
  parts: [content],
  assemble: joined,
});

function textFormat(
  name: string,
  honest: string,
  read: (content: string) => unknown,
  error: FuzzedFormat['errors'][number],
): FuzzedFormat {
  return { name, share: 1, ...whole(text(honest)), read: (bytes) => read(decoded(bytes)), errors: [error] };
}

const keras = await kerasFile(
  new Map([['a/kernel', { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }]]),
  false,
);
const kerasReader = new KerasReader();

/** Ends the threads that were started for reading. */
export function closeReaders(): Promise<void> {
  return kerasReader.close();
}

export const FUZZED_FORMATS: readonly FuzzedFormat[] = [
  {
    name: 'pytorch_zip',
    share: 1,
    parts: pytorchContents,
    assemble: pytorchZipOf,
    read: readPytorch,
    errors: [PytorchFileError],
  },
  {
    name: 'pytorch_legacy',
    share: 2,
    ...whole(PYTORCH_LEGACY),
    read: readPytorch,
    errors: [PytorchFileError],
  },
  {
    name: 'zip',
    share: 1,
    parts: pytorchContents,
    assemble: pytorchZipOf,
    async read(bytes) {
      const file = await ZipFile.open(new Blob([bytes]), 'a.zip');
      for (const name of file.entries.keys()) await file.read(name, LIMIT_BYTES);
    },
    errors: [ZipError],
  },
  {
    name: 'zipped_export',
    share: 1,
    parts: [safetensors],
    assemble: ([content]) => writeZip([{ name: 'a.safetensors', content: content! }]),
    read: inspect('a.zip'),
    isAlwaysRefused: true,
    errors: anyModelErrors,
  },
  {
    name: 'streamed_zip',
    share: 1,
    ...whole(zippedExport),
    read: inspect('a.zip'),
    isAlwaysRefused: true,
    errors: anyModelErrors,
  },
  {
    name: 'safetensors',
    share: 2,
    parts: [safetensors.subarray(8, headerEnd), safetensors.subarray(headerEnd)],
    assemble: safetensorsOf,
    read: readSafetensors,
    errors: [SafetensorsError],
  },
  {
    name: 'checkpoint',
    share: 1,
    ...whole(checkpointFiles.index),
    read: (bytes) => readCheckpoint(bytes, Uint8Array.from(checkpointFiles.data)),
    errors: [CheckpointFileError],
  },
  {
    name: 'checkpoint_block',
    share: 2,
    parts: [smallBlock],
    assemble: ([block]) => tableOf([block!]),
    read: (bytes) => readCheckpoint(bytes, new Uint8Array(64)),
    errors: [CheckpointFileError],
  },
  {
    name: 'graph_def',
    share: 2,
    ...whole(graphDef(tensors)),
    async read(bytes) {
      const file = await GraphDefFile.open(new Blob([bytes]), 'a.pb');
      for (const name of file.constants.keys()) file.read(name);
    },
    errors: [GraphDefError],
  },
  {
    name: 'onnx',
    share: 2,
    ...whole(onnx),
    async read(bytes) {
      await readOnnxMetadata(bytes, 'a.onnx');
      await readOnnxWeights(bytes, 'a.onnx');
    },
    errors: [OnnxError],
  },
  {
    name: 'tfjs',
    share: 1,
    parts: [tfjsHead, manifest],
    assemble: joined,
    read: readTfjs,
    errors: [TfjsModelError, FileMissingError],
  },
  {
    name: 'gallery',
    share: 1,
    ...whole(new Uint8Array(await gallery.arrayBuffer())),
    read: (bytes) => decodeGallery(new Blob([bytes])),
    errors: [GalleryFileError],
  },
  textFormat('classifier', classifier, decodeClassifier, ClassifierFileError),
  textFormat(
    'configuration',
    formatConfiguration(defaultTrainingOptions()),
    parseConfiguration,
    ConfigurationError,
  ),
  textFormat(
    'pairs',
    '2\t1\nAda\t1\t2\nAda\t1\tBob\t3\nBob\t1\t3\nBob\t1\tAda\t4\n',
    parsePairsFile,
    MalformedPairsFileError,
  ),
  textFormat(
    'distances',
    'path\tdistance\tclass_index\nAda/Ada_0001.png\t0.41\t0\n"Bob B/b c.jpg",1.5e-1,1\n',
    parseDistanceTable,
    DistanceTableError,
  ),
  textFormat('schedule', CASIA_SCHEDULE, parseSchedule, ScheduleError),
  ...Object.entries(PICTURES).map(([name, picture]): FuzzedFormat => ({
    name,
    share: 1,
    ...whole(picture),
    read: (bytes) => inspectImage(new Blob([bytes]), 'a'),
    errors: [UnreadableImageError],
  })),
  {
    name: 'keras',
    share: 1,
    ...whole(keras),
    read: (bytes) => kerasReader.read(bytes),
    errors: [Hdf5Error],
  },
  {
    name: 'unknown',
    share: 1,
    ...whole(PYTORCH_ZIP),
    read: (bytes) => identifyFile(new Blob([bytes])),
    errors: [],
  },
];

/**
 * Damaged files of every kind that is read: each is read, or refused by an error with a name, in bounded time and
 * memory. FACENET_MUTATIONS sets how many there are of each kind.
 */
import { makeZip } from 'client-zip';
import fc from 'fast-check';
import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it } from 'vitest';
import { FileMissingError } from '../../workers/dataset/errors.ts';
import { MemoryDirectory } from '../../workers/dataset/memory_directory.ts';
import { onnxModelParts } from '../../workers/formats/onnx_model.ts';
import { OnnxError, readOnnxMetadata, readOnnxWeights } from '../../workers/formats/onnx_reader.ts';
import { PytorchFile, PytorchFileError } from '../../workers/formats/pytorch_file.ts';
import { safetensorsBlob, SafetensorsError, SafetensorsFile } from '../../workers/formats/safetensors.ts';
import { CheckpointFileError, TensorflowCheckpoint } from '../../workers/formats/tensorflow_checkpoint.ts';
import { GraphDefError, GraphDefFile } from '../../workers/formats/tensorflow_graph_def.ts';
import { tfjsGraphModelFiles } from '../../workers/formats/tfjs_graph_model.ts';
import { TfjsGraphModelFile, TfjsModelError } from '../../workers/formats/tfjs_graph_reader.ts';
import { ZipError, ZipFile } from '../../workers/formats/zip_reader.ts';
import { hashedParameters } from '../../workers/graph/hashed_tensors.ts';
import { UnknownModelError } from '../../workers/graph/models/index.ts';
import * as modelErrors from '../../workers/models/errors.ts';
import { inspectModel } from '../../workers/models/load_model.ts';
import { smallGraph } from './formats_reference.ts';
import { checkpoint, graphDef, kerasFile, PYTORCH_LEGACY, PYTORCH_ZIP } from './import_writers.ts';

/** Mutated files a reader; a long run sets another number. */
const MUTATIONS = Number(process.env['FACENET_MUTATIONS'] ?? 400);
/** Of one file; they have some hundred bytes. */
const LONGEST_MS = 10_000;
const MOST_MEMORY_BYTES = 1.5e9;
const LIMIT_MS = 60_000 + 20 * MUTATIONS;

const tensors = new Map([
  ['Small/a/weights', { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
  ['Small/a/biases', { shape: [3], data: Float32Array.of(1, 2, 3) }],
]);
const small = smallGraph();
const onnx = Buffer.concat(
  onnxModelParts(
    small,
    hashedParameters(small, 1),
    21,
    { format: 'x' },
    { weightFormat: 'float16', inputLayout: 'nchw' },
  ),
);
const tfjs = tfjsGraphModelFiles(small, hashedParameters(small, 1), 21, {});
const safetensors = Buffer.from(await safetensorsBlob(tensors, { made: 'here' }).arrayBuffer());
const keras = await kerasFile(new Map([['a/kernel', tensors.get('Small/a/weights')!]]), false);

/** Bytes changed, cut out, put in, and the end cut off; numbers of four and eight bytes made absurd. */
const mutation = fc.record({
  changes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }),
  huge: fc.option(fc.tuple(fc.nat(), fc.constantFrom(4, 8)), { freq: 3 }),
  cut: fc.option(fc.tuple(fc.nat(), fc.nat(40)), { freq: 3 }),
  insert: fc.option(fc.tuple(fc.nat(), fc.uint8Array({ maxLength: 12 })), { freq: 3 }),
  end: fc.option(fc.nat(), { freq: 4 }),
});
type Mutation = typeof mutation extends fc.Arbitrary<infer Value> ? Value : never;

function apply(original: Uint8Array, { changes, huge, cut, insert, end }: Mutation): Uint8Array<ArrayBuffer> {
  let bytes = Buffer.from(original);
  for (const [at, value] of changes) bytes[at % bytes.length] = value;
  if (huge) {
    const at = huge[0] % bytes.length;
    bytes.fill(0xff, at, Math.min(at + huge[1], bytes.length));
  }
  if (cut) {
    const at = cut[0] % bytes.length;
    bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + cut[1])]);
  }
  if (insert) {
    const at = insert[0] % (bytes.length + 1);
    bytes = Buffer.concat([bytes.subarray(0, at), insert[1], bytes.subarray(at)]);
  }
  if (end !== null) bytes = bytes.subarray(0, end % (bytes.length + 1));
  return Uint8Array.from(bytes);
}

let filesTried = 0;
let filesRefused = 0;
let peakBytes = 0;
let longestMs = 0;

async function mutate(
  original: Uint8Array,
  named: readonly (new (...args: never[]) => Error)[],
  read: (bytes: Uint8Array<ArrayBuffer>) => Promise<unknown>,
): Promise<void> {
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(mutation, async (change) => {
      const bytes = apply(original, change);
      const startedAt = performance.now();
      try {
        await read(bytes);
      } catch (error) {
        refused++;
        if (!named.some((kind) => error instanceof kind)) throw error;
      }
      const elapsedMs = performance.now() - startedAt;
      longestMs = Math.max(longestMs, elapsedMs);
      expect(elapsedMs).toBeLessThan(LONGEST_MS);
      if (++filesTried % 50 === 0) peakBytes = Math.max(peakBytes, process.memoryUsage().rss);
      expect(peakBytes).toBeLessThan(MOST_MEMORY_BYTES);
    }),
    { numRuns: MUTATIONS },
  );
  filesRefused += refused;
  // A reader that refuses nothing checks nothing.
  expect(refused).toBeGreaterThan(MUTATIONS / 20);
}

describe('damaged files', () => {
  afterAll(() => {
    console.info(
      `${filesTried} damaged files, ${filesRefused} refused; ${Math.round(longestMs)} ms the longest, ${Math.round(peakBytes / 1e6)} MB of memory at most.`,
    );
  });

  for (const [layout, original] of [
    ['zip', PYTORCH_ZIP],
    ['legacy', PYTORCH_LEGACY],
  ] as const)
    it(`of PyTorch (${layout}) are read or refused by name`, { timeout: LIMIT_MS }, () =>
      mutate(original, [PytorchFileError], async (bytes) => {
        const file = await PytorchFile.open(new Blob([bytes]), 'a.pt');
        for (const name of file.tensors.keys()) await file.read(name);
      }),
    );

  it('of safetensors are read or refused by name', { timeout: LIMIT_MS }, () =>
    mutate(safetensors, [SafetensorsError], async (bytes) => {
      const file = await SafetensorsFile.open(new Blob([bytes]), 'a.safetensors');
      for (const name of file.entries.keys()) await file.read(name);
    }),
  );

  it('of frozen graphs are read or refused by name', { timeout: LIMIT_MS }, () =>
    mutate(graphDef(tensors), [GraphDefError], async (bytes) => {
      const file = await GraphDefFile.open(new Blob([bytes]), 'a.pb');
      for (const name of file.constants.keys()) file.read(name);
    }),
  );

  it('of checkpoints are read or refused by name', { timeout: LIMIT_MS }, () => {
    const { index, data } = checkpoint(tensors);
    return mutate(index, [CheckpointFileError], async (bytes) => {
      const folder = new MemoryDirectory('run', {
        'a.index': bytes,
        'a.data-00000-of-00001': Uint8Array.from(data),
      });
      const file = await TensorflowCheckpoint.open(folder, 'a.index');
      for (const name of file.entries.keys()) await file.read(name);
    });
  });

  it('of ONNX are read or refused by name', { timeout: LIMIT_MS }, () =>
    mutate(onnx, [OnnxError], async (bytes) => {
      readOnnxMetadata(bytes, 'a.onnx');
      readOnnxWeights(bytes, 'a.onnx');
    }),
  );

  it('of TensorFlow.js are read or refused by name', { timeout: LIMIT_MS }, async () => {
    const json = tfjs.find(({ path }) => path === 'model.json')!;
    const original = Buffer.from(await json.content.arrayBuffer());
    // The weights are listed behind the topology; most damage shall hit them.
    const manifest = original.subarray(original.lastIndexOf('"weightsManifest"'));
    const head = Buffer.from('{"format":"graph-model",');
    await mutate(Buffer.concat([head, manifest]), [TfjsModelError, FileMissingError], async (bytes) => {
      const folder = new MemoryDirectory('export', { 'model.json': bytes });
      for (const { path, content } of tfjs) if (path !== 'model.json') folder.files.set(path, content);
      const file = await TfjsGraphModelFile.open(folder, 'model.json');
      for (const [name, { dtype }] of file.weights) if (dtype === 'float32') await file.read(name);
    });
  });

  it('of zip archives are read or refused by name', { timeout: LIMIT_MS }, () =>
    mutate(PYTORCH_ZIP, [ZipError], async (bytes) => {
      const file = await ZipFile.open(new Blob([bytes]), 'a.zip');
      for (const name of file.entries.keys()) await file.read(name, 1_000_000);
    }),
  );

  it('of zipped exports are refused by name, whatever is in them', { timeout: LIMIT_MS }, async () => {
    const entries = [{ name: 'a.safetensors', input: Uint8Array.from(safetensors) }];
    const zip = new Uint8Array(await new Response(makeZip(entries)).arrayBuffer());
    const {
      NotAModelError,
      NoModelInFolderError,
      MissingParametersError,
      ParameterShapeError,
      ModelMetadataError,
    } = modelErrors;
    await mutate(
      zip,
      [
        ...[ZipError, SafetensorsError, PytorchFileError, FileMissingError, UnknownModelError],
        ...[NotAModelError, NoModelInFolderError, MissingParametersError, ParameterShapeError],
        ...[ModelMetadataError],
      ],
      (bytes) => inspectModel({ kind: 'file', file: new File([bytes], 'a.zip') }),
    );
  });

  it(
    'of Keras are read or refused by name, in a thread that a bad one may stop',
    { timeout: LIMIT_MS },
    async () => {
      let thread: Worker | undefined;
      let stopped = 0;
      class RefusedError extends Error {}
      try {
        await mutate(keras, [RefusedError], async (bytes) => {
          thread ??= startThread();
          const { error, message } = await answerOf(thread, bytes);
          if (error === undefined) return;
          if (error !== 'Hdf5Error') throw new Error(`${error}: ${message}`);
          if (
            message === 'The HDF5 file cannot be read: it is damaged.' ||
            message?.startsWith('The thread')
          ) {
            // The library stands still now: as the page does, go on with another one.
            stopped++;
            await thread.terminate();
            thread = undefined;
          }
          throw new RefusedError(message);
        });
      } finally {
        await thread?.terminate();
      }
      console.info(
        `${stopped} of ${MUTATIONS} damaged Keras files stopped the HDF5 library in their thread.`,
      );
    },
  );
});

/** TypeScript is no language of threads; tsx teaches it to them. */
function startThread(): Worker {
  const file = JSON.stringify(new URL('./keras_thread.ts', import.meta.url).href);
  return new Worker(`import('tsx/esm/api').then(({ register }) => (register(), import(${file})))`, {
    eval: true,
  });
}

/** A thread that ends, or is busy for too long, is an answer, too. */
function answerOf(thread: Worker, bytes: Uint8Array): Promise<{ error?: string; message?: string }> {
  return new Promise((resolve) => {
    const timer = setTimeout(
      () => answer({ error: 'Hdf5Error', message: 'The thread is busy.' }),
      LONGEST_MS - 1000,
    );
    const onError = (error: Error): void =>
      answer({ error: 'Hdf5Error', message: `The thread ended: ${error.message}` });
    const answer = (outcome: { error?: string; message?: string }): void => {
      clearTimeout(timer);
      thread.off('message', answer);
      thread.off('error', onError);
      resolve(outcome);
    };
    thread.on('message', answer);
    thread.on('error', onError);
    thread.postMessage(bytes);
  });
}

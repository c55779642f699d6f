/** The export job on TensorFlow.js' WebAssembly backend in Node; test/gpu/jobs/export.test.ts runs it in a browser. */
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { existsSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { hashedParameters, hashedPixels } from '../../../workers/compute/graph/hashed_tensors.ts';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import { ExportCancelledError, exportModel } from '../../../workers/jobs/models/export_job.ts';
import { JobControl } from '../../../workers/protocol/job_control.ts';
import { runWeights } from '../../../workers/models/run_model.ts';
import { modelCard } from '../../../workers/models/model_card.ts';
import { readModelFile, writeModelFile } from '../../../workers/models/model_file.ts';
import { ParameterNotFiniteError } from '../../../workers/models/parameter_values.ts';
import { embedWithGraphModel } from '../../../workers/models/run_graph_model.ts';
import { tfjsModelFiles } from '../../../workers/models/tfjs_model.ts';
import type { ExportFormat, ExportRequest } from '../../../workers/protocol/models/export.ts';
import { TfjsExecutor } from '../../../workers/compute/tfjs/executor.ts';
import { embeddersFrom } from '../../../workers/compute/executor.ts';

const SIZE = 80;
const graph = buildModel('inception_resnet_v1', { embeddingSize: 16, classes: 0 });
const metadata = {
  model_def: 'models.inception_resnet_v1',
  embedding_size: 16,
  image_size: SIZE,
  use_fixed_image_standardization: false,
  run: '20260102-030405',
  step: 60,
};
const modelFile = (values = hashedParameters(graph, 2)): File =>
  new File([writeModelFile(values, metadata)], 'mine.safetensors');
/** A small network, where any one will do: twenty times faster to write, read and run. */
const small = buildModel('squeezenet', { embeddingSize: 16, classes: 0 });
const smallFile = (): File =>
  new File(
    [writeModelFile(hashedParameters(small, 2), { ...metadata, model_def: 'models.squeezenet' })],
    'mine.safetensors',
  );
const createEmbedder = embeddersFrom(async (settings) => new TfjsExecutor(settings, 'test'));

/** Collects a zip; its entries are stored, not compressed. */
class ZipCollector {
  readonly #chunks: Uint8Array[] = [];
  aborted: unknown;
  closed = false;
  readonly stream = new WritableStream<Uint8Array>({
    write: (chunk) => void this.#chunks.push(chunk.slice()),
    close: () => void (this.closed = true),
    abort: (reason) => void (this.aborted = reason),
  });

  get text(): string {
    return Buffer.concat(this.#chunks).toString('latin1');
  }
}

const run = (
  format: ExportFormat,
  file: File,
  zip: ZipCollector,
  settings: Partial<ExportRequest> = {},
): ReturnType<typeof exportModel> =>
  exportModel(
    { model: { kind: 'file', file }, format, output: { kind: 'zip', stream: zip.stream }, ...settings },
    createEmbedder,
  );

beforeAll(async () => {
  await tf.setBackend('wasm');
});

describe('exportModel', () => {
  it('writes a TensorFlow.js model that stock tfjs gives the same embeddings with', async () => {
    const zip = new ZipCollector();
    const tensors = tf.memory().numTensors;
    const summary = await run('tfjs', modelFile(), zip);
    expect(summary.verification.by).toBe('TensorFlow.js');
    expect(summary.verification.maxAbsError).toBeGreaterThan(0);
    expect(summary.verification.maxAbsError).toBeLessThanOrEqual(1e-5);
    expect(summary.files.map(({ path }) => path)).toEqual([
      'model_card.md',
      // 22.6 million values of 4 bytes.
      ...Array.from({ length: 23 }, (_, index) => `group1-shard${index + 1}of23.bin`),
      'model.json',
    ]);
    expect(Math.max(...summary.files.map(({ sizeBytes }) => sizeBytes))).toBeLessThanOrEqual(4_000_000);
    expect(zip.closed).toBe(true);
    const { text } = zip;
    expect(summary.files.filter(({ path }) => !text.includes(path))).toEqual([]);
    expect(tf.memory().numTensors).toBe(tensors);
  });

  it('writes the variables as they are', async () => {
    const zip = new ZipCollector();
    const summary = await run('safetensors', modelFile(), zip);
    expect(summary.verification.by).toBe('own reader');
    expect(summary.verification.maxAbsError).toBe(0);
    expect(summary.files.map(({ path }) => path)).toEqual([
      'model_card.md',
      'model-20260102-030405-60.safetensors',
    ]);
    expect(zip.text.includes('InceptionResnetV1/Conv2d_1a_3x3/BatchNorm/moving_variance')).toBe(true);
  });

  it('writes ONNX with the standardisation inside, and says so on the card', async () => {
    const zip = new ZipCollector();
    const summary = await run('onnx', modelFile(), zip, {
      includeStandardization: true,
      inputLayout: 'nchw',
    });
    expect(summary.verification.by).toBe('onnxruntime-web');
    expect(summary.verification.maxAbsError).toBeLessThanOrEqual(1e-5);
    expect(summary.files.at(-1)!.path).toBe('model-20260102-030405-60.onnx');
    expect(zip.text).toContain('[N, 3, 80, 80], pixel values from 0');
  });

  it('says of images of another size that they are what it takes', async () => {
    const zip = new ZipCollector();
    const summary = await run('onnx', smallFile(), zip, { imageSize: 96 });
    expect(summary.verification.maxAbsError).toBeLessThanOrEqual(1e-5);
    expect(zip.text).toContain('[N, 96, 96, 3]');
  });

  it('writes facenet-pytorch’s names, and takes them back', async () => {
    const zip = new ZipCollector();
    const summary = await run('safetensors-pytorch', modelFile(), zip);
    // A gamma of one does not change any value.
    expect(summary.verification.maxAbsError).toBe(0);
    expect(zip.text).toContain('repeat_2.9.branch1.2.bn.running_var');
  });

  it('halves the files with float16', async () => {
    for (const format of ['tfjs', 'onnx'] as const) {
      const summary = await run(format, smallFile(), new ZipCollector(), { dtype: 'float16' });
      expect(summary.verification.maxAbsError).toBeGreaterThan(1e-7);
      expect(summary.verification.maxAbsError).toBeLessThan(2e-3);
      const bytes = summary.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      // The weights, of 2 bytes each, and less than a tenth of it for everything else.
      const weights = small.parameters
        .filter(({ regularized }) => regularized)
        .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
      expect(bytes).toBeGreaterThan(2 * weights);
      expect(bytes).toBeLessThan(2.2 * weights);
    }
  });

  it('refuses a model that gives no numbers, and writes nothing', async () => {
    const values = hashedParameters(graph, 2);
    values.get('InceptionResnetV1/Bottleneck/weights')!.data[3] = NaN;
    const zip = new ZipCollector();
    await expect(run('tfjs', modelFile(values), zip)).rejects.toThrow(ParameterNotFiniteError);
    expect(zip.aborted).toBeInstanceOf(ParameterNotFiniteError);
    expect(zip.text).toBe('');
  });

  it('says how far it is, and leaves nothing behind when it is cancelled', async () => {
    const phases: string[] = [];
    const control = new JobControl();
    const zip = new ZipCollector();
    const request: ExportRequest = {
      model: { kind: 'file', file: smallFile() },
      format: 'safetensors',
      output: { kind: 'zip', stream: zip.stream },
    };
    const cancelled = exportModel(request, createEmbedder, control, ({ phase, done, total }) => {
      phases.push(phase);
      expect(done).toBeLessThanOrEqual(total);
      if (phase === 'verifying') control.cancel();
    });
    await expect(cancelled).rejects.toThrow(ExportCancelledError);
    expect([...new Set(phases)]).toEqual(['loading', 'writing', 'verifying']);
    expect(zip.text).toBe('');
    expect(zip.aborted).toBeInstanceOf(ExportCancelledError);
  });

  it('ends the zip when there is no model', async () => {
    const zip = new ZipCollector();
    await expect(run('tfjs', new File(['text'], 'a.txt'), zip)).rejects.toThrow('a.txt is a text file');
    expect(zip.aborted).toBeInstanceOf(Error);
  });
});

describe('the model card', () => {
  it('says what is known, and how to use the file', async () => {
    const model = await readModelFile(modelFile(), 'mine.safetensors');
    const card = modelCard(model, { format: 'tfjs' }, 'model.json');
    expect(card).toContain('run 20260102-030405; 60 steps.');
    expect(card).toContain('80 × 80 pixels, RGB, standardised as (p − mean)');
    expect(card).toContain("tf.loadGraphModel('model.json')");
    expect(card).toContain('Not evaluated.');
    expect(card).toContain('## Licence\n(not specified');
    expect(
      modelCard({ ...model, metadata: undefined }, { format: 'safetensors' }, 'a.safetensors'),
    ).toContain('Unknown');
  });
});

describe('a model card of a model that was evaluated', () => {
  it('has its results, also when the model went through a file', async () => {
    const figures = {
      accuracy: 0.9905,
      accuracyStd: 0.0042,
      val: 0.97,
      valStd: 0.01,
      far: 0.001,
      auc: 0.999,
      eer: 0.01,
    };
    const evaluation = { images: 'lfw|160', pairs: 6000, step: 60, farTarget: 0.001, ...figures };
    const ofAverages = { ...evaluation, moving_averages: true };
    const ofVariables = { ...evaluation, moving_averages: false };
    const withResults = {
      ...metadata,
      best_by: 'pairs',
      moving_averages: true,
      evaluations: [evaluation, ofAverages, ofVariables],
    } as const;
    const file = new File([writeModelFile(hashedParameters(graph, 2), withResults)], 'mine.safetensors');
    const model = await readModelFile(file, 'mine.safetensors');
    expect(model.metadata?.evaluations).toEqual([evaluation, ofAverages, ofVariables]);
    expect(runWeights(model.metadata)).toEqual({ step: 60, bestBy: 'pairs', areMovingAverages: true });
    const card = modelCard(model, { format: 'onnx', license: 'CC0-1.0' }, 'm.onnx');
    for (const values of ['', 'moving averages', 'variables'])
      expect(card).toContain(
        `| lfw\\|160 | not known | 6000 | 60 | ${values} | 0.9905 ± 0.0042 | 0.9700 ± 0.0100 | 0.00100 | 0.9990 | 0.0100 |`,
      );
    expect(card).toContain('the run’s checkpoint with the best accuracy on pairs');
    expect(card).toContain('The weights are the exponential moving averages of the trained variables');
    expect(card).toContain('## Licence\nCC0-1.0');
  });
});

const fixturePath = '../shared/fixtures/inception-resnet-v1.json';
it.skipIf(!existsSync(fixturePath))('an exported graph model gives the reference’s embeddings', async () => {
  const fixture = JSON.parse(readFileSync(fixturePath, 'utf8'));
  const { seed, image_size: imageSize, batch_size: count, embedding_size: embeddingSize } = fixture;
  const reference = buildModel(fixture.model, { embeddingSize, classes: 0 });
  const directory = new MemoryDirectory('export');
  for (const { path, content } of tfjsModelFiles({
    name: 'fixture',
    graph: reference,
    parameters: hashedParameters(reference, seed),
    imageSize,
    useFixedImageStandardization: true,
  }))
    directory.files.set(path, content);
  const images = Float32Array.from(hashedPixels(count, imageSize, seed), (p) => (p - 127.5) / 128);
  const embeddings = await embedWithGraphModel(directory, 'model.json', images, imageSize);
  const expected = (fixture.eval.embeddings as number[][]).flat();
  expect(embeddings).toHaveLength(expected.length);
  const error = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - embeddings[i]!)), 0);
  expect(error).toBeLessThanOrEqual(1e-5);
  console.info(`Largest error of the exported graph model's embeddings: ${error}`);
});

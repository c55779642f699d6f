/**
 * Exports in a real browser: a model into the private file system, loaded from there as anyone would load it, with
 * stock `@tensorflow/tfjs` on its WebAssembly and WebGPU backends.
 */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { openDirectory, openWritableDirectory } from '../../../workers/files/open.ts';
import { tfjsGraphModelFiles } from '../../../workers/models/tfjs_graph_model.ts';
import { hashedParameters, hashedPixels } from '../../../workers/compute/graph/hashed_tensors.ts';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import { withEmbedder } from '../../../workers/jobs/embedder.ts';
import { exportModel } from '../../../workers/jobs/models/export_job.ts';
import { loadModel } from '../../../workers/models/load_model.ts';
import { writeModelFile } from '../../../workers/models/model_file.ts';
import type { DirectoryReference } from '../../../workers/protocol/data/dataset.ts';
import type { ExportFormat, ExportSummary } from '../../../workers/protocol/models/export.ts';
import { selectBackend } from '../../../workers/compute/tfjs/backends.ts';
import { TfjsExecutor } from '../../../workers/compute/tfjs/executor.ts';
import { centredTransforms } from '../../../workers/compute/step/augmentation.ts';
import { embeddersFrom, type ImageBatch } from '../../../workers/compute/executor.ts';
import { referenceEmbedding, smallGraph } from '../../unit/formats/formats_reference.ts';

const SIZE = 80;
const EMBEDDING_SIZE = 32;
const graph = buildModel('inception_resnet_v1', { embeddingSize: EMBEDDING_SIZE, classes: 2 });
const parameters = hashedParameters(graph, 4);
const file = new File(
  [
    writeModelFile(parameters, {
      model_def: 'models.inception_resnet_v1',
      embedding_size: EMBEDDING_SIZE,
      image_size: SIZE,
      use_fixed_image_standardization: true,
      class_names: ['Ann', 'Bob'],
    }),
  ],
  'mine.safetensors',
);
const folder = (name: string): DirectoryReference => ({ kind: 'private', path: `export-test/${name}` });
const createEmbedder = embeddersFrom(async (settings) => new TfjsExecutor(settings, 'test'));
const exportTo = (name: string, format: ExportFormat): Promise<ExportSummary> =>
  exportModel(
    {
      model: { kind: 'file', file },
      format,
      output: { kind: 'directory', directory: folder(name) },
    },
    createEmbedder,
  );

async function embed(model: Awaited<ReturnType<typeof loadModel>>, batch: ImageBatch): Promise<Float32Array> {
  return withEmbedder(
    model,
    { batchSize: batch.count, imageSize: SIZE, useFixedImageStandardization: true },
    createEmbedder,
    (executor) => executor.embed(batch),
  );
}

function images(count: number): ImageBatch {
  return {
    count,
    height: SIZE,
    width: SIZE,
    pixels: hashedPixels(count, SIZE, 9),
    transforms: centredTransforms(count, { width: SIZE, height: SIZE }, SIZE),
  };
}

/** Loads the model like the snippet on the model card, from files that a person has chosen. */
async function embedWithStockTfjs(name: string, batch: ImageBatch): Promise<Float32Array> {
  const directory = await openDirectory(folder(name));
  const files: File[] = [];
  for await (const { path } of directory.list())
    if (/\.(json|bin)$/.test(path)) files.push(new File([await directory.read(path)], path));
  files.sort((a, b) => Number(b.name === 'model.json') - Number(a.name === 'model.json'));
  const model = await tf.loadGraphModel(tf.io.browserFiles(files));
  const embeddings = tf.tidy(() => {
    const pixels = tf.tensor4d(batch.pixels, [batch.count, SIZE, SIZE, 3]).toFloat();
    return model.predict(pixels.sub(127.5).div(128)) as tf.Tensor2D;
  });
  expect(embeddings.shape).toEqual([batch.count, EMBEDDING_SIZE]);
  const values = (await embeddings.data()) as Float32Array;
  embeddings.dispose();
  model.dispose();
  return values;
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((largest, value, index) => Math.max(largest, Math.abs(value - b[index]!)), 0);
}

describe('exports in the browser', () => {
  let expected: Float32Array;

  beforeAll(async () => {
    await selectBackend('wasm');
    expected = await embed(await loadModel({ kind: 'file', file }), images(2));
  });

  it('are verified, and load with stock tfjs on WebAssembly', async () => {
    const summary = await exportTo('tfjs', 'tfjs');
    expect(summary.verification.maxAbsError).toBeLessThanOrEqual(1e-5);
    expect(tf.getBackend()).toBe('wasm');
    expect(largestDifference(await embedWithStockTfjs('tfjs', images(2)), expected)).toBeLessThanOrEqual(
      1e-5,
    );
  });

  it('as ONNX are run by onnxruntime-web in a worker', async () => {
    const summary = await exportTo('onnx', 'onnx');
    expect(summary.verification.by).toBe('onnxruntime-web');
    expect(summary.verification.maxAbsError).toBeLessThanOrEqual(1e-5);
  });

  // The whole network takes most of a minute on a software adapter. This one has every kind of node.
  it('load with stock tfjs on WebGPU and agree with a float64 evaluation', async () => {
    const small = smallGraph(EMBEDDING_SIZE);
    const values = hashedParameters(small, 6);
    const directory = await openWritableDirectory(folder('small'));
    for (const { path, content } of tfjsGraphModelFiles(small, values, SIZE, {}))
      await directory.write(path, content);
    const batch = images(2);
    const reference = Array.from({ length: batch.count }, (_, index) => {
      const length = SIZE * SIZE * 3;
      const image = batch.pixels.subarray(index * length, (index + 1) * length);
      return [
        ...referenceEmbedding(
          small,
          values,
          Float32Array.from(image, (p) => (p - 127.5) / 128),
          SIZE,
        ),
      ];
    });
    await selectBackend('webgpu');
    try {
      const embeddings = await embedWithStockTfjs('small', batch);
      expect(largestDifference(embeddings, Float32Array.from(reference.flat()))).toBeLessThanOrEqual(1e-5);
    } finally {
      await selectBackend('wasm');
    }
  });

  it('are read back by this program with the same embeddings', async () => {
    const reloaded = await loadModel({ kind: 'directory', directory: folder('tfjs') });
    expect(reloaded.graph.outputs.logits).toBeUndefined();
    expect(largestDifference(await embed(reloaded, images(2)), expected)).toBeLessThanOrEqual(1e-5);
  });

  it('as safetensors keep every variable, the classifier included', async () => {
    const summary = await exportTo('safetensors', 'safetensors');
    expect(summary.verification.maxAbsError).toBe(0);
    expect(summary.files.map(({ path }) => path)).toEqual(['model_card.md', 'mine.safetensors']);
    const reloaded = await loadModel({ kind: 'directory', directory: folder('safetensors') });
    expect([...reloaded.parameters.keys()].sort()).toEqual([...parameters.keys()].sort());
    // The names of the people are exported only on request.
    expect(reloaded.metadata).toMatchObject({ class_names: undefined, class_count: 2 });
    const name = 'InceptionResnetV1/Repeat_1/block17_3/Conv2d_1x1/weights';
    expect(reloaded.parameters.get(name)!.data).toEqual(parameters.get(name)!.data);
  });
});

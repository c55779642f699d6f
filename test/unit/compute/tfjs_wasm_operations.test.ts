/** Gradients of strided convolutions on TensorFlow.js' WebAssembly backend, against plain loops. */
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import type { Padding } from '../../../workers/compute/graph/ir.ts';
import { windowGeometry } from '../../../workers/compute/graph/shapes.ts';
import { hashKey, uniform } from '../../../workers/common/random.ts';
import { WasmOperations } from '../../../workers/compute/tfjs/wasm_operations.ts';

beforeAll(async () => {
  await tf.setBackend('wasm');
  await tf.ready();
});

const [BATCH, CHANNELS, FILTERS] = [2, 3, 4];

function values(count: number, stream: number): Float32Array {
  const key = hashKey(11, stream);
  return Float32Array.from({ length: count }, (_, index) => 2 * uniform(key, index) - 1);
}

// TensorFlow puts the odd pixel of SAME after the image, so that even and odd sizes differ.
const cases: [number, number, number, number, Padding][] = [
  [4, 4, 3, 2, 'SAME'],
  [5, 6, 3, 2, 'SAME'],
  [8, 7, 7, 2, 'SAME'],
  [7, 8, 3, 3, 'SAME'],
  [8, 9, 3, 2, 'VALID'],
  [6, 5, 1, 2, 'SAME'],
];

it.each(cases)('%i × %i pixels, kernel %i, stride %i, %s', (height, width, kernel, stride, padding) => {
  const rows = windowGeometry(height, kernel, stride, padding);
  const columns = windowGeometry(width, kernel, stride, padding);
  const input = values(BATCH * height * width * CHANNELS, 1);
  const filter = values(kernel * kernel * CHANNELS * FILTERS, 2);
  const gradient = values(BATCH * rows.length * columns.length * FILTERS, 3);
  const inputGradient = new Float64Array(input.length);
  const filterGradient = new Float64Array(filter.length);
  let at = 0;
  for (let n = 0; n < BATCH; n++)
    for (let oy = 0; oy < rows.length; oy++)
      for (let ox = 0; ox < columns.length; ox++)
        for (let f = 0; f < FILTERS; f++, at++)
          for (let ky = 0; ky < kernel; ky++)
            for (let kx = 0; kx < kernel; kx++) {
              const [y, x] = [oy * stride + ky - rows.before, ox * stride + kx - columns.before];
              if (y < 0 || y >= height || x < 0 || x >= width) continue;
              for (let c = 0; c < CHANNELS; c++) {
                const pixel = ((n * height + y) * width + x) * CHANNELS + c;
                const weight = ((ky * kernel + kx) * CHANNELS + c) * FILTERS + f;
                inputGradient[pixel]! += gradient[at]! * filter[weight]!;
                filterGradient[weight]! += gradient[at]! * input[pixel]!;
              }
            }

  const operations = new WasmOperations();
  const geometry = {
    input: [BATCH, height, width, CHANNELS],
    filter: [kernel, kernel, CHANNELS, FILTERS],
    stride,
    padding,
  } as const;
  const gradientTensor = tf.tensor4d(gradient, [BATCH, rows.length, columns.length, FILTERS]);
  const ofInput = operations.conv2dInputGradient(
    gradientTensor,
    tf.tensor4d(filter, [...geometry.filter]),
    geometry,
  );
  const ofFilter = operations.conv2dFilterGradient(
    tf.tensor4d(input, [...geometry.input]),
    gradientTensor,
    geometry,
  );
  expect(ofInput.shape).toEqual(geometry.input);
  expect(ofFilter.shape).toEqual(geometry.filter);
  ofInput.dataSync().forEach((value, index) => expect(value).toBeCloseTo(inputGradient[index]!, 4));
  ofFilter.dataSync().forEach((value, index) => expect(value).toBeCloseTo(filterGradient[index]!, 4));
});

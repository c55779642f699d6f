/** Winograd's method compared with plain sums, on images of all shapes, in memory full of NaN. */
import { describe, expect, it } from 'vitest';
import {
  addWinograd,
  packWinogradWeights,
  winograd,
  winogradScratchBytes,
} from '../../../workers/detector/simd/winograd.ts';
import type { WinogradFunctions } from '../../../workers/detector/simd/winograd.ts';
import { hashKey, uniform } from '../../../workers/common/random.ts';
import { KernelMemory } from '../../../workers/webassembly/memory.ts';
import { ModuleWriter } from '../../../workers/webassembly/module.ts';

function values(seed: number, length: number, scale: number): Float32Array {
  const key = hashKey(seed);
  return Float32Array.from({ length }, (_, index) => scale * (uniform(key, index) - 0.5));
}

/** Plain sums in doubles. */
function convolved(
  input: Float32Array,
  weights: Float32Array,
  bias: Float32Array,
  slopes: Float32Array,
  rows: number,
  columns: number,
  channels: number,
): Float64Array {
  const filters = bias.length;
  const output = new Float64Array((rows - 2) * (columns - 2) * filters);
  for (let y = 0; y < rows - 2; y++)
    for (let x = 0; x < columns - 2; x++)
      for (let filter = 0; filter < filters; filter++) {
        let sum = bias[filter]!;
        for (let tap = 0; tap < 9; tap++)
          for (let channel = 0; channel < channels; channel++)
            sum +=
              input[((y + Math.floor(tap / 3)) * columns + x + (tap % 3)) * channels + channel]! *
              weights[(tap * channels + channel) * filters + filter]!;
        output[(y * (columns - 2) + x) * filters + filter] = sum < 0 ? sum * slopes[filter]! : sum;
      }
  return output;
}

const SHAPES = [
  [4, 4],
  [4, 5],
  [5, 4],
  [7, 9],
  [11, 11],
  [23, 23],
  [6, 200],
  [70, 5],
  [9, 131],
] as const;
const LAYERS = [
  { channels: 4, filters: 4, tile: [3, 3] },
  { channels: 28, filters: 48, tile: [3, 3] },
  { channels: 16, filters: 32, tile: [4, 2] },
] as const;
const ALIGNMENT = 64;

describe('a convolution by Winograd’s method', () => {
  for (const layer of LAYERS)
    it.each(SHAPES)(
      `of ${layer.channels} channels to ${layer.filters}, %i × %i, gives the plain sums and writes nothing else`,
      (rows, columns) => {
        const { channels, filters } = layer;
        const module = new ModuleWriter();
        addWinograd(module, 'layer', layer);
        const memory = new KernelMemory();
        const kernels = memory.instantiate(module.bytes()) as Record<string, unknown>;
        const input = values(rows, rows * columns * channels, 2);
        const weights = values(columns, 9 * channels * filters, 1 / channels);
        const [bias, slopes] = [values(3, filters, 1), values(4, filters, 1)];
        const packed = packWinogradWeights(layer, weights, bias, slopes);
        const outputLength = (rows - 2) * (columns - 2) * filters;
        let end = 0;
        const place = (bytes: number): number => {
          const at = end + ALIGNMENT;
          end = Math.ceil((at + bytes) / ALIGNMENT) * ALIGNMENT;
          return at;
        };
        const [from, to, packedAt, scratch] = [
          place(4 * input.length),
          place(4 * outputLength),
          place(4 * packed.length),
          place(winogradScratchBytes(layer)),
        ] as const;
        memory.reserve(end + ALIGNMENT);
        memory.floats.fill(NaN);
        memory.write(from, input);
        memory.write(packedAt, packed);
        const functions: WinogradFunctions = {
          planes: kernels.layerPlanes as WinogradFunctions['planes'],
          products: kernels.layerProducts as WinogradFunctions['products'],
          pixels: kernels.layerPixels as WinogradFunctions['pixels'],
        };
        winograd(functions, layer, packedAt, scratch, from, to, rows, columns);
        const expected = convolved(input, weights, bias, slopes, rows, columns, channels);
        const actual = memory.floats.subarray(to / 4, to / 4 + outputLength);
        expect(
          actual.reduce((worst, value, index) => Math.max(worst, Math.abs(value - expected[index]!)), 0),
        ).toBeLessThan(2e-6);
        expect(actual.some(Number.isNaN)).toBe(false);
        // Before the output, after it, and after the scratch memory.
        for (const [begin, stop] of [
          [to - ALIGNMENT, to],
          [to + 4 * outputLength, packedAt],
          [scratch + winogradScratchBytes(layer), end + ALIGNMENT],
        ] as const)
          expect(memory.floats.subarray(begin / 4, stop / 4).every(Number.isNaN)).toBe(true);
      },
    );
});

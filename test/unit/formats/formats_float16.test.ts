/** Half precision: rounding, range, and reading files with float16. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryDirectory } from '../../../workers/files/memory_directory.ts';
import { Float16RangeError, float16ToNumber, toFloat16 } from '../../../workers/formats/float_formats.ts';
import { safetensorsBlob, SafetensorsFile } from '../../../workers/formats/safetensors.ts';
import { HWIO_TO_OIHW, OIHW_TO_HWIO, permuteTensor } from '../../../workers/formats/tensor_layout.ts';
import { tfjsGraphModelFiles } from '../../../workers/models/tfjs_graph_model.ts';
import { TfjsGraphModelFile } from '../../../workers/formats/tfjs_graph_reader.ts';
import { hashedParameters } from '../../../workers/compute/graph/hashed_tensors.ts';
import { smallGraph } from './formats_reference.ts';

const round = (value: number): number => toFloat16(Float32Array.of(value), 'x')[0]!;

describe('float16', () => {
  it('keeps each of its own values', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = float16ToNumber(bits);
      if (Number.isNaN(value)) expect(float16ToNumber(round(value))).toBeNaN();
      else if (round(value) !== bits) throw new Error(`${bits} becomes ${round(value)}`);
    }
  });

  it('rounds to the nearest, ties to even', () => {
    fc.assert(
      fc.property(fc.float({ min: -65504, max: 65504, noNaN: true }), (value) => {
        const bits = round(value);
        const error = Math.abs(float16ToNumber(bits) - value);
        for (const other of [bits - 1, bits + 1]) {
          if ((other & 0x7c00) === 0x7c00 || other < 0) continue;
          const otherError = Math.abs(float16ToNumber(other & 0xffff) - value);
          expect(error).toBeLessThanOrEqual(otherError);
          if (error === otherError && error > 0) expect(bits & 1).toBe(0);
        }
      }),
      { numRuns: 3000 },
    );
    expect(float16ToNumber(round(1 + 2 ** -11))).toBe(1);
    expect(float16ToNumber(round(1 + 3 * 2 ** -11))).toBe(1 + 2 ** -9);
  });

  it('refuses what it cannot hold, by name', () => {
    expect(() => toFloat16(Float32Array.of(1, 65520), 'Conv/weights')).toThrow(Float16RangeError);
    expect(() => toFloat16(Float32Array.of(1, 65520), 'Conv/weights')).toThrow(
      'Conv/weights has the value 65520',
    );
    expect(float16ToNumber(round(65519))).toBe(65504);
  });

  it('in files takes half the bytes, and is read back; vectors stay float32', async () => {
    const graph = smallGraph();
    const parameters = hashedParameters(graph, 2);
    const file = await SafetensorsFile.open(safetensorsBlob(parameters, {}, 'float16'), 'a');
    for (const [name, { shape, data }] of parameters) {
      expect(file.entries.get(name)!.dtype).toBe(shape.length > 1 ? 'F16' : 'F32');
      const expected = shape.length > 1 ? Float32Array.from(toFloat16(data, name), float16ToNumber) : data;
      expect((await file.read(name)).data).toEqual(expected);
    }
    const read = async (weightFormat: 'float16' | 'float32') => {
      const folder = new MemoryDirectory();
      for (const { path, content } of tfjsGraphModelFiles(graph, parameters, 21, {}, weightFormat))
        await folder.write(path, content);
      return (await TfjsGraphModelFile.open(folder, 'model.json')).read('Small/Up/weights');
    };
    const whole = await read('float32');
    const expected = Float32Array.from(toFloat16(whole.data, 'x'), float16ToNumber);
    expect((await read('float16')).data).toEqual(expected);
    expect(expected).not.toEqual(whole.data);
  });
});

describe('layouts', () => {
  it('change place by place, and back', () => {
    fc.assert(
      fc.property(fc.tuple(...[1, 2, 3, 4].map(() => fc.integer({ min: 1, max: 4 }))), (shape) => {
        const count = shape.reduce((product, size) => product * size, 1);
        const tensor = { shape, data: Float32Array.from({ length: count }, (_, i) => i) };
        const there = permuteTensor(tensor, HWIO_TO_OIHW);
        const [height, width, input, output] = shape as [number, number, number, number];
        expect(there.shape).toEqual([output, input, height, width]);
        const last = [height - 1, width - 1, input - 1, output - 1] as const;
        const from = (last[0] * width * input + 0) * output + last[3];
        const to = ((last[3] * input + 0) * height + last[0]) * width;
        expect(there.data[to]).toBe(tensor.data[from]);
        expect(permuteTensor(there, OIHW_TO_HWIO)).toEqual(tensor);
      }),
      { numRuns: 100 },
    );
  });
});

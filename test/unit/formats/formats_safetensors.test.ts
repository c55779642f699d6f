import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { float16ToNumber } from '../../../workers/formats/float_formats.ts';
import { findDuplicateKey } from '../../../workers/common/json_keys.ts';
import {
  safetensorsBlob,
  SafetensorsError,
  SafetensorsFile,
  safetensorsParts,
} from '../../../workers/formats/safetensors.ts';
import type { HostTensor } from '../../../workers/protocol/tensor.ts';

/** Writes a file after the specification, independently of the program's writer. */
function makeFile(header: unknown, data: Uint8Array<ArrayBuffer> = new Uint8Array(0)): Blob {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setUint32(0, text.length, true);
  return new Blob([length, text, data]);
}

async function problemOf(file: Blob): Promise<string> {
  const error = await SafetensorsFile.open(file, 'a.safetensors').catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(SafetensorsError);
  return (error as Error).message;
}

const tensor = fc.array(fc.nat(4), { maxLength: 4 }).chain((shape) => {
  const count = shape.reduce((product, size) => product * size, 1);
  return fc
    .array(fc.float({ noNaN: false }), { minLength: count, maxLength: count })
    .map((values): HostTensor => ({ shape, data: Float32Array.from(values) }));
});
const names = fc.oneof(
  fc.string().filter((name) => name !== '__metadata__'),
  fc.constantFrom('__proto__', 'constructor', '7', 'InceptionResnetV1/Bottleneck/weights', '名前', '"\\', ''),
);
const tensors = fc.uniqueArray(fc.tuple(names, tensor), { maxLength: 6, selector: ([name]) => name });
const metadata = fc.dictionary(
  fc.string().filter((key) => key !== '__proto__'),
  fc.string(),
  { maxKeys: 4 },
);

describe('safetensors', () => {
  it('reads what it writes', async () => {
    await fc.assert(
      fc.asyncProperty(tensors, metadata, async (list, texts) => {
        const written = new Map(list);
        const file = await SafetensorsFile.open(safetensorsBlob(written, texts), 'a');
        expect([...file.entries.keys()].sort()).toEqual([...written.keys()].sort());
        expect(Object.fromEntries(file.metadata)).toEqual({ ...texts });
        for (const [name, { shape, data }] of written) {
          const read = await file.read(name);
          expect(read.shape).toEqual(shape);
          expect(new Uint32Array(read.data.buffer)).toEqual(new Uint32Array(data.buffer));
        }
      }),
      { numRuns: 200 },
    );
  });

  it('writes the tensors’ own memory, values from a multiple of eight bytes on', () => {
    const data = new Float32Array(8).subarray(2, 6);
    const [head, values, ...more] = safetensorsParts(new Map([['a', { shape: [4], data }]]));
    expect(more).toHaveLength(0);
    expect(values!.buffer).toBe(data.buffer);
    expect(values!.byteOffset).toBe(8);
    expect(values!.byteLength).toBe(16);
    expect(head!.length % 8).toBe(0);
  });

  it('reads a file of another writer, in every number format', async () => {
    const data = new Uint8Array(64);
    const view = new DataView(data.buffer);
    view.setFloat32(0, 1.5, true);
    view.setUint16(4, 0x3e00, true); // 1.5 as float16
    view.setUint16(6, 0xbfc0, true); // −1.5 as bfloat16
    view.setFloat64(8, 0.1, true);
    view.setBigInt64(16, -3n, true);
    view.setBigUint64(24, 3n, true);
    view.setInt32(32, -70000, true);
    view.setUint32(36, 70000, true);
    view.setInt16(40, -300, true);
    view.setUint16(42, 300, true);
    view.setInt8(44, -3);
    view.setUint8(45, 200);
    view.setUint8(46, 1);
    const at: [string, number, number, number][] = [
      ['F32', 0, 4, 1.5],
      ['F16', 4, 6, 1.5],
      ['BF16', 6, 8, -1.5],
      ['F64', 8, 16, Math.fround(0.1)],
      ['I64', 16, 24, -3],
      ['U64', 24, 32, 3],
      ['I32', 32, 36, -70000],
      ['U32', 36, 40, 70000],
      ['I16', 40, 42, -300],
      ['U16', 42, 44, 300],
      ['I8', 44, 45, -3],
      ['U8', 45, 46, 200],
      ['BOOL', 46, 47, 1],
    ];
    const header = Object.fromEntries(
      at.map(([dtype, begin, end]) => [dtype, { dtype, shape: [], data_offsets: [begin, end] }]),
    );
    const file = await SafetensorsFile.open(
      makeFile({ ...header, last: { dtype: 'F8_E4M3', shape: [17], data_offsets: [47, 64] } }, data),
      'a',
    );
    for (const [dtype, , , expected] of at) expect([...(await file.read(dtype)).data]).toEqual([expected]);
    await expect(file.read('last')).rejects.toThrow(/F8_E4M3/);
    await expect(file.read('missing')).rejects.toThrow(SafetensorsError);
  });

  it('knows all float16 values', () => {
    expect([0x0000, 0x3c00, 0xc000, 0x7bff, 0x0001, 0x03ff, 0x0400, 0x7c00].map(float16ToNumber)).toEqual([
      0,
      1,
      -2,
      65504,
      2 ** -24,
      1023 * 2 ** -24,
      2 ** -14,
      Infinity,
    ]);
    expect(Object.is(float16ToNumber(0x8000), -0)).toBe(true);
    expect(float16ToNumber(0x7e00)).toBeNaN();
  });

  it('names what is wrong with a file', async () => {
    const entry = (begin: number, end: number, shape: unknown = [(end - begin) / 4]): object => ({
      dtype: 'F32',
      shape,
      data_offsets: [begin, end],
    });
    const bytes = (count: number): Uint8Array<ArrayBuffer> => new Uint8Array(count);
    expect(await problemOf(new Blob([]))).toMatch(/only 0 bytes/);
    expect(await problemOf(new Blob([bytes(20).fill(255)]))).toMatch(/header would end after/);
    expect(await problemOf(makeFile('[]'))).toMatch(/not a JSON object/);
    expect(await problemOf(makeFile('{"a":'))).toMatch(/not valid JSON/);
    expect(await problemOf(makeFile('\ufeff{}'))).toMatch(/not a JSON object/);
    expect(await problemOf(makeFile({ a: entry(0, 8), b: entry(4, 12) }, bytes(12)))).toMatch(/overlaps/);
    expect(await problemOf(makeFile({ a: entry(0, 4), b: entry(8, 12) }, bytes(12)))).toMatch(/hole/);
    expect(await problemOf(makeFile({ a: entry(0, 8) }, bytes(4)))).toMatch(/after the end/);
    expect(await problemOf(makeFile({ a: entry(0, 8) }, bytes(9)))).toMatch(/1 bytes at its end/);
    expect(await problemOf(makeFile({ a: entry(8, 0, [-2]) }, bytes(8)))).toMatch(/shape/);
    expect(await problemOf(makeFile({ a: entry(0, 8, [2 ** 52, 2 ** 52]) }, bytes(8)))).toMatch(
      /does not fit/,
    );
    expect(await problemOf(makeFile({ a: entry(0, 8, [1.5]) }, bytes(8)))).toMatch(/shape/);
    expect(await problemOf(makeFile({ a: { ...entry(0, 8), dtype: 'Q4' } }, bytes(8)))).toMatch(/Q4/);
    expect(await problemOf(makeFile({ a: 3 }))).toMatch(/no description/);
    expect(await problemOf(makeFile({ __metadata__: { a: 3 } }))).toMatch(/metadata/);
    const one = JSON.stringify(entry(0, 4));
    expect(await problemOf(makeFile(`{"a":${one},"a":${one}}`, bytes(4)))).toMatch(/"a" twice/);
    expect(await problemOf(makeFile(`{"a":${one},"\\u0061":${one}}`, bytes(4)))).toMatch(/"a" twice/);
  });

  it('refuses an absurd header before it is read', async () => {
    // A file that seems to have 2 GB; it states a header of 1 GB.
    let readBytes = 0;
    const huge = {
      size: 2 ** 31,
      slice(start: number, end: number) {
        readBytes += end - start;
        const bytes = new Uint8Array(end - start);
        new DataView(bytes.buffer).setUint32(0, 2 ** 30, true);
        return new Blob([bytes]);
      },
    } as unknown as Blob;
    expect(await problemOf(huge)).toMatch(/header would have 1073741824 bytes/);
    expect(readBytes).toBe(8);
  });

  it('meets any damaged file with its own error, or reads it', async () => {
    const original = new Uint8Array(
      await safetensorsBlob(
        new Map([
          ['a/weights', { shape: [2, 3], data: new Float32Array(6).fill(1) }],
          ['b', { shape: [0], data: new Float32Array(0) }],
          ['c/biases', { shape: [3], data: new Float32Array(3) }],
        ]),
        { format: 'x' },
      ).arrayBuffer(),
    );
    const position = fc.nat(original.length - 1);
    const change = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant('set' as const), at: position, value: fc.nat(255) }),
      },
      fc.record({ kind: fc.constant('cut' as const), at: position, value: fc.nat(40) }),
      fc.record({ kind: fc.constant('insert' as const), at: position, value: fc.nat(255) }),
      fc.record({ kind: fc.constant('digit' as const), at: position, value: fc.nat(9) }),
    );
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), async (changes) => {
        let bytes = [...original];
        for (const { kind, at, value } of changes)
          if (kind === 'set') bytes[at] = value;
          else if (kind === 'cut') bytes = [...bytes.slice(0, at), ...bytes.slice(at + value)];
          else if (kind === 'insert') bytes.splice(at, 0, value);
          else {
            const digit = bytes.findIndex((byte, index) => index >= at && byte >= 0x30 && byte <= 0x39);
            if (digit >= 0) bytes[digit] = 0x30 + value;
          }
        try {
          const file = await SafetensorsFile.open(new Blob([Uint8Array.from(bytes)]), 'a');
          for (const [name, { shape }] of file.entries)
            expect((await file.read(name)).data).toHaveLength(shape.reduce((a, b) => a * b, 1));
        } catch (error) {
          if (!(error instanceof SafetensorsError)) throw error;
          refused++;
        }
      }),
      { numRuns: 3000 },
    );
    expect(refused).toBeGreaterThan(1000);
  });
});

describe('findDuplicateKey', () => {
  it('finds none in what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        expect(findDuplicateKey(JSON.stringify(JSON.parse(json)))).toBeUndefined();
      }),
    );
  });

  it('finds a key that is there twice, at any depth, however it is written', () => {
    fc.assert(
      fc.property(fc.string(), fc.json(), fc.nat(3), (key, value, depth) => {
        const escaped = `"${[...key].map((char) => [...Array(char.length).keys()].map((i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')).join('')}"`;
        const object = `{ ${JSON.stringify(key)} : ${value}, ${escaped}:${value} }`;
        const nested = `${'[{"x":'.repeat(depth)}${object}${'}]'.repeat(depth)}`;
        JSON.parse(nested);
        // The value may itself repeat a key; if not, the repeated key is the one from this test.
        expect(findDuplicateKey(nested)).toBeDefined();
      }),
    );
  });

  it('keeps objects and texts apart', () => {
    expect(findDuplicateKey('{"a":{"a":1},"b":["a","a"],"c":"\\"a\\":"}')).toBeUndefined();
    expect(findDuplicateKey('[{"a":1},{"a":1}]')).toBeUndefined();
  });
});

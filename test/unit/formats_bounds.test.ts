/**
 * Files that were made to fill the memory or to keep a reader busy: small, and far more than they seem. Each is refused
 * by name, or read in the time and memory that its reader states. What is asserted is the work that is done, not its
 * duration. import_fuzz.test.ts damages honest files.
 */
import { describe, expect, it } from 'vitest';
import { PickleDict, PickleError, readPickle, type PickleValue } from '../../workers/formats/pickle.ts';
import { PytorchFile, PytorchFileError } from '../../workers/formats/pytorch_file.ts';
import { pickle } from './import_writers.ts';
import { writeZip } from './zip_writer.ts';

const allowAll = (): boolean => true;
const { call, dict, global, integer, tensor, text, tuple, whole } = pickle;
const orderedDict = global('collections', 'OrderedDict');
const put = (index: number): Buffer => Buffer.from([0x71, index]);
const get = (index: number): Buffer => Buffer.from([0x68, index]);
const list = (...items: Buffer[]): Buffer => Buffer.concat([Buffer.from(']('), ...items, Buffer.from('e')]);

/** A PyTorch file of now, with this pickle and these storages of bytes. */
function pytorchZip(value: Buffer, storages: Readonly<Record<string, Uint8Array>> = {}): Blob {
  return new Blob([
    writeZip([
      { name: 'a/data.pkl', content: whole(value) },
      ...Object.entries(storages).map(([key, content]) => ({ name: `a/data/${key}`, content })),
    ]),
  ]);
}

async function pytorchProblem(blob: Blob): Promise<string> {
  const error = await PytorchFile.open(blob, 'a.pt').catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(PytorchFileError);
  return (error as Error).message;
}

describe('pickles', () => {
  it('whose OrderedDicts share one long list are refused before its items are copied often', () => {
    const pair = tuple(text('k'), integer(1));
    const items = 2000;
    const calls = 5000;
    const bytes = whole(
      list(
        list(...Array.from({ length: items }, () => pair)),
        put(0),
        ...Array.from({ length: calls }, () =>
          call(orderedDict, Buffer.concat([get(0), Buffer.from([0x85])])),
        ),
      ),
    );
    expect(() => readPickle(bytes, allowAll)).toThrow(PickleError);
    expect(() => readPickle(bytes, allowAll)).toThrow('more items than it could name');
    // One such call is what Python 2 writes.
    const honest = whole(call(orderedDict, tuple(list(pair, pair))));
    expect((readPickle(honest, allowAll).value as PickleDict).entries).toEqual([
      ['k', 1],
      ['k', 1],
    ]);
  });

  it('with more operations than any state dict are refused', () => {
    const bytes = Buffer.concat([Buffer.alloc(1_100_000, '}'), Buffer.from('.')]);
    expect(() => readPickle(bytes, allowAll)).toThrow('too many operations');
  });

  it('nested as deeply as they are long are read, and refused as state dicts by name', async () => {
    const depth = 100_000;
    const nested = (innermost: Buffer, around: Buffer): Buffer =>
      Buffer.concat([innermost, ...Array.from({ length: depth }, () => around)]);
    // Tuples in tuples, persistent ids in persistent ids.
    for (const around of [Buffer.from([0x85]), Buffer.from('Q')]) {
      let value: PickleValue | undefined = readPickle(
        whole(nested(Buffer.from('N'), around)),
        allowAll,
      ).value;
      let levels = 0;
      while (value !== null && typeof value === 'object' && ('items' in value || 'id' in value)) {
        value = 'items' in value ? value.items[0] : value.id;
        levels++;
      }
      expect(levels).toBe(depth);
      const file = await PytorchFile.open(pytorchZip(nested(Buffer.from('N'), around)), 'a.pt');
      expect(file.tensors.size).toBe(0);
    }
    // Parameters in parameters: a global below, each value made its argument.
    const rebuild = global('torch._utils', '_rebuild_parameter');
    const parameters = Buffer.concat([
      rebuild,
      put(0),
      Buffer.from('0'),
      ...Array.from({ length: depth }, () => get(0)),
      tensor('0', 1, [1], [1]),
      ...Array.from({ length: depth }, () => Buffer.from([0x85, 0x52])),
    ]);
    const file = await PytorchFile.open(pytorchZip(dict(text('w'), parameters)), 'a.pt');
    expect(file.tensors.size).toBe(0);
    // Dicts in dicts.
    const dicts = Buffer.concat([
      ...Array.from({ length: depth }, () => Buffer.concat([Buffer.from('}'), text('d')])),
      Buffer.from('N'),
      ...Array.from({ length: depth }, () => Buffer.from('s')),
    ]);
    expect(await pytorchProblem(pytorchZip(dicts))).toContain('nested too deeply');
  });

  it('whose dicts hold one long dict again and again are refused, whatever its keys are', async () => {
    for (const key of [integer(1), text('k')]) {
      const long = dict(...Array.from({ length: 20_000 }, () => [key, Buffer.from('N')]).flat());
      const value = dict(
        text('a'),
        Buffer.concat([long, put(0)]),
        ...Array.from({ length: 20_000 }, () => [text('b'), get(0)]).flat(),
      );
      expect(await pytorchProblem(pytorchZip(value))).toContain('too many values');
    }
  });
});

describe('PyTorch files', () => {
  it('whose many tensors share one storage read it once', async () => {
    const count = 100;
    const values = Float32Array.from({ length: count }, (_, index) => index);
    const slice = (index: number): Buffer => {
      // A view of one value, as a slice of a parameter is.
      const view = tensor('0', count, [1], [1]);
      const offset = view.indexOf(integer(0));
      return Buffer.concat([view.subarray(0, offset), integer(index), view.subarray(offset + 5)]);
    };
    const value = dict(...Array.from({ length: count }, (_, i) => [text(`w${i}`), slice(i)]).flat());
    let bytesRead = 0;
    const blob = pytorchZip(value, { 0: new Uint8Array(values.buffer) });
    const slicing = blob.slice.bind(blob);
    blob.slice = (start = 0, end = blob.size, type) => {
      bytesRead += end - start;
      return slicing(start, end, type);
    };
    const file = await PytorchFile.open(blob, 'a.pt');
    for (let index = 0; index < count; index++)
      expect((await file.read(`w${index}`)).data).toEqual(Float32Array.of(index));
    // The directory and each entry once, and a little of each header.
    expect(bytesRead).toBeLessThan(2 * blob.size + 1000);
  });

  it('whose tensors have far more values than are stored are refused when they are opened', async () => {
    const storage = new Uint8Array(4000);
    const same = (index: number): Buffer[] => [text(`w${index}`), tensor('0', 1000, [1000], [1])];
    const four = dict(...[0, 1, 2, 3].flatMap(same));
    expect((await PytorchFile.open(pytorchZip(four, { 0: storage }), 'a.pt')).tensors.size).toBe(4);
    const hundred = dict(...Array.from({ length: 100 }, (_, index) => same(index)).flat());
    expect(await pytorchProblem(pytorchZip(hundred, { 0: storage }))).toContain(
      'far more values than it stores',
    );
  });

  it('that do not have the values they name are refused when they are opened', async () => {
    const value = dict(text('w'), tensor('0', 1000, [1000], [1]));
    expect(await pytorchProblem(pytorchZip(value, { 0: new Uint8Array(3999) }))).toContain('are not whole');
    expect(await pytorchProblem(pytorchZip(value, { 1: new Uint8Array(4000) }))).toContain('is not in it');
    const two = dict(text('v'), tensor('0', 1000, [1000], [1]), text('w'), tensor('0', 999, [999], [1]));
    expect(await pytorchProblem(pytorchZip(two, { 0: new Uint8Array(4000) }))).toContain('two lengths');
  });

  it('stop being read when they are cancelled', async () => {
    const abort = new AbortController();
    const value = dict(text('w'), tensor('0', 1000, [1000], [1]));
    const file = await PytorchFile.open(pytorchZip(value, { 0: new Uint8Array(4000) }), 'a.pt', abort.signal);
    abort.abort();
    await expect(file.read('w')).rejects.toBe(abort.signal.reason);
  });
});

/** HDF5 files that unpack to far more than their size, and files with checksums. */
import h5wasm from 'h5wasm/node';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readDistanceTable } from '../../../workers/formats/distance_table.ts';
import { Hdf5Error, readHdf5, writeHdf5 } from '../../../workers/formats/hdf5.ts';
import { KerasWeightsFile } from '../../../workers/formats/keras_weights.ts';

type Group = InstanceType<typeof h5wasm.Group>;

/** Written by h5py 3.7: `a/a/kernel:0` with 1 … 8, its one chunk with a Fletcher checksum. */
const WITH_FLETCHER = inflateSync(
  Buffer.from(
    'eNrr9HBx4+WS4mIAAQ4OBhYGAQZk8B8K7oii8mHyCVCaEUp3QOkVTDBxRrCcBFRcEGo+urqQIFdXkOr/aABmzwNWCM3BMApGIvBwdQwA0RFQPiyVnmBCVZeIlh49KLQXV/r1YIbwM1iJS78vOEfT72j6xUy/Hay0Tb/Bfv4uoBQMS3cKzGjmo6XjUUBaORDADuEXcBJXDjjwjJYDo+UAohyApacJnKjqslOL8lJzrAwY0MoDByqVAxrsqOaip+NRgKscYIOEGSOMD4lBRkZGlHwNo5mB8iAZQQV5YNsaXAIziHMwiNdD5VmBKkHyTMwQE7mB8oxg82D6IeVMWk5qSXJGapGxEcx8iL3MTEwdvAgrWRAuTaBLeKCnKwPu0TRCDgDVG4xY6g0VHOp3iKLyYeHPMhqUo2AUjIJRMApGwTAGDfaQ7oADEDcA8QIgPgDED0BdBEfmJu4JAOOMfX0=',
    'base64',
  ),
);
/** The same without chunks, by `libver="latest"`: superblock and object headers have checksums. */
const LATEST = inflateSync(
  Buffer.from(
    'eNrr9HBx4+WS4mLm4GCAgf9QoAAVMoCKC0v+t/T3cAliUlD248tGxhVMQsgaYYCLiYGRgYGNhwFIMSYehpnvwUA1oCDisY8CJ4UxUt9JIlM6MshxkjDISRzZqUV5qTlWBi9hLnOkgpNSuIq2gZ0E9DOjCAMDEyMjIyy6YTSzCAOjoII8AwskXBnEORjE64EsVqDrmLk4gC5nYYQpVoAZvIFhyIHL3tOSGUbBKBgFo2AUMDA02AMJByAC4gYgXgDEB4D4gQOo9gEArwpiUQ==',
    'base64',
  ),
);

async function fileOf(write: (group: Group) => void): Promise<Uint8Array<ArrayBuffer>> {
  await h5wasm.ready;
  const folder = mkdtempSync(join(tmpdir(), 'hdf5-'));
  const path = join(folder, 'a.h5');
  const file = new h5wasm.File(path, 'w');
  write(file.create_group('a'));
  file.flush();
  file.close();
  const bytes = Uint8Array.from(readFileSync(path));
  rmSync(folder, { recursive: true });
  return bytes;
}

async function readWeights(bytes: Uint8Array<ArrayBuffer>): Promise<Float32Array> {
  const file = await KerasWeightsFile.open(new Blob([bytes]), 'a.h5');
  return (await file.readAll(file.shapes.keys())).get('a/kernel')!.data;
}

async function problemOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const error = await readWeights(bytes).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Hdf5Error);
  return (error as Error).message;
}

describe('HDF5 files', () => {
  it('that are compressed as far as weights can be are read', async () => {
    const data = Float32Array.from({ length: 100_000 }, (_, index) => Math.fround(Math.sin(index)));
    const bytes = await fileOf((group) =>
      group.create_dataset({
        name: 'kernel:0',
        data,
        shape: [1000, 100],
        chunks: [100, 100],
        compression: 9,
      }),
    );
    expect(await readWeights(bytes)).toEqual(data);
  });

  it('that unpack to far more than they have are refused before anything is unpacked', async () => {
    const zeros = { name: 'kernel:0', data: new Float32Array(6_000_000), shape: [6_000_000] };
    expect(
      await problemOf(
        await fileOf((group) => group.create_dataset({ ...zeros, chunks: [60_000], compression: 9 })),
      ),
    ).toMatch(/would unpack from \d+ to 24000000 bytes\. If you trust it, save it again without compression/);
  });

  it('with a huge shape and no values are refused', async () => {
    const bytes = await fileOf((group) =>
      group
        .create_dataset({
          name: 'kernel:0',
          data: new Float32Array(10),
          shape: [10],
          maxshape: [null],
          chunks: [10],
        })
        .resize([1_000_000_000]),
    );
    expect(bytes.length).toBeLessThan(20_000);
    expect(await problemOf(bytes)).toMatch(/would unpack from \d+ to 4000000000 bytes/);
  });

  it('with a huge chunk for a few values are refused', async () => {
    const bytes = await fileOf((group) =>
      group.create_dataset({
        name: 'kernel:0',
        data: new Float32Array(10),
        shape: [10],
        maxshape: [null],
        chunks: [8_000_000],
        compression: 9,
      }),
    );
    expect(bytes.length).toBeLessThan(50_000);
    expect(await problemOf(bytes)).toMatch(/would unpack from \d+ to 32000000 bytes/);
  });

  it('whose many links lead to one dataset are refused before it is read for each', async () => {
    const bytes = await fileOf((group) => {
      group.create_dataset({ name: 'kernel:0', data: new Float32Array(100_000), shape: [100_000] });
      for (let i = 0; i < 200; i++) group.create_hard_link('/a/kernel:0', `kernel${i}:0`);
    });
    expect(await problemOf(bytes)).toContain('would unpack');
  });

  it('with groups within themselves, or too long names, are refused', async () => {
    const circle = await fileOf((group) => {
      for (let i = 0; i < 10; i++) group.create_hard_link('/a', `b${i}`);
    });
    expect(await problemOf(circle)).toContain('too deeply nested groups');
    const long = await fileOf((group) => group.create_group('n'.repeat(2000)));
    expect(await problemOf(long)).toContain('too long names');
  });

  /** A table of distances with texts of variable length. */
  async function tableOf(paths: string[], resizedTo?: number): Promise<Buffer> {
    await h5wasm.ready;
    const folder = mkdtempSync(join(tmpdir(), 'hdf5-'));
    const path = join(folder, 'a.h5');
    const file = new h5wasm.File(path, 'w');
    const layout = resizedTo === undefined ? {} : { maxshape: [null], chunks: [paths.length] };
    const shape = [paths.length];
    const list = file.create_dataset({ name: 'image_list', data: paths, dtype: 'S', shape, ...layout });
    if (resizedTo !== undefined) list.resize([resizedTo]);
    file.create_dataset({ name: 'distance_to_center', data: new Float32Array(paths.length), shape });
    file.flush();
    file.close();
    const bytes = readFileSync(path);
    rmSync(folder, { recursive: true });
    return bytes;
  }

  it('of distances, with more texts than are read at once, are read', async () => {
    const paths = Array.from({ length: 70_000 }, (_, index) => `a/${index}.png`);
    const rows = await readDistanceTable(new Blob([Uint8Array.from(await tableOf(paths))]));
    expect(rows.map(({ path }) => path)).toEqual(paths);
  });

  it('of distances, with huge shapes or many references to one long text, are refused', async () => {
    const huge = await tableOf(['a/b.png', 'a/c.png'], 1_000_000_000);
    await expect(readDistanceTable(new Blob([Uint8Array.from(huge)]))).rejects.toThrow(/would unpack/);
    const bytes = await tableOf(['x'.repeat(60_000), ...Array.from({ length: 20_000 }, () => 'a')]);
    // A reference is a length and a place. All of them are changed to point to the long text.
    const length = Buffer.alloc(4);
    length.writeUInt32LE(60_000);
    const first = bytes.indexOf(length);
    for (let index = 1; index <= 20_000; index++) bytes.copy(bytes, first + 16 * index, first, first + 16);
    expect(bytes.length).toBeLessThan(1_500_000);
    await expect(readDistanceTable(new Blob([Uint8Array.from(bytes)]))).rejects.toThrow(/would unpack/);
  });

  it('are held against the checksums they have', async () => {
    const expected = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    expect(await readWeights(Uint8Array.from(WITH_FLETCHER))).toEqual(expected);
    expect(await readWeights(Uint8Array.from(LATEST))).toEqual(expected);
    const values = WITH_FLETCHER.indexOf(Buffer.from(expected.buffer));
    expect(values).toBeGreaterThan(0);
    for (let at = values; at < values + 32; at += 5) {
      const damaged = Uint8Array.from(WITH_FLETCHER);
      damaged[at] = damaged[at]! ^ 1;
      expect(await problemOf(damaged)).toContain('cannot be read');
    }
    // The superblock's addresses and flags, and a header's first messages.
    const header = LATEST.indexOf('OHDR');
    for (const at of [11, 20, 28, 36, 44, header + 6, header + 12]) {
      const damaged = Uint8Array.from(LATEST);
      damaged[at] = damaged[at]! ^ 1;
      expect(await problemOf(damaged)).toContain('cannot be read');
    }
  });

  it('that this program writes are within its own limits', async () => {
    const bytes = await writeHdf5(new Map([['loss', { data: new Float32Array(1_000_000) }]]));
    expect(await readHdf5(bytes, (file) => file.numbers('loss').length)).toBe(1_000_000);
  });
});

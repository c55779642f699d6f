/**
 * HDF5 files in memory, through h5wasm (the HDF Group's C library compiled to WebAssembly). The library is 4 MB, so it
 * is loaded when the first file is read or written; its WebAssembly is inside its script, and nothing else is fetched.
 */
import type { Dataset, File, Group } from 'h5wasm';

export class Hdf5Error extends Error {
  override name = 'Hdf5Error';
}

/** Values, row-major, and their shape; without one, a list. */
export interface Hdf5Array {
  readonly data: Float32Array;
  readonly shape?: readonly number[];
}

/** Below this an array is stored as it is: a compressed array needs a chunk index, which is larger. */
const COMPRESSED_FROM = 1024;
const CHUNK_VALUES = 64 * 1024;
const GZIP_LEVEL = 4;

/** "\x89HDF\r\n\x1a\n", at the file's beginning. */
const SIGNATURE = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];

export function isHdf5(bytes: Uint8Array): boolean {
  return SIGNATURE.every((byte, index) => bytes[index] === byte);
}

/** @returns an HDF5 file with these arrays as datasets of its root, float32, the long ones gzip-compressed */
export async function writeHdf5(arrays: ReadonlyMap<string, Hdf5Array>): Promise<Uint8Array<ArrayBuffer>> {
  const { path, library, fileSystem } = await temporaryFile();
  const file = new library.File(path, 'w');
  try {
    for (const [name, { data, shape = [data.length] }] of arrays)
      file.create_dataset({
        name,
        data,
        shape: [...shape],
        ...(data.length < COMPRESSED_FROM
          ? {}
          : { chunks: chunkShape(shape), compression: 'gzip', compression_opts: GZIP_LEVEL }),
      });
    file.flush();
  } finally {
    file.close();
  }
  try {
    return fileSystem.readFile(path) as Uint8Array<ArrayBuffer>;
  } finally {
    fileSystem.unlink(path);
  }
}

/** Whole rows, as many as fit. */
function chunkShape(shape: readonly number[]): number[] {
  const [rows = 1, ...rest] = shape;
  const rowValues = rest.reduce((product, length) => product * length, 1);
  return [Math.max(1, Math.min(rows, Math.floor(CHUNK_VALUES / rowValues))), ...rest];
}

/** A file that is open for reading. */
export interface Hdf5Reader {
  /** Names in the root group. */
  readonly names: readonly string[];
  /** @throws Hdf5Error unless there is a dataset of that name with numbers in it */
  numbers(name: string): number[];
  /** @throws Hdf5Error unless there is a dataset of that name with texts in it */
  texts(name: string): string[];
  /** null when there is no dataset of that name */
  shape(name: string): readonly number[] | null;
}

/**
 * Opens the file for as long as `read` runs.
 * @throws Hdf5Error when it is none
 */
export async function readHdf5<Result>(
  bytes: Uint8Array<ArrayBuffer>,
  read: (file: Hdf5Reader) => Result,
): Promise<Result> {
  if (!isHdf5(bytes)) throw new Hdf5Error('This is no HDF5 file: its first bytes are others.');
  const { path, library, fileSystem } = await temporaryFile();
  fileSystem.writeFile(path, bytes);
  let file: File | undefined;
  try {
    file = new library.File(path, 'r');
    return read(readerOf(file, (entity): entity is Dataset => entity instanceof library.Dataset));
  } catch (error) {
    // The library's errors are plain ones, with the places in its source.
    throw error instanceof Error && error.name !== 'Error'
      ? error
      : new Hdf5Error('The HDF5 file cannot be read: it is cut off or damaged.', { cause: error });
  } finally {
    file?.close();
    fileSystem.unlink(path);
  }
}

function readerOf(group: Group, isDataset: (entity: unknown) => entity is Dataset): Hdf5Reader {
  const names = group.keys();
  const find = (name: string): Dataset | undefined => {
    const entity = names.includes(name) ? group.get(name) : undefined;
    return isDataset(entity) ? entity : undefined;
  };
  const values = (name: string): unknown[] => {
    const dataset = find(name);
    if (!dataset)
      throw new Hdf5Error(
        `The HDF5 file has no dataset "${name}"; it has ${names.join(', ') || 'none at all'}.`,
      );
    const value: unknown = dataset.value;
    return Array.isArray(value) || ArrayBuffer.isView(value)
      ? Array.from(value as ArrayLike<unknown>)
      : [value];
  };
  return {
    names,
    shape: (name) => find(name)?.shape ?? null,
    numbers: (name) =>
      values(name).map((value) => {
        if (typeof value !== 'number' && typeof value !== 'bigint')
          throw new Hdf5Error(`The dataset "${name}" of the HDF5 file holds no numbers.`);
        return Number(value);
      }),
    texts: (name) =>
      values(name).map((value) => {
        if (typeof value !== 'string')
          throw new Hdf5Error(`The dataset "${name}" of the HDF5 file holds no texts.`);
        return value;
      }),
  };
}

let filesMade = 0;

/** In the library's own memory. */
async function temporaryFile() {
  const library = await import('h5wasm');
  const module = await library.ready;
  // Without this, failures are printed on the console and told by negative numbers.
  module.activate_throwing_error_handler();
  return { library: library.h5wasm, fileSystem: module.FS, path: `/${++filesMade}.h5` };
}

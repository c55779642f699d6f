/**
 * HDF5 files in memory, with h5wasm (the HDF Group's C library compiled to WebAssembly). The library has 4 MB, so it
 * is loaded when the first file is read or written. Its WebAssembly is inside its script, and nothing else is fetched.
 * The library verifies the checksums that a file has: Fletcher's for the chunks of a dataset, Jenkins's for the
 * records of newer files.
 *
 * Bounds of reading. The file is copied into the library's memory. All requested data together unpack to at most 32
 * times the size of the file plus 16 MiB, whatever shapes the file states, however many links lead to one dataset, and
 * whatever the fill values are. A chunk is unpacked as a whole and has the same limit. There are at most 50,000 groups
 * and datasets, eight levels deep, with names of at most 1,024 characters. The library cannot be interrupted. If
 * reading must be cancellable, it runs in a worker that can be ended (keras_source.ts).
 */
import type { Dataset, File, Group } from 'h5wasm';
import { unpackingLimitBytes } from './unpacking_limit.ts';
import { quoted } from '../protocol/quoted.ts';

export class Hdf5Error extends Error {
  override name = 'Hdf5Error';
}

/** Values in row-major order, and their shape; a list if there is no shape. */
export interface Hdf5Array {
  readonly data: Float32Array;
  readonly shape?: readonly number[];
}

/** Shorter arrays are not compressed, because the chunk index of a compressed array is larger than they are. */
const COMPRESSED_FROM = 1024;
const CHUNK_VALUES = 64 * 1024;
const GZIP_LEVEL = 4;

/** "\x89HDF\r\n\x1a\n", at the beginning of the file. */
const SIGNATURE = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];

export function isHdf5(bytes: Uint8Array): boolean {
  return SIGNATURE.every((byte, index) => bytes[index] === byte);
}

/** @returns an HDF5 file with these arrays as float32 datasets in its root; long ones are gzip-compressed */
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

/** A chunk has as many whole rows as fit. */
function chunkShape(shape: readonly number[]): number[] {
  const [rows = 1, ...rest] = shape;
  const rowValues = rest.reduce((product, length) => product * length, 1);
  return [Math.max(1, Math.min(rows, Math.floor(CHUNK_VALUES / rowValues))), ...rest];
}

/** A file that is open for reading. */
export interface Hdf5Reader {
  /** Names in the root group. */
  readonly names: readonly string[];
  /** @throws Hdf5Error unless there is a dataset with this name and with numbers */
  numbers(name: string): number[];
  /** @throws Hdf5Error unless there is a dataset with this name and with texts */
  texts(name: string): string[];
  /** null if there is no dataset with this name */
  shape(name: string): readonly number[] | null;
  /** Paths and shapes of all datasets of floating point numbers, in all groups. @throws Hdf5Error for too many */
  datasets(): ReadonlyMap<string, readonly number[]>;
  /** @param path a key of `datasets`. @throws Hdf5Error unless it is a dataset of floating point numbers */
  floats(path: string): Float32Array;
}

const MAXIMUM_DEPTH = 8;
const MAXIMUM_ENTITIES = 50_000;
const MAXIMUM_NAME_LENGTH = 1024;
/** Texts of variable length are read in parts of at most this many. */
const MOST_TEXTS_AT_ONCE = 65_536;
/** The size of a text in a list, without its characters. */
const TEXT_BYTES = 16;
const FLOAT_BYTES = 4;
const NUMBER_BYTES = 8;

/**
 * Opens the file while `read` runs.
 * @throws Hdf5Error if it is not an HDF5 file
 */
export async function readHdf5<Result>(
  bytes: Uint8Array<ArrayBuffer>,
  read: (file: Hdf5Reader) => Result,
): Promise<Result> {
  if (!isHdf5(bytes)) throw new Hdf5Error('This is not an HDF5 file: its first bytes are wrong.');
  const { path, library, fileSystem } = await temporaryFile();
  fileSystem.writeFile(path, bytes);
  let file: File | undefined;
  try {
    file = new library.File(path, 'r');
    return read(
      readerOf(
        file,
        bytes.length,
        (entity): entity is Dataset => entity instanceof library.Dataset,
        (entity): entity is Group => entity instanceof library.Group,
      ),
    );
  } catch (error) {
    // A damaged file can crash the library, but the damage is limited to its own memory.
    isLibraryBroken ||= error instanceof WebAssembly.RuntimeError;
    if (isLibraryBroken)
      throw new Hdf5Error('The HDF5 file cannot be read: it is damaged.', { cause: error });
    // The library throws plain errors with places in its source.
    throw error instanceof Error && error.name !== 'Error'
      ? error
      : new Hdf5Error('The HDF5 file cannot be read: it is cut off or damaged.', { cause: error });
  } finally {
    if (!isLibraryBroken) closeAndRemove(file, () => fileSystem.unlink(path));
  }
}

/** Closing a damaged file may fail, too, but by then the result or its error is known. */
function closeAndRemove(file: File | undefined, remove: () => void): void {
  try {
    file?.close();
    remove();
  } catch (error) {
    isLibraryBroken ||= error instanceof WebAssembly.RuntimeError;
  }
}

function readerOf(
  group: Group,
  fileBytes: number,
  isDataset: (entity: unknown) => entity is Dataset,
  isGroup: (entity: unknown) => entity is Group,
): Hdf5Reader {
  const names = group.keys();
  const find = (name: string): Dataset | undefined => {
    const entity = names.includes(name) ? group.get(name) : undefined;
    return isDataset(entity) ? entity : undefined;
  };
  const limitBytes = unpackingLimitBytes(fileBytes);
  let readBytes = 0;
  /** Call this before reading. @param leastBytes the least memory per value, here or in the library */
  const spend = (dataset: Dataset, leastBytes: number): void => {
    readBytes += unpackedBytes(dataset, leastBytes);
    if (!(readBytes <= limitBytes)) throw tooLarge(fileBytes, readBytes);
  };
  const required = (name: string): Dataset => {
    const dataset = find(name);
    if (dataset) return dataset;
    const found = names.slice(0, 10).map((other) => other.slice(0, 80));
    throw new Hdf5Error(
      `The HDF5 file has no dataset ${quoted(name)}; it has ${found.join(', ') || 'none at all'}${names.length > 10 ? ', …' : ''}.`,
    );
  };
  const listOf = (value: unknown): unknown[] =>
    Array.isArray(value) || ArrayBuffer.isView(value) ? Array.from(value as ArrayLike<unknown>) : [value];
  /** Many texts may be one text in the file, so they are not all read at once. */
  const textsInParts = (dataset: Dataset, name: string): unknown[] => {
    const { shape } = dataset;
    if (shape?.length !== 1)
      throw new Hdf5Error(`The dataset ${quoted(name)} of the HDF5 file is not a list.`);
    const [count] = shape as [number];
    // No text is longer than the file.
    const atOnce = Math.min(Math.floor(limitBytes / fileBytes), MOST_TEXTS_AT_ONCE);
    const texts: unknown[] = [];
    for (let start = 0; start < count; start += atOnce)
      for (const text of listOf(dataset.slice([[start, Math.min(start + atOnce, count)]]))) {
        texts.push(text);
        readBytes += typeof text === 'string' ? text.length : 0;
        if (readBytes > limitBytes) throw tooLarge(fileBytes, readBytes);
      }
    return texts;
  };
  return {
    names,
    datasets() {
      const found = new Map<string, readonly number[]>();
      let entities = 0;
      let totalBytes = 0;
      const walk = (parent: Group, path: string, depth: number): void => {
        for (const name of parent.keys()) {
          // A group may contain itself, which the depth limits. The count limits many groups in many groups.
          if (++entities > MAXIMUM_ENTITIES || depth > MAXIMUM_DEPTH || name.length > MAXIMUM_NAME_LENGTH)
            throw new Hdf5Error('The HDF5 file has too deeply nested groups or too long names.');
          const entity = parent.get(name);
          if (isDataset(entity)) {
            if (!isFloats(entity)) continue;
            // A dataset with many names would be read once per name.
            totalBytes += unpackedBytes(entity, FLOAT_BYTES);
            if (!(totalBytes <= limitBytes)) throw tooLarge(fileBytes, totalBytes);
            found.set(`${path}/${name}`, entity.shape ?? []);
          } else if (isGroup(entity)) walk(entity, `${path}/${name}`, depth + 1);
        }
      };
      walk(group, '', 0);
      return found;
    },
    floats(path) {
      const entity = group.get(path);
      if (!isDataset(entity) || !isFloats(entity))
        throw new Hdf5Error(`The HDF5 file has no dataset ${quoted(path)} of floating point numbers.`);
      spend(entity, FLOAT_BYTES);
      const value: unknown = entity.value;
      return value instanceof Float32Array
        ? value.slice()
        : Float32Array.from(typeof value === 'number' ? [value] : (value as ArrayLike<number>));
    },
    shape: (name) => find(name)?.shape ?? null,
    numbers(name) {
      const dataset = required(name);
      spend(dataset, NUMBER_BYTES);
      return listOf(dataset.value).map((value) => {
        if (typeof value !== 'number' && typeof value !== 'bigint')
          throw new Hdf5Error(`The dataset ${quoted(name)} of the HDF5 file does not contain numbers.`);
        return Number(value);
      });
    },
    texts(name) {
      const dataset = required(name);
      spend(dataset, TEXT_BYTES);
      const values = dataset.metadata.vlen ? textsInParts(dataset, name) : listOf(dataset.value);
      return values.map((value) => {
        if (typeof value !== 'string')
          throw new Hdf5Error(`The dataset ${quoted(name)} of the HDF5 file does not contain text.`);
        return value;
      });
    },
  };
}

/** Whether a dataset has floats of 32 or 64 bits. */
function isFloats({ metadata }: Dataset): boolean {
  return metadata.type === FLOAT_CLASS && (metadata.size === 4 || metadata.size === 8);
}

/** The memory that a dataset, or its largest chunk if that is larger, takes in the library. */
function unpackedBytes({ metadata }: Dataset, leastBytes: number): number {
  const { shape, chunks, size } = metadata;
  const count = (lengths: readonly number[] | null): number =>
    (lengths ?? []).reduce((product, length) => product * length, 1);
  return Math.max(count(shape) * Math.max(size, leastBytes), chunks ? count(chunks) * size : 0);
}

function tooLarge(fileBytes: number, unpackedSize: number): Hdf5Error {
  return new Hdf5Error(
    `The HDF5 file would unpack from ${fileBytes} to ${unpackedSize} bytes. If you trust it, save it again without compression.`,
  );
}

/** H5T_FLOAT */
const FLOAT_CLASS = 1;

let filesMade = 0;
let isLibraryBroken = false;

/** A temporary file in the memory of the library. */
async function temporaryFile() {
  if (isLibraryBroken)
    throw new Hdf5Error(
      'A damaged HDF5 file stopped the HDF5 library. Reload the page, or run the command again.',
    );
  const library = await import('h5wasm');
  const module = await library.ready;
  // Without this, failures are printed on the console and returned as negative numbers.
  module.activate_throwing_error_handler();
  return { library: library.h5wasm, fileSystem: module.FS, path: `/${++filesMade}.h5` };
}

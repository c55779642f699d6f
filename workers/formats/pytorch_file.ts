/**
 * Reads PyTorch's state dicts (`torch.save(model.state_dict())`) without executing their pickle. There are two
 * layouts:
 * - since 1.6, a zip archive: `<name>/data.pkl`, and `<name>/data/<key>` with the values of each storage;
 * - before that, and in the files that facenet-pytorch published: pickles of a magic number, a protocol version,
 *   properties of the machine, the object, and the list of storage keys; then each storage as a count (int64) and its
 *   values. In the object, a tensor is a call of torch._utils._rebuild_tensor_v2(storage, offset, size, stride, …).
 *   https://github.com/pytorch/pytorch/blob/main/torch/serialization.py
 *
 * Bounds. Opening takes time and memory linear in the pickle (see pickle.ts), and visits at most 200,000 values. Each
 * storage must be in the file with the length that the pickle states. The tensors together have at most four times the
 * values of the storages. Reading a tensor takes time linear in the tensor and its storage. A storage that several
 * tensors share is read once and kept. So all tensors together take at most eight times the size of the unpacked file.
 * A signal can cancel reading.
 */
import { elementCount } from '../protocol/tensor.ts';
import { type HostTensor } from '../protocol/tensor.ts';
import { NUMBER_FORMATS } from './float_formats.ts';
import { LongWork } from '../common/long_work.ts';
import {
  PickleCall,
  PickleDict,
  PickleError,
  PickleGlobal,
  PicklePersistentId,
  PickleTuple,
  readPickle,
  type PickleValue,
} from './pickle.ts';
import { ZipError, ZipFile } from './zip_reader.ts';
import { quoted } from '../protocol/quoted.ts';

/** For these networks, the pickle of the object has about 100 kB. */
const MAXIMUM_PICKLE_BYTES = 32 * 1024 * 1024;
/** The limit for one storage. The largest here, a classifier of 85,742 people, has 176 MB. */
const MAXIMUM_STORAGE_BYTES = 1024 * 1024 * 1024;
const MAXIMUM_AXES = 8;
const MAXIMUM_DEPTH = 8;
/** The most values to visit. Without a limit, dicts that repeatedly contain each other would take exponential time. */
const MAXIMUM_VALUES = 200_000;
const MAXIMUM_NAME_LENGTH = 512;
/** Tied weights are two tensors that share one storage. */
const MAXIMUM_SHARING = 4;
const VALUES_BETWEEN_PAUSES = 65_536;

const MAGIC_NUMBER = 0x1950a86a20f9469cfc6cn;
const REBUILD_TENSOR = 'torch._utils._rebuild_tensor_v2';
const REBUILD_PARAMETER = 'torch._utils._rebuild_parameter';
const STORAGE_FORMATS: ReadonlyMap<string, string> = new Map([
  ['torch.FloatStorage', 'F32'],
  ['torch.DoubleStorage', 'F64'],
  ['torch.HalfStorage', 'F16'],
  ['torch.BFloat16Storage', 'BF16'],
  ['torch.LongStorage', 'I64'],
  ['torch.IntStorage', 'I32'],
  ['torch.ShortStorage', 'I16'],
  ['torch.CharStorage', 'I8'],
  ['torch.ByteStorage', 'U8'],
  ['torch.BoolStorage', 'BOOL'],
]);

export class PytorchFileError extends Error {
  override name = 'PytorchFileError';
  constructor(file: string, problem: string) {
    super(
      `${file} cannot be read as a PyTorch state dict: ${problem}. Save only the weights, with torch.save(model.state_dict(), …), and check that the file is complete.`,
    );
  }
}

interface Storage {
  readonly key: string;
  /** The type's name in safetensors. */
  readonly dtype: string;
  /** Number of values. */
  readonly length: number;
}

interface StoredTensor {
  readonly storage: Storage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** Gives access to the values of storages. */
interface StorageReader {
  /** @throws PickleError, ZipError if the storage or a part of it is missing */
  check(storage: Storage): Promise<void> | void;
  /** @throws ZipError */
  read(storage: Storage): Promise<ArrayBuffer>;
}

export class PytorchFile {
  readonly name: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly #reader: StorageReader;
  readonly #signal: AbortSignal | undefined;
  /** Keys of the storages that several tensors share. */
  readonly #shared: ReadonlySet<string>;
  /** The values of shared storages that have been read. */
  readonly #kept = new Map<string, Float32Array<ArrayBuffer>>();

  private constructor(
    name: string,
    tensors: ReadonlyMap<string, StoredTensor>,
    reader: StorageReader,
    signal: AbortSignal | undefined,
  ) {
    this.name = name;
    this.tensors = tensors;
    this.#reader = reader;
    this.#signal = signal;
    const seen = new Set<string>();
    const shared = new Set<string>();
    for (const { storage } of tensors.values()) (seen.has(storage.key) ? shared : seen).add(storage.key);
    this.#shared = shared;
  }

  /**
   * @param signal cancels this, and later reading
   * @throws PytorchFileError, and the signal's reason
   */
  static async open(blob: Blob, name: string, signal?: AbortSignal): Promise<PytorchFile> {
    signal?.throwIfAborted();
    try {
      const head = new Uint8Array(await blob.slice(0, 2).arrayBuffer());
      const isZip = head[0] === 0x50 && head[1] === 0x4b;
      const { tensors, reader } = isZip
        ? await openZip(blob, name, signal)
        : await openLegacy(blob, name, signal);
      const work = new LongWork(signal);
      for (const storage of storagesOf(tensors).values()) {
        await reader.check(storage);
        await work.pause();
      }
      return new PytorchFile(name, tensors, reader, signal);
    } catch (error) {
      throw explained(error, name);
    }
  }

  /** The values as float32, row-major. @throws PytorchFileError, and the signal's reason */
  async read(tensorName: string): Promise<HostTensor> {
    const tensor = this.tensors.get(tensorName);
    if (!tensor) throw new PytorchFileError(this.name, `there is no tensor ${quoted(tensorName)}`);
    const { storage, offset, shape, strides } = tensor;
    const values = await this.#valuesOf(storage, tensorName);
    return { shape, data: await gather(values, offset, shape, strides, new LongWork(this.#signal)) };
  }

  async #valuesOf(storage: Storage, tensorName: string): Promise<Float32Array<ArrayBuffer>> {
    const kept = this.#kept.get(storage.key);
    if (kept) return kept;
    const { bytes, toFloat32 } = NUMBER_FORMATS.get(storage.dtype)!;
    let buffer: ArrayBuffer;
    this.#signal?.throwIfAborted();
    try {
      buffer = await this.#reader.read(storage);
    } catch (error) {
      throw explained(error, this.name);
    }
    if (buffer.byteLength !== storage.length * bytes)
      throw new PytorchFileError(this.name, `the values of ${quoted(tensorName)} are incomplete`);
    const values = toFloat32!(buffer);
    if (this.#shared.has(storage.key)) this.#kept.set(storage.key, values);
    return values;
  }
}

/**
 * Each storage once.
 * @throws PickleError if tensors contradict each other about a storage, or have far more values than the storages
 */
function storagesOf(tensors: ReadonlyMap<string, StoredTensor>): Map<string, Storage> {
  const storages = new Map<string, Storage>();
  let storedValues = 0;
  let tensorValues = 0;
  for (const { storage, shape } of tensors.values()) {
    const { key, dtype, length } = storage;
    const known = storages.get(key);
    if (known && (known.dtype !== dtype || known.length !== length))
      throw new PickleError(`the storage ${quoted(key)} has two lengths or number formats`);
    if (!known) storedValues += length;
    storages.set(key, storage);
    tensorValues += elementCount(shape);
  }
  if (tensorValues > MAXIMUM_SHARING * storedValues)
    throw new PickleError('its tensors have far more values than it stores');
  return storages;
}

function explained(error: unknown, name: string): unknown {
  if (error instanceof PickleError) return new PytorchFileError(name, error.message);
  if (error instanceof ZipError) return new PytorchFileError(name, error.problem);
  return error;
}

function isObjectPickle(entry: string): boolean {
  return /^[^/]+\/data\.pkl$/.test(entry);
}

export function isPytorchArchive(zip: ZipFile): boolean {
  return [...zip.entries.keys()].some(isObjectPickle);
}

interface Opened {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly reader: StorageReader;
}

function bytesOfStorage({ length, dtype }: Storage): number {
  return length * NUMBER_FORMATS.get(dtype)!.bytes;
}

async function openZip(blob: Blob, name: string, signal: AbortSignal | undefined): Promise<Opened> {
  const zip = await ZipFile.open(blob, name, signal);
  const pickleName = [...zip.entries.keys()].find(isObjectPickle);
  if (pickleName === undefined) throw new PytorchFileError(name, 'it is a zip archive without a data.pkl');
  const prefix = pickleName.slice(0, -'data.pkl'.length);
  if (zip.entries.has(`${prefix}byteorder`)) {
    const order = new TextDecoder().decode(await zip.read(`${prefix}byteorder`, 64));
    if (order.trim() !== 'little') throw new PytorchFileError(name, 'its numbers are big-endian');
  }
  if (zip.entries.has(`${prefix}constants.pkl`))
    throw new PytorchFileError(name, 'it is a TorchScript program, not a state dict');
  const bytes = await zip.read(pickleName, MAXIMUM_PICKLE_BYTES);
  const { value } = await readPickle(bytes, isAllowed, 0, new LongWork(signal));
  const entryOf = ({ key }: Storage): string => `${prefix}data/${key}`;
  return {
    tensors: tensorsOf(value),
    reader: {
      check(storage) {
        const entry = zip.entries.get(entryOf(storage));
        if (!entry) throw new PickleError(`${quoted(entryOf(storage))} is not in it`);
        if (entry.sizeBytes !== bytesOfStorage(storage))
          throw new PickleError(`the values in ${quoted(entryOf(storage))} are incomplete`);
      },
      async read(storage) {
        return (await zip.read(entryOf(storage), MAXIMUM_STORAGE_BYTES)).buffer;
      },
    },
  };
}

async function openLegacy(blob: Blob, name: string, signal: AbortSignal | undefined): Promise<Opened> {
  const work = new LongWork(signal);
  // The pickles come first. The values after them are not read here.
  const head = new Uint8Array(await blob.slice(0, MAXIMUM_PICKLE_BYTES).arrayBuffer());
  const magic = await readPickle(head, isAllowed, 0, work);
  if (magic.value !== MAGIC_NUMBER) throw new PytorchFileError(name, 'it is another kind of pickle');
  const version = await readPickle(head, isAllowed, magic.end, work);
  if (version.value !== 1001) throw new PytorchFileError(name, 'its protocol version is unknown');
  const system = await readPickle(head, isAllowed, version.end, work);
  if (system.value instanceof PickleDict && dictValue(system.value, 'little_endian') === false)
    throw new PytorchFileError(name, 'its numbers are big-endian');
  const object = await readPickle(head, isAllowed, system.end, work);
  const keys = await readPickle(head, isAllowed, object.end, work);
  if (!Array.isArray(keys.value) || keys.value.some((key) => typeof key !== 'string'))
    throw new PytorchFileError(name, 'its list of storages is missing');
  const names = keys.value as string[];
  if (new Set(names).size !== names.length)
    throw new PytorchFileError(name, 'its list of storages names one twice');
  const tensors = tensorsOf(object.value);
  const places = await findStorages(blob, names, keys.end, storagesOf(tensors), work);
  return {
    tensors,
    reader: {
      check(storage) {
        const start = places.get(storage.key);
        if (start === undefined) throw new PickleError(`the storage ${quoted(storage.key)} is missing`);
        if (start + bytesOfStorage(storage) > blob.size)
          throw new PickleError(`the storage ${quoted(storage.key)} is incomplete`);
      },
      async read(storage) {
        const start = places.get(storage.key)!;
        return blob.slice(start, start + bytesOfStorage(storage)).arrayBuffer();
      },
    },
  };
}

/** A storage is a count and its values. One that no tensor uses has an unknown size, which ends the search. */
async function findStorages(
  blob: Blob,
  keys: readonly string[],
  start: number,
  storages: ReadonlyMap<string, Storage>,
  work: LongWork,
): Promise<ReadonlyMap<string, number>> {
  const places = new Map<string, number>();
  let at = start;
  for (const key of keys) {
    await work.pause();
    const storage = storages.get(key);
    if (!storage || at + 8 > blob.size) break;
    const count = new DataView(await blob.slice(at, at + 8).arrayBuffer()).getBigInt64(0, true);
    if (count !== BigInt(storage.length)) break;
    places.set(key, at + 8);
    at += 8 + bytesOfStorage(storage);
  }
  return places;
}

function isAllowed(globalName: string): boolean {
  return globalName === REBUILD_TENSOR || globalName === REBUILD_PARAMETER || STORAGE_FORMATS.has(globalName);
}

function dictValue({ entries }: PickleDict, key: string): PickleValue | undefined {
  return entries.find(([name]) => name === key)?.[1];
}

/** @throws PickleError */
function tensorsOf(object: PickleValue): ReadonlyMap<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  collectTensors(object, '', tensors, 0, { count: 0 });
  return tensors;
}

/** The keys of nested dicts, as in checkpoints, are joined with dots. */
function collectTensors(
  value: PickleValue,
  path: string,
  tensors: Map<string, StoredTensor>,
  depth: number,
  seen: { count: number },
): void {
  if (++seen.count > MAXIMUM_VALUES) throw new PickleError('it has too many values');
  if (path.length > MAXIMUM_NAME_LENGTH) throw new PickleError('the name of a tensor is too long');
  if (value instanceof PickleDict) {
    if (depth > MAXIMUM_DEPTH) throw new PickleError('its dicts are nested too deeply');
    for (const [key, item] of value.entries)
      if (typeof key === 'string')
        collectTensors(item, path === '' ? key : `${path}.${key}`, tensors, depth + 1, seen);
      else if (++seen.count > MAXIMUM_VALUES) throw new PickleError('it has too many values');
    return;
  }
  const tensor = tensorOf(value, path);
  if (!tensor) return;
  if (tensors.has(path)) throw new PickleError(`it has the tensor ${quoted(path)} twice`);
  tensors.set(path, tensor);
}

/** undefined if it is not a tensor. @throws PickleError for an invalid tensor */
function tensorOf(value: PickleValue, name: string): StoredTensor | undefined {
  if (!(value instanceof PickleCall)) return undefined;
  // A parameter contains a tensor, never another parameter.
  const inner = value.callee === REBUILD_PARAMETER ? value.args[0] : value;
  if (!(inner instanceof PickleCall) || inner.callee !== REBUILD_TENSOR) return undefined;
  const [storageId, offset, size, stride] = inner.args;
  const storage = storageOf(storageId);
  const shape = sizesOf(size);
  const strides = sizesOf(stride);
  const fail = (problem: string): PickleError => new PickleError(`the tensor ${quoted(name)} ${problem}`);
  if (!storage) throw fail('has no storage');
  if (!shape || !strides || shape.length !== strides.length || typeof offset !== 'number' || !isSize(offset))
    throw fail('has no valid shape');
  const count = elementCount(shape);
  // Without this check, a stride of zero could expand one value to terabytes.
  if (!Number.isSafeInteger(count) || count > storage.length) throw fail('is larger than its storage');
  const last = shape.reduce((sum, length, axis) => sum + (length - 1) * strides[axis]!, offset);
  if (count > 0 && !(last < storage.length)) throw fail('reaches over the end of its storage');
  return { storage, offset, shape, strides };
}

/** ('storage', torch.FloatStorage, key, location, number of values[, view]) */
function storageOf(value: PickleValue | undefined): Storage | undefined {
  if (!(value instanceof PicklePersistentId) || !(value.id instanceof PickleTuple)) return undefined;
  const [kind, type, key, , length] = value.id.items;
  const dtype = type instanceof PickleGlobal ? STORAGE_FORMATS.get(type.name) : undefined;
  if (kind !== 'storage' || dtype === undefined || typeof key !== 'string') return undefined;
  if (typeof length !== 'number' || !isSize(length)) return undefined;
  return length * NUMBER_FORMATS.get(dtype)!.bytes <= MAXIMUM_STORAGE_BYTES
    ? { key, dtype, length }
    : undefined;
}

function sizesOf(value: PickleValue | undefined): number[] | undefined {
  if (!(value instanceof PickleTuple) || value.items.length > MAXIMUM_AXES) return undefined;
  const sizes = value.items.filter((item): item is number => typeof item === 'number' && isSize(item));
  return sizes.length === value.items.length ? sizes : undefined;
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

async function gather(
  values: Float32Array<ArrayBuffer>,
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
  work: LongWork,
): Promise<Float32Array> {
  const count = elementCount(shape);
  let expected = 1;
  let isContiguous = true;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) isContiguous = false;
    expected *= shape[axis]!;
  }
  if (isContiguous) return values.slice(offset, offset + count);
  const result = new Float32Array(count);
  for (let index = 0; index < count; index++) {
    if (index % VALUES_BETWEEN_PAUSES === 0) await work.pause();
    let rest = index;
    let from = offset;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += (rest % shape[axis]!) * strides[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    result[index] = values[from]!;
  }
  return result;
}

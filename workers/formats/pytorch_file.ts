/**
 * PyTorch's state dicts (`torch.save(model.state_dict())`), read without executing their pickle. Both layouts:
 * - since 1.6 a zip archive: `<name>/data.pkl`, and `<name>/data/<key>` with the values of each storage;
 * - before it, as facenet-pytorch's own published files are: pickles of a magic number, a protocol version, facts of
 *   the machine, the object, and the list of storage keys, then each storage as a count (int64) and its values.
 * In the object a tensor is a call of torch._utils._rebuild_tensor_v2(storage, offset, size, stride, …).
 * https://github.com/pytorch/pytorch/blob/main/torch/serialization.py
 */
import { elementCount, type HostTensor } from '../graph/tensor.ts';
import { NUMBER_FORMATS } from './float_formats.ts';
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

/** The object's pickle has about 100 kB for these networks. */
const MAXIMUM_PICKLE_BYTES = 32 * 1024 * 1024;
/** Of one storage; the largest of these networks, the classifier of 85,742 people, has 176 MB. */
const MAXIMUM_STORAGE_BYTES = 1024 * 1024 * 1024;
const MAXIMUM_AXES = 8;
const MAXIMUM_DEPTH = 8;
/** One dict may be in another several times, and that one in a third: what is looked at is counted. */
const MAXIMUM_VALUES = 200_000;
const MAXIMUM_NAME_LENGTH = 512;

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
      `${file} cannot be read as a PyTorch state dict: ${problem}. Save the weights alone, with torch.save(model.state_dict(), …), and check that the file is whole.`,
    );
  }
}

interface Storage {
  readonly key: string;
  /** As safetensors names it. */
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

export class PytorchFile {
  readonly name: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly #readStorage: (storage: Storage) => Promise<ArrayBuffer>;

  private constructor(
    name: string,
    tensors: ReadonlyMap<string, StoredTensor>,
    readStorage: (storage: Storage) => Promise<ArrayBuffer>,
  ) {
    this.name = name;
    this.tensors = tensors;
    this.#readStorage = readStorage;
  }

  /** @throws PytorchFileError */
  static async open(blob: Blob, name: string): Promise<PytorchFile> {
    try {
      const head = new Uint8Array(await blob.slice(0, 2).arrayBuffer());
      return head[0] === 0x50 && head[1] === 0x4b ? await openZip(blob, name) : await openLegacy(blob, name);
    } catch (error) {
      throw explained(error, name);
    }
  }

  /** @internal */
  static of(
    name: string,
    object: PickleValue,
    readStorage: (storage: Storage) => Promise<ArrayBuffer>,
  ): PytorchFile {
    const tensors = new Map<string, StoredTensor>();
    collectTensors(object, '', tensors, 0, { count: 0 });
    return new PytorchFile(name, tensors, readStorage);
  }

  /** As float32, row-major. @throws PytorchFileError */
  async read(tensorName: string): Promise<HostTensor> {
    const tensor = this.tensors.get(tensorName);
    if (!tensor) throw new PytorchFileError(this.name, `there is no tensor "${tensorName}"`);
    const { storage, offset, shape, strides } = tensor;
    const { bytes, toFloat32 } = NUMBER_FORMATS.get(storage.dtype)!;
    let buffer: ArrayBuffer;
    try {
      buffer = await this.#readStorage(storage);
    } catch (error) {
      throw explained(error, this.name);
    }
    if (buffer.byteLength !== storage.length * bytes)
      throw new PytorchFileError(this.name, `the values of "${tensorName.slice(0, 80)}" are not whole`);
    const values = toFloat32!(buffer);
    return { shape, data: gather(values, offset, shape, strides) };
  }
}

function explained(error: unknown, name: string): unknown {
  if (error instanceof PickleError) return new PytorchFileError(name, error.message);
  if (error instanceof ZipError)
    return new PytorchFileError(name, error.message.replace(/^.*?archive: /, ''));
  return error;
}

function isObjectPickle(entry: string): boolean {
  return /^[^/]+\/data\.pkl$/.test(entry);
}

export function isPytorchArchive(zip: ZipFile): boolean {
  return [...zip.entries.keys()].some(isObjectPickle);
}

async function openZip(blob: Blob, name: string): Promise<PytorchFile> {
  const zip = await ZipFile.open(blob, name);
  const pickleName = [...zip.entries.keys()].find(isObjectPickle);
  if (pickleName === undefined) throw new PytorchFileError(name, 'it is a zip archive without a data.pkl');
  const prefix = pickleName.slice(0, -'data.pkl'.length);
  if (zip.entries.has(`${prefix}byteorder`)) {
    const order = new TextDecoder().decode(await zip.read(`${prefix}byteorder`, 64));
    if (order.trim() !== 'little') throw new PytorchFileError(name, 'its numbers are big-endian');
  }
  if (zip.entries.has(`${prefix}constants.pkl`))
    throw new PytorchFileError(name, 'it is a TorchScript program, not a state dict');
  const { value } = readPickle(await zip.read(pickleName, MAXIMUM_PICKLE_BYTES), isAllowed);
  return PytorchFile.of(name, value, async ({ key }) => {
    return (await zip.read(`${prefix}data/${key}`, MAXIMUM_STORAGE_BYTES)).buffer;
  });
}

async function openLegacy(blob: Blob, name: string): Promise<PytorchFile> {
  // The pickles come first; the values behind them are not read here.
  const head = new Uint8Array(await blob.slice(0, MAXIMUM_PICKLE_BYTES).arrayBuffer());
  const magic = readPickle(head, isAllowed);
  if (magic.value !== MAGIC_NUMBER) throw new PytorchFileError(name, 'it is another kind of pickle');
  const version = readPickle(head, isAllowed, magic.end);
  if (version.value !== 1001) throw new PytorchFileError(name, 'its protocol version is unknown');
  const system = readPickle(head, isAllowed, version.end);
  if (system.value instanceof PickleDict && dictValue(system.value, 'little_endian') === false)
    throw new PytorchFileError(name, 'its numbers are big-endian');
  const object = readPickle(head, isAllowed, system.end);
  const keys = readPickle(head, isAllowed, object.end);
  if (!Array.isArray(keys.value) || keys.value.some((key) => typeof key !== 'string'))
    throw new PytorchFileError(name, 'its list of storages is missing');
  let places: Promise<ReadonlyMap<string, number>> | undefined;
  const file = PytorchFile.of(name, object.value, async (storage) => {
    const sizes = new Map([...file.tensors.values()].map((tensor) => [tensor.storage.key, tensor.storage]));
    places ??= findStorages(blob, keys.value as string[], keys.end, sizes);
    const start = (await places).get(storage.key);
    if (start === undefined) throw new PytorchFileError(name, `the storage ${storage.key} is missing`);
    const bytes = storage.length * NUMBER_FORMATS.get(storage.dtype)!.bytes;
    return blob.slice(start, start + bytes).arrayBuffer();
  });
  return file;
}

/** Each is a count and its values; one that no tensor uses has an unknown size, and ends the search. */
async function findStorages(
  blob: Blob,
  keys: readonly string[],
  start: number,
  storages: ReadonlyMap<string, Storage>,
): Promise<ReadonlyMap<string, number>> {
  const places = new Map<string, number>();
  let at = start;
  for (const key of keys) {
    const storage = storages.get(key);
    if (!storage || at + 8 > blob.size) break;
    const count = new DataView(await blob.slice(at, at + 8).arrayBuffer()).getBigInt64(0, true);
    if (count !== BigInt(storage.length)) break;
    places.set(key, at + 8);
    at += 8 + storage.length * NUMBER_FORMATS.get(storage.dtype)!.bytes;
  }
  return places;
}

function isAllowed(globalName: string): boolean {
  return globalName === REBUILD_TENSOR || globalName === REBUILD_PARAMETER || STORAGE_FORMATS.has(globalName);
}

function dictValue({ entries }: PickleDict, key: string): PickleValue | undefined {
  return entries.find(([name]) => name === key)?.[1];
}

/** Dicts in dicts, as checkpoints have them, give names with dots between. */
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
    return;
  }
  const tensor = tensorOf(value, path);
  if (!tensor) return;
  if (tensors.has(path)) throw new PickleError(`it has the tensor "${path.slice(0, 80)}" twice`);
  tensors.set(path, tensor);
}

/** Undefined for what is no tensor. @throws PickleError for one that cannot be */
function tensorOf(value: PickleValue, name: string): StoredTensor | undefined {
  if (!(value instanceof PickleCall)) return undefined;
  if (value.callee === REBUILD_PARAMETER) return tensorOf(value.args[0] ?? null, name);
  if (value.callee !== REBUILD_TENSOR) return undefined;
  const [storageId, offset, size, stride] = value.args;
  const storage = storageOf(storageId);
  const shape = sizesOf(size);
  const strides = sizesOf(stride);
  const fail = (problem: string): PickleError =>
    new PickleError(`the tensor "${name.slice(0, 80)}" ${problem}`);
  if (!storage) throw fail('has no storage');
  if (!shape || !strides || shape.length !== strides.length || typeof offset !== 'number' || !isSize(offset))
    throw fail('has no valid shape');
  const count = elementCount(shape);
  // A stride of zero could make terabytes of one value.
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

function gather(
  values: Float32Array<ArrayBuffer>,
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
): Float32Array {
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
